import { describe, expect, it } from 'vitest';
import type { Decompressor } from '../../actors/connection/ports.ts';
import { SessionDesk } from '../../actors/sessions/desk.ts';
import { shard } from '../../actors/shard/actor.ts';
import type { ShardNotice } from '../../actors/shard/machine.ts';
import type { PresenceMemory, SessionStore, ShardWorld } from '../../actors/shard/ports.ts';
import type { ActorRef } from '../../protocols/actor.ts';
import { EventTable } from '../../protocols/gateway/event-table.ts';
import type {
  IdentifyMessage,
  SessionRecord,
  ShardMessage,
} from '../../protocols/gateway/messages.ts';
import {
  HELD_MAX_BYTES,
  HOLD_MAX_MS,
  RESUME_URL_MAX_CHARACTERS,
  RESUMED_TIMEOUT_MS,
  SESSION_SAVE_INTERVAL_MS,
  SHARD_BACKOFF,
  STOP_CONFIRM_MS,
} from '../../protocols/limits.ts';
import { createActorWorld } from '../support/actor-world.ts';
import { PlayedSockets } from '../support/gateway-sockets.ts';
import { RecordingWriter } from '../support/gateway-writer.ts';

const SHARD = 2;
const STORED: SessionRecord = {
  sessionId: 'stored',
  sequence: 10,
  resumeUrl: 'wss://resume.test/',
  shardCount: 4,
  savedAtEpochMs: 1,
};
const PLAIN: Decompressor = { push: (chunk) => chunk, close: () => {} };

type Options = {
  readonly stored?: SessionRecord;
  readonly createDecompressor?: () => Decompressor;
};

/** A shard with its connections, between a played Discord, governor and broker. */
function createBench({ stored, createDecompressor = () => PLAIN }: Options = {}) {
  const actors = createActorWorld();
  const sockets = new PlayedSockets();
  const writer = new RecordingWriter();
  const sessions: SessionStore = new SessionDesk([SHARD]);
  if (stored !== undefined) sessions.save(SHARD, stored);
  const notices: ShardNotice[] = [];
  const governed: IdentifyMessage[] = [];
  const governor: ActorRef<IdentifyMessage> = {
    path: 'governor',
    tell: (message) => void governed.push(message),
  };
  const world: ShardWorld = {
    shardCount: 4,
    identity: { token: 'token-of-a-test', intents: 1 },
    mainUrl: 'wss://main.test/',
    connectUrl: (host) => `${new URL(host).href}?v=10&encoding=json`,
    sockets,
    createDecompressor,
    writer,
    events: new EventTable(['READY', 'RESUMED', 'MESSAGE_CREATE'], (event) => writer.route(event)),
    counter: { dispatch: () => {}, control: () => {} },
    onSent: () => {},
    sessions,
    onNotice: (_shard, notice) => notices.push(notice),
  };
  let remembered: string | undefined;
  const presence: PresenceMemory = {
    last: () => remembered,
    remember: (text) => {
      remembered = text;
    },
    forget: () => {
      remembered = undefined;
    },
  };
  const ref: ActorRef<ShardMessage> = actors.system.spawn(
    'shard',
    shard({ shard: SHARD, world, governor: () => governor, broker: () => 'open', presence }),
  );
  const settle = (): Promise<void> => actors.system.idle();
  /** Until the next attempt: a new socket, or a place in the governor's line. */
  const wait = async (): Promise<void> => {
    const attempts = (): number =>
      sockets.all.length + governed.filter(({ type }) => type === 'request').length;
    const before = attempts();
    const untilMs = actors.clock.nowMs() + SHARD_BACKOFF.maxMs;
    while (attempts() === before && actors.clock.nowMs() < untilMs) await actors.pass(100);
  };
  const words = (): string[] => governed.splice(0).map(({ type }) => type);
  return { ...actors, ref, sockets, writer, sessions, notices, settle, wait, words };
}

