/** How a connection ends, for each reason and after any schedule. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ConnectionEffect } from '../../actors/connection/state.ts';
import type { ConnectionEnd, ConnectionMessage } from '../../protocols/gateway/messages.ts';
import { CLOSE_TIMEOUT_MS, HELLO_TIMEOUT_MS, HOLD_MAX_MS } from '../../protocols/limits.ts';
import {
  BEFORE_HELLO,
  closing,
  ended,
  endOf,
  greeted,
  identifying,
  inPhase,
  live,
  OPEN,
  opening,
  resuming,
} from '../support/connection-phases.ts';
import { ConnectionBench, SESSION } from '../support/gateway-connection.ts';

function isStart({ type }: ConnectionEffect): boolean {
  return type === 'send-identify' || type === 'send-resume';
}

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
