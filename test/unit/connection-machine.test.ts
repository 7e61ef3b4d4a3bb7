import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ConnectionEffect } from '../../actors/connection/state.ts';
import { heartbeatFrame, identifyFrame, resumeFrame } from '../../protocols/gateway/frames.ts';
import type { ConnectionEnd, ConnectionMessage } from '../../protocols/gateway/messages.ts';
import {
  CLOSE_TIMEOUT_MS,
  GATEWAY_FRAME_WINDOW_MS,
  GATEWAY_FRAMES_PER_WINDOW,
  HELLO_TIMEOUT_MS,
  HOLD_MAX_MS,
  READY_TIMEOUT_MS,
  RESUMED_TIMEOUT_MAX_MS,
  RESUMED_TIMEOUT_MS,
} from '../../protocols/limits.ts';
import { ConnectionBench, type Deed, SESSION } from '../support/gateway-connection.ts';

const INTERVAL_MS = 30_000;

const opening = (): ConnectionBench => new ConnectionBench();
const greeting = (): ConnectionBench => {
  const bench = opening();
  bench.tell({ type: 'opened' });
  return bench;
};
const greeted = (): ConnectionBench => opening().greet(INTERVAL_MS);
const identifying = (): ConnectionBench => greeted().identify();
const resuming = (): ConnectionBench => greeted().resume();
const live = (): ConnectionBench => identifying().ready();
const closing = (): ConnectionBench => {
  const bench = live();
  bench.frame({ kind: 'reconnect' });
  return bench;
};
const ended = (): ConnectionBench => {
  const bench = live();
  bench.tell({ type: 'closed', code: 1006, detail: '' });
  return bench;
};

const BEFORE_HELLO = { opening, greeting };
const OPEN = { ...BEFORE_HELLO, greeted, identifying, resuming, live };
const PHASES = { ...OPEN, closing, ended };

/** A bench in the phase, with its past forgotten. */
function inPhase(create: () => ConnectionBench): ConnectionBench {
  const bench = create();
  bench.taken();
  return bench;
}

const endOf = (bench: ConnectionBench): ConnectionEnd | undefined =>
  bench.state.phase === 'ended' ? bench.state.ending : undefined;

const heartbeats = (deeds: readonly Deed[]): number[] =>
  deeds.filter(({ effect }) => effect.type === 'send-heartbeat').map(({ atMs }) => atMs);

const isSent = ({ effect }: Deed): boolean => effect.type.startsWith('send-');

/** Acknowledges each heartbeat as soon as the next one is due, which is as late as may be. */
function acknowledged(bench: ConnectionBench): () => void {
  return () => bench.frame({ kind: 'heartbeat-ack' });
}

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

