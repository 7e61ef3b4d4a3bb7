/**
 * One request to Discord, and all who wait for its answer.
 *
 * Each waiter has a deadline and a fate of its own. Exactly one outcome counts for each: the first.
 */
import type { Clock, Timer } from '../../../protocols/ports.ts';
import type { RestOutcome, RestRequest } from '../../../protocols/proxy.ts';
import type { Submission } from '../../../supervisors/proxy.ts';
import type { Reading } from './reading.ts';

export class Waiter {
  readonly request: RestRequest;
  readonly outcome: Promise<RestOutcome>;
  /** The flight that it waits for at the moment. */
  flight: Flight;
  /** It came to another's request, whose tree has not counted it. */
  isGuest: boolean;
  readonly #deadlineMs: number | null;
  #timer: Timer | null = null;
  #resolve: ((outcome: RestOutcome) => void) | null = null;

  constructor(request: RestRequest, flight: Flight, isGuest: boolean, nowMs: number) {
    this.request = request;
    this.flight = flight;
    this.isGuest = isGuest;
    this.#deadlineMs = request.timeoutMs === null ? null : nowMs + request.timeoutMs;
    this.outcome = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  /** The request as it is to be sent now, with the time that is left of its own. */
  requestAt(nowMs: number): RestRequest {
    if (this.#deadlineMs === null) return { ...this.request };
    return { ...this.request, timeoutMs: Math.max(0, this.#deadlineMs - nowMs) };
  }

  /** From now on its deadline is kept here and not by whoever sends the request. */
  keepDeadline(clock: Clock, passed: () => void): void {
    if (this.#deadlineMs === null || this.#timer !== null || this.#resolve === null) return;
    this.#timer = clock.setTimer(Math.max(0, this.#deadlineMs - clock.nowMs()), passed);
  }

  /** Whether this outcome is the one that counts. */
  settle(outcome: RestOutcome): boolean {
    const resolve = this.#resolve;
    if (resolve === null) {
      if (outcome.kind === 'answered') outcome.answer.discard();
      return false;
    }
    this.#resolve = null;
    this.#timer?.cancel();
    resolve(outcome);
    return true;
  }
}

export class Flight {
  readonly reading: Reading;
  /** Under which others find it. */
  readonly key: string;
  readonly waiters = new Set<Waiter>();
  submission: Submission | null = null;
  /**
   * When Discord may have read what it answers with, at the earliest; null while it cannot have.
   */
  sentMs: number | null = null;
  /** Something that its answer shows has changed since it was sent. */
  isStale = false;
  /** Its answer goes to its only waiter as it comes. */
  readonly isAlone: boolean;

  constructor(reading: Reading, key: string, isAlone: boolean) {
    this.reading = reading;
    this.key = key;
    this.isAlone = isAlone;
  }
}
