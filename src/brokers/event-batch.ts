/**
 * The events that a sink has encoded and not yet written to its socket.
 *
 * A write to a socket is a system call that wakes the peer: it costs more than all else that is
 * done for an event, and the same for one event as for a hundred. So events share writes. What
 * comes in one turn of the event loop leaves together, at its end; and writes are
 * EVENT_WRITE_SPACING_MS apart, so an event waits for that long at most, and only if another has
 * just been written. What is full is written at once.
 *
 * A buffer goes round: it is filled, written, and comes back when the socket has no more use for
 * it.
 */
import {
  EVENT_BATCH_BYTES,
  EVENT_SPARE_BATCHES_MAX,
  EVENT_WRITE_SPACING_MS,
} from '../../protocols/limits.ts';
import type { Clock } from '../../protocols/ports.ts';

/** Writes so many events to the socket; `done` says that the bytes are not needed any more. */
export type WriteBatch = (bytes: Buffer, events: number, done: () => void) => void;

export class EventBatch {
  readonly #clock: Clock;
  readonly #write: WriteBatch;
  readonly #spare: Buffer[] = [];
  #buffer: Buffer = Buffer.allocUnsafeSlow(EVENT_BATCH_BYTES);
  #length = 0;
  #events = 0;
  #isDue = false;
  /**
   * When the last write was due: what comes with the next read of a busy socket does not wait
   * again.
   */
  #dueMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, write: WriteBatch) {
    this.#clock = clock;
    this.#write = write;
  }

  /** Where the next event is to be encoded to: from `length` on there is room for `bytes`. */
  reserve(bytes: number): Buffer {
    if (this.#length + bytes > this.#buffer.length) {
      this.#flush();
      if (bytes > this.#buffer.length) {
        this.#keep(this.#buffer);
        this.#buffer = Buffer.allocUnsafeSlow(bytes);
      }
    }
    return this.#buffer;
  }

  get length(): number {
    return this.#length;
  }

  /** One more event, which ends at `length`, is to be written. */
  add(length: number): void {
    this.#length = length;
    this.#events++;
    if (this.#isDue) return;
    this.#isDue = true;
    const nowMs = this.#clock.nowMs();
    const waitMs = Math.max(0, this.#dueMs + EVENT_WRITE_SPACING_MS - nowMs);
    this.#dueMs = nowMs + waitMs;
    if (waitMs === 0) setImmediate(this.#onDue);
    else this.#clock.setTimer(waitMs, this.#onDue);
  }

  readonly #onDue = (): void => {
    this.#isDue = false;
    this.#flush();
  };

  #flush(): void {
    const events = this.#events;
    if (events === 0) return;
    const buffer = this.#buffer;
    const bytes = buffer.subarray(0, this.#length);
    this.#buffer = this.#spare.pop() ?? Buffer.allocUnsafeSlow(EVENT_BATCH_BYTES);
    this.#length = 0;
    this.#events = 0;
    this.#write(bytes, events, () => this.#keep(buffer));
  }

  #keep(buffer: Buffer): void {
    if (buffer.length === EVENT_BATCH_BYTES && this.#spare.length < EVENT_SPARE_BATCHES_MAX) {
      this.#spare.push(buffer);
    }
  }
}
