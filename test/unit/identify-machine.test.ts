import { describe, expect, it } from 'vitest';
import type { SessionStarts } from '../../protocols/gateway/identify.ts';
import {
  GATEWAY_BOT_FRESH_MS,
  IDENTIFY_LEASE_MS,
  IDENTIFY_PREPARE_TIMEOUT_MS,
  IDENTIFY_RETURNS_MAX,
} from '../../protocols/limits.ts';
import { localLedger } from '../../src/gateway/identify/local-ledger.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { FickleLedger, Governor, starts, WINDOW_MS } from '../support/governor-bench.ts';

const HOUR_MS = 60 * 60_000;
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One governor, whose shards say what the test makes them say. */
class Bench {
  readonly clock = new VirtualClock();
  readonly ledger = new FickleLedger(localLedger(this.clock));
  /** What Discord says when asked. */
  word: SessionStarts | undefined;
  governor: Governor;
  readonly #said: string[] = [];

  constructor(known: Partial<SessionStarts> = {}, floor = 0, share = 1) {
    const facts = starts(known);
    this.word = facts;
    this.governor = new Governor({
      clock: this.clock,
      random: () => 0.5,
      ledger: this.ledger,
      rules: { floor, share },
      known: facts,
      word: () => this.word,
      hear: (shard, message) => this.#said.push(`${message} ${shard}`),
    });
  }

  async tell(
    type: 'request' | 'prepared' | 'used' | 'release',
    ...shards: readonly number[]
  ): Promise<void> {
    for (const shard of shards) this.governor.tell({ type, shard });
    await this.pass(0);
  }

  pass(ms: number): Promise<void> {
    return this.clock.advanceSettled(ms, settle);
  }

  /** What was said since this was last asked. */
  heard(): string[] {
    return this.#said.splice(0);
  }

  permitted(): number[] {
    return this.heard()
      .filter((word) => word.startsWith('permitted'))
      .map((word) => Number(word.split(' ')[1]));
  }

  get remaining(): number {
    return this.governor.state.budget.remaining;
  }

  /** From the request to the frame. */
  async identify(shard: number): Promise<boolean> {
    await this.tell('request', shard);
    await this.tell('prepared', shard);
    const isPermitted = this.permitted().includes(shard);
    if (isPermitted) await this.tell('used', shard);
    return isPermitted;
  }
}

