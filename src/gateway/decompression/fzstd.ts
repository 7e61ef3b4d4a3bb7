/**
 * zstd in JavaScript, where zstd-napi is not installed. It takes about ten times as long.
 *
 * fzstd allocates whatever window a frame asks for, waits for the rest of a block that is cut off,
 * and so may give the end of one message as the start of the next. So the heads of frames and
 * blocks are walked through before it sees them, which is cheap: from head to head, there are few.
 */
import { Decompress } from 'fzstd';
import { GarbledStreamError } from '../../../protocols/errors.ts';
import { ZSTD_WINDOW_MAX_LOG } from '../../../protocols/limits.ts';
import { type Engine, type EngineSource, garbled } from './engine.ts';
import type { Output } from './output.ts';

class Fzstd implements Engine {
  readonly #walk = new FrameWalk();
  #output: Output | undefined;
  readonly #decompress = new Decompress((piece) => this.#output?.append(piece));

  decode(chunk: Uint8Array, output: Output): void {
    this.#output = output;
    try {
      this.#walk.check(chunk);
      this.#decompress.push(chunk);
    } catch (error) {
      throw garbled('zstd', error);
    } finally {
      this.#output = undefined;
    }
  }

  /** What it holds is the collector's. */
  close(): void {}
}

const MAGIC = 0xfd2fb528;
const CHECKSUM_BYTES = 4;
const BLOCK_HEAD_BYTES = 3;
const BLOCK_MAX_BYTES = 128 * 1024;
const REPEATED_BLOCK = 1;
const RESERVED_BLOCK = 3;
/** Where the window stands, if the frame says it: after the magic number and the descriptor. */
const WINDOW_OFFSET = 5;

/**
 * Knows where in the frame a message begins: before the frame or before a block (RFC 8878, 3.1.1).
 */
class FrameWalk {
  #isInFrame = false;
  #hasChecksum = false;

  /**
   * @throws GarbledStreamError unless the message holds whole blocks, of a frame that can be read
   */
  check(message: Uint8Array): void {
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    let at = 0;
    // Beyond the end a DataView throws a RangeError, which says as much.
    while (at < message.length) at = this.#isInFrame ? this.#block(view, at) : this.#head(view, at);
    if (at > message.length) throw new GarbledStreamError('a message ends inside of a zstd block');
  }

  #head(view: DataView, at: number): number {
    if (view.getUint32(at, true) !== MAGIC) throw new GarbledStreamError('this is no zstd frame');
    const descriptor = view.getUint8(at + 4);
    // A frame that says its size instead of a window, or that needs a dictionary, is none that goes
    // on.
    if ((descriptor & 0b1110_1011) !== 0) {
      throw new GarbledStreamError('the zstd frame is none of a stream');
    }
    const window = view.getUint8(at + WINDOW_OFFSET);
    const base = 2 ** (10 + (window >> 3));
    if (base + (base / 8) * (window & 7) > 2 ** ZSTD_WINDOW_MAX_LOG) {
      throw new GarbledStreamError('the zstd frame asks for too large a window');
    }
    this.#isInFrame = true;
    this.#hasChecksum = (descriptor & 0b100) !== 0;
    return at + WINDOW_OFFSET + 1;
  }

  #block(view: DataView, at: number): number {
    const head = view.getUint16(at, true) | (view.getUint8(at + 2) << 16);
    const type = (head >> 1) & 3;
    const size = head >> 3;
    if (type === RESERVED_BLOCK || size > BLOCK_MAX_BYTES) {
      throw new GarbledStreamError('a zstd block is none');
    }
    const isLast = (head & 1) === 1;
    if (isLast) this.#isInFrame = false;
    const bytes = type === REPEATED_BLOCK ? 1 : size;
    return at + BLOCK_HEAD_BYTES + bytes + (isLast && this.#hasChecksum ? CHECKSUM_BYTES : 0);
  }
}

export const fzstd: EngineSource = { library: 'fzstd', create: () => new Fzstd() };
