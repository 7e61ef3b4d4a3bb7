/** A shard and its broker: what is asked for again, and what a broker without room holds up. */
import { describe, expect, it } from 'vitest';
import { HELD_MAX_BYTES, HOLD_MAX_MS } from '../../protocols/limits.ts';
import { createShardBench, event, resumed, STORED } from '../support/shard-bench.ts';

describe('a shard and its broker', () => {
  it('GP-66: a RESUME asks for everything above what was confirmed', async () => {
    const bench = createShardBench({ stored: STORED });
    await resumed(bench);
    for (const s of [12, 13, 14, 15]) bench.sockets.last.say(event(s));
    for (const { origin, sequence } of bench.writer.written) {
      if (sequence !== 13) origin.confirmed(sequence);
    }
    bench.sockets.last.hangUp(1006);
    await bench.wait();
    bench.sockets.last.greet();
    await bench.settle();
    expect(bench.sockets.last.sent).toMatchObject([{ op: 6, d: { seq: 12 } }]);
    for (const s of [13, 14, 15]) bench.sockets.last.say(event(s));
    expect(bench.writer.ids.slice(-3)).toEqual(
      [13, 14, 15].map((s) => `stored:${s} MESSAGE_CREATE`),
    );
  });

  it('GP-77: stops reading while the broker has no room, beats on, and loses no order', async () => {
    const bench = createShardBench({ stored: STORED });
    await resumed(bench);
    const { last } = bench.sockets;
    bench.writer.refusing = true;
    last.say(event(12));
    // What the socket had received already still comes.
    last.say(event(13)).say(event(14));
    await bench.settle();
    expect(last.isRead).toBe(false);
    expect(bench.writer.ids).toEqual(['stored:11 RESUMED']);

    bench.writer.makeRoom();
    bench.writer.refusing = true;
    await bench.settle();
    expect(last.isRead).toBe(false);

    bench.writer.makeRoom();
    await bench.settle();
    expect(last.isRead).toBe(true);
    last.say(event(15));
    expect(bench.writer.ids.slice(1)).toEqual(
      [12, 13, 14, 15].map((sequence) => `stored:${sequence} MESSAGE_CREATE`),
    );
    await bench.pass(HOLD_MAX_MS);
    expect(last.closedWith).toBeUndefined();
    expect(bench.sockets.all).toHaveLength(1);
  });

  it('GP-77: closes resumably when the broker has had no room for too long', async () => {
    const bench = createShardBench({ stored: STORED });
    await resumed(bench);
    const { last } = bench.sockets;
    bench.writer.refusing = true;
    last.say(event(12));
    await bench.pass(HOLD_MAX_MS - 1);
    expect(last.closedWith).toBeUndefined();
    await bench.pass(1);
    expect(last.closedWith).toBe(4000);
    // A socket that is not read would never see the answer to its close.
    expect(last.isRead).toBe(true);
    last.hangUp(4000);
    bench.writer.refusing = false;
    last.say(event(13));
    await bench.wait();
    expect(bench.notices.at(-1)).toMatchObject({ kind: 'down', end: { kind: 'replay' } });
    expect(bench.writer.ids).toEqual(['stored:11 RESUMED']);
    expect(bench.sockets.all).toHaveLength(2);
  });

  it('GP-77: beats while it does not read, and takes the silence for no death', async () => {
    const bench = createShardBench({ stored: STORED });
    await resumed(bench);
    const { last } = bench.sockets;
    for (let second = 0; second < 120; second++) {
      bench.writer.refusing = true;
      last.say(event(12 + second));
      await bench.pass(1_000);
      bench.writer.makeRoom();
      await bench.settle();
    }
    expect(last.closedWith).toBeUndefined();
    expect(last.ops.filter((op) => op === 1).length).toBeGreaterThanOrEqual(2);
  });

  it('holds back no more than its bound, and asks Discord for the rest again', async () => {
    const bench = createShardBench({ stored: STORED });
    await resumed(bench);
    bench.writer.refusing = true;
    bench.sockets.last.say(event(12));
    const large = { t: 'MESSAGE_CREATE', s: 13, op: 0, d: 'x'.repeat(HELD_MAX_BYTES) };
    bench.sockets.last.say(large);
    bench.writer.makeRoom();
    await bench.settle();
    expect(bench.sockets.last.closedWith).toBe(4000);
    expect(bench.writer.ids).toEqual(['stored:11 RESUMED']);
  });

  it('resumes when the broker loses an event', async () => {
    const bench = createShardBench({ stored: STORED });
    await resumed(bench);
    bench.sockets.last.say(event(12));
    for (const { origin, sequence } of bench.writer.written) origin.lost(sequence);
    await bench.settle();
    expect(bench.sockets.last.closedWith).toBe(4000);
    bench.sockets.last.hangUp(4000);
    await bench.wait();
    bench.sockets.last.greet();
    await bench.settle();
    expect(bench.sockets.last.sent).toMatchObject([{ op: 6, d: { seq: 10 } }]);
  });
});
