/**
 * Several governors, each with an actor system and a Redis connection of its own as processes have
 * them, over one real Redis, in real time and with Discord's real windows: the simulator's limits
 * are the judge.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { type IdentifyStatus, identify } from '../../actors/identify/actor.ts';
import type { IdentifyLedger } from '../../actors/identify/ports.ts';
import type { IdentifyNotice } from '../../actors/identify/state.ts';
import { createActorSystem } from '../../actors/runtime.ts';
import type { ActorRef } from '../../protocols/actor.ts';
import type { IdentifyMessage, ShardMessage } from '../../protocols/gateway/messages.ts';
import { IDENTIFY_LEDGER_BACKOFF } from '../../protocols/limits.ts';
import { ledgerName } from '../../src/gateway/identify/open-ledger.ts';
import { redisLedger } from '../../src/gateway/identify/redis-ledger.ts';
import { RedisDoor } from '../../src/gateway/stores/redis-door.ts';
import { createRandom } from '../../src/random.ts';
import { IdentifyLimits } from '../../src/simulator/gateway/identify-limits.ts';
import { GATEWAY_DEFAULTS } from '../../src/simulator/gateway/options.ts';
import { systemClock } from '../../src/system-clock.ts';
import { until } from '../support/broker-bench.ts';
import { starts } from '../support/governor-bench.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { placeOf } from '../support/redis-bench.ts';
import { startServer } from '../support/servers.ts';
import { redisUrl } from '../support/shared-servers.ts';

const TIMEOUT_MS = 120_000;
const cleanups: (() => unknown)[] = [];

afterAll(async () => {
  for (const cleanup of cleanups) await cleanup();
});

/** Counts what Discord would have refused. */
class Judge {
  readonly sent: number[] = [];
  breaches = 0;
  readonly #limits: IdentifyLimits;

  constructor(maxConcurrency: number, perDay: number) {
    this.#limits = new IdentifyLimits(systemClock, {
      ...GATEWAY_DEFAULTS,
      maxConcurrency,
      identifiesPerDay: perDay,
      identifiesRemaining: perDay,
    });
  }

  identify(shard: number): void {
    this.sent.push(shard);
    if (!this.#limits.spend() || !this.#limits.admit(shard)) this.breaches++;
  }
}

type ProcessOptions = {
  readonly url: string;
  readonly name: string;
  readonly shards: readonly number[];
  readonly maxConcurrency: number;
  readonly total: number;
  readonly floor?: number;
  readonly share?: number;
  readonly judge: Judge;
};

function startProcess(options: ProcessOptions) {
  const { shards, judge, maxConcurrency, total } = options;
  const system = createActorSystem({
    name: `process-${shards[0]}`,
    clock: systemClock,
    random: createRandom(shards[0] ?? 0),
    log: new RecordingLog(),
  });
  const door = new RedisDoor(placeOf(options.url), systemClock);
  const ledger: IdentifyLedger = redisLedger({ door, name: options.name, owner: randomUUID() });
  const notices: IdentifyNotice[] = [];
  let status: IdentifyStatus | undefined;
  const known = starts({ total, remaining: total, maxConcurrency });
  const governor: ActorRef<IdentifyMessage> = system.spawn(
    'identify',
    identify({
      rules: { floor: options.floor ?? 0, share: options.share ?? 1 / 3 },
      known: { starts: known, owed: 0 },
      ledger,
      askDiscord: async () => known,
      onStatus: (latest) => {
        status = latest;
      },
      onNotice: (notice) => notices.push(notice),
    }),
  );
  const request = (shard: number): void => {
    const from: ActorRef<ShardMessage> = system.spawn(`shard-${shard}-${randomUUID()}`, {
      start: () => undefined,
      receive(_state, message) {
        if (message.type === 'prepare') governor.tell({ type: 'prepared', shard });
        if (message.type === 'permitted') {
          judge.identify(shard);
          governor.tell({ type: 'used', shard });
        }
        return undefined;
      },
    });
    governor.tell({ type: 'request', shard, from });
  };
  cleanups.push(async () => {
    await system.stop();
    door.close();
  });
  for (const shard of shards) request(shard);
  return { notices, request, status: () => status };
}

describe('several gateways over one Redis', () => {
  it('GP-29: identify all their shards with no breach of window or budget', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const maxConcurrency = 6;
    const judge = new Judge(maxConcurrency, 40);
    const name = ledgerName(`shared ${randomUUID()}`, '1');
    const common = { url: redisUrl(), name, maxConcurrency, total: 40, judge };
    const processes = [0, 1, 2].map((first) =>
      // Each key is wanted by two processes.
      startProcess({ ...common, shards: [0, 1, 2, 3].map((step) => (first * 4 + step) % 12) }),
    );
    await until('all have identified', () => judge.sent.length === 12, TIMEOUT_MS);
    expect([...judge.sent].sort((left, right) => left - right)).toEqual(
      Array.from({ length: 12 }, (_, shard) => shard),
    );
    expect(judge.breaches).toBe(0);
    expect(processes.flatMap(({ notices }) => notices)).toEqual([]);
    const remaining = processes.map((each) => each.status()?.starts.remaining ?? 0);
    expect(Math.min(...remaining)).toBe(28);
  });

  it('GP-33: none of them goes below the floor of the budget that they share', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const maxConcurrency = 32;
    const judge = new Judge(maxConcurrency, 10);
    const name = ledgerName(`floor ${randomUUID()}`, '1');
    const common = { url: redisUrl(), name, maxConcurrency, total: 10, floor: 4, judge };
    // Each wants more than the six that may be spent, so that none of them is content.
    const processes = [0, 7, 14].map((first) =>
      startProcess({ ...common, shards: [0, 1, 2, 3, 4, 5, 6].map((step) => first + step) }),
    );
    await until(
      'all have come to the floor',
      () => processes.every(({ notices }) => notices.some(({ kind }) => kind === 'floor')),
      TIMEOUT_MS,
    );
    await sleep(200);
    expect(judge.sent).toHaveLength(6);
    expect(judge.breaches).toBe(0);
  });

  it('GP-35: a Redis that dies stops nobody for good, and is told what was spent when it is back', {
    timeout: TIMEOUT_MS,
  }, async () => {
    const server = await startServer('redis');
    cleanups.push(() => server.stop());
    const judge = new Judge(8, 100);
    const name = ledgerName('dying', '1');
    const common = { url: server.url, name, maxConcurrency: 8, total: 100, share: 1, judge };
    const process = startProcess({ ...common, shards: [0, 1] });
    await until('both have identified', () => judge.sent.length === 2, TIMEOUT_MS);
    await server.kill();
    process.request(2);
    await until('it goes on alone', () => judge.sent.length === 3, TIMEOUT_MS);
    await server.restart();
    // Until its next question is due, the governor goes on alone.
    await sleep(IDENTIFY_LEDGER_BACKOFF.maxMs / 5);
    process.request(3);
    await until('the ledger is back', () => process.notices.length >= 2, TIMEOUT_MS);
    await until('the last has identified', () => judge.sent.length === 4, TIMEOUT_MS);
    // The server has lost its memory with its life: what was spent is known here.
    const kinds = process.notices.map(({ kind }) => kind);
    expect(kinds).toEqual(['ledger-away', 'ledger-back', 'ledger-forgot']);
    expect(process.status()?.starts.remaining).toBeLessThanOrEqual(96);
    expect(process.status()?.owed).toBe(0);
    expect(judge.breaches).toBe(0);
  });
});