describe('the identify governor', () => {
  it('calls the head of the line, and permits it when it is prepared', async () => {
    const bench = new Bench();
    await bench.tell('request', 0, 1);
    expect(bench.heard()).toEqual(['prepare 0']);
    await bench.pass(3_000);
    expect(bench.heard()).toEqual([]);
    await bench.tell('prepared', 0);
    expect(bench.heard()).toEqual(['permitted 0', 'prepare 1']);
    expect(bench.remaining).toBe(999);
  });

  it('GP-26: opens the next window when the IDENTIFY was sent, not when it was permitted', async () => {
    const bench = new Bench();
    await bench.tell('request', 0, 1);
    await bench.tell('prepared', 0, 1);
    await bench.pass(4_000);
    await bench.tell('used', 0);
    expect(bench.permitted()).toEqual([0]);
    await bench.tell('prepared', 1);
    await bench.pass(WINDOW_MS - 1);
    expect(bench.permitted()).toEqual([]);
    await bench.pass(1);
    expect(bench.permitted()).toEqual([1]);
  });

  it('a place that is given back costs nothing, and the next is called at once', async () => {
    const bench = new Bench();
    await bench.tell('request', 0, 1, 2);
    await bench.tell('release', 1);
    await bench.tell('release', 0);
    expect(bench.heard()).toEqual(['prepare 0', 'prepare 2']);
    await bench.tell('prepared', 2);
    expect(bench.heard()).toEqual(['permitted 2']);
    expect(bench.remaining).toBe(999);
  });

  it('GP-34: a permit that comes when its socket is gone is freed: window and budget are as before', async () => {
    const bench = new Bench();
    bench.governor.tell({ type: 'request', shard: 0 });
    bench.governor.tell({ type: 'request', shard: 1 });
    bench.governor.tell({ type: 'prepared', shard: 0 });
    // The ledger has been asked; its answer is on its way.
    bench.governor.tell({ type: 'release', shard: 0 });
    await bench.pass(0);
    await bench.tell('prepared', 1);
    expect(bench.heard()).toEqual(['prepare 0', 'prepare 1', 'permitted 1']);
    expect(bench.remaining).toBe(999);
  });

  it('a permit that is given back after it was handed out counts as sent', async () => {
    const bench = new Bench();
    await bench.tell('request', 0, 1);
    await bench.tell('prepared', 0);
    await bench.tell('release', 0);
    await bench.tell('prepared', 1);
    expect(bench.permitted()).toEqual([0]);
    await bench.pass(WINDOW_MS - 1);
    expect(bench.permitted()).toEqual([]);
    await bench.pass(1);
    expect(bench.permitted()).toEqual([1]);
    expect(bench.remaining).toBe(998);
  });

  it('a holder that is not prepared in time loses its place, and gets another when it is', async () => {
    const bench = new Bench();
    await bench.tell('request', 0, 1);
    await bench.pass(IDENTIFY_PREPARE_TIMEOUT_MS);
    expect(bench.heard()).toEqual(['prepare 0', 'prepare 1']);
    await bench.tell('prepared', 0);
    expect(bench.heard()).toEqual([]);
    await bench.tell('prepared', 1);
    expect(bench.heard()).toEqual(['permitted 1', 'prepare 0']);
  });

  it('a holder that is silent after its permit is not waited for; the window is kept', async () => {
    const bench = new Bench();
    await bench.tell('request', 0, 1);
    await bench.tell('prepared', 0);
    await bench.tell('prepared', 1);
    await bench.pass(IDENTIFY_PREPARE_TIMEOUT_MS + 1_000);
    // It did send, though late.
    await bench.tell('prepared', 1);
    await bench.tell('used', 0);
    expect(bench.permitted()).toEqual([0]);
    await bench.pass(WINDOW_MS - 1);
    expect(bench.permitted()).toEqual([]);
    await bench.pass(1);
    expect(bench.permitted()).toEqual([1]);
  });

  it('a shard that asks twice stands in the line once', async () => {
    const bench = new Bench();
    await bench.tell('request', 0, 1, 1, 1, 2);
    await bench.tell('release', 0);
    await bench.tell('release', 1);
    expect(bench.heard()).toEqual(['prepare 0', 'prepare 1', 'prepare 2']);
  });

  it('a holder that was restarted is called again, and permitted only when it is prepared itself', async () => {
    const bench = new Bench({ begun: true });
    await bench.tell('request', 0);
    await bench.tell('prepared', 0);
    await bench.tell('request', 0);
    await bench.pass(WINDOW_MS);
    expect(bench.heard()).toEqual(['prepare 0', 'prepare 0']);
    await bench.tell('prepared', 0);
    expect(bench.permitted()).toEqual([0]);
  });

  it('keeps the window of an IDENTIFY that an earlier governor permitted', async () => {
    const bench = new Bench();
    await bench.tell('request', 0);
    await bench.pass(1_000);
    await bench.tell('used', 1);
    await bench.tell('prepared', 0);
    await bench.pass(WINDOW_MS - 1);
    expect(bench.permitted()).toEqual([]);
    await bench.pass(1);
    expect(bench.permitted()).toEqual([0]);
  });
});

