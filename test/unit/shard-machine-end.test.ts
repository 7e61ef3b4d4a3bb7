/** What the end of a connection means to a shard, and what it waits for before the next one. */
import { describe, expect, it } from 'vitest';
import type { ShardInput } from '../../actors/shard/state.ts';
import type { ConnectionReport } from '../../protocols/gateway/messages.ts';
import {
  INVALID_SESSION_WAIT_MAX_MS,
  INVALID_SESSION_WAIT_MIN_MS,
  SHARD_BACKOFF,
} from '../../protocols/limits.ts';
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
  waitOf,
} from '../support/shard-machine-bench.ts';

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
      const waiting = new ShardMachineBench();
      waiting.tell({ type: 'prepare' });
      for (const bench of [resumed(), resuming(), new ShardMachineBench(SESSION), waiting]) {
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
      const bench = new ShardMachineBench(SESSION);
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
      new ShardMachineBench(),
      new ShardMachineBench(SESSION, 'away'),
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
    const queued = new ShardMachineBench();
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
    const bench = new ShardMachineBench(SESSION, 'away');
    expect(bench.effects).toEqual([]);
    expect(bench.tell({ type: 'retry' })).toEqual([]);
    expect(host(bench.tell({ type: 'broker', state: 'open' }))).toBe('session');

    const fresh = new ShardMachineBench(undefined, 'away');
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
    const queued = new ShardMachineBench();
    expect(queued.tell({ type: 'broker', state: 'away' })).toEqual([RELEASE]);
    expect(queued.tell({ type: 'prepare' })).toEqual([RELEASE]);
    expect(queued.tell({ type: 'broker', state: 'open' })).toEqual([REQUEST]);

    const greeted = new ShardMachineBench();
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
