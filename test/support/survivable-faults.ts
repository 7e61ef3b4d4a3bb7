/** Faults of connections that a session survives, drawn from a seed. */
import { createRandom } from '../../src/random.ts';
import type { Fault, TimedFault } from '../../src/simulator/index.ts';

/** One of each kind. A test adds those that it wants oftener, or besides. */
export const SURVIVABLE_FAULTS: readonly Fault[] = [
  { fault: 'drop' },
  { fault: 'truncate' },
  { fault: 'garbage', kind: 'bytes' },
  { fault: 'garbage', kind: 'json' },
  { fault: 'reconnect', closeAfterMs: 300 },
  { fault: 'close', code: 4000 },
  { fault: 'half-open' },
  { fault: 'heartbeat-request' },
  { fault: 'split', pieces: 3, messages: 20 },
  { fault: 'repeat' },
  { fault: 'key-order', durationMs: 500 },
  { fault: 'unknown-event' },
];

export type Trouble = {
  readonly seed: number;
  readonly count: number;
  /** Within this. */
  readonly troubleMs: number;
  /** The likelier the more often it stands here. */
  readonly faults: readonly Fault[];
  /** Whom each strikes. */
  readonly shardOf: (index: number, upTo: (limit: number) => number) => number;
};

export function drawTrouble(trouble: Trouble): readonly TimedFault[] {
  const { seed, count, troubleMs, faults, shardOf } = trouble;
  const random = createRandom(seed);
  const upTo = (limit: number): number => Math.floor(random() * limit);
  return Array.from({ length: count }, (_, index) => {
    const fault = faults[upTo(faults.length)] ?? { fault: 'drop' };
    return { ...fault, shard: shardOf(index, upTo), atMs: upTo(troubleMs) };
  });
}
