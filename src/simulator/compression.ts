/**
 * Turns gateway messages into what goes over the wire: plain, zlib-stream or zstd-stream.
 *
 * Each connection has an encoder of its own, which keeps one context from the first message to the
 * last. All of it is synchronous, so that the order of messages is the order of calls, on real
 * sockets and on virtual time alike.
 *
 * zlib-stream: one zlib stream, flushed after each message. Node can flush a stream only with a
 * callback, so each message is deflated by a call of its own whose dictionary is the end of the
 * text before it: the blocks that come out are those of one continuous stream, back-references
 * across messages included.
 *
 * zstd-stream: one frame that never ends, flushed after each message. `zstd-napi` is optional;
 * without it the frame is made here of blocks that are stored, not compressed, which every decoder
 * must read (RFC 8878, 3.1.1). Such a stream tests a client's framing as well, only its
 * back-references less.
 */
import { constants, deflateRawSync, deflateSync } from 'node:zlib';
import { loadZstdBinding, type ZstdBinding } from '../zstd-napi.ts';
import type { Framing } from './gateway/link.ts';

/** One WebSocket message. */
export type WireMessage = {
  readonly data: Uint8Array;
  readonly binary: boolean;
  /** Into how many WebSocket fragments to cut it; 1 leaves it whole. */
  readonly fragments: number;
};

/** The compress function of one stream. */
export type StreamCompressor = (message: Uint8Array) => Uint8Array;

/** Makes the compressor of a new zstd stream. */
export type ZstdFactory = () => StreamCompressor;

/** A zlib header for a 32 KiB window and the default level (RFC 1950). */
const ZLIB_HEADER = Uint8Array.of(0x78, 0x9c);
/** How much of the text before a message it may refer back to; more costs time for each message. */
const DICTIONARY_BYTES = 4096;

export function zlibStream(): StreamCompressor {
  let header: Uint8Array = ZLIB_HEADER;
  let previous: Uint8Array = new Uint8Array(0);
  return (message) => {
    const dictionary = previous.length > 0 ? { dictionary: previous } : {};
    const blocks = deflateRawSync(message, {
      ...dictionary,
      finishFlush: constants.Z_SYNC_FLUSH,
    });
    const whole = Buffer.concat([header, blocks]);
    header = new Uint8Array(0);
    const text = Buffer.concat([previous, message]);
    previous = text.subarray(Math.max(0, text.length - DICTIONARY_BYTES));
    return whole;
  };
}

/** Magic number, a descriptor that promises nothing, and a window of 128 KiB. */
const ZSTD_HEADER = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38);
const ZSTD_BLOCK_MAX_BYTES = 128 * 1024;

/** A zstd stream of stored blocks, for where no zstd library is at hand. */
export function storedZstdStream(): StreamCompressor {
  let header: Uint8Array = ZSTD_HEADER;
  return (message) => {
    const parts: Uint8Array[] = [header];
    header = new Uint8Array(0);
    for (let start = 0; start < message.length; start += ZSTD_BLOCK_MAX_BYTES) {
      const block = message.subarray(start, start + ZSTD_BLOCK_MAX_BYTES);
      // Bit 0: not the last block; bits 1 and 2: raw; the rest is the size, little end first.
      const blockHeader = block.length << 3;
      parts.push(Uint8Array.of(blockHeader & 0xff, (blockHeader >> 8) & 0xff, blockHeader >> 16));
      parts.push(block);
    }
    return Buffer.concat(parts);
  };
}

const ZSTD_CHUNK_BYTES = 128 * 1024;

function nativeZstdStream(binding: ZstdBinding): StreamCompressor {
  const context = new binding.CCtx();
  const chunk = new Uint8Array(ZSTD_CHUNK_BYTES);
  return (message) => {
    const parts: Uint8Array[] = [];
    let rest = message;
    let pending = 1;
    while (rest.length > 0 || pending > 0) {
      const flush = binding.EndDirective.flush;
      const [left, produced, consumed] = context.compressStream2(chunk, rest, flush);
      parts.push(chunk.slice(0, produced));
      rest = rest.subarray(consumed);
      pending = left;
    }
    return Buffer.concat(parts);
  };
}

/** Real zstd when its optional package loads, stored blocks otherwise. */
export async function loadZstd(): Promise<ZstdFactory> {
  const binding = await loadZstdBinding();
  return binding === undefined ? storedZstdStream : () => nativeZstdStream(binding);
}

/** Encodes the messages of one connection. */
export class WireEncoder {
  readonly #compress: string | null;
  readonly #stream: StreamCompressor | undefined;

  /** @param compress the parameter of the client's URL */
  constructor(compress: string | null, zstd: ZstdFactory) {
    this.#compress = compress;
    if (compress === 'zlib-stream') this.#stream = zlibStream();
    else if (compress === 'zstd-stream') this.#stream = zstd();
  }

  encode(text: string, framing: Framing = {}): readonly WireMessage[] {
    const bytes = Buffer.from(text);
    const isDeflated = this.#stream === undefined && framing.deflated === true;
    const whole = this.#stream?.(bytes) ?? (isDeflated ? deflateSync(bytes) : bytes);
    const data = framing.halved ? whole.subarray(0, Math.ceil(whole.length / 2)) : whole;
    const binary = this.#stream !== undefined || isDeflated;
    const pieces = Math.min(framing.pieces ?? 1, data.length);
    if (pieces > 1 && this.#compress === 'zlib-stream') {
      return cut(data, pieces).map((part) => ({ data: part, binary, fragments: 1 }));
    }
    return [{ data, binary, fragments: pieces }];
  }
}

/** Cuts bytes into `pieces` parts of nearly equal length, wherever that falls. */
export function cut(data: Uint8Array, pieces: number): readonly Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let index = 0; index < pieces; index++) {
    const start = Math.floor((data.length * index) / pieces);
    const end = Math.floor((data.length * (index + 1)) / pieces);
    parts.push(data.subarray(start, end));
  }
  return parts;
}
