import { describe, expect, it } from 'vitest';
import {
  type ShardEffect,
  type ShardInput,
  type ShardState,
  startShard,
  stepShard,
} from '../../actors/shard/machine.ts';
import type { BrokerState } from '../../protocols/broker.ts';
import type { ConnectionEnd, ConnectionReport } from '../../protocols/gateway/messages.ts';
import {
  INVALID_SESSION_WAIT_MAX_MS,
  INVALID_SESSION_WAIT_MIN_MS,
  RESUME_ATTEMPTS_MAX,
  SHARD_BACKOFF,
} from '../../protocols/limits.ts';

const SESSION = { sessionId: 'stored', resumeUrl: 'wss://resume.test' };
const FRESH = { sessionId: 'fresh', resumeUrl: 'wss://other.test' };
const UNREACHABLE: ConnectionEnd = { kind: 'unreachable', detail: 'refused' };

const closed = (code: number): ConnectionEnd => ({ kind: 'closed', code, detail: 'why' });

class ShardBench {
  state: ShardState;
  random = 0.5;
  effects: readonly ShardEffect[];

  constructor(session: ShardState['session'] = undefined, broker: BrokerState = 'open') {
    const step = startShard(session, broker);
    this.state = step.state;
    this.effects = step.effects;
  }

  /** The effects of this one message. */
  tell(input: ShardInput): readonly ShardEffect[] {
    const step = stepShard(this.state, input, this.random);
    this.state = step.state;
    this.effects = step.effects;
    return step.effects;
  }

  report(report: ConnectionReport): readonly ShardEffect[] {
    return this.tell({ type: 'report', generation: this.state.generation, report });
  }

  greeted(): readonly ShardEffect[] {
    return this.report({ kind: 'greeted' });
  }

  /** @param done how far all of the session is done by then */
  ended(end: ConnectionEnd, done = 0): readonly ShardEffect[] {
    return this.tell({ type: 'ended', generation: this.state.generation, end, done });
  }

  /** The connection ends, the wait is over, and the shard does the next thing. */
  next(end: ConnectionEnd): readonly ShardEffect[] {
    this.ended(end);
    return this.tell({ type: 'retry' });
  }

  /** From the governor's line to READY. */
  start(): this {
    this.tell({ type: 'prepare' });
    this.greeted();
    this.tell({ type: 'permitted' });
    this.report({ kind: 'identified' });
    this.report({ kind: 'ready', ...FRESH });
    return this;
  }
}

/** Asked to resume, and not answered yet. */
function resuming(): ShardBench {
  const bench = new ShardBench(SESSION);
  bench.greeted();
  return bench;
}

function resumed(): ShardBench {
  const bench = resuming();
  bench.report({ kind: 'resumed' });
  return bench;
}

/** The connect effect of these, without its generation. */
function host(effects: readonly ShardEffect[]): 'main' | 'session' | undefined {
  for (const effect of effects) if (effect.type === 'connect') return effect.host;
  return undefined;
}

const notices = (effects: readonly ShardEffect[]): unknown[] =>
  effects.flatMap((effect) => (effect.type === 'notice' ? [effect.notice] : []));

const isSessionLost = (effects: readonly ShardEffect[]): boolean =>
  effects.some((effect) => effect.type === 'forget');

const waitOf = (effects: readonly ShardEffect[]): number => {
  for (const effect of effects) {
    if (effect.type === 'arm' && effect.timer === 'retry') return effect.delayMs;
  }
  throw new Error('there is no wait');
};

const REQUEST: ShardEffect = { type: 'governor', word: 'request' };
const RELEASE: ShardEffect = { type: 'governor', word: 'release' };
const PREPARED: ShardEffect = { type: 'governor', word: 'prepared' };

