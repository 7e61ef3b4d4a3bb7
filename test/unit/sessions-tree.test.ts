/** The tree of the stored sessions on virtual time, over an archive that does as it is told. */
import { describe, expect, it } from 'vitest';
import type { SessionsNotice } from '../../actors/sessions/actor.ts';
import type {
  SessionArchive,
  SessionBatch,
  SessionClaimRequest,
  SessionClaims,
  SessionRefusal,
} from '../../actors/sessions/ports.ts';
import { FatalError, StoreUnavailableError } from '../../protocols/errors.ts';
import {
  SESSION_BATCH_MAX,
  SESSION_FLUSH_MS,
  SESSION_LOAD_TIMEOUT_MS,
  SESSION_STORE_BACKOFF,
  SESSION_STORE_INTERVAL_MS,
} from '../../protocols/limits.ts';
import { claimShards, type Shelf, saveBatch } from '../../src/gateway/stores/session-shelf.ts';
import { type SessionsTree, startSessionsTree } from '../../supervisors/sessions.ts';
import { createActorWorld } from '../support/actor-world.ts';
import { recordOf } from '../support/session-records.ts';

const OURS = 'us';

class PlayedArchive implements SessionArchive {
  readonly label = 'the played archive';
  readonly shelf: Shelf = new Map();
  readonly saves: SessionBatch[] = [];
  /** What it fails with. */
  error: Error | undefined;
  hangs = false;
  /** Happens while a batch is under way. */
  onSave: () => void = () => undefined;
  isClosed = false;
  attempts = 0;
  /** Its own clock. */
  epochMs = 0;

  claim(request: SessionClaimRequest): Promise<SessionClaims> {
    const use = { owner: OURS, epochMs: this.epochMs };
    return this.#answer(() => claimShards(this.shelf, request, use));
  }

  save(batch: SessionBatch): Promise<readonly SessionRefusal[]> {
    return this.#answer(() => {
      this.saves.push(batch);
      this.onSave();
      return saveBatch(this.shelf, batch, { owner: OURS, epochMs: 0 });
    });
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  /** Another process was here before. */
  leave(shard: number, record = recordOf(shard)): void {
    const entry = { owner: 'before', generation: 4, batch: 9, touchedAtEpochMs: 0, record };
    this.shelf.set(shard, entry);
  }

  async #answer<Value>(make: () => Value): Promise<Value> {
    this.attempts++;
    if (this.hangs) await new Promise(() => undefined);
    if (this.error !== undefined) throw this.error;
    return make();
  }
}

const AWAY = new StoreUnavailableError('it cannot be reached');

function createBench(shards = 2) {
  const world = createActorWorld();
  const archive = new PlayedArchive();
  const notices: SessionsNotice[] = [];
  const failures: unknown[] = [];
  const ending = new AbortController();
  let onNotice = (notice: SessionsNotice): void => void notices.push(notice);
  const starting = () =>
    startSessionsTree({
      ...world,
      archive,
      shards: Array.from({ length: shards }, (_, shard) => shard),
      signal: ending.signal,
      onNotice: (notice) => onNotice(notice),
      onFailure: (error) => failures.push(error),
    });
  return {
    ...world,
    archive,
    notices,
    failures,
    ending,
    starting,
    kinds: () => notices.map(({ kind }) => kind),
    onNotice: (listener: (notice: SessionsNotice) => void) => {
      onNotice = listener;
    },
    /** Starts, `ms` being enough for it. */
    async start(ms = 0): Promise<SessionsTree> {
      const tree = starting();
      await world.pass(ms);
      return tree;
    },
    /** Stops, and says how long that took. */
    async stop(tree: SessionsTree): Promise<number> {
      const fromMs = world.clock.nowMs();
      let isOver = false;
      const stopping = tree.stop().then(() => {
        isOver = true;
      });
      while (!isOver) await world.pass(10);
      await stopping;
      return world.clock.nowMs() - fromMs;
    },
  };
}