describe('the heartbeat', () => {
  it('begins at a random part of the interval and then keeps it', () => {
    for (const random of [0, 0.25, 0.999]) {
      const bench = greeting();
      bench.random = random;
      bench.frame({ kind: 'hello', heartbeatIntervalMs: INTERVAL_MS });
      bench.pass(3.9999 * INTERVAL_MS, acknowledged(bench));
      const expected = [0, 1, 2, 3].map((index) => (index + random) * INTERVAL_MS);
      expect(heartbeats(bench.deeds)).toEqual(expected.filter((atMs) => atMs < bench.nowMs));
    }
  });

  it('carries null before the first event', () => {
    expect(heartbeatFrame(null)).toBe('{"op":1,"d":null}');
    expect(heartbeatFrame(251)).toBe('{"op":1,"d":251}');
  });

  it('reports the latency of each, once', () => {
    const bench = inPhase(live);
    bench.pass(INTERVAL_MS / 2);
    bench.pass(120);
    bench.taken();
    bench.frame({ kind: 'heartbeat-ack' });
    bench.frame({ kind: 'heartbeat-ack' });
    expect(bench.taken()).toEqual([
      { type: 'report', report: { kind: 'latency', milliseconds: 120 } },
    ]);
  });

  it('GP-08, GP-09: one that a silent peer does not acknowledge ends the connection at the next, locally', () => {
    for (const create of [greeted, identifying, resuming, live]) {
      const bench = inPhase(create);
      bench.pass(INTERVAL_MS / 2);
      expect(heartbeats(bench.deeds)).toEqual([INTERVAL_MS / 2]);
      bench.taken();
      bench.pass(INTERVAL_MS - 1);
      expect(bench.taken()).toEqual([]);
      bench.pass(1);
      expect(bench.visible()).toEqual([{ type: 'terminate' }, { type: 'end' }]);
      expect(endOf(bench)).toEqual({ kind: 'zombie' });
      expect(bench.timers.size).toBe(0);
    }
  });

  it('GP-12: events are a sign of life for one interval more, and no longer', () => {
    const bench = inPhase(live);
    bench.pass(INTERVAL_MS / 2);
    bench.event();
    bench.pass(INTERVAL_MS);
    expect(bench.state.phase).toBe('live');
    expect(heartbeats(bench.deeds).length).toBe(2);
    bench.event();
    bench.pass(INTERVAL_MS);
    expect(endOf(bench)).toEqual({ kind: 'zombie' });
  });

  it('GP-12: an ACK that stood behind a flood for more than an interval is not too late', () => {
    const bench = inPhase(live);
    bench.pass(INTERVAL_MS / 2);
    bench.event();
    bench.pass(1.5 * INTERVAL_MS);
    bench.frame({ kind: 'heartbeat-ack' });
    bench.pass(10 * INTERVAL_MS, acknowledged(bench));
    expect(bench.state.phase).toBe('live');
  });

  it('is owed nothing from an earlier socket', () => {
    const first = inPhase(live);
    first.pass(INTERVAL_MS / 2);
    expect(first.state.acknowledged).toBe(false);
    expect(opening().state.acknowledged).toBe(true);
    const second = greeted();
    second.pass(INTERVAL_MS / 2);
    expect(endOf(second)).toBeUndefined();
    expect(heartbeats(second.deeds)).toEqual([INTERVAL_MS / 2]);
  });

  it('GP-11: is sent at once when the peer asks, which is no beat that an ACK is owed for', () => {
    for (const create of [greeted, identifying, resuming, live]) {
      const bench = inPhase(create);
      bench.frame({ kind: 'heartbeat-request' });
      bench.frame({ kind: 'heartbeat-request' });
      expect(bench.taken()).toEqual([{ type: 'send-heartbeat' }, { type: 'send-heartbeat' }]);
      // The peer never acknowledges those two; the first of our own rhythm it does.
      bench.pass(INTERVAL_MS / 2);
      expect(endOf(bench)).toBeUndefined();
      bench.frame({ kind: 'heartbeat-ack' });
      bench.pass(INTERVAL_MS);
      expect(endOf(bench)).toBeUndefined();
    }
  });

  it('GP-41: is not sent before HELLO, though the peer asks', () => {
    for (const create of Object.values(BEFORE_HELLO)) {
      const bench = inPhase(create);
      bench.frame({ kind: 'heartbeat-request' });
      expect(bench.taken()).toEqual([]);
    }
  });

  it('GP-11: a request does not move the rhythm', () => {
    const bench = inPhase(live);
    bench.pass(1_000);
    bench.frame({ kind: 'heartbeat-request' });
    bench.pass(INTERVAL_MS, acknowledged(bench));
    expect(heartbeats(bench.deeds)).toEqual([1_000, INTERVAL_MS / 2]);
  });

  it('ends with the connection: no beat while it closes, nor after', () => {
    const bench = inPhase(closing);
    expect([...bench.timers.keys()]).toEqual(['deadline']);
    bench.pass(10 * INTERVAL_MS);
    expect(heartbeats(bench.deeds)).toEqual([]);
    expect(bench.timers.size).toBe(0);
  });
});

describe('a broker without room', () => {
  it('GP-77: stops the reading, tries again when there is room, and reads on when all is taken', () => {
    const bench = inPhase(live);
    bench.tell({ type: 'held' });
    bench.tell({ type: 'held' });
    expect(bench.visible()).toEqual([{ type: 'pause' }]);
    bench.tell({ type: 'room' });
    bench.tell({ type: 'held' });
    bench.tell({ type: 'room' });
    expect(bench.visible()).toEqual([{ type: 'drain' }, { type: 'drain' }]);
    bench.tell({ type: 'released' });
    expect(bench.visible()).toEqual([{ type: 'resume-reading' }]);
    bench.pass(2 * HOLD_MAX_MS, acknowledged(bench));
    expect(bench.state.phase).toBe('live');
  });

  it('GP-77, GP-13: is no reason to miss a beat, nor to take the peer for dead', () => {
    const bench = opening()
      .greet(HOLD_MAX_MS / 10)
      .identify()
      .ready();
    bench.tell({ type: 'held' });
    bench.taken();
    bench.pass(HOLD_MAX_MS - 1);
    expect(heartbeats(bench.deeds).length).toBe(10);
    bench.tell({ type: 'released' });
    bench.pass(HOLD_MAX_MS / 10 - 1);
    expect(bench.state.phase).toBe('live');
    // From here on it is read, and its silence counts again.
    bench.pass(2 * HOLD_MAX_MS);
    expect(endOf(bench)).toEqual({ kind: 'zombie' });
  });

  it('GP-77: is waited for no longer than its bound', () => {
    const bench = inPhase(live);
    bench.tell({ type: 'held' });
    bench.taken();
    bench.pass(HOLD_MAX_MS);
    expect(bench.visible()).toContainEqual({ type: 'close', code: 4000 });
    for (const type of ['held', 'room', 'released', 'hold-overdue'] as const) bench.tell({ type });
    expect(bench.taken()).toEqual([]);
    bench.pass(CLOSE_TIMEOUT_MS);
    expect(endOf(bench)).toEqual({ kind: 'replay' });
    expect(bench.timers.size).toBe(0);
  });
});

