/**
 * Remembers when each event arrived, by its number, and whether one arrived twice.
 *
 * Times are nanoseconds of the machine's monotonic clock, which all processes share.
 */
import { READY_SEQUENCE } from './source/messages.ts';

const INITIAL_CAPACITY = 65_536;

export function nanoseconds(): number {
  return Number(process.hrtime.bigint());
}

export class Arrivals {
  /** Whether `note` does anything. */
  recording = true;
  duplicates = 0;
  count = 0;
  /** By event, from 0; 0 where none has arrived. */
  #times = new Float64Array(INITIAL_CAPACITY);

  note(sequence: number): void {
    if (!this.recording) return;
    const index = sequence - READY_SEQUENCE - 1;
    if (!Number.isInteger(index) || index < 0) throw new Error(`no event has number ${sequence}`);
    if (index >= this.#times.length) this.#grow(index);
    if (this.#times[index] === 0) this.count++;
    else this.duplicates++;
    this.#times[index] = nanoseconds();
  }

  times(): Float64Array {
    return this.#times;
  }

  #grow(index: number): void {
    const grown = new Float64Array(2 ** Math.ceil(Math.log2(index + 2)));
    grown.set(this.#times);
    this.#times = grown;
  }
}
