/**
 * How far a session has come: the highest sequence received, and the highest up to which all is
 * done.
 *
 * An event is done when the broker has confirmed it or the filter has dropped it. What is saved,
 * and what a RESUME carries, is `done`: after any crash Discord sends everything above it again.
 *
 * Inner workings: the sequences that are with the broker stand in a ring in ascending order, each
 * with a mark once it is confirmed. A confirm of the oldest moves `done`; any other waits for its
 * elders. The ring grows by doubling up to `UNCONFIRMED_EVENTS_MAX` and is part of the data plane:
 * mutable, and nothing is allocated per event.
 *
 * Failure: `take` returns false when the ring is full. A confirm of an unknown sequence changes
 * nothing: after a `rewind` the confirms of the first delivery may still arrive.
 */
import type { EventOrigin } from '../../protocols/broker.ts';
import { UNCONFIRMED_EVENTS_MAX } from '../../protocols/limits.ts';

/** Small, since most shards have little under way; V8 keeps such a ring in its own heap. */
const INITIAL_CAPACITY = 8;

export class SessionCursor implements EventOrigin {
  readonly shard: number;
  readonly session: string;
  readonly #onLost: () => void;
  #received: number;
  #pending = new Float64Array(INITIAL_CAPACITY);
  #confirmed = new Uint8Array(INITIAL_CAPACITY);
  #head = 0;
  #count = 0;
  #lossTold = false;
  /** Told once when nothing is with the broker any more, or the broker gives something up. */
  #onSettled: (() => void) | undefined;

  /**
   * @param sequence where the session stands: 0 for a new one
   * @param onLost called when the broker gives up an event: once until the next rewind, since that
   *   heals all losses, and a broker that fails gives up thousands at once
   */
  constructor(shard: number, session: string, sequence: number, onLost: () => void) {
    this.shard = shard;
    this.session = session;
    this.#received = sequence;
    this.#onLost = onLost;
  }

  /** The last sequence received, whatever became of its event; heartbeats carry it. */
  get received(): number {
    return this.#received;
  }

  get unconfirmed(): number {
    return this.#count;
  }

  get done(): number {
    return this.#count === 0 ? this.#received : (this.#pending[this.#head] ?? 0) - 1;
  }

  /** Notes an event that needs no broker. */
  skip(sequence: number): void {
    if (sequence > this.#received) this.#received = sequence;
  }

  /** Whether one more event can be handed to the broker. */
  get open(): boolean {
    return this.#count < UNCONFIRMED_EVENTS_MAX;
  }

  /** Notes an event that is about to be handed to the broker; `untake` takes the word back. */
  take(sequence: number): boolean {
    if (this.#count === this.#pending.length && !this.#grow()) return false;
    const at = (this.#head + this.#count) & (this.#pending.length - 1);
    this.#pending[at] = sequence;
    this.#confirmed[at] = 0;
    this.#count++;
    this.#received = sequence;
    return true;
  }

  /** The broker refused the event that was taken last, before which `received` was `previous`. */
  untake(previous: number): void {
    this.#count--;
    this.#received = previous;
  }

  confirmed(sequence: number): void {
    const at = this.#find(sequence);
    if (at === -1) return;
    this.#confirmed[at] = 1;
    while (this.#count > 0 && this.#confirmed[this.#head] === 1) {
      this.#head = (this.#head + 1) & (this.#pending.length - 1);
      this.#count--;
    }
    if (this.#count === 0) this.#tellSettled();
  }

  lost(sequence: number): void {
    if (this.#lossTold || this.#find(sequence) === -1) return;
    this.#lossTold = true;
    this.#tellSettled();
    this.#onLost();
  }

  /**
   * Resolves when the broker has confirmed all, or has given up some of it. For a session that
   * takes no more.
   */
  settled(): Promise<void> {
    if (this.#count === 0 || this.#lossTold) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onSettled = resolve;
    });
  }

  /** Forgets what is not done: Discord is about to send it again. */
  rewind(): void {
    this.#received = this.done;
    this.#count = 0;
    this.#lossTold = false;
  }

  #tellSettled(): void {
    this.#onSettled?.();
    this.#onSettled = undefined;
  }

  /** Binary search, since the ring is in ascending order; the oldest is the usual answer. */
  #find(sequence: number): number {
    const mask = this.#pending.length - 1;
    let low = 0;
    let high = this.#count - 1;
    if (high >= 0 && this.#pending[this.#head] === sequence) return this.#head;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const at = (this.#head + middle) & mask;
      const found = this.#pending[at] ?? 0;
      if (found === sequence) return at;
      if (found < sequence) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  #grow(): boolean {
    const capacity = this.#pending.length;
    if (capacity >= UNCONFIRMED_EVENTS_MAX) return false;
    const pending = new Float64Array(capacity * 2);
    const confirmed = new Uint8Array(capacity * 2);
    for (let index = 0; index < this.#count; index++) {
      const at = (this.#head + index) & (capacity - 1);
      pending[index] = this.#pending[at] ?? 0;
      confirmed[index] = this.#confirmed[at] ?? 0;
    }
    this.#pending = pending;
    this.#confirmed = confirmed;
    this.#head = 0;
    return true;
  }
}
