/** How a shard gets a session and keeps it: the governor’s line, the hosts and the resumes. */
import { describe, expect, it } from 'vitest';
import type { ConnectionEnd } from '../../protocols/gateway/messages.ts';
import { RESUME_ATTEMPTS_MAX } from '../../protocols/limits.ts';
import {
  closed,
  FRESH,
  host,
  isSessionLost,
  notices,
  PREPARED,
  RELEASE,
  REQUEST,
  resumed,
  resuming,
  SESSION,
  ShardMachineBench,
  UNREACHABLE,
} from '../support/shard-machine-bench.ts';

describe('a shard without a session', () => {
  it('opens a socket when its turn is near, and identifies when it is permitted', () => {
    const bench = new ShardMachineBench();
    expect(bench.effects).toEqual([REQUEST]);
    expect(bench.tell({ type: 'prepare' })).toEqual([
      { type: 'connect', generation: 1, host: 'main' },
    ]);
    expect(bench.greeted()).toEqual([PREPARED]);
    expect(bench.tell({ type: 'permitted' })).toEqual([{ type: 'identify' }]);
    expect(bench.report({ kind: 'identified' })).toEqual([{ type: 'governor', word: 'used' }]);
    const effects = bench.report({ kind: 'ready', ...FRESH });
    expect(effects).toContainEqual({ type: 'save' });
    expect(notices(effects)).toEqual([{ kind: 'ready', sessionId: 'fresh' }]);
    expect(bench.state).toMatchObject({ phase: 'ready', session: FRESH });
  });

  it('GP-34: gives its place back when its socket closes, whether permitted or not', () => {
    const waiting = new ShardMachineBench();
    waiting.tell({ type: 'prepare' });
    waiting.greeted();
    expect(waiting.ended(closed(1006))).toContainEqual(RELEASE);
    expect(waiting.tell({ type: 'permitted' })).toEqual([RELEASE]);

    const connecting = new ShardMachineBench();
    connecting.tell({ type: 'prepare' });
    expect(connecting.ended(UNREACHABLE)).toContainEqual(RELEASE);
    expect(connecting.tell({ type: 'retry' })).toEqual([REQUEST]);
  });

  it('gives back a place that it does not need', () => {
    const paused = new ShardMachineBench(undefined, 'away');
    for (const bench of [resuming(), resumed(), paused]) {
      expect(bench.tell({ type: 'prepare' })).toEqual([RELEASE]);
      expect(bench.tell({ type: 'permitted' })).toEqual([RELEASE]);
    }
  });

  it('says again that it is prepared when it is called twice, and opens no second socket', () => {
    const bench = new ShardMachineBench();
    bench.tell({ type: 'prepare' });
    expect(bench.tell({ type: 'prepare' })).toEqual([]);
    bench.greeted();
    expect(bench.tell({ type: 'prepare' })).toEqual([PREPARED]);
  });

  it('asks a new governor again, wherever it is on its way to an IDENTIFY', () => {
    const bench = new ShardMachineBench();
    expect(bench.tell({ type: 'governor' })).toEqual([REQUEST]);
    bench.tell({ type: 'prepare' });
    expect(bench.tell({ type: 'governor' })).toEqual([REQUEST]);
    bench.greeted();
    expect(bench.tell({ type: 'governor' })).toEqual([REQUEST]);
    bench.tell({ type: 'permitted' });
    expect(bench.tell({ type: 'governor' })).toEqual([]);
    expect(resuming().tell({ type: 'governor' })).toEqual([]);
    expect(resumed().tell({ type: 'governor' })).toEqual([]);
    expect(new ShardMachineBench(undefined, 'away').tell({ type: 'governor' })).toEqual([]);
  });
});

