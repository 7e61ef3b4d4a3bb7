import { describe, expect, it } from 'vitest';
import { type IdentifyBook, LEDGER_SPANS } from '../../actors/identify/book.ts';
import type { SessionStarts } from '../../protocols/gateway/identify.ts';
import {
  GATEWAY_BOT_FRESH_MS,
  GATEWAY_BOT_SUSPECT_MS,
  IDENTIFY_FLOOR_RECHECK_MS,
  IDENTIFY_LEASE_MS,
  IDENTIFY_LEDGER_BACKOFF,
  IDENTIFY_PREPARE_TIMEOUT_MS,
  IDENTIFY_RETURNS_MAX,
} from '../../protocols/limits.ts';
import { bookLedger } from '../../src/gateway/identify/book-ledger.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { FickleLedger, Governor, starts, WINDOW_MS } from '../support/governor-bench.ts';

const HOUR_MS = 60 * 60_000;
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** One governor, whose shards say what the test makes them say. */
class Bench {
  readonly clock = new VirtualClock();
  readonly ledger = new FickleLedger(
    bookLedger({
      label: 'the ledger of the bench',
      owner: 'the bench',
      spans: LEDGER_SPANS,
      change: async (make) => {
        const { book, value } = make(this.#book, this.clock.nowMs());
        this.#book = book;
        return value;
      },
    }),
  );
  /** What Discord says when asked. */
  word: SessionStarts | undefined;
  governor: Governor;
  readonly #said: string[] = [];
  #book: IdentifyBook | undefined;

  /** @param answerMs how long the ledger and Discord take */
  constructor(known: Partial<SessionStarts> = {}, floor = 0, share = 1, answerMs?: number) {
    const facts = starts(known);
    this.word = facts;
    this.governor = new Governor({
      clock: this.clock,
      random: () => 0.5,
      ledger: this.ledger,
      rules: { floor, share },
      known: facts,
      word: () => this.word,
      ...(answerMs === undefined ? {} : { answerMs: () => answerMs }),
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

  /** The ledger loses its memory. */
  forget(): void {
    this.#book = undefined;
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

  it('nor is one permitted that was restarted while the ledger was asked for it', async () => {
    const bench = new Bench({}, 0, 1, 500);
    await bench.tell('request', 0);
    await bench.tell('prepared', 0);
    await bench.tell('request', 0);
    await bench.pass(WINDOW_MS);
    expect(bench.heard()).toEqual(['prepare 0', 'prepare 0']);
    await bench.tell('prepared', 0);
    await bench.pass(500);
    expect(bench.heard()).toEqual(['permitted 0']);
    // The first permit was given back.
    expect(bench.remaining).toBe(999);
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

  it('does not take back the turn of a shard that the ledger is being asked for', async () => {
    const bench = new Bench({}, 0, 1, 500);
    await bench.tell('request', 3);
    await bench.tell('prepared', 3);
    await bench.tell('request', 0);
    await bench.pass(500);
    expect(bench.heard()).toEqual(['prepare 3', 'permitted 3', 'prepare 0']);
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

  it('at the floor Discord is asked again long before the reset: a larger budget counts at once', async () => {
    const bench = new Bench({ total: 7, remaining: 2, begun: true, resetInMs: 12 * HOUR_MS }, 2);
    await bench.pass(WINDOW_MS);
    expect(await bench.identify(0)).toBe(false);
    bench.word = starts({ total: 20, remaining: 15, begun: true, resetInMs: 11 * HOUR_MS });
    await bench.pass(IDENTIFY_FLOOR_RECHECK_MS);
    expect(bench.permitted()).toEqual([0]);
    expect(bench.remaining).toBe(14);
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
    // The suspicion is over with the answer.
    await bench.pass(2 * GATEWAY_BOT_SUSPECT_MS);
    expect(await bench.identify(1)).toBe(true);
    expect(bench.governor.asked).toBe(1);
  });

  it('is not asked for when one session has ended soon, whatever its shard tries then', async () => {
    const bench = new Bench();
    await bench.identify(0);
    await bench.pass(GATEWAY_BOT_SUSPECT_MS - 1);
    for (let attempt = 0; attempt < 2 * IDENTIFY_RETURNS_MAX; attempt++) {
      await bench.tell('request', 0);
      await bench.tell('release', 0);
    }
    await bench.pass(1);
    expect(await bench.identify(1)).toBe(true);
    expect(bench.governor.asked).toBe(0);
  });

  it('lowers what is left of the day, and does not raise it', async () => {
    const bench = new Bench({ remaining: 500, begun: true, resetInMs: HOUR_MS });
    for (const remaining of [900, 400, 900]) {
      const word = starts({ remaining, begun: true, resetInMs: HOUR_MS });
      bench.governor.tell({ type: 'word', word });
    }
    expect(bench.remaining).toBe(400);
  });

  it('is not undone by an answer of the ledger’s that was on its way already', async () => {
    const bench = new Bench({ maxConcurrency: 1 }, 0, 1, 500);
    await bench.tell('request', 0, 1);
    await bench.tell('prepared', 0);
    const word = starts({ remaining: 999, begun: true, maxConcurrency: 4 });
    bench.governor.tell({ type: 'word', word });
    await bench.pass(500);
    expect(bench.governor.notices).toEqual([{ kind: 'concurrency', from: 1, to: 4 }]);
    expect(bench.governor.state.maxConcurrency).toBe(4);
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

describe('a ledger that has lost its memory', () => {
  it('permits nobody for a lease, is not asked meanwhile, and Discord is asked what is left', async () => {
    const bench = new Bench({ maxConcurrency: 2 }, 0, 1, 10);
    await bench.pass(GATEWAY_BOT_SUSPECT_MS);
    bench.forget();
    bench.word = starts({ maxConcurrency: 2, remaining: 900, begun: true });
    await bench.tell('request', 0, 1);
    await bench.tell('prepared', 0);
    await bench.pass(10);
    const { asked } = bench.ledger;
    expect(bench.governor.notices).toEqual([{ kind: 'ledger-forgot', waitMs: IDENTIFY_LEASE_MS }]);
    await bench.pass(IDENTIFY_LEASE_MS - 1);
    expect(bench.permitted()).toEqual([]);
    expect(bench.ledger.asked).toBe(asked);
    // It was called so long ago that it is called anew.
    await bench.tell('prepared', 1, 1);
    await bench.pass(100);
    // Discord has counted more than is known here: others have sent, perhaps a moment ago.
    expect(bench.permitted()).toEqual([]);
    await bench.pass(WINDOW_MS);
    expect(bench.permitted()).toEqual([0]);
    await bench.tell('used', 0);
    await bench.pass(100);
    expect(bench.permitted()).toEqual([1]);
    expect(bench.governor.asked).toBe(1);
    expect(bench.remaining).toBe(898);
  });

  it('is not gone past by what is known here, though it fails then, nor by a window that ends earlier', async () => {
    const bench = new Bench();
    bench.forget();
    await bench.tell('request', 0);
    await bench.tell('prepared', 0);
    bench.ledger.isAway = 'unheard';
    await bench.tell('used', 5);
    await bench.pass(IDENTIFY_LEASE_MS - 1);
    expect(bench.permitted()).toEqual([]);
    await bench.pass(1);
    expect(bench.permitted()).toEqual([0]);
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

  it('without it one IDENTIFY of a key is sent before the next is permitted, whichever comes first', async () => {
    for (const [first, second] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const bench = new Bench();
      bench.ledger.isAway = 'unheard';
      await bench.tell('request', first);
      await bench.tell('prepared', first);
      await bench.pass(WINDOW_MS);
      expect(bench.permitted()).toEqual([first]);
      await bench.tell('request', second);
      await bench.tell('prepared', second);
      await bench.pass(IDENTIFY_PREPARE_TIMEOUT_MS - 1);
      expect(bench.permitted()).toEqual([]);
      await bench.tell('used', first);
      await bench.pass(WINDOW_MS - 1);
      expect(bench.permitted()).toEqual([]);
      await bench.pass(1);
      expect(bench.permitted()).toEqual([second]);
    }
  });

  it('is asked one question at a time whether it is back, however many keys wait', async () => {
    const bench = new Bench({ maxConcurrency: 4, remaining: 0, begun: true }, 0, 1, 100);
    bench.ledger.isAway = 'unheard';
    await bench.tell('request', 0, 1, 2, 3);
    await bench.tell('prepared', 0, 1, 2, 3);
    await bench.pass(10_000);
    const { asked } = bench.ledger;
    await bench.pass(10 * IDENTIFY_LEDGER_BACKOFF.maxMs);
    const more = bench.ledger.asked - asked;
    expect(more).toBeGreaterThanOrEqual(5);
    expect(more).toBeLessThanOrEqual(21);
  });

  it('without it the windows are kept over a change of max_concurrency, and who has not sent is waited for', async () => {
    for (const [from, to] of [
      [2, 1],
      [1, 2],
    ] as const) {
      const bench = new Bench({ maxConcurrency: from });
      bench.ledger.isAway = 'unheard';
      await bench.tell('request', 0, 1, 2);
      await bench.tell('prepared', 0);
      await bench.pass(WINDOW_MS);
      expect(bench.permitted()).toEqual([0]);
      const word = starts({ remaining: 999, begun: true, maxConcurrency: to });
      bench.governor.tell({ type: 'word', word });
      await bench.tell('prepared', 1, 2);
      await bench.pass(2 * WINDOW_MS);
      expect(bench.permitted()).toEqual(to === 1 ? [] : [1]);
      await bench.tell('used', 0, ...(to === 1 ? [] : [1]));
      await bench.pass(WINDOW_MS - 1);
      expect(bench.permitted()).toEqual([]);
      await bench.pass(1);
      expect(bench.permitted()).toEqual(to === 1 ? [1] : [2]);
    }
  });

  it('without it no key of a new max_concurrency opens before every old one has', async () => {
    const bench = new Bench({ maxConcurrency: 2 });
    bench.ledger.isAway = 'unheard';
    await bench.tell('request', 0, 1);
    await bench.tell('prepared', 0);
    await bench.pass(WINDOW_MS);
    await bench.tell('used', 0);
    expect(bench.permitted()).toEqual([0]);
    const word = starts({ remaining: 999, begun: true, maxConcurrency: 1 });
    bench.governor.tell({ type: 'word', word });
    await bench.tell('prepared', 1);
    await bench.pass(WINDOW_MS - 1);
    expect(bench.permitted()).toEqual([]);
    await bench.pass(1);
    expect(bench.permitted()).toEqual([1]);
  });

  it('without it a day begins with its first IDENTIFY, and the next one when that is over', async () => {
    const bench = new Bench({ total: 3, remaining: 3 });
    bench.ledger.isAway = 'unheard';
    bench.word = undefined;
    const sent: number[] = [];
    const tryFor = async (hours: number): Promise<void> => {
      for (let turn = 0; turn < 6 * hours; turn++) {
        await bench.tell('request', 0);
        await bench.tell('prepared', 0);
        await bench.pass(HOUR_MS / 6);
        for (const shard of bench.permitted()) {
          sent.push(bench.clock.nowMs());
          await bench.tell('used', shard);
        }
      }
    };
    await bench.pass(20 * HOUR_MS);
    await tryFor(5);
    expect(sent).toHaveLength(3);
    await bench.pass(18 * HOUR_MS);
    await tryFor(2);
    expect(sent).toHaveLength(6);
    expect((sent[3] ?? 0) - (sent[0] ?? 0)).toBeGreaterThanOrEqual(24 * HOUR_MS);
  });

  it('is told what was spent meanwhile though it failed again when it was told', async () => {
    const bench = new Bench({}, 0, 1, 10);
    bench.ledger.isAway = 'unheard';
    for (const shard of [0, 1]) {
      // The second one asks the ledger in vain, with the debt of the first in its question.
      await bench.tell('request', shard);
      await bench.tell('prepared', shard);
      await bench.pass(2 * WINDOW_MS);
      expect(bench.permitted()).toEqual([shard]);
      await bench.tell('used', shard);
    }
    const { asked } = bench.governor;
    bench.ledger.isAway = 'no';
    await bench.pass(GATEWAY_BOT_SUSPECT_MS);
    await bench.tell('request', 2);
    await bench.tell('prepared', 2);
    await bench.pass(IDENTIFY_LEASE_MS + IDENTIFY_LEDGER_BACKOFF.maxMs);
    expect(bench.permitted()).toEqual([2]);
    expect(bench.remaining).toBe(997);
    // It has missed what Discord said.
    expect(bench.governor.asked).toBe(asked + 1);
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
