/**
 * Reading frames from another process.
 *
 * Chunks may be cut anywhere. JSON frames and MessagePack frames may follow each other in any order
 * and are told apart by their first byte. Each byte is scanned once, or twice where something is
 * broken.
 *
 * What is no frame is reported once and skipped up to the next place where a frame plainly begins:
 * a line that opens with a brace, or a MessagePack map that opens with the name of its event. A
 * frame that outgrows STDIO_FRAME_MAX_BYTES, or says that it will, is skipped the same way. So a
 * corrupt stream neither spins nor grows, and what comes after the corruption is read.
 */
import { STDIO_FRAME_MAX_BYTES } from '../limits.ts';
import { messageOf } from '../message-of.ts';
import { ChunkBuffer } from './chunk-buffer.ts';
import type { Frame } from './frame.ts';
import { BrokenFrame, isWhiteSpace, JsonFrameScan } from './json-frame.ts';
import { opensMap, opensPositional, readMessagePackFrame } from './message-pack-frame.ts';
import { MessagePackWalk } from './message-pack-length.ts';

export type StdioDecoderEvents = {
  frame(frame: Frame): void;
  /** Something that is no frame was skipped. */
  garbage(reason: string): void;
};

const OPENING_BRACE = 0x7b;
const LINE_FEED = 0x0a;

/** How a MessagePack map begins whose first key is the event's name. */
const MAP_OPENINGS = ['event', 'name'].map((key) =>
  Uint8Array.from([0xa0 | key.length, ...new TextEncoder().encode(key)]),
);
const MAP_OPENING_MAX_BYTES = 7;

function opensWithEvent(bytes: Uint8Array, offset: number): boolean {
  if (!opensMap(bytes[offset] as number)) return false;
  return MAP_OPENINGS.some((opening) =>
    opening.every((byte, index) => bytes[offset + 1 + index] === byte),
  );
}

export class StdioDecoder {
  readonly #events: StdioDecoderEvents;
  readonly #buffer = new ChunkBuffer();
  #scan: JsonFrameScan | MessagePackWalk | undefined;
  #skipping = false;
  /** While skipping: nothing but white space came since the last line feed. */
  #atLineStart = false;

  constructor(events: StdioDecoderEvents) {
    this.#events = events;
  }

  push(chunk: Uint8Array): void {
    this.#buffer.append(chunk);
    for (let isMore = true; isMore && this.#buffer.length > 0; ) {
      isMore = this.#skipping ? this.#skip() : this.#readFrame();
    }
  }

  /** The stream has ended; a frame that is not whole is reported. */
  end(): void {
    if (this.#scan !== undefined) {
      this.#events.garbage(`the stream ended ${this.#buffer.length} bytes into a frame`);
    }
    this.#scan = undefined;
    this.#buffer.consume(this.#buffer.length);
  }

  /** Reads on in the frame at hand; false when more must come first. */
  #readFrame(): boolean {
    const bytes = this.#buffer.bytes();
    const first = bytes[0] as number;
    if (this.#scan === undefined && isWhiteSpace(first)) {
      this.#buffer.consume(1);
      return true;
    }
    let frame: Frame | undefined;
    try {
      this.#scan ??= openScan(first);
      const length = this.#advance(this.#scan, bytes);
      if (length < 0) return false;
      frame =
        this.#scan instanceof JsonFrameScan
          ? this.#scan.read(bytes)
          : readMessagePackFrame(bytes.subarray(0, length));
      this.#scan = undefined;
      this.#buffer.consume(length);
    } catch (error) {
      this.#giveUp(bytes, error);
      return true;
    }
    if (frame) this.#events.frame(frame);
    else this.#events.garbage('a frame needs an event');
    return true;
  }

  /** The length of the frame, or -1 when it is not all there yet. */
  #advance(scan: JsonFrameScan | MessagePackWalk, bytes: Uint8Array): number {
    if (scan instanceof JsonFrameScan) {
      const length = scan.advance(bytes);
      if (length < 0) refuseBeyondBound(bytes.length);
      return length;
    }
    if (scan.advance(bytes, bytes.length)) return scan.offset;
    refuseBeyondBound(scan.offset + scan.announced(bytes, bytes.length));
    return -1;
  }

  /**
   * Skips what is broken. A JSON frame that was cut off swallows the beginning of the next one
   * before that is noticed, so the last line that began before the fault is looked at again.
   */
  #giveUp(bytes: Uint8Array, error: unknown): void {
    const fault = error instanceof BrokenFrame ? error.offset : 0;
    const lineEnd = fault > 0 ? bytes.lastIndexOf(LINE_FEED, fault) : -1;
    this.#buffer.consume(lineEnd > 0 ? lineEnd : Math.max(1, fault));
    this.#scan = undefined;
    this.#skipping = true;
    this.#atLineStart = false;
    this.#events.garbage(messageOf(error));
  }

  /** Drops bytes up to where a frame plainly begins; false when more must come first. */
  #skip(): boolean {
    const bytes = this.#buffer.bytes();
    for (let offset = 0; offset < bytes.length; offset++) {
      const byte = bytes[offset] as number;
      if ((this.#atLineStart && byte === OPENING_BRACE) || opensWithEvent(bytes, offset)) {
        this.#buffer.consume(offset);
        this.#skipping = false;
        return true;
      }
      if (opensMap(byte) && offset + MAP_OPENING_MAX_BYTES > bytes.length) {
        // Whether it opens a frame is not known before the next chunk.
        this.#buffer.consume(offset);
        return false;
      }
      if (byte === LINE_FEED) this.#atLineStart = true;
      else if (!isWhiteSpace(byte)) this.#atLineStart = false;
    }
    this.#buffer.consume(bytes.length);
    return false;
  }
}

function openScan(first: number): JsonFrameScan | MessagePackWalk {
  if (first === OPENING_BRACE) return new JsonFrameScan();
  if (opensMap(first) || opensPositional(first)) return new MessagePackWalk(0);
  throw new BrokenFrame(`byte 0x${first.toString(16).padStart(2, '0')} opens no frame`, 0);
}

function refuseBeyondBound(bytes: number): void {
  if (bytes <= STDIO_FRAME_MAX_BYTES) return;
  throw new BrokenFrame(`a frame is longer than ${STDIO_FRAME_MAX_BYTES} bytes`, bytes);
}