describe('a shard with a session', () => {
  it('GP-30: resumes on the host of its session without asking the governor', () => {
    const bench = new ShardMachineBench(SESSION);
    expect(bench.effects).toEqual([{ type: 'connect', generation: 1, host: 'session' }]);
    expect(bench.greeted()).toEqual([{ type: 'resume' }]);
    const effects = bench.report({ kind: 'resumed' });
    expect(notices(effects)).toEqual([{ kind: 'resumed' }]);
    expect(bench.state).toMatchObject({ phase: 'ready', session: SESSION });
  });

  it('GP-01: leaves an unreachable host for the main one, and keeps the session', () => {
    const bench = new ShardMachineBench(SESSION);
    expect(host(bench.next(UNREACHABLE))).toBe('main');
    for (let attempt = 0; attempt < 50; attempt++) {
      expect(host(bench.next(UNREACHABLE))).toBe('main');
      expect(bench.state.session).toEqual(SESSION);
    }
    expect(bench.greeted()).toEqual([{ type: 'resume' }]);
  });

  it('GP-02: leaves a host that never says HELLO, whatever it says or does instead', () => {
    const ends: readonly ConnectionEnd[] = [
      UNREACHABLE,
      { kind: 'reconnect' },
      { kind: 'garbled', detail: 'not zlib' },
      { kind: 'invalid-session', resumable: true },
      { kind: 'crashed', detail: 'Error' },
      closed(4000),
    ];
    for (const end of ends) {
      const bench = new ShardMachineBench(SESSION);
      expect(host(bench.next(end)), end.kind).toBe('main');
      expect(bench.state.session).toEqual(SESSION);
    }
  });

  it('GP-01: goes back to the host of its session when things have been stable for a while', () => {
    const bench = new ShardMachineBench(SESSION);
    bench.next(UNREACHABLE);
    bench.greeted();
    bench.report({ kind: 'resumed' });
    expect(host(bench.next(closed(1006)))).toBe('main');
    bench.greeted();
    bench.report({ kind: 'resumed' });
    bench.tell({ type: 'settled' });
    expect(host(bench.next(closed(1006)))).toBe('session');
  });

  it('GP-01: a new session has a host of its own', () => {
    const bench = new ShardMachineBench(SESSION);
    bench.next(UNREACHABLE);
    bench.greeted();
    bench.next({ kind: 'invalid-session', resumable: false });
    bench.start();
    expect(host(bench.next(closed(1006)))).toBe('session');
  });

  it('GP-03: identifies after several resumes in a row that came to nothing', () => {
    const silences: readonly ConnectionEnd[] = [
      { kind: 'no-answer' },
      closed(1006),
      { kind: 'zombie' },
      { kind: 'invalid-session', resumable: true },
    ];
    for (const end of silences) {
      const bench = resuming();
      for (let attempt = 1; attempt < RESUME_ATTEMPTS_MAX; attempt++) {
        expect(host(bench.next(end))).toBe('main');
        bench.greeted();
      }
      const effects = bench.ended(end);
      expect(isSessionLost(effects)).toBe(true);
      expect(effects).toContainEqual({ type: 'forget', end });
      expect(bench.tell({ type: 'retry' })).toEqual([REQUEST]);
    }
  });

  it('GP-04: one resume that fails on its way does not cost the session', () => {
    const bench = resuming();
    bench.next(closed(1006));
    expect(bench.state.session).toEqual(SESSION);
    bench.greeted();
    bench.report({ kind: 'resumed' });
    for (let attempt = 1; attempt < RESUME_ATTEMPTS_MAX; attempt++) {
      bench.next(closed(1006));
      bench.greeted();
      bench.next(closed(1006));
      bench.greeted();
      bench.report({ kind: 'resumed' });
    }
    expect(bench.state.session).toEqual(SESSION);
  });

  it('GP-05: a reset in mid-session resumes', () => {
    const bench = resumed();
    expect(host(bench.next(closed(1006)))).toBe('session');
    expect(bench.greeted()).toEqual([{ type: 'resume' }]);
  });

  it('an event that the broker did not take is asked for again, as often as it needs', () => {
    const bench = resuming();
    for (let attempt = 0; attempt < 20; attempt++) {
      bench.next({ kind: 'replay' });
      expect(bench.state.session).toEqual(SESSION);
      expect(bench.greeted()).toEqual([{ type: 'resume' }]);
    }
  });

  it('asks for a replay when an event was lost, while there is a connection that can', () => {
    for (const bench of [resuming(), resumed(), new ShardMachineBench().start()]) {
      expect(bench.tell({ type: 'lost' })).toEqual([{ type: 'replay' }]);
    }
    expect(new ShardMachineBench(SESSION).tell({ type: 'lost' })).toEqual([]);
    expect(new ShardMachineBench(SESSION, 'away').tell({ type: 'lost' })).toEqual([]);
  });
});

describe('a resume that is cut off in a long replay', () => {
  const CUT = closed(1006);

  it('GP-03: has not failed if more is done than before, however often', () => {
    const bench = new ShardMachineBench(SESSION);
    for (let cut = 1; cut <= 10 * RESUME_ATTEMPTS_MAX; cut++) {
      bench.greeted();
      bench.ended(CUT, cut * 100);
      expect(bench.state.session).toEqual(SESSION);
      expect(bench.state.hostDemoted).toBe(false);
      bench.tell({ type: 'retry' });
    }
    // Without progress it is given up like any other.
    for (let cut = 1; cut <= RESUME_ATTEMPTS_MAX; cut++) {
      expect(bench.state.session).toEqual(SESSION);
      bench.greeted();
      bench.ended(CUT, 10 * RESUME_ATTEMPTS_MAX * 100);
      bench.tell({ type: 'retry' });
    }
    expect(bench.state.session).toBeUndefined();
  });

  it('GP-03: starts the count over with what is done between two failures', () => {
    const bench = new ShardMachineBench(SESSION);
    for (let cut = 1; cut <= 10 * RESUME_ATTEMPTS_MAX; cut++) {
      bench.greeted();
      // Every second one gets further.
      bench.ended(CUT, Math.floor(cut / 2) * 100);
      expect(bench.state.session).toEqual(SESSION);
      bench.tell({ type: 'retry' });
    }
  });

  it('GP-03, GP-54: is measured from the beginning of its own session, not by how far another was', () => {
    const bench = new ShardMachineBench(SESSION);
    bench.greeted();
    bench.ended(CUT, 5_000);
    bench.tell({ type: 'retry' });
    bench.greeted();
    bench.ended({ kind: 'invalid-session', resumable: false }, 5_000);
    bench.tell({ type: 'retry' });
    bench.start();
    bench.ended(CUT, 1);
    for (let cut = 1; cut <= 2 * RESUME_ATTEMPTS_MAX; cut++) {
      bench.tell({ type: 'retry' });
      bench.greeted();
      bench.ended(CUT, 100 * cut);
      expect(bench.state.session).toEqual(FRESH);
    }
  });

  it('counts what was confirmed only while the shard waited', () => {
    const bench = new ShardMachineBench(SESSION);
    for (let cut = 0; cut < 10; cut++) {
      bench.greeted();
      // The confirms of each replay come after its end.
      bench.ended(CUT, cut * 100);
      bench.tell({ type: 'retry' });
      expect(bench.state.session).toEqual(SESSION);
    }
  });
});
