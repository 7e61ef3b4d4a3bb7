import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Compression } from '../../actors/connection/ports.ts';
import { GarbledStreamError } from '../../protocols/errors.ts';
import { GATEWAY_MESSAGE_MAX_BYTES } from '../../protocols/limits.ts';
import { createDecompressor } from '../../src/gateway/decompression.ts';
import {
  storedZstdMessages,
  zlibMessages,
  zstdBinding,
  zstdMessages,
} from '../support/gateway-compression.ts';
import { gatewayFrame } from '../support/gateway-json.ts';

const frames = fc.array(
  gatewayFrame.map((text) => Buffer.from(text)),
  { minLength: 1, maxLength: 12 },
);
/** A part of the stream that a WebSocket message might end at. */
const cuts = fc.array(fc.nat(), { maxLength: 20, size: 'max' });

function cutAt(stream: Buffer, places: readonly number[]): Buffer[] {
  const sorted = places.map((place) => place % (stream.length + 1)).sort((a, b) => a - b);
  const edges = [0, ...sorted, stream.length];
  return edges.slice(1).map((end, index) => stream.subarray(edges[index], end));
}

const zstd = zstdBinding === undefined ? storedZstdMessages : zstdMessages;

/** Pushes until the stream is garbled; anything else that is thrown fails the test. */
function pushAll(compression: Compression, chunks: readonly Uint8Array[]): Uint8Array[] {
  const decompressor = createDecompressor(compression);
  const messages: Uint8Array[] = [];
  try {
    for (const chunk of chunks) {
      const message = decompressor.push(chunk);
      if (message !== undefined) messages.push(message.slice());
    }
  } catch (error) {
    expect(error).toBeInstanceOf(GarbledStreamError);
  }
  return messages;
}

describe('decompression', () => {
  it('GP-74: gives the messages of a zlib stream wherever it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(frames, cuts, async (messages, places) => {
        const compressed = await zlibMessages(messages);
        // Cut within each message: Discord never puts the end of one and the start of another together.
        const chunks = compressed.flatMap((message) => cutAt(message, places));
        const found = pushAll('zlib-stream', chunks).map((message) => Buffer.from(message));
        expect(found).toEqual(messages);
      }),
      { numRuns: 150 },
    );
  });

  it('GP-74: gives one message for each message of a zstd stream', () => {
    fc.assert(
      fc.property(frames, (messages) => {
        const found = pushAll('zstd-stream', zstd(messages)).map((message) => Buffer.from(message));
        expect(found).toEqual(messages);
      }),
      { numRuns: 150 },
    );
  });

  it('GP-73: either goes on or says that a stream is garbled, whatever bytes come', () => {
    const compression = fc.constantFrom<Compression>('zlib-stream', 'zstd-stream');
    const zlibHead = fc.constant(Uint8Array.of(0x78, 0x9c));
    const zstdHead = fc.constant(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58));
    const chunk = fc.uint8Array({ maxLength: 300, size: 'max' });
    fc.assert(
      fc.property(
        compression,
        fc.oneof(zlibHead, zstdHead, chunk),
        fc.array(chunk, { maxLength: 6 }),
        (kind, head, chunks) => {
          pushAll(kind, [head, ...chunks]);
          pushAll(kind, [Buffer.concat([head, ...chunks])]);
        },
      ),
      { numRuns: 1_500 },
    );
  });

  it('GP-73: survives any change to the bytes of a true stream', async () => {
    const change = fc.record({ at: fc.nat(), to: fc.nat({ max: 255 }) });
    await fc.assert(
      fc.asyncProperty(
        frames,
        fc.array(change, { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        async (messages, changes, isZlib) => {
          const compressed = isZlib ? await zlibMessages(messages) : zstd(messages);
          for (const { at, to } of changes) {
            const chunk = compressed[at % compressed.length];
            if (chunk !== undefined && chunk.length > 0) chunk[at % chunk.length] = to;
          }
          const found = pushAll(isZlib ? 'zlib-stream' : 'zstd-stream', compressed);
          for (const message of found) {
            expect(message.length).toBeLessThanOrEqual(GATEWAY_MESSAGE_MAX_BYTES);
          }
        },
      ),
      { numRuns: 400 },
    );
  });
});
