/** A shard and its session: how it starts, what is kept of it, and what a stop saves. */
import { describe, expect, it } from 'vitest';
import { SessionDesk } from '../../actors/sessions/desk.ts';
import { SESSION_SAVE_INTERVAL_MS, STOP_CONFIRM_MS } from '../../protocols/limits.ts';
import {
  createShardBench,
  event,
  identify,
  READY,
  resumed,
  SHARD,
  STORED,
} from '../support/shard-bench.ts';

describe('a shard and its session', () => {
  it('identifies for a new session and publishes what comes', async () => {
    const bench = createShardBench();
    await bench.settle();
    expect(bench.words()).toEqual(['request']);
    expect(bench.sockets.all).toEqual([]);
    await identify(bench);
    const { last } = bench.sockets;
    expect(bench.words()).toEqual(['prepared', 'used']);
    expect(last.url).toBe('wss://main.test/?v=10&encoding=json');
    expect(last.sent).toEqual([{ op: 2, d: expect.objectContaining({ shard: [SHARD, 4] }) }]);
    last.say(READY).say(event(2));
    await bench.settle();
    expect(bench.writer.ids).toEqual(['fresh:1 READY', 'fresh:2 MESSAGE_CREATE']);
    expect(bench.notices).toEqual([{ kind: 'ready', sessionId: 'fresh' }]);
    expect(bench.sessions.load(SHARD)).toMatchObject({
      sessionId: 'fresh',
      resumeUrl: 'wss://fresh.test/',
      shardCount: 4,
    });
  });

  it('tells of a session as lost whose READY was published in the moment of a stop', async () => {
    const bench = createShardBench();
    await bench.settle();
    await identify(bench);
    bench.sockets.last.say(READY).say(event(2));
    // READY is with the broker, and in a mailbox that the actor does not come to read.
    const stopped = bench.system.stop();
    bench.sockets.last.hangUp(4000);
    await stopped;
    expect(bench.writer.ids).toEqual(['fresh:1 READY', 'fresh:2 MESSAGE_CREATE']);
    expect(bench.notices).toMatchObject([{ kind: 'session-lost', sessionId: 'fresh' }]);
  });

  it('GP-30: resumes a stored session, but not one of another shard count', async () => {
    const bench = createShardBench({ stored: STORED });
    await bench.settle();
    expect(bench.words()).toEqual([]);
    bench.sockets.last.greet();
    await bench.settle();
    expect(bench.sockets.last.sent).toEqual([
      { op: 6, d: { token: 'token-of-a-test', session_id: 'stored', seq: 10 } },
    ]);
    const other = createShardBench({ stored: { ...STORED, shardCount: 8 } });
    await other.settle();
    expect(other.words()).toEqual(['request']);
  });

  it('GP-54, GP-64: a session that was never reported leaves no number behind in the next', async () => {
    const bench = createShardBench();
    await identify(bench);
    bench.writer.refusing = true;
    bench.sockets.last.say({ ...READY, s: 5 });
    await bench.settle();
    bench.sockets.last.hangUp(4000);
    await bench.wait();
    bench.writer.refusing = false;
    bench.ref.tell({ type: 'prepare' });
    await bench.settle();
    bench.sockets.last.greet().say({ op: 1, d: null });
    await bench.settle();
    expect(bench.sockets.last.sent).toEqual([{ op: 1, d: null }]);
  });

  it('stops with a code that keeps the session, waits for the close, and saves', async () => {
    const bench = createShardBench({ stored: STORED });
    await resumed(bench);
    bench.sockets.last.say(event(12));
    const stopped = bench.system.stop();
    await new Promise((resolve) => setImmediate(resolve));
    expect(bench.sockets.last.closedWith).toBe(4000);
    // What is confirmed until the very end counts.
    for (const { origin, sequence } of bench.writer.written) origin.confirmed(sequence);
    bench.sockets.last.hangUp(4000);
    await stopped;
    expect(bench.sessions.load(SHARD)).toMatchObject({ sessionId: 'stored', sequence: 12 });
    expect(bench.words()).toContain('release');
    expect(bench.clock.pendingTimers).toBe(0);
  });

  it('GP-17: stopped while it connects, it never identifies', async () => {
    const bench = createShardBench();
    await bench.settle();
    bench.ref.tell({ type: 'prepare' });
    await bench.settle();
    const stopped = bench.system.stop();
    await new Promise((resolve) => setImmediate(resolve));
    expect(bench.sockets.last.closedWith).toBe(4000);
    bench.sockets.last.refuse();
    await stopped;
    expect(bench.sockets.last.sent).toEqual([]);
    expect(bench.words()).toContain('release');
  });

  it('GP-66: saves what is confirmed, now and then', async () => {
    const bench = createShardBench({ stored: STORED });
    await resumed(bench);
    bench.sockets.last.say(event(12)).say(event(13));
    for (const { origin, sequence } of bench.writer.written) {
      if (sequence <= 12) origin.confirmed(sequence);
    }
    expect(bench.sessions.load(SHARD)?.sequence).not.toBe(12);
    await bench.pass(SESSION_SAVE_INTERVAL_MS);
    expect(bench.sessions.load(SHARD)?.sequence).toBe(12);
  });

  it('GP-54: forgets a session that Discord has ended, also in the store', async () => {
    const bench = createShardBench({ stored: STORED });
    await resumed(bench);
    bench.sockets.last.say({ op: 9, d: false });
    await bench.settle();
    bench.sockets.last.hangUp(4000);
    await bench.wait();
    expect(bench.sessions.load(SHARD)).toBeUndefined();
    expect(bench.words()).toEqual(['request']);
    expect(bench.notices).toContainEqual({
      kind: 'session-lost',
      end: { kind: 'invalid-session', resumable: false },
      sessionId: STORED.sessionId,
      sequence: STORED.sequence,
    });
  });

  it('GP-53: RESUME shows the token as IDENTIFY did, and 4006 gives the session up', async () => {
    const bench = createShardBench();
    await identify(bench);
    const token = 'token-of-a-test';
    expect(bench.sockets.last.sent).toMatchObject([{ op: 2, d: { token } }]);
    bench.sockets.last.say(READY).hangUp(1006);
    await bench.wait();
    bench.sockets.last.greet();
    await bench.settle();
    expect(bench.sockets.last.sent).toMatchObject([{ op: 6, d: { session_id: 'fresh', token } }]);
    bench.words();
    // Another token's, Discord says.
    bench.sockets.last.hangUp(4006);
    await bench.wait();
    expect(bench.words()).toContain('request');
    expect(bench.sessions.load(SHARD)).toBeUndefined();
    expect(bench.notices.some(({ kind }) => kind === 'session-lost')).toBe(true);
  });
});

