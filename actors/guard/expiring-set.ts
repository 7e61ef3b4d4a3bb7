/**
 * Keys that are remembered for a fixed time, and only so many of them.
 *
 * All are kept equally long, so the order in which they were added is the order in which they
 * expire. At the bound the oldest is forgotten before its time.
 */
export class ExpiringSet {
  readonly #untilMs = new Map<string, number>();
  readonly #keptMs: number;
  readonly #max: number;

  constructor(keptMs: number, max: number) {
    this.#keptMs = keptMs;
    this.#max = max;
  }

  add(key: string, nowMs: number): void {
    this.#untilMs.delete(key);
    this.#untilMs.set(key, nowMs + this.#keptMs);
    this.#forget(nowMs);
  }

  /** How much longer the key is remembered; 0 if it is not. */
  leftMs(key: string, nowMs: number): number {
    return Math.max(0, (this.#untilMs.get(key) ?? nowMs) - nowMs);
  }

  sizeAt(nowMs: number): number {
    this.#forget(nowMs);
    return this.#untilMs.size;
  }

  #forget(nowMs: number): void {
    for (const [key, untilMs] of this.#untilMs) {
      if (untilMs > nowMs && this.#untilMs.size <= this.#max) return;
      this.#untilMs.delete(key);
    }
  }
}
