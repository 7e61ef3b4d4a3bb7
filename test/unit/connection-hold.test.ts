/** A connection whose broker has no room: it stops reading, and for how long. */
import { describe, expect, it } from 'vitest';
import { CLOSE_TIMEOUT_MS, HOLD_MAX_MS, READY_TIMEOUT_MS } from '../../protocols/limits.ts';
import {
  acknowledged,
  endOf,
  heartbeats,
  INTERVAL_MS,
  identifying,
  inPhase,
  live,
  opening,
  resuming,
} from '../support/connection-phases.ts';

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