describe('a shard that is stopped', () => {
  /** Stopped with its last three events at the broker, and its connection closed. */
  async function stopping() {
    const bench = createShardBench({ stored: STORED });
    await resumed(bench);
    for (const sequence of [12, 13, 14]) bench.sockets.last.say(event(sequence));
    await bench.settle();
    let isStopped = false;
    void bench.system.stop().then(() => {
      isStopped = true;
    });
    await bench.settle();
    bench.sockets.last.hangUp(4000);
    await bench.pass(STOP_CONFIRM_MS - 1);
    const confirm = (sequence: number): void => {
      bench.writer.written.find((taken) => taken.sequence === sequence)?.origin.confirmed(sequence);
    };
    return { bench, confirm, isStopped: () => isStopped };
  }

  it('waits for the last confirms, and saves what they allow', async () => {
    const { bench, confirm, isStopped } = await stopping();
    for (const sequence of [11, 12, 13]) confirm(sequence);
    await bench.pass(0);
    expect(isStopped()).toBe(false);
    confirm(14);
    await bench.pass(0);
    expect(isStopped()).toBe(true);
    expect(bench.sessions.load(SHARD)?.sequence).toBe(14);
    expect(bench.clock.pendingTimers).toBe(0);
  });

  it('does not wait for them for ever, nor when the broker has lost one', async () => {
    for (const isLost of [false, true]) {
      const { bench, confirm, isStopped } = await stopping();
      confirm(11);
      confirm(12);
      if (isLost) bench.writer.written.at(-1)?.origin.lost(14);
      await bench.pass(isLost ? 0 : 1);
      expect(isStopped()).toBe(true);
      expect(bench.sessions.load(SHARD)?.sequence).toBe(12);
    }
  });
});

describe('sessions kept in the process', () => {
  it('are kept for each shard until they are forgotten', () => {
    const sessions = new SessionDesk([SHARD]);
    expect(sessions.load(1)).toBeUndefined();
    sessions.save(1, STORED);
    sessions.save(2, { ...STORED, sequence: 20 });
    sessions.save(1, { ...STORED, sequence: 11 });
    expect(sessions.load(1)?.sequence).toBe(11);
    sessions.forget(1);
    sessions.forget(3);
    expect(sessions.load(1)).toBeUndefined();
    expect(sessions.load(2)?.sequence).toBe(20);
  });
});
