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
    return new SystemTimer(Math.max(0, delayMs), callback);
  },
};

class SystemTimer implements Timer {
  readonly #dueMs: number;
  readonly #callback: () => void;
  #handle: NodeJS.Timeout;

  constructor(delayMs: number, callback: () => void) {
    this.#dueMs = performance.now() + delayMs;
    this.#callback = callback;
    this.#handle = this.#arm(delayMs);
  }

  cancel(): void {
    clearTimeout(this.#handle);
  }

  #arm(remainingMs: number): NodeJS.Timeout {
    return setTimeout(() => this.#fire(), Math.min(Math.ceil(remainingMs), TIMER_MAX_MS));
  }

  #fire(): void {
    const remainingMs = this.#dueMs - performance.now();
    if (remainingMs > 0) this.#handle = this.#arm(remainingMs);
    else this.#callback();
  }
}
