/** The connection machine in each of its phases, and what the tests of it look for in its deeds. */
import type { ConnectionEnd } from '../../protocols/gateway/messages.ts';
import { ConnectionBench, type Deed } from './gateway-connection.ts';

export const INTERVAL_MS = 30_000;

export const opening = (): ConnectionBench => new ConnectionBench();
export const greeting = (): ConnectionBench => {
  const bench = opening();
  bench.tell({ type: 'opened' });
  return bench;
};
export const greeted = (): ConnectionBench => opening().greet(INTERVAL_MS);
export const identifying = (): ConnectionBench => greeted().identify();
export const resuming = (): ConnectionBench => greeted().resume();
export const live = (): ConnectionBench => identifying().ready();
export const closing = (): ConnectionBench => {
  const bench = live();
  bench.frame({ kind: 'reconnect' });
  return bench;
};
export const ended = (): ConnectionBench => {
  const bench = live();
  bench.tell({ type: 'closed', code: 1006, detail: '' });
  return bench;
};

export const BEFORE_HELLO = { opening, greeting };
export const OPEN = { ...BEFORE_HELLO, greeted, identifying, resuming, live };
export const PHASES = { ...OPEN, closing, ended };

/** A bench in the phase, with its past forgotten. */
export function inPhase(create: () => ConnectionBench): ConnectionBench {
  const bench = create();
  bench.taken();
  return bench;
}

export const endOf = (bench: ConnectionBench): ConnectionEnd | undefined =>
  bench.state.phase === 'ended' ? bench.state.ending : undefined;

export const heartbeats = (deeds: readonly Deed[]): number[] =>
  deeds.filter(({ effect }) => effect.type === 'send-heartbeat').map(({ atMs }) => atMs);

export const isSent = ({ effect }: Deed): boolean => effect.type.startsWith('send-');

/** Acknowledges each heartbeat as soon as the next one is due, which is as late as may be. */
export function acknowledged(bench: ConnectionBench): () => void {
  return () => bench.frame({ kind: 'heartbeat-ack' });
}
