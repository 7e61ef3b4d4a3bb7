/**
 * The heartbeat of a connection: its rhythm, its requests, and the peer that does not acknowledge.
 */
import { describe, expect, it } from 'vitest';
import { heartbeatFrame } from '../../protocols/gateway/frames.ts';
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
  opening,
  resuming,
} from '../support/connection-phases.ts';

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
