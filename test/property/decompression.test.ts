import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GarbledStreamError } from '../../protocols/errors.ts';
import { GATEWAY_MESSAGE_MAX_BYTES } from '../../protocols/limits.ts';
import { type Decoder, loadDecoders } from '../../src/gateway/decompression/decoders.ts';
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

const ZLIB = await loadDecoders('zlib-stream');
const ZSTD = await loadDecoders('zstd-stream');

/** Pushes until the stream is garbled; anything else that is thrown fails the test. */
function pushAll({ create }: Decoder, chunks: readonly Uint8Array[]): Buffer[] {
  const decompressor = create();
  const messages: Buffer[] = [];
  try {
    for (const chunk of chunks) {
      const message = decompressor.push(chunk);
      if (message !== undefined) messages.push(Buffer.from(message));
    }
  } catch (error) {
    expect(error).toBeInstanceOf(GarbledStreamError);
  } finally {
    decompressor.close();
  }
  return messages;
}

/** Quicker for large messages than to show how they differ. */
function expectSame(found: readonly Buffer[], messages: readonly Buffer[]): void {
  expect(found.length).toBe(messages.length);
  expect(found.every((message, index) => message.equals(messages[index] ?? Buffer.of()))).toBe(
    true,
  );
}

describe.each(ZLIB)('decompression by $library', (decoder) => {
  it('GP-74: gives the messages of a zlib stream wherever it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(frames, cuts, async (messages, places) => {
        const compressed = await zlibMessages(messages);
        // Cut within each message: Discord never puts the end of one and the start of another
        // together.
        const chunks = compressed.flatMap((message) => cutAt(message, places));
        expect(pushAll(decoder, chunks)).toEqual(messages);
      }),
      { numRuns: 150 },
    );
  });
});

describe.each(ZSTD)('decompression by $library', (decoder) => {
  it('GP-74: gives one message for each message of a zstd stream', () => {
    fc.assert(
      fc.property(frames, (messages) => {
        expect(pushAll(decoder, zstd(messages))).toEqual(messages);
      }),
      { numRuns: 150 },
    );
  });
});

describe.each([...ZLIB, ...ZSTD])('decompression by $library', (decoder) => {
  const isZlib = ZLIB.includes(decoder);

  it('GP-73: either goes on or says that a stream is garbled, whatever bytes come', () => {
    const head = isZlib
      ? Uint8Array.of(0x78, 0x9c)
      : Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58);
    const chunk = fc.uint8Array({ maxLength: 300, size: 'max' });
    fc.assert(
      fc.property(
        fc.oneof(fc.constant(head), chunk),
        fc.array(chunk, { maxLength: 6 }),
        (first, chunks) => {
          pushAll(decoder, [first, ...chunks]);
          pushAll(decoder, [Buffer.concat([first, ...chunks])]);
        },
      ),
      { numRuns: 800 },
    );
  });

  it('GP-73: survives any change to the bytes of a true stream', async () => {
    const change = fc.record({ at: fc.nat(), to: fc.nat({ max: 255 }) });
    await fc.assert(
      fc.asyncProperty(
        frames,
        fc.array(change, { minLength: 1, maxLength: 4 }),
        async (messages, changes) => {
          const compressed = isZlib ? await zlibMessages(messages) : zstd(messages);
          for (const { at, to } of changes) {
            const chunk = compressed[at % compressed.length];
            if (chunk !== undefined && chunk.length > 0) chunk[at % chunk.length] = to;
          }
          for (const message of pushAll(decoder, compressed)) {
            expect(message.length).toBeLessThanOrEqual(GATEWAY_MESSAGE_MAX_BYTES);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('decompression', () => {
  /**
   * Long, and with much that repeats near and far: several blocks, and references into the window.
   */
  const texts = fc
    .array(
      fc.record({
        words: fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }), {
          minLength: 1,
          maxLength: 8,
        }),
        repeats: fc.integer({ min: 1, max: 600 }),
      }),
      { minLength: 1, maxLength: 12 },
    )
    .map((parts) =>
      parts.map(({ words, repeats }) =>
        Buffer.from(`{"op":0,"d":"${words.join(' ').repeat(repeats)}"}`),
      ),
    );

  it('gives the same bytes by every decoder that there is, natively and in JavaScript', async () => {
    const level = fc.integer({ min: 1, max: 9 });
    await fc.assert(
      fc.asyncProperty(texts, level, async (messages, zstdLevel) => {
        const zlib = await zlibMessages(messages);
        for (const decoder of ZLIB) expectSame(pushAll(decoder, zlib), messages);
        const streams = [
          storedZstdMessages(messages),
          ...(zstdBinding === undefined ? [] : [zstdMessages(messages, zstdLevel)]),
        ];
        for (const decoder of ZSTD) {
          for (const stream of streams) expectSame(pushAll(decoder, stream), messages);
        }
      }),
      { numRuns: 60 },
    );
  });
});