describe('the order of the buckets (GP-28)', () => {
  const nine = [8, 3, 7, 1, 5, 0, 6, 2, 4];

  it('starts the lowest first over all keys, in whatever order they ask', async () => {
    const bench = new Bench({ maxConcurrency: 3 });
    await bench.tell('request', ...nine);
    const order: number[] = [];
    for (let round = 0; round < 3; round++) {
      await bench.tell('prepared', ...nine.filter((shard) => !order.includes(shard)));
      const permitted = bench.permitted();
      order.push(...permitted);
      await bench.tell('used', ...permitted);
      await bench.pass(WINDOW_MS);
    }
    expect(order.map((shard) => Math.floor(shard / 3))).toEqual([0, 0, 0, 1, 1, 1, 2, 2, 2]);
  });

  it('waits for a slow shard of a lower bucket no longer than for its socket', async () => {
    const bench = new Bench({ maxConcurrency: 2 });
    await bench.tell('request', 0, 3);
    await bench.tell('prepared', 3);
    await bench.pass(IDENTIFY_PREPARE_TIMEOUT_MS - 1);
    expect(bench.permitted()).toEqual([]);
    await bench.pass(1);
    expect(bench.permitted()).toEqual([3]);
  });

  it('does not wait for a shard that is absent', async () => {
    const bench = new Bench({ maxConcurrency: 2 });
    await bench.tell('request', 3);
    await bench.tell('prepared', 3);
    expect(bench.permitted()).toEqual([3]);
  });

  it('lets no shard that comes again and again keep a higher one waiting', async () => {
    const bench = new Bench({ maxConcurrency: 1 });
    await bench.tell('request', 0, 5);
    const order: number[] = [];
    for (let turn = 0; turn < 3; turn++) {
      await bench.tell('prepared', 0, 5);
      await bench.pass(WINDOW_MS);
      const permitted = bench.permitted();
      order.push(...permitted);
      await bench.tell('used', ...permitted);
      if (turn === 0) await bench.tell('request', 0);
    }
    expect(order).toEqual([0, 5, 0]);
  });
});

describe('the budget', () => {
  it('GP-33: is looked at before every IDENTIFY: at the floor nobody is permitted, until it is renewed', async () => {
    const bench = new Bench({ total: 7, remaining: 4, begun: true, resetInMs: HOUR_MS }, 2);
    await bench.pass(WINDOW_MS);
    const identified: boolean[] = [];
    for (const shard of [0, 1, 2]) {
      identified.push(await bench.identify(shard));
      await bench.pass(WINDOW_MS);
    }
    expect(identified).toEqual([true, true, false]);
    bench.word = starts({ total: 7, remaining: 2, begun: true, resetInMs: HOUR_MS / 4 });
    await bench.pass(HOUR_MS / 2);
    expect(bench.permitted()).toEqual([]);
    expect(bench.governor.notices).toMatchObject([{ kind: 'floor', remaining: 2 }]);
    bench.word = starts({ total: 7, remaining: 7 });
    await bench.pass(HOUR_MS);
    expect(bench.permitted()).toEqual([2]);
    expect(bench.remaining).toBe(6);
    expect(bench.governor.notices.map(({ kind }) => kind)).toEqual(['floor', 'above-floor']);
  });

  it('a holder that waits for the budget does not lose its place', async () => {
    const bench = new Bench({ total: 10, remaining: 0, begun: true, resetInMs: HOUR_MS });
    await bench.tell('request', 0, 1);
    await bench.tell('prepared', 0);
    await bench.pass(HOUR_MS - 1);
    expect(bench.heard()).toEqual(['prepare 0']);
    bench.word = starts({ total: 10, remaining: 10 });
    await bench.pass(HOUR_MS);
    expect(bench.permitted()).toEqual([0]);
  });
});