describe('a shard without a session', () => {
  it('opens a socket when its turn is near, and identifies when it is permitted', () => {
    const bench = new ShardBench();
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
    const waiting = new ShardBench();
    waiting.tell({ type: 'prepare' });
    waiting.greeted();
    expect(waiting.ended(closed(1006))).toContainEqual(RELEASE);
    expect(waiting.tell({ type: 'permitted' })).toEqual([RELEASE]);

    const connecting = new ShardBench();
    connecting.tell({ type: 'prepare' });
    expect(connecting.ended(UNREACHABLE)).toContainEqual(RELEASE);
    expect(connecting.tell({ type: 'retry' })).toEqual([REQUEST]);
  });

  it('gives back a place that it does not need', () => {
    const paused = new ShardBench(undefined, 'away');
    for (const bench of [resuming(), resumed(), paused]) {
      expect(bench.tell({ type: 'prepare' })).toEqual([RELEASE]);
      expect(bench.tell({ type: 'permitted' })).toEqual([RELEASE]);
    }
  });

  it('says again that it is prepared when it is called twice, and opens no second socket', () => {
    const bench = new ShardBench();
    bench.tell({ type: 'prepare' });
    expect(bench.tell({ type: 'prepare' })).toEqual([]);
    bench.greeted();
    expect(bench.tell({ type: 'prepare' })).toEqual([PREPARED]);
  });

  it('asks a new governor again, wherever it is on its way to an IDENTIFY', () => {
    const bench = new ShardBench();
    expect(bench.tell({ type: 'governor' })).toEqual([REQUEST]);
    bench.tell({ type: 'prepare' });
    expect(bench.tell({ type: 'governor' })).toEqual([REQUEST]);
    bench.greeted();
    expect(bench.tell({ type: 'governor' })).toEqual([REQUEST]);
    bench.tell({ type: 'permitted' });
    expect(bench.tell({ type: 'governor' })).toEqual([]);
    expect(resuming().tell({ type: 'governor' })).toEqual([]);
    expect(resumed().tell({ type: 'governor' })).toEqual([]);
    expect(new ShardBench(undefined, 'away').tell({ type: 'governor' })).toEqual([]);
  });
});

describe('a shard with a session', () => {
  it('GP-30: resumes on the host of its session without asking the governor', () => {
    const bench = new ShardBench(SESSION);
    expect(bench.effects).toEqual([{ type: 'connect', generation: 1, host: 'session' }]);
    expect(bench.greeted()).toEqual([{ type: 'resume' }]);
    const effects = bench.report({ kind: 'resumed' });
    expect(notices(effects)).toEqual([{ kind: 'resumed' }]);
    expect(bench.state).toMatchObject({ phase: 'ready', session: SESSION });
  });

  it('GP-01: leaves an unreachable host for the main one, and keeps the session', () => {
    const bench = new ShardBench(SESSION);
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
      const bench = new ShardBench(SESSION);
      expect(host(bench.next(end)), end.kind).toBe('main');
      expect(bench.state.session).toEqual(SESSION);
    }
  });

  it('GP-01: goes back to the host of its session when things have been stable for a while', () => {
    const bench = new ShardBench(SESSION);
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
    const bench = new ShardBench(SESSION);
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
    for (const bench of [resuming(), resumed(), new ShardBench().start()]) {
      expect(bench.tell({ type: 'lost' })).toEqual([{ type: 'replay' }]);
    }
    expect(new ShardBench(SESSION).tell({ type: 'lost' })).toEqual([]);
    expect(new ShardBench(SESSION, 'away').tell({ type: 'lost' })).toEqual([]);
  });
});

describe('what an end means', () => {
  it.each([4000, 4001, 4002, 4003, 4005, 4008])('GP-55: %i reconnects with its session', (code) => {
    const bench = resumed();
    expect(host(bench.next(closed(code)))).toBe('session');
    expect(bench.state.session).toEqual(SESSION);
  });

  it.each([4006, 4007, 4009])('GP-55, GP-54: %i starts a new session', (code) => {
    for (const bench of [resumed(), resuming()]) {
      const effects = bench.ended(closed(code));
      expect(isSessionLost(effects)).toBe(true);
      expect(bench.state.session).toBeUndefined();
      expect(bench.tell({ type: 'retry' })).toEqual([REQUEST]);
      expect(bench.tell({ type: 'prepare' })).toMatchObject([{ type: 'connect', host: 'main' }]);
    }
  });

  it.each([4004, 4010, 4011, 4012, 4013, 4014])(
    'GP-55, GP-20: %i stops the shard, and says so',
    (code) => {
      const waiting = new ShardBench();
      waiting.tell({ type: 'prepare' });
      for (const bench of [resumed(), resuming(), new ShardBench(SESSION), waiting]) {
        const hasSession = bench.state.session !== undefined;
        const effects = bench.ended(closed(code));
        expect(notices(effects)).toEqual([{ kind: 'failed', code, detail: 'why' }]);
        expect(effects.some(({ type }) => type === 'arm')).toBe(false);
        expect(effects.some((effect) => effect === RELEASE || 'word' in effect)).toBe(!hasSession);
        const inputs: readonly ShardInput[] = [
          { type: 'retry' },
          { type: 'prepare' },
          { type: 'permitted' },
          { type: 'governor' },
          { type: 'broker', state: 'open' },
          { type: 'lost' },
          { type: 'settled' },
          { type: 'ended', generation: bench.state.generation, end: UNREACHABLE, done: 0 },
        ];
        for (const input of inputs) expect(bench.tell(input)).toEqual([]);
        expect(bench.state.phase).toBe('failed');
      }
    },
  );

  it.each([1000, 1001, 1005, 1006, 1011, 4999, 3000])(
    'GP-56: %i, from the server, resumes',
    (code) => {
      const bench = resumed();
      expect(host(bench.next(closed(code)))).toBe('session');
      expect(bench.greeted()).toEqual([{ type: 'resume' }]);
    },
  );

  it('GP-58: op 9 false clears the session, waits a little, and identifies on the main host', () => {
    for (const random of [0, 0.5, 0.999]) {
      const bench = resuming();
      bench.random = random;
      const effects = bench.ended({ kind: 'invalid-session', resumable: false });
      expect(isSessionLost(effects)).toBe(true);
      const waitMs = waitOf(effects);
      expect(waitMs).toBeGreaterThanOrEqual(INVALID_SESSION_WAIT_MIN_MS);
      expect(waitMs).toBeLessThanOrEqual(INVALID_SESSION_WAIT_MAX_MS);
      expect(bench.tell({ type: 'retry' })).toEqual([REQUEST]);
      expect(host(bench.tell({ type: 'prepare' }))).toBe('main');
    }
  });

  it('GP-58: nor is a session kept that Discord has ended before HELLO', () => {
    for (const end of [{ kind: 'invalid-session', resumable: false } as const, closed(4009)]) {
      const bench = new ShardBench(SESSION);
      expect(isSessionLost(bench.ended(end))).toBe(true);
      expect(bench.tell({ type: 'retry' })).toEqual([REQUEST]);
    }
  });

  it('GP-59: op 9 true resumes on a new connection', () => {
    for (const bench of [resuming(), resumed()]) {
      expect(host(bench.next({ kind: 'invalid-session', resumable: true }))).toBeDefined();
      expect(bench.greeted()).toEqual([{ type: 'resume' }]);
    }
  });

  it('GP-31: a session that dies never leads to an IDENTIFY without the governor', () => {
    const bench = resuming();
    bench.next({ kind: 'invalid-session', resumable: false });
    expect(bench.state.phase).toBe('queued');
    bench.tell({ type: 'prepare' });
    expect(bench.greeted()).toEqual([PREPARED]);
    expect(bench.state.phase).toBe('greeted');
  });
});

