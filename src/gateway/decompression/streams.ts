/**
 * Where a gateway message ends in what the socket brings, for each transport compression.
 *
 * zlib-stream: a message has ended when the bytes of its last WebSocket message end in the mark of
 * a sync flush, also when the mark itself is split over two of them. zstd-stream: each WebSocket
 * message is one gateway message, and the frame never ends.
 */
import type { Decompressor } from '../../../actors/connection/ports.ts';
import type { Engine } from './engine.ts';
import type { Output, OutputPool } from './output.ts';

/** What Z_SYNC_FLUSH leaves at the end: an empty stored block. */
const SYNC_FLUSH_MARK = 0x0000ffff;
const SYNC_FLUSH_MARK_BYTES = 4;

export class ZlibStream implements Decompressor {
  readonly #engine: Engine;
  readonly #pool: OutputPool;
  /** What has come of a message that has not ended. */
  #output: Output | undefined;
  /** The last four bytes of it that were received, as a number. */
  #tail = -1;

  constructor(engine: Engine, pool: OutputPool) {
    this.#engine = engine;
    this.#pool = pool;
  }

  push(chunk: Uint8Array): Uint8Array | undefined {
    this.#output ??= this.#pool.take();
    this.#engine.decode(chunk, this.#output);
    const first = Math.max(0, chunk.length - SYNC_FLUSH_MARK_BYTES);
    for (let at = first; at < chunk.length; at++) this.#tail = (this.#tail << 8) | (chunk[at] ?? 0);
    if (this.#tail !== SYNC_FLUSH_MARK) return undefined;
    this.#tail = -1;
    const message = this.#output.view();
    this.#pool.giveBack(this.#output);
    this.#output = undefined;
    return message;
  }

  close(): void {
    this.#output = undefined;
    this.#engine.close();
  }
}

export class ZstdStream implements Decompressor {
  readonly #engine: Engine;
  readonly #pool: OutputPool;

  constructor(engine: Engine, pool: OutputPool) {
    this.#engine = engine;
    this.#pool = pool;
  }

  push(chunk: Uint8Array): Uint8Array {
    const output = this.#pool.take();
    this.#engine.decode(chunk, output);
    this.#pool.giveBack(output);
    return output.view();
  }

  close(): void {
    this.#engine.close();
  }
}