describe('Discord’s word', () => {
  it('GP-36: is asked for again after a long time, and a changed max_concurrency counts at once', async () => {
    const bench = new Bench({ maxConcurrency: 1 });
    expect(await bench.identify(0)).toBe(true);
    bench.word = starts({ remaining: 999, begun: true, maxConcurrency: 4 });
    await bench.pass(GATEWAY_BOT_FRESH_MS);
    await bench.tell('request', 0, 1, 2, 3);
    await bench.tell('prepared', 0);
    // Each is called anew in its new line, and says again that it is prepared.
    await bench.tell('prepared', 0, 1, 2, 3);
    expect(bench.permitted().sort()).toEqual([0, 1, 2, 3]);
    expect(bench.governor.asked).toBe(1);
    expect(bench.governor.notices).toEqual([{ kind: 'concurrency', from: 1, to: 4 }]);
  });

  it('is asked for again when sessions end soon after their IDENTIFY', async () => {
    const bench = new Bench({ maxConcurrency: 4 });
    bench.word = starts({ remaining: 990, begun: true, maxConcurrency: 1 });
    for (let round = 0; round <= IDENTIFY_RETURNS_MAX + 10 && bench.governor.asked === 0; round++) {
      await bench.identify(0);
      await bench.pass(WINDOW_MS);
      await bench.tell('used', 0);
    }
    expect(bench.governor.asked).toBe(1);
    expect(bench.governor.state.maxConcurrency).toBe(1);
  });

  it('GP-37: a failed answer is not kept: permits go on, and it is asked again, more and more rarely', async () => {
    const bench = new Bench();
    expect(await bench.identify(0)).toBe(true);
    bench.word = undefined;
    await bench.pass(GATEWAY_BOT_FRESH_MS);
    expect(await bench.identify(0)).toBe(true);
    expect(bench.governor.asked).toBe(1);
    await bench.pass(WINDOW_MS);
    expect(await bench.identify(0)).toBe(true);
    expect(bench.governor.asked).toBe(1);
    await bench.pass(10 * 60_000);
    bench.word = starts({ remaining: 3, begun: true });
    expect(await bench.identify(0)).toBe(true);
    expect(bench.governor.asked).toBe(2);
    expect(bench.remaining).toBe(2);
  });

  it('lines are moved with nobody lost, and no key opens before all of the old ones have', async () => {
    const bench = new Bench({ maxConcurrency: 4 });
    await bench.tell('request', 0, 1, 2, 3, 4);
    await bench.tell('prepared', 0, 1);
    expect(bench.permitted()).toEqual([0, 1]);
    await bench.tell('used', 0, 1);
    bench.governor.tell({
      type: 'word',
      word: starts({ remaining: 998, begun: true, maxConcurrency: 1 }),
    });
    const order: number[] = [];
    for (let turn = 0; turn < 3; turn++) {
      await bench.tell('prepared', 2, 3, 4);
      expect(bench.permitted()).toEqual([]);
      await bench.pass(WINDOW_MS);
      const permitted = bench.permitted();
      order.push(...permitted);
      await bench.tell('used', ...permitted);
    }
    expect(order).toEqual([2, 3, 4]);
  });
});

describe('a ledger that fails', () => {
  it('GP-35: permits nobody by its failure; after a window of silence the governor goes on alone', async () => {
    const bench = new Bench();
    bench.ledger.isAway = 'unheard';
    await bench.tell('request', 0, 1);
    await bench.tell('prepared', 0);
    await bench.pass(WINDOW_MS - 1);
    expect(bench.permitted()).toEqual([]);
    await bench.pass(1);
    expect(bench.permitted()).toEqual([0]);
    expect(bench.governor.notices).toEqual([{ kind: 'ledger-away' }]);
  });

  it('spends no more without it than its share of what was left above the floor', async () => {
    const bench = new Bench({ remaining: 14, begun: true }, 4, 0.5);
    bench.ledger.isAway = 'unheard';
    let sent = 0;
    for (let turn = 0; turn < 20; turn++) {
      await bench.tell('request', turn);
      await bench.tell('prepared', turn);
      await bench.pass(60_000);
      for (const shard of bench.permitted()) {
        sent++;
        await bench.tell('used', shard);
      }
    }
    expect(sent).toBe(5);
    expect(bench.governor.notices.map(({ kind }) => kind)).toEqual(['ledger-away', 'floor']);
  });

  it('tells it, once it is back, what was spent meanwhile', async () => {
    const bench = new Bench();
    expect(await bench.identify(0)).toBe(true);
    bench.ledger.isAway = 'unheard';
    await bench.tell('request', 1, 2);
    await bench.tell('prepared', 1);
    await bench.pass(2 * WINDOW_MS);
    expect(bench.permitted()).toEqual([1]);
    await bench.tell('used', 1);
    bench.ledger.isAway = 'no';
    await bench.tell('prepared', 2);
    await bench.pass(IDENTIFY_LEASE_MS);
    expect(bench.permitted()).toEqual([2]);
    expect(bench.remaining).toBe(997);
    expect(bench.governor.notices.map(({ kind }) => kind)).toEqual(['ledger-away', 'ledger-back']);
  });
});