describe('the waits', () => {
  it('GP-06: grow, up to a cap, while connections open and then fail', () => {
    const bench = resumed();
    const waits: number[] = [];
    for (let attempt = 0; attempt < 12; attempt++) {
      waits.push(waitOf(bench.ended(closed(1006))));
      bench.tell({ type: 'retry' });
      bench.greeted();
      bench.report({ kind: 'resumed' });
    }
    for (let index = 1; index < 8; index++) {
      expect(waits[index]).toBeCloseTo(2 * (waits[index - 1] ?? 0));
    }
    expect(waits.at(-1)).toBe(waits.at(-2));
    expect(waits.at(-1)).toBeLessThanOrEqual(SHARD_BACKOFF.maxMs);
  });

  it('GP-06: start over after a stable while, not before', () => {
    const bench = resumed();
    for (let attempt = 0; attempt < 5; attempt++) {
      bench.next(closed(1006));
      bench.greeted();
      bench.report({ kind: 'resumed' });
    }
    const long = waitOf(bench.ended(closed(1006)));
    bench.tell({ type: 'retry' });
    bench.greeted();
    expect(bench.report({ kind: 'resumed' })).toContainEqual(
      expect.objectContaining({ type: 'arm', timer: 'settled' }),
    );
    bench.tell({ type: 'settled' });
    const first = waitOf(bench.ended(closed(1006)));
    expect(first).toBeLessThan(long / 8);
    expect(bench.effects).toContainEqual({ type: 'disarm', timer: 'settled' });
  });

  it('a retry wakes a shard that waits, and disturbs no other', () => {
    const bench = resumed();
    bench.ended(closed(1006));
    expect(host(bench.tell({ type: 'retry' }))).toBe('session');
    for (const other of [
      bench,
      resuming(),
      resumed(),
      new ShardBench(),
      new ShardBench(SESSION, 'away'),
    ]) {
      const before = other.state;
      expect(other.tell({ type: 'retry' })).toEqual([]);
      expect(other.state).toBe(before);
    }
  });

  it('are told to whoever listens', () => {
    const bench = resumed();
    const effects = bench.ended(closed(1006));
    expect(notices(effects)).toEqual([
      { kind: 'down', end: closed(1006), nextInMs: waitOf(effects) },
    ]);
  });
});

