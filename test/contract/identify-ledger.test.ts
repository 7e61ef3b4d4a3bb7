/**
 * One suite over every ledger of session starts: in memory, in a file, in Redis and in a Redis
 * cluster. The spans are short, and each ledger goes by its own clock, so that what is asserted is
 * order and "not before", never "by then".
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LedgerSpans } from '../../actors/identify/book.ts';
import type { IdentifyLedger, TakeRequest } from '../../actors/identify/ports.ts';
import type { SessionStarts } from '../../protocols/gateway/identify.ts';
import { IDENTIFY_LEDGER_KEPT_MS } from '../../protocols/limits.ts';
import { fileLedger } from '../../src/gateway/identify/file-ledger.ts';
import { localLedger } from '../../src/gateway/identify/local-ledger.ts';
import { ledgerName } from '../../src/gateway/identify/open-ledger.ts';
import { redisLedger } from '../../src/gateway/identify/redis-ledger.ts';
import { RedisDoor } from '../../src/gateway/stores/redis-door.ts';
import { systemClock } from '../../src/system-clock.ts';
import { starts } from '../support/governor-bench.ts';
import { placeOf } from '../support/redis-bench.ts';
import { startCluster, type TestCluster } from '../support/redis-cluster.ts';
import { redisUrl } from '../support/shared-servers.ts';

/** A lease that no test waits for, unless it says so. */
const SPANS: LedgerSpans = { windowMs: 1_000, leaseMs: 60_000, periodMs: 3_600_000 };

/** Where processes meet: each call of `open` is another process. */
type Place = {
  open(spans?: LedgerSpans): IdentifyLedger;
  readonly isShared: boolean;
  /** Takes its memory away. */
  forget(): Promise<unknown>;
};

let folder: string;
const doors: RedisDoor[] = [];
let cluster: Promise<TestCluster> | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spectacles-identify-'));
});

afterAll(async () => {
  for (const door of doors) door.close();
  await rm(folder, { recursive: true });
  await (await cluster)?.stop();
});

const redisPlaceFor = (open: () => RedisDoor): Place => {
  const name = ledgerName(`test ${randomUUID()}`, '1');
  return {
    isShared: true,
    open(spans = SPANS) {
      const door = open();
      doors.push(door);
      return redisLedger({ door, name, owner: randomUUID(), spans });
    },
    forget() {
      const door = open();
      doors.push(door);
      return door.run("return redis.call('DEL', KEYS[1])", name, []);
    },
  };
};

const PLACES: Readonly<Record<string, () => Place | Promise<Place>>> = {
  memory: () => ({
    isShared: false,
    open: (spans = SPANS) => localLedger(systemClock, spans),
    forget: async () => undefined,
  }),
  file() {
    const path = join(folder, randomUUID());
    const clock = systemClock;
    return {
      isShared: true,
      open: (spans = SPANS) => fileLedger({ path, name: 'a', owner: randomUUID(), clock, spans }),
      forget: () => rm(path),
    };
  },
  Redis: () => redisPlaceFor(() => new RedisDoor(placeOf(redisUrl()), systemClock)),
  async 'a Redis cluster'() {
    cluster ??= startCluster();
    const { place } = await cluster;
    return redisPlaceFor(() => new RedisDoor(place, systemClock));
  },
};

function request(shard: number, given: Partial<TakeRequest> = {}): TakeRequest {
  return { shard, floor: 0, owed: 0, known: starts(), ...given };
}

async function kinds(
  ledger: IdentifyLedger,
  shards: readonly number[],
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const shard of shards) found.push((await ledger.take(request(shard))).kind);
  return found;
}

async function left(ledger: IdentifyLedger): Promise<SessionStarts> {
  return (await ledger.take(request(0, { floor: Number.MAX_SAFE_INTEGER }))).starts;
}