describe('starting', () => {
  it('has what was stored when the shards start', async () => {
    const bench = createBench();
    const record = recordOf(5, { savedAtEpochMs: bench.clock.epochMs() });
    bench.archive.leave(1, record);
    const tree = await bench.start();
    expect(tree.isLoaded).toBe(true);
    expect([tree.store.load(0), tree.store.load(1)]).toEqual([undefined, record]);
    expect(bench.kinds()).toEqual(['claimed']);
  });

  it('waits for an archive that is away, and has what it then says', async () => {
    const bench = createBench();
    const record = recordOf(5, { savedAtEpochMs: bench.clock.epochMs() });
    bench.archive.leave(1, record);
    bench.archive.error = AWAY;
    const starting = bench.starting();
    await bench.pass(SESSION_LOAD_TIMEOUT_MS / 2);
    bench.archive.error = undefined;
    await bench.pass(SESSION_STORE_BACKOFF.maxMs);
    const tree = await starting;
    expect(tree.isLoaded).toBe(true);
    expect(tree.store.load(1)).toEqual(record);
    expect(bench.kinds()).toEqual(['away', 'claimed', 'back']);
  });

  it('goes on without one that stays away, and says what was lost when it is back', async () => {
    const bench = createBench();
    const record = recordOf(5, { savedAtEpochMs: bench.clock.epochMs() });
    bench.archive.leave(1, record);
    bench.archive.error = AWAY;
    const tree = await bench.start(SESSION_LOAD_TIMEOUT_MS);
    expect(tree.isLoaded).toBe(false);
    expect(tree.store.load(1)).toBeUndefined();
    tree.store.save(1, recordOf(77));
    bench.archive.error = undefined;
    await bench.pass(2 * SESSION_STORE_BACKOFF.maxMs);
    expect(bench.notices).toContainEqual({
      kind: 'lost',
      sessions: [{ shard: 1, record, why: 'late' }],
    });
    expect(tree.store.load(1)).toEqual(recordOf(77));
    expect(bench.archive.shelf.get(1)).toMatchObject({ generation: 5, record: recordOf(77) });
  });

  it.each([
    ['is refused for good', new FatalError('wrong password')],
    ['is given up', undefined],
  ])('ends, and leaves nothing behind, when it %s', async (_what, error) => {
    const bench = createBench();
    bench.archive.error = error ?? AWAY;
    const starting = bench.starting();
    const outcome = starting.catch((reason: unknown) => reason);
    await bench.pass(1_000);
    const reason = new Error('asked to stop');
    if (error === undefined) bench.ending.abort(reason);
    await bench.pass(1_000);
    expect(await outcome).toBe(error ?? reason);
    expect(bench.archive.isClosed).toBe(true);
    expect(bench.system.actors).toBe(0);
  });
});

