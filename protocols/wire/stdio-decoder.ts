/**
 * Reading frames on standard input.
 *
 * The decoder takes chunks cut anywhere, and JSON and MessagePack frames side by side, told apart by the
 * first byte: `{` opens JSON, a MessagePack map never begins with it. JSON frames end where their
 * braces balance, so several may share a line and one may span several. The event's name stands under
 * `event`, or under `name` as one of the older clients writes it.
 *
 * A frame that cannot be read is reported once; the decoder then skips to the next line and goes on,
 * and it gives up on a frame that outgrows its bound, so that a corrupt stream neither spins nor grows.
 */
import { decode, encode } from '@msgpack/msgpack';
import { STDIO_FRAME_MAX_BYTES } from '../limits.ts';
import { decodeBody } from './body.ts';
import { messagePackLength } from './message-pack-length.ts';

export type StdioFrame = {
  readonly event: string;
  /** The body as any broker would carry it: JSON text, or MessagePack. */
  readonly body: Uint8Array;
};

export type StdioDecoderEvents = {
  frame(frame: StdioFrame): void;
  /** Something that is no frame was skipped. */
  garbage(reason: string): void;
};

const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;

/** fixmap, map16 and map32: what a MessagePack frame may begin with. */
function opensMap(byte: number): boolean {
  return (byte & 0xf0) === 0x80 || byte === 0xde || byte === 0xdf;
}

function isWhiteSpace(byte: number): boolean {
  return byte === LINE_FEED || byte === CARRIAGE_RETURN || byte === SPACE || byte === TAB;
}

/** The end of the JSON object that opens at `start`, or -1 when it is not all there yet. */
function jsonObjectEnd(bytes: Uint8Array, start: number): number {
  let depth = 0;
  let inString = false;
  for (let index = start; index < bytes.length; index++) {
    const byte = bytes[index];
    if (inString) {
      if (byte === BACKSLASH) index++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === OPENING_BRACE) depth++;
    else if (byte === CLOSING_BRACE && --depth === 0) return index + 1;
  }
  return -1;
}

function toFrame(value: unknown): StdioFrame | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { event, name, data } = value as { event?: unknown; name?: unknown; data?: unknown };
  const label = event ?? name;
  if (typeof label !== 'string' || label === '') return undefined;
  return { event: label, body: data instanceof Uint8Array ? data : encode(data ?? null) };
}

export class StdioDecoder {
  readonly #events: StdioDecoderEvents;
  #rest: Uint8Array = new Uint8Array();
  #skipping = false;

  constructor(events: StdioDecoderEvents) {
    this.#events = events;
  }

  push(chunk: Uint8Array): void {
    const bytes = this.#join(chunk);
    let offset = 0;
    while (offset < bytes.length) {
      const next = this.#skipping ? this.#skipLine(bytes, offset) : this.#readFrame(bytes, offset);
      if (next < 0) break;
      offset = next;
    }
    this.#rest = bytes.slice(offset);
    if (this.#rest.length > STDIO_FRAME_MAX_BYTES) {
      this.#rest = new Uint8Array();
      this.#giveUp(`a frame is longer than ${STDIO_FRAME_MAX_BYTES} bytes`);
    }
  }

  /** The stream has ended; a frame that is not whole is reported. */
  end(): void {
    if (this.#rest.length > 0 && !this.#skipping) {
      this.#events.garbage(`the stream ended ${this.#rest.length} bytes into a frame`);
    }
    this.#rest = new Uint8Array();
  }

  #join(chunk: Uint8Array): Uint8Array {
    if (this.#rest.length === 0) return chunk;
    const joined = new Uint8Array(this.#rest.length + chunk.length);
    joined.set(this.#rest);
    joined.set(chunk, this.#rest.length);
    return joined;
  }

  #giveUp(reason: string): void {
    this.#skipping = true;
    this.#events.garbage(reason);
  }

  /** Returns the offset after the next line feed, or -1 having dropped what there is. */
  #skipLine(bytes: Uint8Array, offset: number): number {
    const end = bytes.indexOf(LINE_FEED, offset);
    if (end < 0) return bytes.length;
    this.#skipping = false;
    return end + 1;
  }

  /** Returns the offset after one frame, or -1 when it is not all there yet. */
  #readFrame(bytes: Uint8Array, offset: number): number {
    const first = bytes[offset] as number;
    if (isWhiteSpace(first)) return offset + 1;
    try {
      const end =
        first === OPENING_BRACE
          ? jsonObjectEnd(bytes, offset)
          : opensMap(first)
            ? messagePackLength(bytes, offset)
            : undefined;
      if (end === undefined) throw new Error(`byte 0x${first.toString(16)} opens no frame`);
      if (end < 0) return -1;
      const value: unknown =
        first === OPENING_BRACE
          ? decodeBody(bytes.subarray(offset, end))
          : decode(bytes.subarray(offset, end));
      const frame = toFrame(value);
      if (frame) this.#events.frame(frame);
      else this.#events.garbage('a frame needs an event');
      return end;
    } catch (error) {
      this.#giveUp(error instanceof Error ? error.message : String(error));
      return offset;
    }
  }
}
