/**
 * The transport compressions of the gateway: one stateful context a connection.
 *
 * zlib-stream: chunks are collected until one ends in the mark of a sync flush, also when the mark
 * itself is split over two WebSocket messages (GP-74). zstd-stream: each WebSocket message holds one
 * gateway message, and the frame never ends. Both decoders are synchronous, so that an event is decoded
 * and forwarded within the socket's callback; a decoder that answers later would need an object for each.
 *
 * What comes out in pieces is put together in a buffer that is used again for the next message; what
 * comes out in one piece is passed on as it is.
 *
 * Failure: GarbledStreamError for a stream that does not decode and for a message over
 * `GATEWAY_MESSAGE_MAX_BYTES`. The context is useless after that.
 */
import { Unzlib } from 'fflate';
import { Decompress } from 'fzstd';
import type { Compression, Decompressor } from '../../actors/connection/ports.ts';
import { GarbledStreamError } from '../../protocols/errors.ts';
import { GATEWAY_MESSAGE_MAX_BYTES } from '../../protocols/limits.ts';

const INITIAL_BUFFER_BYTES = 4096;
/** What Z_SYNC_FLUSH leaves at the end: an empty stored block. */
const SYNC_FLUSH_MARK = 0x0000ffff;
const SYNC_FLUSH_MARK_BYTES = 4;
/** fflate inflates what it is given before it hands anything over: a thousandfold, at worst. */
const INFLATE_STEP_BYTES = 16 * 1024;

export function createDecompressor(compression: Compression): Decompressor {
  switch (compression) {
    case 'zstd-stream':
      return new ZstdStream();
    case 'zlib-stream':
      return new ZlibStream();
    case 'none':
      return { push: (chunk) => chunk };
  }
}

/** Collects the pieces of one message. */
class Collector {
  #buffer = new Uint8Array(INITIAL_BUFFER_BYTES);
  #single: Uint8Array | undefined;
  #length = 0;

  readonly add = (piece: Uint8Array): void => {
    if (piece.length === 0) return;
    const length = this.#length + piece.length;
    if (length > GATEWAY_MESSAGE_MAX_BYTES) {
      throw new GarbledStreamError(`a message is larger than ${GATEWAY_MESSAGE_MAX_BYTES} bytes`);
    }
    if (this.#length === 0) {
      this.#single = piece;
    } else {
      this.#reserve(length);
      if (this.#single !== undefined) this.#buffer.set(this.#single);
      this.#single = undefined;
      this.#buffer.set(piece, this.#length);
    }
    this.#length = length;
  };

  /** The message so far; valid until the next `add`. */
  take(): Uint8Array {
    const message = this.#single ?? this.#buffer.subarray(0, this.#length);
    this.#single = undefined;
    this.#length = 0;
    return message;
  }

  #reserve(length: number): void {
    if (length <= this.#buffer.length) return;
    const grown = new Uint8Array(2 ** Math.ceil(Math.log2(length)));
    if (this.#single === undefined) grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }
}

class ZlibStream implements Decompressor {
  readonly #collector = new Collector();
  readonly #inflate = new Unzlib(this.#collector.add);
  /** The last four bytes received, as a number. */
  #tail = -1;

  push(chunk: Uint8Array): Uint8Array | undefined {
    try {
      for (let at = 0; at < chunk.length; at += INFLATE_STEP_BYTES) {
        this.#inflate.push(chunk.subarray(at, at + INFLATE_STEP_BYTES));
      }
    } catch (error) {
      throw garbled('zlib', error);
    }
    const first = Math.max(0, chunk.length - SYNC_FLUSH_MARK_BYTES);
    for (let at = first; at < chunk.length; at++) this.#tail = (this.#tail << 8) | (chunk[at] ?? 0);
    if (this.#tail !== SYNC_FLUSH_MARK) return undefined;
    this.#tail = -1;
    return this.#collector.take();
  }
}

class ZstdStream implements Decompressor {
  readonly #collector = new Collector();
  readonly #decompress = new Decompress(this.#collector.add);

  push(chunk: Uint8Array): Uint8Array {
    try {
      this.#decompress.push(chunk);
    } catch (error) {
      throw garbled('zstd', error);
    }
    return this.#collector.take();
  }
}

function garbled(stream: string, error: unknown): GarbledStreamError {
  if (error instanceof GarbledStreamError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new GarbledStreamError(`the ${stream} stream cannot be decoded: ${detail}`);
}