describe('the limit of frames', () => {
  /** The largest number of frames that left within one window, both its ends included. */
  function busiestWindow(deeds: readonly Deed[]): number {
    const sentAtMs = deeds.filter(isSent).map(({ atMs }) => atMs);
    const counts = sentAtMs.map(
      (startMs) =>
        sentAtMs.filter((atMs) => atMs >= startMs && atMs <= startMs + GATEWAY_FRAME_WINDOW_MS)
          .length,
    );
    return Math.max(0, ...counts);
  }

  it('GP-38: no window of 60 s has more than 120 frames, however often the peer asks', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 2_000 }), {
          minLength: 200,
          maxLength: 600,
          size: 'max',
        }),
        fc.integer({ min: 500, max: 45_000 }),
        (pauses, intervalMs) => {
          const bench = opening().greet(intervalMs).identify().ready();
          for (const pauseMs of pauses) {
            bench.pass(pauseMs, acknowledged(bench));
            bench.frame({ kind: 'heartbeat-request' });
            bench.frame({ kind: 'heartbeat-ack' });
          }
          expect(busiestWindow(bench.deeds)).toBeLessThanOrEqual(GATEWAY_FRAMES_PER_WINDOW);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('GP-38: answers a flood of requests up to the limit, then again when the window has moved', () => {
    const bench = inPhase(live);
    const flood = (): number => {
      bench.taken();
      for (let count = 0; count < 500; count++) bench.frame({ kind: 'heartbeat-request' });
      return heartbeats(bench.deeds).length;
    };
    expect(flood()).toBeGreaterThan(100);
    expect(flood()).toBe(0);
    bench.pass(GATEWAY_FRAME_WINDOW_MS + 1_000, acknowledged(bench));
    expect(flood()).toBeGreaterThan(100);
  });

  it('GP-38: keeps room for our own heartbeats and for the start of the session', () => {
    const bench = inPhase(greeted);
    for (let count = 0; count < 500; count++) bench.frame({ kind: 'heartbeat-request' });
    bench.taken();
    bench.identify();
    expect(bench.visible()).toContainEqual({ type: 'send-identify' });
    bench.pass(INTERVAL_MS / 2);
    expect(heartbeats(bench.deeds)).toEqual([INTERVAL_MS / 2]);
  });

  it('a beat that was left out is not missed by anybody', () => {
    // An interval so short that our own beats fill the window.
    const bench = opening().greet(400).identify().ready();
    bench.pass(70_000, acknowledged(bench));
    const beats = heartbeats(bench.deeds);
    expect(beats.length).toBeLessThan(150);
    expect(bench.state.phase).toBe('live');
    // From here on the peer answers beats only, so while none leaves it is silent.
    bench.frame({ kind: 'heartbeat-ack' });
    let answered = bench.deeds.length;
    bench.pass(120_000, () => {
      const fresh = bench.deeds.slice(answered);
      answered = bench.deeds.length;
      for (const deed of fresh) if (isSent(deed)) bench.frame({ kind: 'heartbeat-ack' });
    });
    expect(bench.state.phase).toBe('live');
  });
});

