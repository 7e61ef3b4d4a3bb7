import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';

describe('virtual clock', () => {
  it('fires by due time, and in the order of setting for equal times, whatever was cancelled', () => {
    const operation = fc.record({ delayMs: fc.nat(20), cancel: fc.option(fc.nat(40)) });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
        const clock = new VirtualClock();
        const fired: number[] = [];
        const timers = operations.map(({ delayMs }, index) =>
          clock.setTimer(delayMs, () => {
            expect(clock.nowMs()).toBe(delayMs);
            fired.push(index);
          }),
        );
        const cancelled = new Set(operations.map(({ cancel }) => cancel));
        for (const index of cancelled) {
          timers[index ?? -1]?.cancel();
          timers[index ?? -1]?.cancel();
        }
        clock.advance(20);
        const expected = operations
          .map(({ delayMs }, index) => ({ delayMs, index }))
          .filter(({ index }) => !cancelled.has(index))
          .sort((left, right) => left.delayMs - right.delayMs || left.index - right.index)
          .map(({ index }) => index);
        expect(fired).toEqual(expected);
        expect(clock.pendingTimers).toBe(0);
      }),
    );
  });

  it('keeps the order when a cancelled timer is replaced by one that is due before its neighbours', () => {
    const clock = new VirtualClock();
    const fired: number[] = [];
    const timers = [15, 25, 28, 9, 12, 8, 5].map((delayMs) =>
      clock.setTimer(delayMs, () => fired.push(delayMs)),
    );
    timers[1]?.cancel();
    clock.advance(30);
    expect(fired).toEqual([5, 8, 9, 12, 15, 28]);
  });

  it('does not fire early, and moves to the end of the span', () => {
    const clock = new VirtualClock();
    let fired = 0;
    clock.setTimer(10, () => {
      fired += 1;
    });
    clock.advance(9.5);
    expect(fired).toBe(0);
    expect(clock.nextDueMs).toBe(10);
    clock.advance(0.5);
    expect(fired).toBe(1);
    expect(clock.nowMs()).toBe(10);
    expect(clock.nextDueMs).toBeUndefined();
  });

  it('runs what a callback sets within the same span, and only one timer at a time with runNext', () => {
    const clock = new VirtualClock();
    const firedAtMs: number[] = [];
    const tick = (): void => {
      firedAtMs.push(clock.nowMs());
      clock.setTimer(3, tick);
    };
    clock.setTimer(3, tick);
    expect(clock.runNext()).toBe(true);
    expect(firedAtMs).toEqual([3]);
    clock.advance(7);
    expect(firedAtMs).toEqual([3, 6, 9]);
    expect(clock.nowMs()).toBe(10);
  });

  it('settles before each timer and after the last', async () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    clock.setTimer(1, () => seen.push('one'));
    clock.setTimer(2, () => seen.push('two'));
    await clock.advanceSettled(5, async () => {
      seen.push('settle');
    });
    expect(seen).toEqual(['settle', 'one', 'settle', 'two', 'settle']);
    expect(clock.nowMs()).toBe(5);
  });

  it('steps the wall clock without moving time or timers', () => {
    const clock = new VirtualClock(1_000_000);
    clock.setTimer(10, () => {});
    clock.stepEpoch(-500);
    expect(clock.epochMs()).toBe(999_500);
    expect(clock.nowMs()).toBe(0);
    expect(clock.nextDueMs).toBe(10);
    clock.advance(4);
    expect(clock.epochMs()).toBe(999_504);
  });

  it('survives a callback that throws', () => {
    const clock = new VirtualClock();
    let fired = 0;
    clock.setTimer(1, () => {
      throw new Error('boom');
    });
    clock.setTimer(2, () => {
      fired += 1;
    });
    expect(() => clock.advance(5)).toThrow('boom');
    clock.advance(5);
    expect(fired).toBe(1);
  });

  it('takes a negative delay as none and refuses what is no number', () => {
    const clock = new VirtualClock();
    clock.setTimer(-5, () => {});
    expect(clock.nextDueMs).toBe(0);
    expect(() => clock.setTimer(Number.NaN, () => {})).toThrow(RangeError);
    expect(() => clock.setTimer(Number.POSITIVE_INFINITY, () => {})).toThrow(RangeError);
  });
});