describe('generations', () => {
  it('GP-15: words of an older connection change nothing', () => {
    const bench = resumed();
    bench.next(closed(1006));
    const before = bench.state;
    const reports: readonly ConnectionReport[] = [
      { kind: 'greeted' },
      { kind: 'identified' },
      { kind: 'ready', ...FRESH },
      { kind: 'resumed' },
      { kind: 'latency', milliseconds: 1 },
    ];
    for (const report of reports) {
      expect(bench.tell({ type: 'report', generation: 1, report })).toEqual([]);
    }
    for (const end of [closed(4004), closed(4009), UNREACHABLE]) {
      expect(bench.tell({ type: 'ended', generation: 1, end, done: 0 })).toEqual([]);
    }
    expect(bench.state).toBe(before);
  });

  it('GP-15, GP-16: nor do words of one that has ended, though no other has begun', () => {
    const queued = new ShardBench();
    queued.tell({ type: 'prepare' });
    queued.next(UNREACHABLE);
    const waiting = resumed();
    waiting.ended(closed(1006));
    for (const bench of [queued, waiting]) {
      const before = bench.state;
      const { generation } = before;
      expect(bench.ended(closed(4004))).toEqual([]);
      expect(bench.greeted()).toEqual([]);
      expect(bench.tell({ type: 'ended', generation, end: closed(1006), done: 0 })).toEqual([]);
      expect(bench.state).toBe(before);
    }
  });
});

describe('the broker', () => {
  it('without one nothing is connected; when it is back the shard goes on', () => {
    const bench = new ShardBench(SESSION, 'away');
    expect(bench.effects).toEqual([]);
    expect(bench.tell({ type: 'retry' })).toEqual([]);
    expect(host(bench.tell({ type: 'broker', state: 'open' }))).toBe('session');

    const fresh = new ShardBench(undefined, 'away');
    expect(fresh.tell({ type: 'broker', state: 'open' })).toEqual([REQUEST]);
  });

  it('GP-77: one that goes away leaves the connection alone; the next attempt waits for it', () => {
    const bench = resumed();
    expect(bench.tell({ type: 'broker', state: 'away' })).toEqual([]);
    expect(bench.state.phase).toBe('ready');
    expect(bench.next({ kind: 'replay' })).toEqual([]);
    expect(bench.state.phase).toBe('paused');
    expect(host(bench.tell({ type: 'broker', state: 'open' }))).toBe('session');
  });

  it('GP-77: one that is away is waited for, not a back-off; the next attempt follows its return', () => {
    const bench = resumed();
    bench.tell({ type: 'broker', state: 'away' });
    const effects = bench.ended({ kind: 'replay' });
    expect(effects.filter(({ type }) => type === 'arm')).toEqual([]);
    expect(notices(effects)).toEqual([
      { kind: 'down', end: { kind: 'replay' }, nextInMs: undefined },
    ]);
    expect(host(bench.tell({ type: 'broker', state: 'open' }))).toBe('session');
  });

  it('no session is started while it is away, however near the turn was', () => {
    const queued = new ShardBench();
    expect(queued.tell({ type: 'broker', state: 'away' })).toEqual([RELEASE]);
    expect(queued.tell({ type: 'prepare' })).toEqual([RELEASE]);
    expect(queued.tell({ type: 'broker', state: 'open' })).toEqual([REQUEST]);

    const greeted = new ShardBench();
    greeted.tell({ type: 'prepare' });
    greeted.greeted();
    expect(greeted.tell({ type: 'broker', state: 'away' })).toEqual([{ type: 'replay' }]);
    expect(greeted.tell({ type: 'permitted' })).toEqual([RELEASE]);
    greeted.ended({ kind: 'replay' });
    expect(greeted.state.phase).toBe('paused');
    expect(greeted.tell({ type: 'broker', state: 'open' })).toEqual([REQUEST]);
  });

  it('one that comes back does not cut a wait short', () => {
    const bench = resumed();
    bench.ended(closed(1006));
    expect(bench.tell({ type: 'broker', state: 'away' })).toEqual([]);
    expect(bench.tell({ type: 'broker', state: 'open' })).toEqual([]);
    expect(bench.state.phase).toBe('waiting');
  });
});

describe('a resume that is cut off in a long replay', () => {
  const CUT = closed(1006);

  it('GP-03: has not failed if more is done than before, however often', () => {
    const bench = new ShardBench(SESSION);
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
    const bench = new ShardBench(SESSION);
    for (let cut = 1; cut <= 10 * RESUME_ATTEMPTS_MAX; cut++) {
      bench.greeted();
      // Every second one gets further.
      bench.ended(CUT, Math.floor(cut / 2) * 100);
      expect(bench.state.session).toEqual(SESSION);
      bench.tell({ type: 'retry' });
    }
  });

  it('GP-03, GP-54: is measured from the beginning of its own session, not by how far another was', () => {
    const bench = new ShardBench(SESSION);
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
    const bench = new ShardBench(SESSION);
    for (let cut = 0; cut < 10; cut++) {
      bench.greeted();
      // The confirms of each replay come after its end.
      bench.ended(CUT, cut * 100);
      bench.tell({ type: 'retry' });
      expect(bench.state.session).toEqual(SESSION);
    }
  });
});
