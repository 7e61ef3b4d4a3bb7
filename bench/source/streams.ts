/**
 * The events of a sample, ready to be written: whole WebSocket frames, made before anyone connects.
 *
 * Uncompressed, a ring of messages is used again and again, and only the numbers are written into
 * each copy. A compressed stream cannot be patched, so all of it is made at the start, and it ends;
 * it is that of a single shard. Of several shards there are the compressed greetings only.
 */
import type { Compression } from '../../actors/connection/ports.ts';
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
/**
 * From so many bytes on the length stands in the next two, and from so many on in the next eight.
 */
const LENGTH_IN_TWO_BYTES = 126;
const LENGTH_IN_EIGHT_BYTES = 0x1_0000;

/** What one connection gets before its events. */
export type Greeting = { readonly hello: Uint8Array; readonly ready: Uint8Array };

export type Stream = {
  /** By shard. */
  readonly greetings: readonly Greeting[];
  /** How many events there are. */
  readonly events: number;
  /** The bytes of an event's frame. */
  size(index: number): number;
  /** @param sequence the number of the event in its session */
  copy(index: number, sequence: number, target: Uint8Array, offset: number): void;
};

type Packed = Exclude<Compression, 'none'>;

/** What is used for zstd: without its optional package blocks are stored, not compressed. */
export const ZSTD_SOURCE = zstdBinding === undefined ? 'stored blocks' : 'zstd-napi';

/** One unmasked WebSocket frame. */
function webSocketFrame(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  if (length < LENGTH_IN_TWO_BYTES) {
    return Buffer.concat([Buffer.of(0x80 | opcode, length), payload]);
  }
  const isLong = length >= LENGTH_IN_EIGHT_BYTES;
  const header = Buffer.alloc(isLong ? 10 : 4);
  header[0] = 0x80 | opcode;
  header[1] = LENGTH_IN_TWO_BYTES + (isLong ? 1 : 0);
  if (isLong) header.writeBigUInt64BE(BigInt(length), 2);
  else header.writeUInt16BE(length, 2);
  return Buffer.concat([header, payload]);
}

/** Distinct messages, to measure what works on frames without a socket. */
export function messageRing(frameBytes = FRAME_BYTES): Buffer[] {
  const random = createRandom(SEED);
  return Array.from({ length: RING_FRAMES }, (_, index) =>
    messageFrame(READY_SEQUENCE + 1 + index, random, frameBytes),
  );
}

function greetingTexts(gatewayUrl: string, shards: number): readonly [Buffer, Buffer][] {
  return Array.from({ length: shards }, (_, shard) => [
    Buffer.from(helloFrame()),
    Buffer.from(readyFrame(gatewayUrl, shard, shards)),
  ]);
}

export function plainStream(gatewayUrl: string, shards: number, frameBytes: number): Stream {
  const ring = messageRing(frameBytes);
  const frames = ring.map((frame) => webSocketFrame(OPCODE_TEXT, frame));
  const size = frames[0]?.length ?? 0;
  const [sequenceAt, nonceAt] = sequenceOffsets(frames[0] as Buffer);
  return {
    greetings: greetingTexts(gatewayUrl, shards).map(([hello, ready]) => ({
      hello: webSocketFrame(OPCODE_TEXT, hello),
      ready: webSocketFrame(OPCODE_TEXT, ready),
    })),
    events: SEQUENCE_MAX - READY_SEQUENCE,
    size: () => size,
    copy(index, sequence, target, offset) {
      target.set(frames[index % RING_FRAMES] as Buffer, offset);
      writeSequence(sequence, target, offset + sequenceAt);
      writeSequence(READY_SEQUENCE + 1 + index, target, offset + nonceAt);
    },
  };
}

/** @param events how many there are to be; several shards have none */
export async function compressedStream(
  compression: Packed,
  gatewayUrl: string,
  shards: number,
  events: number,
): Promise<Stream> {
  const random = createRandom(SEED);
  const messages = Array.from({ length: shards === 1 ? events : 0 }, (_, index) =>
    messageFrame(READY_SEQUENCE + 1 + index, random),
  );
  const frames: Buffer[] = [];
  const greetings: Greeting[] = [];
  for (const texts of greetingTexts(gatewayUrl, shards)) {
    const packed = await pack(compression, [...texts, ...messages], shards === 1);
    const [hello, ready, ...rest] = packed.map((message) => webSocketFrame(OPCODE_BINARY, message));
    if (hello === undefined || ready === undefined) throw new Error('the stream is empty');
    greetings.push({ hello, ready });
    for (const frame of rest) frames.push(frame);
  }
  return {
    greetings,
    events: frames.length,
    size: (index) => frames[index]?.length ?? 0,
    copy(index, _sequence, target, offset) {
      target.set(frames[index] as Uint8Array, offset);
    },
  };
}

/** A context of zstd takes megabytes: many streams have stored blocks, of the same window. */
async function pack(
  compression: Packed,
  messages: readonly Buffer[],
  isOnly: boolean,
): Promise<readonly Uint8Array[]> {
  if (compression === 'zlib-stream') return zlibMessages(messages);
  const isStored = zstdBinding === undefined || !isOnly;
  return isStored ? storedZstdMessages(messages) : zstdMessages(messages);
}

/** How many bytes an event takes on the wire, on average. */
export function wireBytes(stream: Stream, sample = 1_000): number {
  const events = Math.min(sample, stream.events);
  let bytes = 0;
  for (let index = 0; index < events; index++) bytes += stream.size(index);
  return bytes / Math.max(1, events);
}
