/** Discord’s budget of session starts, and when Discord is asked what is left of it. */
import { describe, expect, it } from 'vitest';
import {
  GATEWAY_BOT_FRESH_MS,
  GATEWAY_BOT_SUSPECT_MS,
  IDENTIFY_FLOOR_RECHECK_MS,
  IDENTIFY_RETURNS_MAX,
} from '../../protocols/limits.ts';
import { starts, WINDOW_MS } from '../support/governor-bench.ts';
import { HOUR_MS, IdentifyBench } from '../support/identify-bench.ts';

describe('the budget', () => {
  it('GP-33: is looked at before every IDENTIFY: at the floor nobody is permitted, until it is renewed', async () => {
    const bench = new IdentifyBench({ total: 7, remaining: 4, begun: true, resetInMs: HOUR_MS }, 2);
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
    const bench = new IdentifyBench(
      { total: 7, remaining: 2, begun: true, resetInMs: 12 * HOUR_MS },
      2,
    );
    await bench.pass(WINDOW_MS);
    expect(await bench.identify(0)).toBe(false);
    bench.word = starts({ total: 20, remaining: 15, begun: true, resetInMs: 11 * HOUR_MS });
    await bench.pass(IDENTIFY_FLOOR_RECHECK_MS);
    expect(bench.permitted()).toEqual([0]);
    expect(bench.remaining).toBe(14);
  });

  it('a holder that waits for the budget does not lose its place', async () => {
    const bench = new IdentifyBench({ total: 10, remaining: 0, begun: true, resetInMs: HOUR_MS });
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
    const bench = new IdentifyBench({ maxConcurrency: 1 });
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
    const bench = new IdentifyBench({ maxConcurrency: 4 });
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
    const bench = new IdentifyBench();
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
    const bench = new IdentifyBench({ remaining: 500, begun: true, resetInMs: HOUR_MS });
    for (const remaining of [900, 400, 900]) {
      const word = starts({ remaining, begun: true, resetInMs: HOUR_MS });
      bench.governor.tell({ type: 'word', word });
    }
    expect(bench.remaining).toBe(400);
  });

  it('is not undone by an answer of the ledger’s that was on its way already', async () => {
    const bench = new IdentifyBench({ maxConcurrency: 1 }, 0, 1, 500);
    await bench.tell('request', 0, 1);
    await bench.tell('prepared', 0);
    const word = starts({ remaining: 999, begun: true, maxConcurrency: 4 });
    bench.governor.tell({ type: 'word', word });
    await bench.pass(500);
    expect(bench.governor.notices).toEqual([{ kind: 'concurrency', from: 1, to: 4 }]);
    expect(bench.governor.state.maxConcurrency).toBe(4);
  });

  it('GP-37: a failed answer is not kept: permits go on, and it is asked again, more and more rarely', async () => {
    const bench = new IdentifyBench();
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
    const bench = new IdentifyBench({ maxConcurrency: 4 });
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
