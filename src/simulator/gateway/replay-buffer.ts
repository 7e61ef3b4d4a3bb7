/**
 * The dispatches of one session, kept for a RESUME: bounded by number and by bytes, oldest out
 * first.
 *
 * The data of an event is one string, shared by every session that got the event.
 */

export type Dispatch = {
  readonly sequence: number;
  readonly event: string;
  /** The JSON of `d`. */
  readonly json: string;
};

/**
 * Slots of forgotten dispatches are given back when there are this many, and half the array is
 * such.
 */
const COMPACT_AT = 1_024;

export class ReplayBuffer {
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  #kept: Dispatch[] = [];
  /** Where the oldest kept dispatch stands; what is before it has been forgotten. */
  #head = 0;
  #bytes = 0;

  constructor(maxEvents: number, maxBytes: number) {
    this.#maxEvents = maxEvents;
    this.#maxBytes = maxBytes;
  }

  push(dispatch: Dispatch): void {
    this.#kept.push(dispatch);
    this.#bytes += dispatch.json.length;
    while (this.#length > this.#maxEvents || (this.#bytes > this.#maxBytes && this.#length > 0)) {
      this.#forgetOldest();
    }
  }

  /** Everything after `sequence` in order, or undefined when a part of it has been forgotten. */
  after(sequence: number, latest: number): readonly Dispatch[] | undefined {
    if (sequence >= latest) return [];
    const oldest = this.#kept[this.#head];
    if (oldest === undefined || oldest.sequence > sequence + 1) return undefined;
    // Sequences have no gaps, so the place of one follows from that of another.
    return this.#kept.slice(this.#head + (sequence + 1 - oldest.sequence));
  }

  get latest(): Dispatch | undefined {
    return this.#kept[this.#kept.length - 1];
  }

  get #length(): number {
    return this.#kept.length - this.#head;
  }

  #forgetOldest(): void {
    this.#bytes -= this.#kept[this.#head]?.json.length ?? 0;
    this.#head++;
    if (this.#head >= COMPACT_AT && this.#head * 2 >= this.#kept.length) {
      this.#kept = this.#kept.slice(this.#head);
      this.#head = 0;
    }
  }
}
