/**
 * The named timers of one actor. They die with it, and a timer that was cancelled or armed again is
 * dead at once, even if its message already stands in the mailbox.
 *
 * That last point is why a fired timer keeps its entry until its message's turn has come: only the
 * entry that still stands may deliver.
 */
import { ACTOR_TIMERS_MAX } from '../../protocols/limits.ts';
import type { Clock, Timer } from '../../protocols/ports.ts';
import { SmallMap } from '../small-map.ts';
import { Signal, STALE } from './envelope.ts';

/** Whose timers they are. */
export interface TimerOwner<Message> {
  signal(signal: Signal<Message>): void;
}

export class NamedTimers<Message> {
  readonly #clock: Clock;
  readonly #owner: TimerOwner<Message>;
  readonly #timers = new SmallMap<string, Timer>();

  constructor(clock: Clock, owner: TimerOwner<Message>) {
    this.#clock = clock;
    this.#owner = owner;
  }

  /** Throws RangeError for an unusable delay or too many names: programming errors. */
  arm(name: string, delayMs: number, message: Message): void {
    this.cancel(name);
    if (this.#timers.size >= ACTOR_TIMERS_MAX) {
      throw new RangeError(
        `an actor may have ${ACTOR_TIMERS_MAX} timers; '${name}' is one too many`,
      );
    }
    const timer = this.#clock.setTimer(delayMs, () => {
      this.#owner.signal(new Signal(() => (this.#take(name, timer) ? message : STALE)));
    });
    this.#timers.set(name, timer);
  }

  cancel(name: string): void {
    this.#timers.get(name)?.cancel();
    this.#timers.delete(name);
  }

  clear(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
  }

  #take(name: string, timer: Timer): boolean {
    return this.#timers.get(name) === timer && this.#timers.delete(name);
  }
}