describe('saving', () => {
  it('takes one batch an interval, each shard once, whatever the shards say', async () => {
    const shards = 100;
    const bench = createBench(shards);
    const tree = await bench.start();
    for (let round = 1; round <= 50; round++) {
      for (let shard = 0; shard < shards; shard++) tree.store.save(shard, recordOf(round));
      await bench.pass(SESSION_STORE_INTERVAL_MS / 10);
    }
    await bench.pass(SESSION_STORE_INTERVAL_MS);
    expect(bench.archive.saves.length).toBeLessThanOrEqual(7);
    for (const { changes } of bench.archive.saves) {
      expect(new Set(changes.map(({ shard }) => shard)).size).toBe(shards);
    }
    expect(bench.archive.shelf.get(99)?.record).toEqual(recordOf(50));

    // An archive that is away costs the shards nothing, and has the newest when it is back.
    bench.archive.error = AWAY;
    for (let round = 51; round <= 5_000; round++) tree.store.save(0, recordOf(round));
    await bench.pass(600_000);
    expect(tree.store.load(0)).toEqual(recordOf(5_000));
    expect(tree.unsaved()).toBe(1);
    expect(bench.archive.shelf.get(0)?.record).toEqual(recordOf(50));
    bench.archive.error = undefined;
    await bench.pass(SESSION_STORE_BACKOFF.maxMs);
    expect(bench.archive.shelf.get(0)?.record).toEqual(recordOf(5_000));
    expect(bench.kinds().filter((kind) => kind !== 'saved')).toEqual(['claimed', 'away', 'back']);
    expect(bench.failures).toEqual([]);
  });

  it('gives up a shard that a newer process has taken, says so once, and saves the others', async () => {
    const bench = createBench(3);
    const tree = await bench.start();
    const newer = { owner: 'newer', generation: 2, batch: 1, touchedAtEpochMs: 0 };
    bench.archive.shelf.set(1, { ...newer, record: recordOf(900) });
    for (let round = 1; round <= 20; round++) {
      for (const shard of [0, 1, 2]) tree.store.save(shard, recordOf(round));
      await bench.pass(SESSION_STORE_INTERVAL_MS);
    }
    expect(bench.notices.filter(({ kind }) => kind === 'fenced')).toEqual([
      { kind: 'fenced', refusals: [{ shard: 1, owner: 'newer' }] },
    ]);
    expect(bench.archive.shelf.get(1)?.record).toEqual(recordOf(900));
    expect(bench.archive.shelf.get(2)?.record?.sequence).toBeGreaterThan(15);
    expect(tree.store.load(1)).toEqual(recordOf(20));
    expect(bench.failures).toEqual([]);
  });

  it('gives up a shard that was taken before it could be claimed, by a process that began later', async () => {
    const bench = createBench(3);
    bench.archive.error = AWAY;
    const tree = await bench.start(SESSION_LOAD_TIMEOUT_MS);
    const told: string[] = [];
    for (const shard of [0, 1, 2]) {
      tree.store.onFenced(shard, (owner) => told.push(`${shard} by ${owner}`));
      tree.store.save(shard, recordOf(shard));
    }
    bench.archive.epochMs = 1_000_000;
    const beganAtMs = 1_000_000 - SESSION_LOAD_TIMEOUT_MS;
    const other = { owner: 'other', batch: 1, touchedAtEpochMs: 0, record: undefined };
    const newer = { ...other, generation: beganAtMs + 1 };
    bench.archive.shelf.set(1, newer);
    bench.archive.shelf.set(2, { ...other, generation: beganAtMs - 60_000 });
    bench.archive.error = undefined;
    await bench.pass(2 * SESSION_STORE_BACKOFF.maxMs);
    expect(told).toEqual(['1 by other']);
    expect(bench.notices).toContainEqual({
      kind: 'fenced',
      refusals: [{ shard: 1, owner: 'other' }],
    });
    expect(bench.archive.shelf.get(1)).toEqual(newer);
    for (const shard of [0, 2]) expect(bench.archive.shelf.get(shard)?.record).toBeDefined();
    expect(tree.unsaved()).toBe(0);
    // There is nothing left to claim.
    const { attempts } = bench.archive;
    await bench.pass(10 * SESSION_STORE_INTERVAL_MS);
    expect(bench.archive.attempts).toBe(attempts);
    await bench.stop(tree);
    expect(bench.kinds()).not.toContain('unsaved');
  });

  it('tells a shard that it was taken, also one that listens later, and has nothing of it left to save', async () => {
    const bench = createBench(2);
    const tree = await bench.start();
    const newer = { owner: 'newer', generation: 2, batch: 1, touchedAtEpochMs: 0 };
    for (const shard of [0, 1]) bench.archive.shelf.set(shard, { ...newer, record: undefined });
    const told: string[] = [];
    tree.store.onFenced(0, (owner) => told.push(`0 by ${owner}`));
    for (const shard of [0, 1]) tree.store.save(shard, recordOf(1));
    bench.archive.onSave = () => tree.store.save(0, recordOf(2));
    await bench.pass(SESSION_STORE_INTERVAL_MS);
    expect(told).toEqual(['0 by newer']);
    expect(tree.unsaved()).toBe(0);
    for (let times = 0; times < 2; times++) {
      tree.store.onFenced(1, (owner) => told.push(`1 by ${owner}`));
    }
    expect(told).toEqual(['0 by newer', '1 by newer', '1 by newer']);
    await bench.pass(10 * SESSION_STORE_INTERVAL_MS);
    expect(bench.archive.saves).toHaveLength(1);
  });

  it('tries again soon after a good while, and says how long the archive was away in all', async () => {
    const bench = createBench();
    const tree = await bench.start();
    for (let time = 0; time < 2; time++) {
      bench.archive.error = AWAY;
      tree.store.save(0, recordOf(1));
      await bench.pass(60_000);
      bench.archive.error = undefined;
      await bench.pass(SESSION_STORE_BACKOFF.maxMs);
    }
    for (const notice of bench.notices) {
      if (notice.kind === 'back') expect(notice.awayMs).toBeGreaterThan(50_000);
    }
    expect(bench.kinds().filter((kind) => kind === 'back')).toHaveLength(2);
    // The waits begin anew: the first of them is a short one.
    bench.archive.error = AWAY;
    tree.store.save(0, recordOf(2));
    await bench.pass(SESSION_STORE_INTERVAL_MS);
    const { attempts } = bench.archive;
    bench.archive.error = undefined;
    await bench.pass(SESSION_STORE_BACKOFF.initialMs);
    expect(bench.archive.attempts).toBe(attempts + 1);
  });

  it('goes on after a crash of the actor, with its claims and with what was not saved', async () => {
    const bench = createBench();
    const tree = await bench.start();
    let isThrown = false;
    bench.onNotice((notice) => {
      if (notice.kind !== 'away' || isThrown) return;
      isThrown = true;
      throw new Error('a fault of our own');
    });
    bench.archive.error = AWAY;
    tree.store.save(0, recordOf(7));
    await bench.pass(SESSION_STORE_INTERVAL_MS);
    expect(isThrown).toBe(true);
    bench.archive.error = undefined;
    await bench.pass(10_000);
    expect(bench.archive.shelf.get(0)).toMatchObject({ generation: 1, record: recordOf(7) });
    expect(bench.failures).toEqual([]);
  });

  it('tells when it is given up, and the shards still have their sessions', async () => {
    const bench = createBench();
    const tree = await bench.start();
    bench.onNotice((notice) => {
      if (notice.kind === 'away') throw new Error('a fault of our own');
    });
    bench.archive.error = AWAY;
    tree.store.save(0, recordOf(7));
    await bench.pass(60_000);
    expect(bench.failures).toHaveLength(1);
    expect(bench.archive.isClosed).toBe(true);
    expect(tree.store.load(0)).toEqual(recordOf(7));
    tree.store.save(0, recordOf(8));
    expect(tree.store.load(0)).toEqual(recordOf(8));
    await bench.stop(tree);
  });
});

