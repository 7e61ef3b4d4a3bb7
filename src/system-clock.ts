/**
 * The real clock: the process's monotonic time, the wall clock, and Node's timers.
 *
 * Node fires a timer of more than `TIMER_MAX_MS` at once, so a longer wait is made of pieces. Node
 * may also fire a timer a fraction of a millisecond early by the monotonic clock; the rest is then
 * waited for too, since callers count on "not before".
 */
import { TIMER_MAX_MS } from '../protocols/limits.ts';
import type { Clock, Timer } from '../protocols/ports.ts';

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  epochMs: () => Date.now(),
  setTimer(delayMs: number, callback: () => void): Timer {
    if (!Number.isFinite(delayMs)) {
      throw new RangeError(`a timer's delay must be a finite number of ms, not ${delayMs}`);
    }
    const dueMs = performance.now() + Math.max(0, delayMs);
    let handle: NodeJS.Timeout;
    const arm = (remainingMs: number): void => {
      handle = setTimeout(fire, Math.min(Math.ceil(remainingMs), TIMER_MAX_MS));
    };
    const fire = (): void => {
      const remainingMs = dueMs - performance.now();
      if (remainingMs > 0) arm(remainingMs);
      else callback();
    };
    arm(Math.max(0, delayMs));
    return { cancel: () => clearTimeout(handle) };
  },
};