describe.each(Object.keys(PLACES))(
  'the ledger of session starts in %s',
  { concurrent: true },
  (name) => {
    const place = async (): Promise<Place> => (PLACES[name] ?? PLACES.memory)?.() as Place;

    it('grants one permit of a key, and of the budget one for each', async () => {
      const ledger = (await place()).open();
      await ledger.learn(starts({ maxConcurrency: 2, remaining: 10, total: 10 }));
      expect(await kinds(ledger, [0, 1, 2, 3])).toEqual(['granted', 'granted', 'wait', 'wait']);
      const answer = await ledger.take(request(4));
      expect(answer).toMatchObject({ kind: 'wait', starts: { remaining: 8 } });
      // A holder may have sent by then; nobody waits for the whole of a lease.
      if (answer.kind === 'wait') expect(answer.waitMs).toBeLessThanOrEqual(SPANS.windowMs);
    });

    it('GP-27: grants one of many that ask at the same moment', async () => {
      const ledger = (await place()).open();
      await ledger.learn(starts());
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, shard) => ledger.take(request(shard))),
      );
      expect(answers.filter(({ kind }) => kind === 'granted')).toHaveLength(1);
    });

    it('can be asked whether it is there, which changes nothing', async () => {
      const ledger = (await place()).open();
      await ledger.reach();
      await ledger.learn(starts({ maxConcurrency: 2, remaining: 7, total: 10, begun: true }));
      const before = await left(ledger);
      await ledger.reach();
      const after = await left(ledger);
      expect({ ...after, resetInMs: 0 }).toEqual({ ...before, resetInMs: 0 });
      expect(after.remaining).toBe(7);
    });

    it('opens a key one window after its IDENTIFY was sent', async () => {
      const ledger = (await place()).open();
      await ledger.learn(starts());
      expect(await kinds(ledger, [0])).toEqual(['granted']);
      await ledger.sent(0);
      const answer = await ledger.take(request(1));
      if (answer.kind !== 'wait') throw new Error(answer.kind);
      expect(answer.waitMs).toBeLessThanOrEqual(SPANS.windowMs);
      await sleep(answer.waitMs + 20);
      expect(await kinds(ledger, [1])).toEqual(['granted']);
    });

    it('opens a key whose holder says nothing when its lease has run out', async () => {
      const ledger = (await place()).open({ ...SPANS, leaseMs: 1_000 });
      await ledger.learn(starts());
      expect(await kinds(ledger, [0, 1])).toEqual(['granted', 'wait']);
      await sleep(1_020);
      expect(await kinds(ledger, [1])).toEqual(['granted']);
    });

    it('GP-34: has window and budget as before when a permit is given back', async () => {
      const ledger = (await place()).open();
      await ledger.learn(starts({ remaining: 5, total: 5 }));
      expect(await kinds(ledger, [0])).toEqual(['granted']);
      await ledger.giveBack(0);
      await ledger.giveBack(0);
      const answer = await ledger.take(request(1));
      expect(answer).toMatchObject({ kind: 'granted', starts: { remaining: 4 } });
    });

    it('keeps what is to be kept of the budget, and subtracts what was spent without it', async () => {
      const ledger = (await place()).open();
      await ledger.learn(starts({ remaining: 9, total: 10, maxConcurrency: 8, begun: false }));
      expect((await ledger.take(request(0, { floor: 5, owed: 3 }))).kind).toBe('granted');
      expect(await ledger.take(request(1, { floor: 5 }))).toMatchObject({
        kind: 'floor',
        starts: { remaining: 5 },
      });
    });

    it('is lowered by Discord’s word, and not raised within a day', async () => {
      const ledger = (await place()).open();
      await ledger.learn(starts({ remaining: 700, begun: true, resetInMs: 1_000_000 }));
      await ledger.learn(starts({ remaining: 600, begun: true, resetInMs: 1_000_000 }));
      await ledger.learn(starts({ remaining: 800, begun: true, resetInMs: 1_000_000 }));
      expect((await left(ledger)).remaining).toBe(600);
      // A day that ends later than the one that is known is another day.
      await ledger.learn(starts({ remaining: 900, begun: true, resetInMs: 3_000_000 }));
      expect((await left(ledger)).remaining).toBe(900);
    });

    it('closes every key for a window when Discord’s word lowers it, and for no other word', async () => {
      const ledger = (await place()).open();
      const word = { maxConcurrency: 3, begun: true, resetInMs: 1_000_000 };
      await ledger.learn(starts({ ...word, remaining: 700, begun: false }));
      expect(await kinds(ledger, [0])).toEqual(['granted']);
      // Discord has not counted the permit yet, and then it has.
      await ledger.learn(starts({ ...word, remaining: 700 }));
      await ledger.learn(starts({ ...word, remaining: 699 }));
      expect(await kinds(ledger, [1])).toEqual(['granted']);
      await ledger.learn(starts({ ...word, remaining: 697 }));
      await ledger.giveBack(1);
      expect(await kinds(ledger, [0, 1, 2])).toEqual(['wait', 'wait', 'wait']);
      await sleep(SPANS.windowMs + 20);
      expect(await kinds(ledger, [0, 1, 2])).toEqual(['wait', 'granted', 'granted']);
    });

    it('renews the budget when the day is over, and begins the next with its first IDENTIFY', async () => {
      const ledger = (await place()).open({ ...SPANS, windowMs: 0 });
      await ledger.learn(starts({ total: 3, remaining: 0, begun: true, resetInMs: 1_000 }));
      expect((await ledger.take(request(0))).kind).toBe('floor');
      await sleep(1_020);
      const answer = await ledger.take(request(0));
      expect(answer).toMatchObject({ kind: 'granted', starts: { remaining: 2, begun: false } });
      // A clock with fractions of a millisecond rounds.
      expect(answer.starts.resetInMs).toBeCloseTo(SPANS.leaseMs + SPANS.periodMs, 3);
      await ledger.sent(0);
      expect((await left(ledger)).begun).toBe(true);
    });

    it('GP-36: takes a changed max_concurrency, with every key closed until all old ones are open', async () => {
      const ledger = (await place()).open();
      await ledger.learn(starts({ maxConcurrency: 4 }));
      expect(await kinds(ledger, [0, 1])).toEqual(['granted', 'granted']);
      await ledger.sent(0);
      await ledger.sent(1);
      await ledger.learn(starts({ remaining: 998, begun: true, maxConcurrency: 2 }));
      const answer = await ledger.take(request(3));
      expect(answer).toMatchObject({ kind: 'wait', starts: { maxConcurrency: 2 } });
      await sleep(SPANS.windowMs + 20);
      expect(await kinds(ledger, [3, 2, 5])).toEqual(['granted', 'granted', 'wait']);
    });

    it('begins with a window of silence if somebody has identified today, without memory of it', async () => {
      const told = (await place()).open();
      await told.learn(starts({ remaining: 999, begun: true }));
      expect(await kinds(told, [0])).toEqual(['wait']);
      const fresh = (await place()).open();
      await fresh.learn(starts());
      expect(await kinds(fresh, [0])).toEqual(['granted']);
    });

    it('closes every key for a lease when it has lost its memory, as somebody may have a permit', async () => {
      const shared = await place();
      // What is in memory is lost with its process alone.
      if (!shared.isShared) return;
      const lost = shared.open({ ...SPANS, leaseMs: 2_000 });
      await lost.learn(starts());
      await shared.forget();
      // What is told later says nothing of what is on its way.
      await lost.learn(starts({ maxConcurrency: 2 }));
      const known = starts({ remaining: 7, total: 10, maxConcurrency: 2 });
      const answer = await lost.take(request(0, { known, owed: 3 }));
      expect(answer).toMatchObject({ kind: 'forgot', waitMs: 2_000, starts: { remaining: 7 } });
      expect(await kinds(lost, [1, 0])).toEqual(['wait', 'wait']);
      // Discord's word is told again, and opens nothing.
      await lost.learn(starts({ remaining: 6, total: 10, begun: true, maxConcurrency: 2 }));
      expect(await kinds(lost, [1])).toEqual(['wait']);
      await sleep(2_020);
      expect(await kinds(lost, [0, 1])).toEqual(['granted', 'granted']);
      expect((await left(lost)).remaining).toBe(4);
    });

    it('and when a permit has been used that it has forgotten, whatever the next process knows', async () => {
      const shared = await place();
      if (!shared.isShared) return;
      const spans = { ...SPANS, leaseMs: 2_000 };
      const lost = shared.open(spans);
      await lost.learn(starts({ maxConcurrency: 2 }));
      expect(await kinds(lost, [0])).toEqual(['granted']);
      await shared.forget();
      await lost.sent(0);
      // The IDENTIFY is still on its way: Discord says that none was sent today.
      const next = shared.open(spans);
      await next.learn(starts({ maxConcurrency: 2 }));
      expect(await kinds(next, [0, 1])).toEqual(['wait', 'wait']);
      await sleep(2_020);
      expect(await kinds(next, [0, 1])).toEqual(['granted', 'granted']);
      expect((await left(next)).remaining).toBe(starts().remaining - 3);
    });

    it('GP-33: after a restart, budget and windows are as they were', async () => {
      const shared = await place();
      const first = shared.open();
      await first.learn(starts({ total: 10, remaining: 10 }));
      expect(await kinds(first, [0])).toEqual(['granted']);
      await first.sent(0);
      // A ledger in memory lives as long as its process, and outlives its governors.
      const second = shared.isShared ? shared.open() : first;
      await second.learn(starts({ total: 10, remaining: 10 }));
      expect(await second.take(request(0))).toMatchObject({
        kind: 'wait',
        starts: { remaining: 9 },
      });
    });

    it('GP-29: is one for all processes, and none speaks for another', async () => {
      const shared = await place();
      if (!shared.isShared) return;
      const processes = Array.from({ length: 4 }, () => shared.open());
      await Promise.all(processes.map((each) => each.learn(starts({ total: 10, remaining: 10 }))));
      const answers = await Promise.all(processes.map((each) => each.take(request(0))));
      const winner = answers.findIndex(({ kind }) => kind === 'granted');
      expect(answers.filter(({ kind }) => kind === 'granted')).toHaveLength(1);
      // The same shard in another process gives back what it never had.
      const other = processes[(winner + 1) % 4];
      await other?.giveBack(0);
      expect(await other?.take(request(0))).toMatchObject({
        kind: 'wait',
        starts: { remaining: 9 },
      });
    });
  },
);

describe('what is stored', () => {
  it('in Redis is one key that expires, and begins anew when it is lost', async () => {
    const redis = new Redis(redisUrl());
    const name = ledgerName(`test ${randomUUID()}`, '42');
    const door = new RedisDoor(placeOf(redisUrl()), systemClock);
    doors.push(door);
    const ledger = redisLedger({ door, name, owner: 'me' });
    await ledger.learn(starts());
    await ledger.take(request(0));
    const ttl = await redis.pttl(name);
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(IDENTIFY_LEDGER_KEPT_MS);
    await redis.del(name);
    const known = starts({ remaining: 7, begun: true });
    const answer = await ledger.take(request(0, { known }));
    expect(answer).toMatchObject({ kind: 'forgot', starts: { remaining: 7 } });
    redis.disconnect();
  });

  it('in a file that is none of ours is refused, and the file is left as it is', async () => {
    const path = join(folder, 'dear.json');
    await writeFile(path, '{"dear":true}');
    const ledger = fileLedger({ path, name: 'a', owner: 'me', clock: systemClock });
    await expect(ledger.learn(starts())).rejects.toThrow(/dear\.json.*left as it is/);
    expect(await readFile(path, 'utf8')).toBe('{"dear":true}');
  });
});
