/**
 * How Discord counts requests against one limit. Three ways are known, and a client sees from its
 * headers alone which one it deals with, if at all:
 *
 * - `fixed`: a window opens with the first request and takes `limit` of them until it is over.
 * - `leaky`: room for `limit` that comes back one by one, each `windowMs / limit`. The time to the
 *   reset is the time until all is back, so it moves on with each request.
 * - `sliding`: no span of `windowMs`, wherever it begins, holds more than `limit`. The strictest.
 *
 * A refused request counts nothing. All times are monotonic milliseconds, given by the caller.
 */

export type WindowKind = 'fixed' | 'leaky' | 'sliding';

export type WindowSpec = {
  readonly kind: WindowKind;
  readonly limit: number;
  readonly windowMs: number;
};

/** Where a counter stands. */
export type WindowState = {
  readonly limit: number;
  /** Requests that would be taken right now. */
  readonly remaining: number;
  /** Until the counter is as new. */
  readonly resetAfterMs: number;
  /** Until one more would be taken; 0 when it would be now. */
  readonly retryAfterMs: number;
};

export interface WindowCounter {
  /** Counts one request, and says whether there was room for it. */
  take(nowMs: number): boolean;
  state(nowMs: number): WindowState;
}

/** Sums of fractions of milliseconds are not exact; this much early is on time. */
const TOLERANCE_MS = 1e-6;

export function createCounter(spec: WindowSpec): WindowCounter {
  if (spec.kind === 'fixed') return new FixedCounter(spec);
  if (spec.kind === 'leaky') return new LeakyCounter(spec);
  return new SlidingCounter(spec);
}

class FixedCounter implements WindowCounter {
  readonly #spec: WindowSpec;
  #endsMs = Number.NEGATIVE_INFINITY;
  #used = 0;

  constructor(spec: WindowSpec) {
    this.#spec = spec;
  }

  take(nowMs: number): boolean {
    if (nowMs + TOLERANCE_MS >= this.#endsMs) {
      this.#endsMs = nowMs + this.#spec.windowMs;
      this.#used = 0;
    }
    if (this.#used >= this.#spec.limit) return false;
    this.#used++;
    return true;
  }

  state(nowMs: number): WindowState {
    const { limit } = this.#spec;
    const resetAfterMs = nowMs + TOLERANCE_MS >= this.#endsMs ? 0 : this.#endsMs - nowMs;
    const remaining = resetAfterMs === 0 ? limit : limit - this.#used;
    return { limit, remaining, resetAfterMs, retryAfterMs: remaining > 0 ? 0 : resetAfterMs };
  }
}

class LeakyCounter implements WindowCounter {
  readonly #spec: WindowSpec;
  /** What one request takes up. */
  readonly #shareMs: number;
  /** When all is back. */
  #emptyMs = Number.NEGATIVE_INFINITY;

  constructor(spec: WindowSpec) {
    this.#spec = spec;
    this.#shareMs = spec.windowMs / spec.limit;
  }

  take(nowMs: number): boolean {
    const emptyMs = Math.max(this.#emptyMs, nowMs) + this.#shareMs;
    if (emptyMs - nowMs > this.#spec.windowMs + TOLERANCE_MS) return false;
    this.#emptyMs = emptyMs;
    return true;
  }

  state(nowMs: number): WindowState {
    const { limit, windowMs } = this.#spec;
    const resetAfterMs = Math.max(0, this.#emptyMs - nowMs);
    const remaining = Math.floor((windowMs - resetAfterMs + TOLERANCE_MS) / this.#shareMs);
    const retryAfterMs = remaining > 0 ? 0 : resetAfterMs + this.#shareMs - windowMs;
    return { limit, remaining, resetAfterMs, retryAfterMs };
  }
}

class SlidingCounter implements WindowCounter {
  readonly #spec: WindowSpec;
  /**
   * When each request of the last window was taken: a ring that never holds more than the limit.
   */
  readonly #times: number[] = [];
  #oldest = 0;
  #count = 0;

  constructor(spec: WindowSpec) {
    this.#spec = spec;
  }

  take(nowMs: number): boolean {
    this.#forget(nowMs);
    const { limit } = this.#spec;
    if (this.#count >= limit) return false;
    this.#times[(this.#oldest + this.#count) % limit] = nowMs;
    this.#count++;
    return true;
  }

  state(nowMs: number): WindowState {
    this.#forget(nowMs);
    const { limit } = this.#spec;
    const remaining = limit - this.#count;
    const resetAfterMs = this.#count === 0 ? 0 : this.#leavesMs(this.#count - 1) - nowMs;
    return {
      limit,
      remaining,
      resetAfterMs,
      retryAfterMs: remaining > 0 ? 0 : this.#leavesMs(0) - nowMs,
    };
  }

  /** When the request that came as the `index`-th of those counted stops counting. */
  #leavesMs(index: number): number {
    const takenMs = this.#times[(this.#oldest + index) % this.#spec.limit];
    return (takenMs ?? Number.NEGATIVE_INFINITY) + this.#spec.windowMs;
  }

  #forget(nowMs: number): void {
    while (this.#count > 0 && this.#leavesMs(0) <= nowMs + TOLERANCE_MS) {
      this.#oldest = (this.#oldest + 1) % this.#spec.limit;
      this.#count--;
    }
  }
}