describe('the end of a connection', () => {
  const reasons: readonly [string, (bench: ConnectionBench) => void, ConnectionEnd][] = [
    ['op 7', (bench) => bench.frame({ kind: 'reconnect' }), { kind: 'reconnect' }],
    [
      'op 9',
      (bench) => bench.frame({ kind: 'invalid-session', resumable: false }),
      { kind: 'invalid-session', resumable: false },
    ],
    [
      'op 9, resumable',
      (bench) => bench.frame({ kind: 'invalid-session', resumable: true }),
      { kind: 'invalid-session', resumable: true },
    ],
    [
      'a garbled frame',
      (bench) => bench.tell({ type: 'garbled', detail: 'x' }),
      { kind: 'garbled', detail: 'x' },
    ],
    ['a refused event', (bench) => bench.tell({ type: 'replay' }), { kind: 'replay' }],
  ];

  it.each(reasons)(
    'GP-57, GP-24: %s closes in any phase with a code that keeps the session',
    (_, cause, reason) => {
      for (const [name, create] of Object.entries(OPEN)) {
        const bench = inPhase(create);
        cause(bench);
        expect(bench.visible(), name).toEqual([{ type: 'close', code: 4000 }]);
        expect(endOf(bench)).toBeUndefined();
        bench.tell({ type: 'closed', code: 4000, detail: '' });
        expect(bench.visible()).toEqual([{ type: 'end' }]);
        expect(endOf(bench), name).toEqual(reason);
        expect(bench.timers.size).toBe(0);
      }
    },
  );

  it.each(reasons)('GP-08: after %s a peer that does not close is cut off', (_, cause, reason) => {
    const bench = inPhase(live);
    cause(bench);
    bench.taken();
    bench.pass(CLOSE_TIMEOUT_MS - 1);
    expect(bench.taken()).toEqual([]);
    bench.pass(1);
    expect(bench.visible()).toEqual([{ type: 'terminate' }, { type: 'end' }]);
    expect(endOf(bench)).toEqual(reason);
  });

  it('has the first reason of several', () => {
    for (const [, cause, reason] of reasons) {
      const bench = inPhase(live);
      cause(bench);
      for (const [, other] of reasons) other(bench);
      expect(bench.visible()).toEqual([{ type: 'close', code: 4000 }]);
      bench.tell({ type: 'closed', code: 4004, detail: 'too late' });
      expect(endOf(bench)).toEqual(reason);
    }
  });

  it('is what the peer says when it closes, once it has said HELLO', () => {
    for (const create of [greeted, identifying, resuming, live]) {
      for (const code of [1000, 1001, 1006, 4004, 4009]) {
        const bench = inPhase(create);
        bench.tell({ type: 'closed', code, detail: 'why' });
        expect(bench.visible()).toEqual([{ type: 'end' }]);
        expect(endOf(bench)).toEqual({ kind: 'closed', code, detail: 'why' });
      }
    }
  });

  it('GP-02: before HELLO a close means that the host is no use, unless Discord says why', () => {
    for (const create of Object.values(BEFORE_HELLO)) {
      for (const code of [1000, 1006, 1011]) {
        const bench = inPhase(create);
        bench.tell({ type: 'closed', code, detail: '' });
        expect(endOf(bench)).toEqual({
          kind: 'unreachable',
          detail: expect.stringContaining(`${code}`),
        });
      }
      const bench = inPhase(create);
      bench.tell({ type: 'closed', code: 4012, detail: 'version' });
      expect(endOf(bench)).toEqual({ kind: 'closed', code: 4012, detail: 'version' });
    }
  });

  it('is unreachable when the handshake fails', () => {
    const bench = inPhase(opening);
    bench.tell({ type: 'unreachable', detail: 'refused' });
    expect(bench.visible()).toEqual([{ type: 'end' }]);
    expect(endOf(bench)).toEqual({ kind: 'unreachable', detail: 'refused' });
  });

  it('says that a session started although the socket is closing: it can be resumed', () => {
    for (const create of [identifying, resuming]) {
      const bench = inPhase(create);
      bench.frame({ kind: 'reconnect' });
      bench.taken();
      bench.ready();
      const report = { kind: 'ready', sessionId: 'session', resumeUrl: 'wss://resume.test' };
      expect(bench.taken()).toEqual([{ type: 'report', report }]);
      bench.tell({ type: 'closed', code: 1006, detail: '' });
      expect(endOf(bench)).toEqual({ kind: 'reconnect' });
    }
  });

  it('makes a fault of the data plane its own', () => {
    const error = new Error('programming error');
    for (const create of [opening, live, closing]) {
      expect(() => create().tell({ type: 'fault', error })).toThrow(error);
    }
  });
});

