/** The line of shards that want to identify: who is called, who is permitted, and in what order. */
import { describe, expect, it } from 'vitest';
import { IDENTIFY_PREPARE_TIMEOUT_MS } from '../../protocols/limits.ts';
import { WINDOW_MS } from '../support/governor-bench.ts';
import { IdentifyBench } from '../support/identify-bench.ts';

describe('the identify governor', () => {
  it('calls the head of the line, and permits it when it is prepared', async () => {
    const bench = new IdentifyBench();
    await bench.tell('request', 0, 1);
    expect(bench.heard()).toEqual(['prepare 0']);
    await bench.pass(3_000);
    expect(bench.heard()).toEqual([]);
    await bench.tell('prepared', 0);
    expect(bench.heard()).toEqual(['permitted 0']);
    await bench.tell('used', 0);
    expect(bench.heard()).toEqual(['prepare 1']);
    expect(bench.remaining).toBe(999);
  });

  it('calls the next of a line when nobody is before it on any line, and that long before its window', async () => {
    const bench = new IdentifyBench({ maxConcurrency: 2 });
    await bench.tell('request', 0, 1, 2, 3);
    expect(bench.heard()).toEqual(['prepare 0', 'prepare 1']);
    await bench.tell('prepared', 0);
    await bench.tell('used', 0);
    await bench.tell('prepared', 1);
    expect(bench.heard()).toEqual(['permitted 0', 'permitted 1']);
    await bench.tell('used', 1);
    expect(bench.heard()).toEqual(['prepare 2', 'prepare 3']);
  });

  it('GP-26: opens the next window when the IDENTIFY was sent, not when it was permitted', async () => {
    const bench = new IdentifyBench();
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
    const bench = new IdentifyBench();
    await bench.tell('request', 0, 1, 2);
    await bench.tell('release', 1);
    await bench.tell('release', 0);
    expect(bench.heard()).toEqual(['prepare 0', 'prepare 2']);
    await bench.tell('prepared', 2);
    expect(bench.heard()).toEqual(['permitted 2']);
    expect(bench.remaining).toBe(999);
  });

  it('GP-34: a permit that comes when its socket is gone is freed: window and budget are as before', async () => {
    const bench = new IdentifyBench();
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
    const bench = new IdentifyBench();
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
    const bench = new IdentifyBench();
    await bench.tell('request', 0, 1);
    await bench.pass(IDENTIFY_PREPARE_TIMEOUT_MS);
    expect(bench.heard()).toEqual(['prepare 0', 'prepare 1']);
    await bench.tell('prepared', 0);
    expect(bench.heard()).toEqual([]);
    await bench.tell('prepared', 1);
    await bench.tell('used', 1);
    expect(bench.heard()).toEqual(['permitted 1', 'prepare 0']);
  });

  it('a holder that is silent after its permit is not waited for; the window is kept', async () => {
    const bench = new IdentifyBench();
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
    const bench = new IdentifyBench();
    await bench.tell('request', 0, 1, 1, 1, 2);
    await bench.tell('release', 0);
    await bench.tell('release', 1);
    expect(bench.heard()).toEqual(['prepare 0', 'prepare 1', 'prepare 2']);
  });

  it('a holder that was restarted is called again, and permitted only when it is prepared itself', async () => {
    const bench = new IdentifyBench({ begun: true });
    await bench.tell('request', 0);
    await bench.tell('prepared', 0);
    await bench.tell('request', 0);
    await bench.pass(WINDOW_MS);
    expect(bench.heard()).toEqual(['prepare 0', 'prepare 0']);
    await bench.tell('prepared', 0);
    expect(bench.permitted()).toEqual([0]);
  });

  it('nor is one permitted that was restarted while the ledger was asked for it', async () => {
    const bench = new IdentifyBench({}, 0, 1, 500);
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
    const bench = new IdentifyBench();
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
    const bench = new IdentifyBench({ maxConcurrency: 3 });
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
    const bench = new IdentifyBench({ maxConcurrency: 2 });
    await bench.tell('request', 0, 3);
    await bench.tell('prepared', 3);
    await bench.pass(IDENTIFY_PREPARE_TIMEOUT_MS - 1);
    expect(bench.heard()).toEqual(['prepare 0']);
    await bench.pass(1);
    expect(bench.heard()).toEqual(['prepare 3']);
    await bench.tell('prepared', 3);
    expect(bench.permitted()).toEqual([3]);
  });

  it('does not take back the turn of a shard that the ledger is being asked for', async () => {
    const bench = new IdentifyBench({}, 0, 1, 500);
    await bench.tell('request', 3);
    await bench.tell('prepared', 3);
    await bench.tell('request', 0);
    await bench.pass(500);
    expect(bench.heard()).toEqual(['prepare 3', 'permitted 3', 'prepare 0']);
  });

  it('does not wait for a shard that is absent', async () => {
    const bench = new IdentifyBench({ maxConcurrency: 2 });
    await bench.tell('request', 3);
    await bench.tell('prepared', 3);
    expect(bench.permitted()).toEqual([3]);
  });

  it('lets no shard that comes again and again keep a higher one waiting', async () => {
    const bench = new IdentifyBench({ maxConcurrency: 1 });
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
