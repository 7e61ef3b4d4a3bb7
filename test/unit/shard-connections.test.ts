/** A shard and its sockets: one at a time, on a host that answers, each with a life of its own. */
import { describe, expect, it } from 'vitest';
import type { Decompressor } from '../../actors/connection/ports.ts';
import { RESUME_URL_MAX_CHARACTERS, RESUMED_TIMEOUT_MS } from '../../protocols/limits.ts';
import {
  createShardBench,
  event,
  identify,
  READY,
  resumed,
  SHARD,
  STORED,
} from '../support/shard-bench.ts';

describe('a shard and its connections', () => {
  it('GP-01, GP-61: resumes on the main host, with the same parameters, when its own is refused', async () => {
    const bench = createShardBench({ stored: STORED });
    await bench.settle();
    bench.sockets.last.refuse();
    await bench.wait();
    expect(bench.sockets.all.map(({ url }) => url)).toEqual([
      'wss://resume.test/?v=10&encoding=json',
      'wss://main.test/?v=10&encoding=json',
    ]);
    bench.sockets.last.greet();
    await bench.settle();
    expect(bench.sockets.last.sent).toMatchObject([
      { op: 6, d: { session_id: 'stored', seq: 10 } },
    ]);
  });

  it('leaves a host whose HELLO names an interval that nobody could keep, and its session lives', async () => {
    for (const interval of [0.001, 99, 600_001, 2 ** 40]) {
      const bench = createShardBench({ stored: STORED });
      await bench.settle();
      const { last } = bench.sockets;
      last.accept().say({ op: 10, d: { heartbeat_interval: interval } });
      await bench.pass(1_000);
      expect(last.closedWith).toBe(4000);
      expect(last.sent).toEqual([]);
      last.hangUp(4000);
      await bench.wait();
      expect(bench.notices).toMatchObject([{ kind: 'down', end: { kind: 'garbled' } }]);
      await resumed(bench);
      expect(bench.sockets.last.sent).toMatchObject([{ op: 6, d: { session_id: 'stored' } }]);
    }
  });

  const unusable = [
    ['nothing', ''],
    ['words', 'not an address'],
    ['a host alone', 'resume.test'],
    ['no scheme', '//resume.test'],
    ['another scheme', 'https://resume.test/'],
    ['no host', 'wss://'],
    ['too long', `wss://resume.test/${'a'.repeat(RESUME_URL_MAX_CHARACTERS)}`],
  ] as const;

  it.each(unusable)(
    'GP-01: uses the main host for a stored address that is %s',
    async (_, resumeUrl) => {
      const bench = createShardBench({ stored: { ...STORED, resumeUrl } });
      await bench.settle();
      expect(bench.sockets.last.url).toBe('wss://main.test/?v=10&encoding=json');
    },
  );

  it.each(unusable)(
    'GP-01: resumes on the main host for an address of READY that is %s',
    async (_, address) => {
      const bench = createShardBench();
      await identify(bench);
      bench.sockets.last.say({ ...READY, d: { ...READY.d, resume_gateway_url: address } });
      await bench.settle();
      // What is stored is an address that the next process can use as well.
      expect(bench.sessions.load(SHARD)?.resumeUrl).toBe('wss://main.test/');
      bench.sockets.last.hangUp(4000);
      await bench.wait();
      expect(bench.sockets.last.url).toBe('wss://main.test/?v=10&encoding=json');
      bench.sockets.last.greet();
      await bench.settle();
      expect(bench.sockets.last.sent).toMatchObject([{ op: 6, d: { session_id: 'fresh' } }]);
    },
  );

  it('GP-16, GP-08: has one socket at a time, and cuts off one that does not close', async () => {
    const bench = createShardBench({ stored: STORED });
    await resumed(bench);
    for (let turn = 0; turn < 5; turn++) {
      // Op 7 on a peer that never answers the close.
      bench.sockets.last.say({ op: 7, d: null });
      await bench.wait();
      await resumed(bench);
    }
    expect(bench.sockets.all.length).toBe(6);
    expect(bench.sockets.mostOpen).toBe(1);
    expect(bench.sockets.all.slice(0, 5).map(({ closedWith }) => closedWith)).toEqual(
      new Array(5).fill(4000),
    );
  });

  it('GP-15, GP-72: a late frame of a socket that was cut off reaches neither session nor broker', async () => {
    const bench = createShardBench({ stored: STORED });
    await resumed(bench);
    const old = bench.sockets.last;
    // Silent from here on: a zombie.
    await bench.pass(60_000);
    if (!old.over) await bench.pass(20_000);
    expect(old.closedWith).toBe(1006);
    await bench.wait();
    expect(bench.sockets.last).not.toBe(old);
    bench.sockets.last.greet();
    await bench.settle();
    const written = bench.writer.ids.length;
    old
      .say(event(11))
      .say({ ...READY, s: 12 })
      .say({ op: 9, d: false });
    await bench.settle();
    expect(bench.writer.ids.length).toBe(written);
    bench.sockets.last.say(event(11));
    expect(bench.writer.ids.at(-1)).toBe('stored:11 MESSAGE_CREATE');
    expect(bench.notices.some(({ kind }) => kind === 'session-lost')).toBe(false);
  });

  it('GP-72: gives each connection a decompressor of its own, and frees it with the connection', async () => {
    let made = 0;
    const closed = new Set<number>();
    const pushed: number[] = [];
    const bench = createShardBench({
      stored: STORED,
      createDecompressor: () => {
        const own = ++made;
        return {
          push: (chunk) => {
            pushed.push(own);
            return chunk;
          },
          close: () => closed.add(own),
        };
      },
    });
    await resumed(bench);
    const old = bench.sockets.last;
    old.hangUp(1006);
    await bench.wait();
    expect(made).toBe(2);
    expect(bench.sockets.all.length).toBe(2);
    expect(closed).toEqual(new Set([1]));
    bench.sockets.last.greet();
    const before = pushed.length;
    old.say(event(12));
    await bench.settle();
    expect(pushed.length).toBe(before);
    expect(pushed.at(-1)).toBe(2);
  });

  it('GP-19: a programming error on the way of an event costs the connection, not the session', async () => {
    let faulty = false;
    const createDecompressor = (): Decompressor => ({
      push: (chunk) => {
        if (faulty) throw new TypeError('a programming error');
        return chunk;
      },
      close: () => {},
    });
    const bench = createShardBench({ stored: STORED, createDecompressor });
    await resumed(bench);
    faulty = true;
    bench.sockets.last.say(event(12));
    faulty = false;
    await bench.settle();
    expect(bench.sockets.last.closedWith).toBe(4000);
    bench.sockets.last.hangUp(4000);
    await bench.wait();
    bench.sockets.last.greet();
    await bench.settle();
    expect(bench.sockets.last.sent).toMatchObject([{ op: 6, d: { session_id: 'stored' } }]);
    expect(bench.log.at('error').length).toBe(1);
  });

  it('GP-10: owes a new socket nothing that the one before it did not acknowledge', async () => {
    const bench = createShardBench({ stored: STORED });
    await resumed(bench);
    const first = bench.sockets.last;
    // Events are a sign of life, so that the beat is still unacknowledged when it breaks.
    while (!first.ops.includes(1)) await bench.pass(1_000);
    first.say(event(12)).hangUp(1006);
    await bench.wait();
    await resumed(bench);
    const second = bench.sockets.last;
    expect(second).not.toBe(first);
    while (!second.ops.includes(1)) await bench.pass(1_000);
    await bench.pass(39_000);
    expect(second.closedWith).toBeUndefined();
    second.say({ op: 11 });
    await bench.pass(2_000);
    expect(second.ops.filter((op) => op === 1)).toHaveLength(2);
    expect(second.closedWith).toBeUndefined();
  });

  it('GP-63: a resume that is never answered is given up, though the peer acknowledges heartbeats', async () => {
    const bench = createShardBench({ stored: STORED });
    await bench.settle();
    const { last } = bench.sockets;
    last.greet();
    for (let second = 0; second < RESUMED_TIMEOUT_MS / 1_000; second++) {
      const beats = last.ops.filter((op) => op === 1).length;
      await bench.pass(1_000);
      if (last.ops.filter((op) => op === 1).length > beats) last.say({ op: 11 });
    }
    expect(last.closedWith).toBe(4000);
    last.hangUp(4000);
    await bench.wait();
    expect(bench.notices.at(-1)).toMatchObject({ kind: 'down', end: { kind: 'no-answer' } });
  });
});