describe('any schedule', () => {
  const message: fc.Arbitrary<ConnectionMessage> = fc.oneof(
    fc.constantFrom<ConnectionMessage>(
      { type: 'opened' },
      { type: 'identify' },
      { type: 'resume', session: SESSION },
      { type: 'garbled', detail: '' },
      { type: 'replay' },
      { type: 'held' },
      { type: 'room' },
      { type: 'released' },
      { type: 'unreachable', detail: '' },
      { type: 'frame', frame: { kind: 'hello', heartbeatIntervalMs: 41_250 } },
      { type: 'frame', frame: { kind: 'hello', heartbeatIntervalMs: 300 } },
      { type: 'frame', frame: { kind: 'heartbeat-request' } },
      { type: 'frame', frame: { kind: 'heartbeat-ack' } },
      { type: 'frame', frame: { kind: 'reconnect' } },
      { type: 'frame', frame: { kind: 'invalid-session', resumable: true } },
      { type: 'frame', frame: { kind: 'ready', sessionId: 'a', resumeUrl: 'b' } },
      { type: 'frame', frame: { kind: 'resumed' } },
    ),
    fc
      .integer({ min: 1000, max: 4020 })
      .map((code) => ({ type: 'closed' as const, code, detail: '' })),
  );
  const usual = message.filter(
    ({ type }) => !['closed', 'unreachable', 'garbled', 'replay'].includes(type),
  );
  const schedule = fc.array(
    fc.record({
      message: fc.oneof({ weight: 6, arbitrary: usual }, { weight: 1, arbitrary: message }),
      pauseMs: fc.oneof(fc.nat({ max: 100 }), fc.nat({ max: 70_000 })),
    }),
    { maxLength: 60, size: 'max' },
  );

  it('GP-57, GP-18: ends once, closes resumably, and is over in bounded time when the peer falls silent', () => {
    fc.assert(
      fc.property(schedule, (steps) => {
        const bench = new ConnectionBench();
        for (const { message, pauseMs } of steps) {
          if (message.type === 'frame') bench.frame(message.frame);
          else bench.tell(message);
          bench.pass(pauseMs);
        }
        // Whatever state that left it in: a peer that says nothing more cannot hold it.
        bench.pass(HELLO_TIMEOUT_MS + HOLD_MAX_MS + 3 * 41_250 + CLOSE_TIMEOUT_MS);
        expect(bench.state.phase).toBe('ended');
        expect(bench.timers.size).toBe(0);
        const deeds = bench.taken();
        expect(deeds.filter(({ type }) => type === 'end').length).toBe(1);
        expect(deeds.at(-1)).toEqual({ type: 'end' });
        expect(deeds.filter(({ type }) => type === 'close').length).toBeLessThanOrEqual(1);
        for (const deed of deeds) if (deed.type === 'close') expect(deed.code).toBe(4000);
        const starts = deeds.filter(isStart);
        expect(starts.length).toBeLessThanOrEqual(1);
      }),
      { numRuns: 1_000 },
    );
  });

  it('does nothing after its end', () => {
    fc.assert(
      fc.property(schedule, (steps) => {
        const bench = inPhase(ended);
        const { state } = bench;
        for (const { message, pauseMs } of steps) {
          bench.tell(message);
          bench.pass(pauseMs);
        }
        bench.tell({ type: 'heartbeat-due' });
        bench.tell({ type: 'deadline' });
        bench.tell({ type: 'fault', error: new Error('too late') });
        expect(bench.taken()).toEqual([]);
        expect(bench.state).toBe(state);
      }),
      { numRuns: 100 },
    );
  });
});

function isStart({ type }: ConnectionEffect): boolean {
  return type === 'send-identify' || type === 'send-resume';
}

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

