/**
 * How many sessions an application may start: one per `shard_id % max_concurrency` in five seconds,
 * and a number per day. Both are measured when the IDENTIFY arrives.
 *
 * Every IDENTIFY with a valid token counts against the day, whatever becomes of it; only one that
 * was let through starts a new window for its key. The day begins with the first IDENTIFY. Keys are
 * those of `max_concurrency` as it is when an IDENTIFY arrives, also for what was let through
 * before.
 */

import { IDENTIFY_BUDGET_PERIOD_MS, IDENTIFY_WINDOW_MS } from '../../../protocols/limits.ts';
import type { Clock } from '../../../protocols/ports.ts';
import type { GatewayOptions } from './options.ts';

/** The `session_start_limit` of `/gateway/bot`. */
export type SessionStartLimit = {
  readonly total: number;
  readonly remaining: number;
  readonly reset_after: number;
  readonly max_concurrency: number;
};

export class IdentifyLimits {
  readonly #clock: Clock;
  readonly #total: number;
  #maxConcurrency: number;
  #remaining: number;
  #dayStartedMs: number | undefined;
  /** What was let through within a window, oldest first: one a shard at most. */
  #accepted: readonly { readonly shard: number; readonly atMs: number }[] = [];

  constructor(clock: Clock, options: GatewayOptions) {
    this.#clock = clock;
    this.#total = options.identifiesPerDay;
    this.#remaining = options.identifiesRemaining;
    this.#maxConcurrency = options.maxConcurrency;
  }

  /** Changes `max_concurrency`, as Discord does while a bot runs. */
  setMaxConcurrency(maxConcurrency: number): void {
    this.#maxConcurrency = maxConcurrency;
  }

  key(shard: number): number {
    return shard % this.#maxConcurrency;
  }

  /** Counts an IDENTIFY against the day; false when there was nothing left. */
  spend(): boolean {
    this.#renew();
    this.#dayStartedMs ??= this.#clock.nowMs();
    if (this.#remaining <= 0) return false;
    this.#remaining--;
    return true;
  }

  /** Whether a session of this shard may start now; if so, its key's window begins. */
  admit(shard: number): boolean {
    const key = this.key(shard);
    const nowMs = this.#clock.nowMs();
    this.#accepted = this.#accepted.filter(({ atMs }) => nowMs - atMs < IDENTIFY_WINDOW_MS);
    if (this.#accepted.some((other) => this.key(other.shard) === key)) return false;
    this.#accepted = [...this.#accepted, { shard, atMs: nowMs }];
    return true;
  }

  facts(): SessionStartLimit {
    this.#renew();
    return {
      total: this.#total,
      remaining: this.#remaining,
      reset_after: Math.ceil(this.#msLeft()),
      max_concurrency: this.#maxConcurrency,
    };
  }

  #msLeft(): number {
    if (this.#dayStartedMs === undefined) return IDENTIFY_BUDGET_PERIOD_MS;
    return this.#dayStartedMs + IDENTIFY_BUDGET_PERIOD_MS - this.#clock.nowMs();
  }

  #renew(): void {
    if (this.#msLeft() > 0) return;
    this.#dayStartedMs = undefined;
    this.#remaining = this.#total;
  }
}
