/** Discord's limit of frames: what leaves within it, and what is told to wait. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GATEWAY_FRAME_WINDOW_MS, GATEWAY_FRAMES_PER_WINDOW } from '../../protocols/limits.ts';
import {
  acknowledged,
  greeted,
  heartbeats,
  INTERVAL_MS,
  inPhase,
  isSent,
  live,
  opening,
  PHASES,
} from '../support/connection-phases.ts';
import type { ConnectionBench, Deed } from '../support/gateway-connection.ts';

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
