/** Whether those that wait can be sent in time, as far as that is known. */
import { classChangeMs } from '../../protocols/discord/request-class.ts';
import {
  ARRIVAL_MAX_MS,
  PROXY_WAIT_MAX_MS,
  REFUSED_RETRY_AFTER_MS,
} from '../../protocols/limits.ts';
import type { Load } from './ledger.ts';
import * as ledgers from './ledger.ts';
import { type BucketEffect, type BucketState, inTheAir, keysOf, type Waiting } from './state.ts';

/** What is known, at one moment, of how long requests will have to wait. */
export class Prospects {
  readonly #state: BucketState;
  /** Counted when it is first asked for: where nobody waits it never is. */
  #load: Load | null = null;
  readonly #nowMs: number;

  constructor(state: BucketState, nowMs: number) {
    this.#state = state;
    this.#nowMs = nowMs;
  }

  /** The fate of a request that cannot be done in time; null if it may. */
  fateOf(one: Waiting, ahead: number): BucketEffect | null {
    const { id, sendByMs } = one;
    const nowMs = this.#nowMs;
    if (this.#state.draining) return { kind: 'refuse', id, reason: 'stopping', retryAfterMs: 0 };
    const sent = one.failedAttempts > 0;
    if (sendByMs !== null && sendByMs <= nowMs) {
      return { kind: 'time-out', id, waitMs: null, failing: false, sent };
    }
    const openMs = this.#openMs(one, ahead);
    const waitMs = openMs - nowMs;
    if (sendByMs !== null && openMs > sendByMs) {
      const failing = ledgers.isFailing(this.#state.ledger, this.#keyOf(one), openMs);
      return { kind: 'time-out', id, waitMs, failing, sent };
    }
    if (waitMs <= PROXY_WAIT_MAX_MS) return null;
    return { kind: 'refuse', id, reason: 'long-wait', retryAfterMs: waitMs };
  }

  /** There is no room to wait: room comes when the first of the queue can go. */
  full(one: Waiting): BucketEffect {
    const waitMs = this.#openMs(one, 0) - this.#nowMs;
    const retryAfterMs = Math.max(REFUSED_RETRY_AFTER_MS, waitMs);
    return { kind: 'refuse', id: one.id, reason: 'full', retryAfterMs };
  }

  #keyOf(one: Waiting): string {
    const [key = ''] = one.keys ?? keysOf(one, this.#nowMs);
    return key;
  }

  #openMs(one: Waiting, ahead: number): number {
    const nowMs = this.#nowMs;
    const gateMs = one.gated ? this.#state.gateShutUntilMs : 0;
    const key = this.#keyOf(one);
    const { ledger } = this.#state;
    this.#load ??= ledgers.loadOf(ledger, inTheAir(this.#state));
    const openMs = ledgers.earliestMs(ledger, key, this.#load, ahead, nowMs);
    // Once it is of another class the wait of this one is no longer its own.
    return Math.max(gateMs, Math.min(openMs, classChangeMs(one.rule, nowMs, ARRIVAL_MAX_MS)));
  }
}
