/** A connection from the handshake to its session, and how long it waits for each step. */
import { describe, expect, it } from 'vitest';
import { identifyFrame, resumeFrame } from '../../protocols/gateway/frames.ts';
import {
  HELLO_TIMEOUT_MS,
  READY_TIMEOUT_MS,
  RESUMED_TIMEOUT_MAX_MS,
  RESUMED_TIMEOUT_MS,
} from '../../protocols/limits.ts';
import {
  acknowledged,
  BEFORE_HELLO,
  closing,
  endOf,
  greeted,
  greeting,
  heartbeats,
  INTERVAL_MS,
  identifying,
  inPhase,
  live,
  PHASES,
  resuming,
} from '../support/connection-phases.ts';
import { SESSION } from '../support/gateway-connection.ts';

describe('starting a connection', () => {
  it('says HELLO to the shard, and sends what the shard decides', () => {
    const bench = greeting();
    expect(bench.visible()).toEqual([]);
    bench.frame({ kind: 'hello', heartbeatIntervalMs: INTERVAL_MS });
    expect(bench.visible()).toEqual([{ type: 'report', report: { kind: 'greeted' } }]);
    bench.identify();
    expect(bench.visible()).toEqual([
      { type: 'send-identify' },
      { type: 'report', report: { kind: 'identified' } },
    ]);
    bench.ready();
    const report = { kind: 'ready', sessionId: 'session', resumeUrl: 'wss://resume.test' };
    expect(bench.visible()).toEqual([{ type: 'report', report }]);
    expect(bench.state.phase).toBe('live');
  });

  it('resumes the session that it is given', () => {
    const bench = inPhase(greeted);
    bench.resume();
    expect(bench.visible()).toEqual([{ type: 'send-resume', session: SESSION }]);
    bench.frame({ kind: 'resumed' });
    expect(bench.visible()).toEqual([{ type: 'report', report: { kind: 'resumed' } }]);
    expect(bench.state.phase).toBe('live');
  });

  it('waits for RESUMED when a session is resumed from its beginning, and READY comes again', () => {
    const bench = inPhase(resuming);
    bench.ready();
    expect(bench.visible()).toEqual([]);
    expect(bench.state.phase).toBe('starting');
    bench.frame({ kind: 'resumed' });
    expect(bench.state.phase).toBe('live');
  });

  it('GP-62: sends nothing that starts a session before HELLO, and nothing twice', () => {
    for (const [name, create] of Object.entries(PHASES)) {
      if (name === 'greeted') continue;
      const bench = inPhase(create);
      bench.identify().resume();
      expect(bench.taken(), name).toEqual([]);
    }
  });

  it('does not greet twice', () => {
    for (const create of [greeted, identifying, live, closing]) {
      const bench = inPhase(create);
      bench.frame({ kind: 'hello', heartbeatIntervalMs: 1 });
      expect(bench.taken()).toEqual([]);
    }
  });

  it('GP-02: gives a host up that does not say HELLO in time, handshake included', () => {
    for (const create of Object.values(BEFORE_HELLO)) {
      const bench = inPhase(create);
      bench.pass(HELLO_TIMEOUT_MS - 1);
      expect(bench.taken()).toEqual([]);
      bench.pass(1);
      expect(bench.visible()).toEqual([{ type: 'terminate' }, { type: 'end' }]);
      expect(endOf(bench)).toEqual({
        kind: 'unreachable',
        detail: expect.stringContaining('HELLO'),
      });
    }
  });

  it('waits for its shard without a deadline once it is greeted, and keeps the heartbeat meanwhile', () => {
    const bench = inPhase(greeted);
    bench.pass(60 * 60_000, acknowledged(bench));
    expect(bench.state.phase).toBe('greeted');
    expect(heartbeats(bench.deeds).length).toBe(120);
  });

  it('passes over unknown opcodes in every phase', () => {
    for (const [name, create] of Object.entries(PHASES)) {
      const bench = inPhase(create);
      bench.frame({ kind: 'unknown', op: 99 });
      expect(bench.taken(), name).toEqual([]);
    }
  });
});

describe('the wait for a session', () => {
  it('GP-63: ends when RESUMED does not come, although heartbeats are acknowledged', () => {
    const bench = inPhase(resuming);
    bench.pass(RESUMED_TIMEOUT_MS - 1, acknowledged(bench));
    expect(bench.state.phase).toBe('starting');
    bench.pass(1, () => bench.frame({ kind: 'unknown', op: 99 }));
    expect(bench.visible()).toContainEqual({ type: 'close', code: 4000 });
    bench.tell({ type: 'closed', code: 4000, detail: '' });
    expect(endOf(bench)).toEqual({ kind: 'no-answer' });
  });

  it('GP-63: is granted nothing for events of an earlier connection', () => {
    const bench = inPhase(greeted);
    bench.event();
    bench.resume();
    bench.pass(RESUMED_TIMEOUT_MS, acknowledged(bench));
    expect(bench.state.ending).toEqual({ kind: 'no-answer' });
  });

  it('is granted anew for as long as events are replayed', () => {
    const bench = inPhase(resuming);
    const replay = (): void => {
      acknowledged(bench)();
      bench.event();
    };
    bench.pass(4 * RESUMED_TIMEOUT_MS - 1, replay);
    expect(bench.state.phase).toBe('starting');
    bench.pass(1, replay);
    bench.pass(RESUMED_TIMEOUT_MS - 1, acknowledged(bench));
    expect(bench.state.phase).toBe('starting');
    bench.pass(1, acknowledged(bench));
    expect(bench.state.ending).toEqual({ kind: 'no-answer' });
  });

  it('GP-63: ends although events never stop coming', () => {
    const bench = inPhase(resuming);
    bench.pass(RESUMED_TIMEOUT_MAX_MS + RESUMED_TIMEOUT_MS, () => {
      acknowledged(bench)();
      bench.event();
    });
    expect(endOf(bench)).toEqual({ kind: 'no-answer' });
  });

  it('is longer for READY, which is late in an outage and costs an IDENTIFY each time', () => {
    const bench = inPhase(identifying);
    bench.pass(READY_TIMEOUT_MS - 1, acknowledged(bench));
    expect(bench.state.phase).toBe('starting');
    bench.pass(1, acknowledged(bench));
    expect(bench.state.ending).toEqual({ kind: 'no-answer' });
  });

  it('has no deadline any more once the session has started', () => {
    const bench = inPhase(live);
    bench.pass(24 * 60 * 60_000, acknowledged(bench));
    expect(bench.state.phase).toBe('live');
  });
});

describe('the frames', () => {
  const identity = { token: 'token-of-a-test', intents: 513 };

  it('IDENTIFY names the shard, and what is configured', () => {
    expect(JSON.parse(identifyFrame(identity, 3, 8))).toEqual({
      op: 2,
      d: {
        token: 'token-of-a-test',
        intents: 513,
        properties: { os: expect.any(String), browser: 'spectacles', device: 'spectacles' },
        shard: [3, 8],
      },
    });
    const presence = { status: 'idle', afk: false, since: null, activities: [] };
    const whole = JSON.parse(identifyFrame({ ...identity, presence, largeThreshold: 250 }, 0, 1));
    expect(whole.d).toMatchObject({ presence, large_threshold: 250, shard: [0, 1] });
  });

  it('RESUME carries the token as IDENTIFY does', () => {
    expect(JSON.parse(resumeFrame(identity, SESSION))).toEqual({
      op: 6,
      d: {
        token: JSON.parse(identifyFrame(identity, 0, 1)).d.token,
        session_id: 'session',
        seq: 7,
      },
    });
  });
});
