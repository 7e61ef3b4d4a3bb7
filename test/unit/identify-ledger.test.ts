/** A governor whose ledger has lost its memory, or fails, and goes on with care. */
import { describe, expect, it } from 'vitest';
import {
  GATEWAY_BOT_SUSPECT_MS,
  IDENTIFY_LEASE_MS,
  IDENTIFY_LEDGER_BACKOFF,
  IDENTIFY_PREPARE_TIMEOUT_MS,
} from '../../protocols/limits.ts';
import { starts, WINDOW_MS } from '../support/governor-bench.ts';
import { HOUR_MS, IdentifyBench } from '../support/identify-bench.ts';

describe('a ledger that has lost its memory', () => {
  it('permits nobody for a lease, is not asked meanwhile, and Discord is asked what is left', async () => {
    const bench = new IdentifyBench({ maxConcurrency: 2 }, 0, 1, 10);
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
    await bench.tell('prepared', 1);
    await bench.pass(100);
    // Discord has counted more than is known here: others have sent, perhaps a moment ago.
    expect(bench.permitted()).toEqual([]);
    await bench.pass(WINDOW_MS);
    expect(bench.permitted()).toEqual([0]);
    await bench.tell('used', 0);
    await bench.tell('prepared', 1);
    await bench.pass(100);
    expect(bench.permitted()).toEqual([1]);
    expect(bench.governor.asked).toBe(1);
    expect(bench.remaining).toBe(898);
  });

  it('is not gone past by what is known here, though it fails then, nor by a window that ends earlier', async () => {
    const bench = new IdentifyBench();
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
    const bench = new IdentifyBench();
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
    const bench = new IdentifyBench({ remaining: 14, begun: true }, 4, 0.5);
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
      const bench = new IdentifyBench();
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
      await bench.tell('prepared', second);
      await bench.pass(WINDOW_MS - 1);
      expect(bench.permitted()).toEqual([]);
      await bench.pass(1);
      expect(bench.permitted()).toEqual([second]);
    }
  });

  it('is asked one question at a time whether it is back, however many keys wait', async () => {
    const bench = new IdentifyBench({ maxConcurrency: 4, remaining: 0, begun: true }, 0, 1, 100);
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
      const bench = new IdentifyBench({ maxConcurrency: from });
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
      await bench.tell('prepared', 1, 2);
      await bench.pass(WINDOW_MS - 1);
      expect(bench.permitted()).toEqual([]);
      await bench.pass(1);
      expect(bench.permitted()).toEqual(to === 1 ? [1] : [2]);
    }
  });

  it('without it no key of a new max_concurrency opens before every old one has', async () => {
    const bench = new IdentifyBench({ maxConcurrency: 2 });
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
    const bench = new IdentifyBench({ total: 3, remaining: 3 });
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
    const bench = new IdentifyBench({}, 0, 1, 10);
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
    const bench = new IdentifyBench();
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
