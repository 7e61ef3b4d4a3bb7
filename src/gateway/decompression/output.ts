/**
 * Where a message is put together: a buffer that grows by doubling, and is used again.
 *
 * The data plane is done with a message when it returns, so all connections of a process can share
 * one buffer, and an idle connection needs none. A connection keeps it only while its message has
 * not come to an end, and meanwhile the others share another.
 */
import { GarbledStreamError } from '../../../protocols/errors.ts';
import {
  DECOMPRESSED_INITIAL_BYTES,
  DECOMPRESSED_KEPT_MAX_BYTES,
  GATEWAY_MESSAGE_MAX_BYTES,
} from '../../../protocols/limits.ts';

/**
 * One byte more than a message may have, so that one that is too large is told from one that fits.
 */
const CAPACITY_MAX_BYTES = GATEWAY_MESSAGE_MAX_BYTES + 1;

export class Output {
  bytes = new Uint8Array(DECOMPRESSED_INITIAL_BYTES);
  /** How much of `bytes` is in use. */
  length = 0;

  /** What was put here; valid until the buffer is used again. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }

  append(piece: Uint8Array): void {
    const length = this.length + piece.length;
    while (length > this.bytes.length) this.grow();
    this.bytes.set(piece, this.length);
    this.length = length;
    if (length === CAPACITY_MAX_BYTES) throw tooLarge();
  }

  /** Makes room for more. @throws GarbledStreamError when a message could not be as large */
  grow(): void {
    if (this.bytes.length === CAPACITY_MAX_BYTES) throw tooLarge();
    const grown = new Uint8Array(Math.min(2 * this.bytes.length, CAPACITY_MAX_BYTES));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }
}

/** Keeps one buffer for the next message of whichever connection, unless it has become large. */
export class OutputPool {
  #spare: Output | undefined;

  take(): Output {
    const output = this.#spare ?? new Output();
    this.#spare = undefined;
    output.length = 0;
    return output;
  }

  /** What the buffer holds stays readable until the next `take`. */
  giveBack(output: Output): void {
    if (output.bytes.length <= DECOMPRESSED_KEPT_MAX_BYTES) this.#spare = output;
  }
}

function tooLarge(): GarbledStreamError {
  return new GarbledStreamError(`a message is larger than ${GATEWAY_MESSAGE_MAX_BYTES} bytes`);
}
