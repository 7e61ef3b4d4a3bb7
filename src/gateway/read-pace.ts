/**
 * How often a busy socket is read.
 *
 * Purpose: for each read the process is woken, asks which socket it was, and reads, for one event
 * as for a hundred: that costs more than all else that is done for an event. So the events of a
 * busy socket share reads. They come no later for it: they wait here instead of for their common
 * write to the broker.
 *
 * Inner workings: a socket that has brought READ_BUSY_MESSAGES within READ_SPACING_MS is not read
 * for the rest of that time. All that rest are woken together, so that one timer does for them and
 * what they bring shares a write. A read that fills its buffer is no reason to rest: what is behind
 * has to be caught up with.
 */
import { READ_BUSY_MESSAGES, READ_SPACING_MS } from '../../protocols/limits.ts';
import type { Clock } from '../../protocols/ports.ts';

/** The sockets that rest; one for all sockets of a process. */
export class ReadPace {
  readonly #clock: Clock;
  #resting: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param wake has the socket read again */
  socket(wake: () => void): SocketPace {
    return new SocketPace(this, this.#clock, wake);
  }

  rest(delayMs: number, wake: () => void): void {
    if (this.#resting.push(wake) === 1) this.#clock.setTimer(delayMs, this.#onDue);
  }

  readonly #onDue = (): void => {
    const resting = this.#resting;
    this.#resting = [];
    for (const wake of resting) wake();
  };
}

/** The reads of one socket. */
export class SocketPace {
  readonly #pace: ReadPace;
  readonly #clock: Clock;
  readonly #wake: () => void;
  #spanStartMs = Number.NEGATIVE_INFINITY;
  #messages = 0;

  constructor(pace: ReadPace, clock: Clock, wake: () => void) {
    this.#pace = pace;
    this.#clock = clock;
    this.#wake = wake;
  }

  /**
   * Takes note of a read. @returns whether the next may come at once; otherwise the socket is woken
   * @param isFull whether there may be more of it to be read
   */
  mayGoOn(messages: number, isFull: boolean): boolean {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#spanStartMs >= READ_SPACING_MS) {
      this.#spanStartMs = nowMs;
      this.#messages = 0;
    }
    this.#messages += messages;
    if (isFull || this.#messages < READ_BUSY_MESSAGES) return true;
    this.#pace.rest(this.#spanStartMs + READ_SPACING_MS - nowMs, this.#wake);
    return false;
  }
}