describe('stopping', () => {
  it('saves the last word of thousands of shards in as many batches as it takes, then closes', async () => {
    const shards = 2 * SESSION_BATCH_MAX + 500;
    const bench = createBench(shards);
    const tree = await bench.start();
    for (let shard = 0; shard < shards; shard++) tree.store.save(shard, recordOf(shard));
    await bench.stop(tree);
    expect(bench.archive.saves.map(({ changes }) => changes.length)).toEqual([
      SESSION_BATCH_MAX,
      SESSION_BATCH_MAX,
      500,
    ]);
    expect(bench.archive.isClosed).toBe(true);
    expect(bench.archive.shelf.get(shards - 1)?.record).toEqual(recordOf(shards - 1));
    expect(bench.kinds()).not.toContain('unsaved');
    expect(bench.system.actors).toBe(0);
  });

  it('claims what is not claimed yet before it saves it', async () => {
    const bench = createBench();
    bench.archive.error = AWAY;
    const tree = await bench.start(SESSION_LOAD_TIMEOUT_MS);
    tree.store.save(0, recordOf(7));
    bench.archive.error = undefined;
    await bench.stop(tree);
    expect(bench.archive.shelf.get(0)?.record).toEqual(recordOf(7));
  });

  it.each([
    ['fails', { error: AWAY }],
    ['hangs', { hangs: true }],
  ])(
    'takes no longer than its bound when the archive %s, and says what is not saved',
    async (_what, trouble) => {
      const bench = createBench();
      const tree = await bench.start();
      Object.assign(bench.archive, trouble);
      tree.store.save(0, recordOf(7));
      tree.store.save(1, recordOf(8));
      await bench.pass(SESSION_STORE_INTERVAL_MS);
      expect(await bench.stop(tree)).toBeLessThanOrEqual(SESSION_FLUSH_MS + 10);
      expect(bench.notices.at(-1)).toEqual({ kind: 'unsaved', shards: 2 });
      expect(bench.archive.isClosed).toBe(true);
    },
  );
});
