/**
 * What is counted over a whole actor system: actors, dead letters, and work that is not done.
 *
 * A unit of work is one message in a mailbox or in a handler. The system is idle when none is left
 * and a full turn of the event loop brought none: promises that a handler set off have then run as
 * far as they can, so the next thing to happen is a timer or input.
 */
export class Census {
  actors = 0;
  deadLetters = 0;
  #work = 0;
  #waiting: (() => void)[] = [];

  begin(): void {
    this.#work += 1;
  }

  done(count = 1): void {
    this.#work -= count;
    if (this.#work > 0 || this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  async idle(): Promise<void> {
    do {
      if (this.#work > 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      await new Promise((resolve) => setImmediate(resolve));
    } while (this.#work > 0);
  }
}
