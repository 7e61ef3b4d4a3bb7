/**
 * Notices listeners that settle nothing of what they are given.
 *
 * A broker hands out no more than a bound, and what is never acked counts for ever: a bot that
 * forgets to ack works for a while and then gets nothing, with nothing to show for it. A bot that
 * is merely slow settles one now and then, and is left alone. It is told once.
 */
import { UNSETTLED_WARN_MS } from '../../protocols/limits.ts';
import type { Clock, Timer } from '../../protocols/ports.ts';

export class Unsettled {
  readonly #bound: number;
  readonly #clock: Clock;
  readonly #tell: (warning: string) => void;
  #open = 0;
  #timer: Timer | undefined;
  #isTold = false;

  /** @param bound how many messages a broker hands out that are not settled */
  constructor(bound: number, clock: Clock, tell: (warning: string) => void) {
    this.#bound = bound;
    this.#clock = clock;
    this.#tell = tell;
  }

  /** Counts a message until what it returns is called, which may happen more than once. */
  enter(): () => void {
    this.#open++;
    if (this.#open >= this.#bound && !this.#isTold) this.#wait();
    let isSettled = false;
    return () => {
      if (isSettled) return;
      isSettled = true;
      this.#open--;
      this.stop();
    };
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #wait(): void {
    this.#timer ??= this.#clock.setTimer(UNSETTLED_WARN_MS, () => {
      this.#isTold = true;
      const waited = `${UNSETTLED_WARN_MS / 1_000} s`;
      this.#tell(
        `listeners have ${this.#open} messages and have settled none for ${waited}: no more come before they do; call ack for each`,
      );
    });
  }
}
