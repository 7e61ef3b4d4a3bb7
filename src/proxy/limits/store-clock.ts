/**
 * The store's clock, told from our own monotonic one.
 *
 * Each answer of the store has its time, which was read at some moment between our asking and the
 * answer's arrival: half of that span is how wrong the middle can be. The best answer of late is
 * kept, and trusted less as it grows old, since no two clocks run alike. Where two answers cannot
 * both be true, the store's clock has been set.
 */

/** Clocks of computers differ by less than this part of the time that passes. */
const DRIFT = 0.0002;

type Sample = { readonly offsetMs: number; readonly errorMs: number; readonly atMs: number };

export class StoreClock {
  #best: Sample | null = null;

  /** The store's time less ours. */
  get offsetMs(): number {
    return this.#best?.offsetMs ?? 0;
  }

  errorMs(nowMs: number): number {
    if (this.#best === null) return Number.POSITIVE_INFINITY;
    return this.#best.errorMs + (nowMs - this.#best.atMs) * DRIFT;
  }

  /** Takes in an answer; returns whether the store's clock has been set since the last one. */
  note(askedMs: number, answeredMs: number, storeMs: number): boolean {
    const errorMs = (answeredMs - askedMs) / 2;
    const sample = { offsetMs: storeMs - askedMs - errorMs, errorMs, atMs: answeredMs };
    const oldErrorMs = this.errorMs(answeredMs);
    const apartMs = Math.abs(sample.offsetMs - this.offsetMs);
    const isSet = this.#best !== null && apartMs > errorMs + oldErrorMs + ROUNDING_MS;
    if (isSet || errorMs <= oldErrorMs) this.#best = sample;
    return isSet;
  }
}

/** The store gives its time to the microsecond; ours may be coarser. */
const ROUNDING_MS = 1;
