/**
 * How often the process wakes up to read its sockets.
 *
 * Purpose: to be woken, to find out which socket it was, and to read it costs more than all else
 * that is done for an event, and a gateway has hundreds of sockets, each of which brings a few
 * events at a time. So in a busy process the events of all sockets share wake-ups. They come no
 * later for it: they wait here instead of for their common write to the broker.
 *
 * Inner workings: after READ_BUSY_MESSAGES within READ_SPACING_MS the thread sleeps for the rest of
 * that time. It does so at the end of a turn of the event loop, when what had come is read and on
 * its way to the broker; what comes meanwhile is found all at once. That sockets are not read for a
 * while would do the same without holding up the rest of the process, but costs three system calls
 * for each of them, which one that brings little never earns back.
 *
 * Failure: whatever else the process does waits as well, for READ_SPACING_MS at most in each turn
 * that it takes. A process that has more to do than it can never sleeps: its turns take longer than
 * that.
 */
import { READ_BUSY_MESSAGES, READ_SPACING_MS } from '../../protocols/limits.ts';
import type { Clock } from '../../protocols/ports.ts';

export class ReadPace {
  readonly #clock: Clock;
  readonly #sleep: (durationMs: number) => void;
  /** Of the present turn. */
  #end: NodeJS.Immediate | undefined;
  #isBehind = false;
  #messages = 0;
  #spanEndMs = Number.NEGATIVE_INFINITY;

  /** One for all sockets of a process. @param sleep blocks the thread for so many milliseconds */
  constructor(clock: Clock, sleep: (durationMs: number) => void) {
    this.#clock = clock;
    this.#sleep = sleep;
  }

  /**
   * A socket has been read, and what it brought is dealt with.
   * @param isFull whether there may be more of it, which has to be caught up with
   */
  noteRead(messages: number, isFull: boolean): void {
    this.#messages += messages;
    this.#isBehind ||= isFull;
    // Behind what the read has left to be done in this turn, such as the write to a broker.
    clearImmediate(this.#end);
    this.#end = setImmediate(this.#endTurn);
  }

  readonly #endTurn = (): void => {
    const restMs = this.#spanEndMs - this.#clock.nowMs();
    const isBusy = this.#messages >= READ_BUSY_MESSAGES;
    if (restMs > 0 && isBusy && !this.#isBehind) this.#sleep(restMs);
    if (restMs <= 0 || isBusy) {
      this.#messages = 0;
      this.#spanEndMs = this.#clock.nowMs() + READ_SPACING_MS;
    }
    this.#isBehind = false;
  };
}
