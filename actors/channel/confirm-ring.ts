/**
 * Which events are with the broker and not yet confirmed.
 *
 * A ring of slots, allocated once: whose event it is, its sequence, its size. Each event gets the
 * next tag, counted from 1 on every new link, which is also how AMQP numbers what a channel
 * publishes. Brokers that confirm in order settle the oldest; AMQP settles by tag, in any order, or
 * all up to a tag.
 *
 * Bounded in count and in bytes: `fits` says no at either bound. The bookkeeping of an event is
 * finished before its origin is told, so an origin may write again from within its callback, and a
 * throw out of one goes to `onFault` and keeps no other event from being settled.
 */
import type { EventOrigin } from '../../protocols/broker.ts';

export type ConfirmRingBounds = {
  /** A power of two, so that a slot is found by a mask. */
  readonly maxEvents: number;
  readonly maxBytes: number;
};

export class ConfirmRing {
  readonly #onFault: (error: unknown) => void;
  readonly #mask: number;
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  readonly #origins: (EventOrigin | undefined)[];
  readonly #sequences: Float64Array;
  readonly #sizes: Float64Array;
  /** The tag of the oldest event that is not settled, or the next tag when there is none. */
  #oldest = 1;
  #next = 1;
  #outstanding = 0;
  #bytes = 0;
  #settled = 0;

  constructor(bounds: ConfirmRingBounds, onFault: (error: unknown) => void) {
    if (bounds.maxEvents < 1 || (bounds.maxEvents & (bounds.maxEvents - 1)) !== 0) {
      throw new RangeError(`maxEvents is ${bounds.maxEvents}; it must be a power of two`);
    }
    this.#onFault = onFault;
    this.#mask = bounds.maxEvents - 1;
    this.#maxEvents = bounds.maxEvents;
    this.#maxBytes = bounds.maxBytes;
    this.#origins = new Array<EventOrigin | undefined>(bounds.maxEvents).fill(undefined);
    this.#sequences = new Float64Array(bounds.maxEvents);
    this.#sizes = new Float64Array(bounds.maxEvents);
  }

  /** Events that are neither confirmed nor lost. */
  get outstanding(): number {
    return this.#outstanding;
  }

  /** The bytes of those events. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many events were ever settled: two equal readings with events outstanding mean a stall. */
  get settled(): number {
    return this.#settled;
  }

  /**
   * Whether an event of `size` bytes may be taken. One that is larger than the bound may be alone.
   */
  fits(size: number): boolean {
    return (
      this.#next - this.#oldest < this.#maxEvents &&
      (this.#bytes + size <= this.#maxBytes || this.#outstanding === 0)
    );
  }

  /** Whether `share` of both bounds is free. */
  hasRoom(share: number): boolean {
    return (
      this.#next - this.#oldest <= this.#maxEvents * (1 - share) &&
      this.#bytes <= this.#maxBytes * (1 - share)
    );
  }

  /** Takes note of an event that `fits` has said yes to. */
  push(origin: EventOrigin, sequence: number, size: number): void {
    const slot = this.#next & this.#mask;
    this.#origins[slot] = origin;
    this.#sequences[slot] = sequence;
    this.#sizes[slot] = size;
    this.#next++;
    this.#outstanding++;
    this.#bytes += size;
  }

  /** The broker has answered for the oldest event. */
  settleOldest(confirmed: boolean): void {
    if (this.#outstanding > 0) this.#settle(this.#oldest, confirmed);
  }

  /**
   * The broker has answered for the event with `tag`; a tag that is settled or unknown is nothing.
   */
  settle(tag: number, confirmed: boolean): void {
    if (tag >= this.#oldest && tag < this.#next) this.#settle(tag, confirmed);
  }

  /** The broker has answered for every event up to and with `tag`. */
  settleThrough(tag: number, confirmed: boolean): void {
    const last = Math.min(tag, this.#next - 1);
    for (let current = this.#oldest; current <= last; current++) this.#settle(current, confirmed);
  }

  /**
   * The link is gone: everything outstanding is lost, oldest first, and tags count from 1 again.
   */
  loseAll(): void {
    const end = this.#next;
    for (let tag = this.#oldest; tag < end; tag++) this.#settle(tag, false);
    if (this.#outstanding === 0) {
      this.#oldest = 1;
      this.#next = 1;
    }
  }

  #settle(tag: number, confirmed: boolean): void {
    const slot = tag & this.#mask;
    const origin = this.#origins[slot];
    if (origin === undefined) return;
    const sequence = this.#sequences[slot] as number;
    this.#origins[slot] = undefined;
    this.#bytes -= this.#sizes[slot] as number;
    this.#outstanding--;
    this.#settled++;
    while (this.#oldest < this.#next && this.#origins[this.#oldest & this.#mask] === undefined) {
      this.#oldest++;
    }
    try {
      if (confirmed) origin.confirmed(sequence);
      else origin.lost(sequence);
    } catch (error) {
      this.#onFault(error);
    }
  }
}
