/**
 * The events of one connection, ready to be written: whole WebSocket frames, made before anyone connects.
 *
 * Uncompressed, a ring of messages is used again and again, and only the number is written into each
 * copy. A compressed stream cannot be patched, so all of it is made at the start, and it ends.
 */
import { createRandom } from '../../src/random.ts';
import {
  storedZstdMessages,
  zlibMessages,
  zstdBinding,
  zstdMessages,
} from '../../test/support/gateway-compression.ts';
import {
  FRAME_BYTES,
  helloFrame,
  messageFrame,
  READY_SEQUENCE,
  readyFrame,
  SEQUENCE_MAX,
  sequenceOffsets,
  writeSequence,
} from './messages.ts';

const RING_FRAMES = 256;
const SEED = 20_261_120;
const OPCODE_TEXT = 1;
const OPCODE_BINARY = 2;
const LENGTH_IN_TWO_BYTES = 126;
/** Longer messages would need another header; the longest here is READY. */
const MESSAGE_MAX_BYTES = 0xffff;

export type Stream = {
  readonly hello: Uint8Array;
  readonly ready: Uint8Array;
  /** How many events there are. */
  readonly events: number;
  /** The bytes of an event's frame. */
  size(index: number): number;
  copy(index: number, target: Uint8Array, offset: number): void;
};

/** What is used for zstd: without its optional package blocks are stored, not compressed. */
export const ZSTD_SOURCE = zstdBinding === undefined ? 'stored blocks' : 'zstd-napi';

/** One unmasked WebSocket frame. */
function webSocketFrame(opcode: number, payload: Uint8Array): Buffer {
  if (payload.length > MESSAGE_MAX_BYTES)
    throw new RangeError(`${payload.length} bytes are too many`);
  const isShort = payload.length < LENGTH_IN_TWO_BYTES;
  const header = Buffer.alloc(isShort ? 2 : 4);
  header[0] = 0x80 | opcode;
  header[1] = isShort ? payload.length : LENGTH_IN_TWO_BYTES;
  if (!isShort) header.writeUInt16BE(payload.length, 2);
  return Buffer.concat([header, payload]);
}

/** Distinct messages, to measure what works on frames without a socket. */
export function messageRing(): Buffer[] {
  const random = createRandom(SEED);
  return Array.from({ length: RING_FRAMES }, (_, index) =>
    messageFrame(READY_SEQUENCE + 1 + index, random),
  );
}

export function plainStream(gatewayUrl: string): Stream {
  const ring = messageRing();
  const frames = ring.map((frame) => webSocketFrame(OPCODE_TEXT, frame));
  const size = frames[0]?.length ?? 0;
  const offsets = sequenceOffsets(frames[0] as Buffer);
  return {
    hello: webSocketFrame(OPCODE_TEXT, Buffer.from(helloFrame())),
    ready: webSocketFrame(OPCODE_TEXT, Buffer.from(readyFrame(gatewayUrl))),
    events: SEQUENCE_MAX - READY_SEQUENCE,
    size: () => size,
    copy(index, target, offset) {
      target.set(frames[index % RING_FRAMES] as Buffer, offset);
      const sequence = READY_SEQUENCE + 1 + index;
      for (const at of offsets) writeSequence(sequence, target, offset + at);
    },
  };
}

export async function compressedStream(
  compression: 'zlib-stream' | 'zstd-stream',
  gatewayUrl: string,
  events: number,
): Promise<Stream> {
  const random = createRandom(SEED);
  const messages: Buffer[] = [Buffer.from(helloFrame()), Buffer.from(readyFrame(gatewayUrl))];
  for (let index = 0; index < events; index++) {
    messages.push(messageFrame(READY_SEQUENCE + 1 + index, random));
  }
  const packed = await pack(compression, messages);
  const [hello, ready, ...rest] = packed.map((message) => webSocketFrame(OPCODE_BINARY, message));
  if (hello === undefined || ready === undefined) throw new Error('the stream is empty');
  return {
    hello,
    ready,
    events,
    size: (index) => rest[index]?.length ?? 0,
    copy(index, target, offset) {
      target.set(rest[index] as Uint8Array, offset);
    },
  };
}

async function pack(
  compression: 'zlib-stream' | 'zstd-stream',
  messages: readonly Buffer[],
): Promise<readonly Uint8Array[]> {
  if (compression === 'zlib-stream') return zlibMessages(messages);
  return zstdBinding === undefined ? storedZstdMessages(messages) : zstdMessages(messages);
}

/** How many bytes an event of 1 KB takes on the wire, on average. */
export function wireBytes(stream: Stream, sample = 1_000): number {
  let bytes = 0;
  const events = Math.min(sample, stream.events);
  for (let index = 0; index < events; index++) bytes += stream.size(index);
  return events === 0 ? FRAME_BYTES : bytes / events;
}
