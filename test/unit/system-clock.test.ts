import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TIMER_MAX_MS } from '../../protocols/limits.ts';
import { systemClock } from '../../src/system-clock.ts';

describe('system clock', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('P30: honours a delay longer than Node can time', () => {
    const fired = vi.fn();
    systemClock.setTimer(3 * TIMER_MAX_MS + 5, fired);
    vi.advanceTimersByTime(3 * TIMER_MAX_MS + 4);
    expect(fired).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(fired).toHaveBeenCalledTimes(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('cancels a long delay after it was armed again', () => {
    const fired = vi.fn();
    const timer = systemClock.setTimer(2 * TIMER_MAX_MS, fired);
    vi.advanceTimersByTime(TIMER_MAX_MS + 1);
    timer.cancel();
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(2 * TIMER_MAX_MS);
    expect(fired).not.toHaveBeenCalled();
    timer.cancel();
  });

  it('waits for the rest when Node fires early by the monotonic clock', () => {
    const fired = vi.fn();
    const now = vi.spyOn(performance, 'now').mockReturnValue(1_000);
    systemClock.setTimer(10, fired);
    now.mockReturnValue(1_009.6);
    vi.advanceTimersByTime(10);
    expect(fired).not.toHaveBeenCalled();
    now.mockReturnValue(1_010.6);
    vi.advanceTimersByTime(1);
    expect(fired).toHaveBeenCalledTimes(1);
    now.mockRestore();
  });

  it('takes a negative delay as none and refuses what is no number', () => {
    const fired = vi.fn();
    systemClock.setTimer(-10, fired);
    vi.advanceTimersByTime(1);
    expect(fired).toHaveBeenCalledTimes(1);
    expect(() => systemClock.setTimer(Number.NaN, fired)).toThrow(RangeError);
    expect(() => systemClock.setTimer(Number.POSITIVE_INFINITY, fired)).toThrow(RangeError);
  });

  it('shows monotonic time and the wall clock', () => {
    vi.useRealTimers();
    const beforeMs = Date.now();
    expect(systemClock.epochMs()).toBeGreaterThanOrEqual(beforeMs);
    const firstMs = systemClock.nowMs();
    expect(systemClock.nowMs()).toBeGreaterThanOrEqual(firstMs);
  });
});