describe('commands on a connection', () => {
  const command = { op: 4, text: '{"op":4}' };
  const told = (bench: ConnectionBench, id: number): string | undefined => {
    bench.tell({ type: 'send', id, command, done: undefined });
    return bench
      .taken()
      .map((effect) => (effect.type === 'report' ? effect.report.kind : effect.type))
      .find((what) => what === 'send-command' || what === 'unwritten');
  };

  it.each(Object.entries(PHASES))(
    'GP-41: when %s leave only if the session is live',
    (name, create) => {
      expect(told(inPhase(create), 1)).toBe(
        name === 'live' ? 'send-command' : name === 'ended' ? undefined : 'unwritten',
      );
    },
  );

  it('GP-39: have a window of their own on each connection, with room for the beats of its HELLO', () => {
    for (const [intervalMs, room] of [
      [41_250, 100],
      [5_000, 94],
      [1_000, 40],
    ] as const) {
      const bench = opening().greet(intervalMs).identify().ready();
      bench.taken();
      let sent = 0;
      while (sent <= GATEWAY_FRAMES_PER_WINDOW && told(bench, sent) === 'send-command') sent++;
      // IDENTIFY is one of them.
      expect(sent).toBe(room - 1);
    }
  });

  it('are told when there is room for them again, to the millisecond', () => {
    // With no beats of our own meanwhile.
    const bench = opening().greet(600_000).identify().ready();
    bench.taken();
    for (let id = 0; told(bench, id) === 'send-command'; id++) bench.pass(50);
    for (let count = 0; count < 5; count++) bench.frame({ kind: 'heartbeat-request' });
    bench.taken();
    bench.tell({ type: 'send', id: 1_000, command, done: undefined });
    const [refusal] = bench.taken();
    if (refusal?.type !== 'report' || refusal.report.kind !== 'unwritten') throw new Error('sent');
    bench.pass(refusal.report.retryInMs - 1, acknowledged(bench));
    expect(told(bench, 1_000)).toBe('unwritten');
    bench.pass(1, acknowledged(bench));
    expect(told(bench, 1_000)).toBe('send-command');
  });

  const act = fc.oneof(
    { weight: 6, arbitrary: fc.constant('send' as const) },
    { weight: 2, arbitrary: fc.constant('asked-to-beat' as const) },
    { weight: 2, arbitrary: fc.nat({ max: 20_000 }) },
  );

  it('GP-38: never make it more than 120 frames in any 60 s, and no beat is left out for them', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1_000, max: 60_000 }),
        fc.array(act, { maxLength: 900, minLength: 300, size: 'max' }),
        (intervalMs, acts) => {
          const bench = opening().greet(intervalMs).identify().ready();
          const acknowledge = (): void => bench.frame({ kind: 'heartbeat-ack' });
          for (const each of acts) {
            if (each === 'send') bench.tell({ type: 'send', id: 1, command, done: undefined });
            else if (each === 'asked-to-beat') bench.frame({ kind: 'heartbeat-request' });
            else bench.pass(each, acknowledge);
          }
          const sentMs = bench.deeds.filter(isSent).map(({ atMs }) => atMs);
          sentMs.forEach((atMs, index) => {
            const later = sentMs[index + GATEWAY_FRAMES_PER_WINDOW] ?? Number.POSITIVE_INFINITY;
            expect(later - atMs).toBeGreaterThan(GATEWAY_FRAME_WINDOW_MS);
          });
          const due = bench.deeds.filter(
            ({ effect }) => effect.type === 'arm' && effect.timer === 'heartbeat-due',
          );
          // The first is armed by HELLO; each other one by a beat that was sent.
          const beatsMs = new Set(heartbeats(bench.deeds));
          for (const { atMs } of due.slice(1)) expect(beatsMs).toContain(atMs);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('a READY that the broker has no room for', () => {
  it('is waited for as long as any READY: a new IDENTIFY would cost more', () => {
    const bench = identifying();
    bench.tell({ type: 'held' });
    bench.pass(READY_TIMEOUT_MS - 1, () => bench.frame({ kind: 'heartbeat-ack' }));
    expect(bench.state.phase).toBe('starting');
    bench.tell({ type: 'room' });
    bench.ready();
    bench.tell({ type: 'released' });
    expect(bench.state.phase).toBe('live');
    bench.taken();
    bench.tell({ type: 'held' });
    bench.pass(HOLD_MAX_MS);
    expect(bench.state).toMatchObject({ phase: 'closing', ending: { kind: 'replay' } });
  });

  it('is held with beats close together, since Discord’s request for one would stand unread', () => {
    const bench = identifying();
    bench.deeds.length = 0;
    bench.tell({ type: 'held' });
    bench.pass(10 * HOLD_MAX_MS);
    expect(heartbeats(bench.deeds).length).toBe(11);
    bench.tell({ type: 'room' });
    bench.ready();
    bench.tell({ type: 'released' });
    bench.pass(HOLD_MAX_MS, acknowledged(bench));
    bench.deeds.length = 0;
    bench.pass(3 * INTERVAL_MS, acknowledged(bench));
    expect(heartbeats(bench.deeds).length).toBe(3);
  });

  it('is not waited for when a session would be resumed', () => {
    const bench = resuming();
    bench.tell({ type: 'held' });
    bench.pass(HOLD_MAX_MS);
    expect(bench.state).toMatchObject({ phase: 'closing', ending: { kind: 'replay' } });
  });
});