type Bench = ReturnType<typeof createBench>;

const event = (s: number): object => ({ t: 'MESSAGE_CREATE', s, op: 0, d: { id: s } });
const RESUMED = (s: number): object => ({ t: 'RESUMED', s, op: 0, d: null });
const READY = {
  t: 'READY',
  s: 1,
  op: 0,
  d: { session_id: 'fresh', resume_gateway_url: 'wss://fresh.test/' },
};

/** Until IDENTIFY has been sent. */
async function identify(bench: Bench): Promise<void> {
  bench.ref.tell({ type: 'prepare' });
  await bench.settle();
  bench.sockets.last.greet();
  await bench.settle();
  bench.ref.tell({ type: 'permitted' });
  await bench.settle();
}

/** Until RESUMED has come, on a shard that started with the stored session. */
async function resumed(bench: Bench): Promise<void> {
  await bench.settle();
  bench.sockets.last.greet();
  await bench.settle();
  bench.sockets.last.say(RESUMED(11));
  await bench.settle();
}

describe('a shard and its connections', () => {
  it('identifies for a new session and publishes what comes', async () => {
    const bench = createBench();
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
    const bench = createBench();
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
    const bench = createBench({ stored: STORED });
    await bench.settle();
    expect(bench.words()).toEqual([]);
    bench.sockets.last.greet();
    await bench.settle();
    expect(bench.sockets.last.sent).toEqual([
      { op: 6, d: { token: 'token-of-a-test', session_id: 'stored', seq: 10 } },
    ]);
    const other = createBench({ stored: { ...STORED, shardCount: 8 } });
    await other.settle();
    expect(other.words()).toEqual(['request']);
  });

  it('GP-01, GP-61: resumes on the main host, with the same parameters, when its own is refused', async () => {
    const bench = createBench({ stored: STORED });
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
      const bench = createBench({ stored: STORED });
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
      const bench = createBench({ stored: { ...STORED, resumeUrl } });
      await bench.settle();
      expect(bench.sockets.last.url).toBe('wss://main.test/?v=10&encoding=json');
    },
  );

  it.each(unusable)(
    'GP-01: resumes on the main host for an address of READY that is %s',
    async (_, address) => {
      const bench = createBench();
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

  it('GP-66: a RESUME asks for everything above what was confirmed', async () => {
    const bench = createBench({ stored: STORED });
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
    const bench = createBench({ stored: STORED });
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
    const bench = createBench({ stored: STORED });
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
    const bench = createBench({ stored: STORED });
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
    const bench = createBench({ stored: STORED });
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
    const bench = createBench({ stored: STORED });
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

  it('GP-16, GP-08: has one socket at a time, and cuts off one that does not close', async () => {
    const bench = createBench({ stored: STORED });
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
    const bench = createBench({ stored: STORED });
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

  it('GP-54, GP-64: a session that was never reported leaves no number behind in the next', async () => {
    const bench = createBench();
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

  it('GP-72: gives each connection a decompressor of its own, and frees it with the connection', async () => {
    let made = 0;
    const closed = new Set<number>();
    const pushed: number[] = [];
    const bench = createBench({
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
    const bench = createBench({ stored: STORED, createDecompressor });
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

  it('stops with a code that keeps the session, waits for the close, and saves', async () => {
    const bench = createBench({ stored: STORED });
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
    const bench = createBench();
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
    const bench = createBench({ stored: STORED });
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
    const bench = createBench({ stored: STORED });
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
    const bench = createBench();
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

  it('GP-10: owes a new socket nothing that the one before it did not acknowledge', async () => {
    const bench = createBench({ stored: STORED });
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
    const bench = createBench({ stored: STORED });
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

describe('a shard that is stopped', () => {
  /** Stopped with its last three events at the broker, and its connection closed. */
  async function stopping() {
    const bench = createBench({ stored: STORED });
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
