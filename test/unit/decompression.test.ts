import { resourceUsage } from 'node:process';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Compression, Decompressor } from '../../actors/connection/ports.ts';
import { GarbledStreamError } from '../../protocols/errors.ts';
import { FrameScanner } from '../../protocols/gateway/frame-scanner.ts';
import { GATEWAY_MESSAGE_MAX_BYTES } from '../../protocols/limits.ts';
import { createDecompressor } from '../../src/gateway/decompression.ts';
import { createRandom } from '../../src/random.ts';
import {
  storedZstdMessages,
  zlibBomb,
  zlibMessages,
  zstdBinding,
  zstdBomb,
  zstdMessages,
} from '../support/gateway-compression.ts';

type Stream = {
  readonly name: string;
  readonly compression: Compression;
  compress(messages: readonly Uint8Array[]): Buffer[] | Promise<Buffer[]>;
};

const STREAMS: readonly Stream[] = [
  { name: 'zlib', compression: 'zlib-stream', compress: zlibMessages },
  { name: 'zstd, stored', compression: 'zstd-stream', compress: storedZstdMessages },
  // The optional package makes what Discord really sends; without it the stored blocks have to do.
  ...(zstdBinding === undefined
    ? []
    : [1, 9].map(
        (level): Stream => ({
          name: `zstd, level ${level}`,
          compression: 'zstd-stream',
          compress: (messages) => zstdMessages(messages, level),
        }),
      )),
];

const KIB = 1024;

function frame(sequence: number, content: string): Buffer {
  return Buffer.from(JSON.stringify({ t: 'MESSAGE_CREATE', s: sequence, op: 0, d: { content } }));
}

/** Text of `length` characters that does not compress well; every fourth takes several bytes. */
function noise(length: number, seed: number): string {
  const random = createRandom(seed);
  const letter = (): string => String.fromCodePoint(0x21 + Math.floor(random() * 0x5d));
  const wide = ['é', '日', '🎉', 'ß'];
  return Array.from({ length }, (_, index) =>
    index % 4 === 0 ? (wide[Math.floor(random() * 4)] ?? '') : letter(),
  ).join('');
}

function isFrame(bytes: Uint8Array): boolean {
  return new FrameScanner().scan(bytes, 0, bytes.length);
}

/** Message by message; whatever is not one message for one push shows in the difference. */
function expectMessages(
  decompressor: Decompressor,
  compressed: readonly Uint8Array[],
  messages: readonly Uint8Array[],
): void {
  compressed.forEach((chunk, index) => {
    const message = decompressor.push(chunk);
    if (message === undefined || !Buffer.from(message).equals(messages[index] ?? Buffer.of())) {
      expect.unreachable(`message ${index} of ${messages.length} came out differently`);
    }
  });
}

describe.each(STREAMS)('a stream of $name', ({ compression, compress }) => {
  it('gives each of many messages, each from the context of those before', async () => {
    const messages = Array.from({ length: 1_500 }, (_, index) =>
      frame(index, index % 3 === 0 ? 'the same words again' : noise(index % 200, index)),
    );
    expectMessages(createDecompressor(compression), await compress(messages), messages);
  });

  it.each([16 * KIB, 64 * KIB, 128 * KIB, 2 * KIB * KIB])(
    'GP-70: gives a message of about %i bytes whole, with wide characters on every edge',
    async (size) => {
      // Shifted byte by byte, so that some edge of a block falls inside of a character.
      const padding = [0, 1, 2, 3].map((shift) => 'a'.repeat(shift));
      const messages = padding.flatMap((shift, index) => [
        frame(index, shift + '🎉é日'.repeat(size / 9)),
        frame(index, shift + noise(size / 2, index)),
        frame(index, 'short'),
      ]);
      const counts = size > 128 * KIB ? messages.slice(0, 3) : messages;
      expectMessages(createDecompressor(compression), await compress(counts), counts);
    },
  );

  it('GP-70: gives a message whose size is exactly that of its blocks, or one more or less', async () => {
    const sizes = [32, 64, 128, 256].flatMap((size) => [-1, 0, 1].map((by) => size * KIB + by));
    const messages = sizes.flatMap((size) => [
      Buffer.alloc(size, 'x'),
      Buffer.from(noise(size, size)).subarray(0, size),
    ]);
    expectMessages(createDecompressor(compression), await compress(messages), messages);
  });

  it('does not overwrite a message while the next ones are read', async () => {
    const messages = Array.from({ length: 40 }, (_, index) => frame(index, noise(300, index)));
    const decompressor = createDecompressor(compression);
    const kept = (await compress(messages)).map((chunk) => decompressor.push(chunk));
    kept.forEach((message, index) => {
      expect(Buffer.from(message ?? []).toString()).toBe(messages[index]?.toString());
    });
  });

  it('GP-72: knows nothing of another connection', async () => {
    const messages = [frame(1, 'one'), frame(2, 'two'), frame(3, 'three')];
    const compressed = await compress(messages);
    const [first, second] = [createDecompressor(compression), createDecompressor(compression)];
    compressed.forEach((chunk, index) => {
      for (const decompressor of [first, second]) {
        expect(Buffer.from(decompressor.push(chunk) ?? [])).toEqual(messages[index]);
      }
    });
  });

  it('GP-73: makes no frame of a message that is cut off at any byte', async () => {
    const messages = [frame(1, 'one'), frame(2, `two ${noise(60, 1)} two`)];
    const [first = Buffer.of(), second = Buffer.of()] = await compress(messages);
    for (const [before, cut] of [
      [[], first],
      [[first], second],
    ] as const) {
      for (let end = 0; end < cut.length; end++) {
        const decompressor = createDecompressor(compression);
        for (const chunk of before) decompressor.push(chunk);
        const message = pushOrGarbled(decompressor, cut.subarray(0, end));
        if (message instanceof Uint8Array) expect(isFrame(message)).toBe(false);
      }
    }
  });
});

/** What a push gives, a GarbledStreamError included; any other error is thrown. */
function pushOrGarbled(
  decompressor: Decompressor,
  chunk: Uint8Array,
): Uint8Array | GarbledStreamError | undefined {
  try {
    return decompressor.push(chunk);
  } catch (error) {
    if (error instanceof GarbledStreamError) return error;
    throw error;
  }
}

describe('a zlib stream', () => {
  let messages: Buffer[];
  let compressed: Buffer[];

  beforeAll(async () => {
    messages = [frame(1, 'first'), frame(2, noise(400, 5)), frame(3, 'third, first, second')];
    compressed = await zlibMessages(messages);
  });

  it('GP-74: gives a message when the mark has come, though it is cut at any byte, inside the mark too', () => {
    const stream = Buffer.concat(compressed);
    const ends = compressed.map((_, index) => Buffer.concat(compressed.slice(0, index + 1)).length);
    expect(stream.subarray(-4)).toEqual(Buffer.of(0, 0, 0xff, 0xff));
    compressed.forEach((chunk, index) => {
      const start = (ends[index] ?? 0) - chunk.length;
      for (let cut = 1; cut < chunk.length; cut++) {
        const decompressor = createDecompressor('zlib-stream');
        expectMessages(decompressor, compressed.slice(0, index), messages);
        expect(decompressor.push(stream.subarray(start, start + cut))).toBeUndefined();
        const message = decompressor.push(stream.subarray(start + cut, ends[index]));
        expect(Buffer.from(message ?? [])).toEqual(messages[index]);
        expectMessages(decompressor, compressed.slice(index + 1), messages.slice(index + 1));
      }
    });
  });

  it('GP-74: gives the messages of a stream that comes byte by byte', () => {
    const decompressor = createDecompressor('zlib-stream');
    const found: string[] = [];
    for (const byte of Buffer.concat(compressed)) {
      const message = decompressor.push(Uint8Array.of(byte));
      if (message !== undefined) found.push(Buffer.from(message).toString());
      expect(decompressor.push(new Uint8Array(0))).toBeUndefined();
    }
    expect(found).toEqual(messages.map(String));
  });

  it('GP-74: does not take the end of one message and the start of another for a mark', () => {
    const decompressor = createDecompressor('zlib-stream');
    expectMessages(decompressor, compressed.slice(0, 1), messages);
    const next = compressed[1] ?? Buffer.of();
    for (let at = 0; at < next.length - 1; at++) {
      expect(decompressor.push(next.subarray(at, at + 1))).toBeUndefined();
    }
  });

  it('refuses a bomb before it goes off', () => {
    const bomb = zlibBomb(1024);
    const before = resourceUsage().maxRSS;
    expect(() => createDecompressor('zlib-stream').push(bomb)).toThrow(GarbledStreamError);
    const grownBytes = (resourceUsage().maxRSS - before) * KIB;
    expect(grownBytes).toBeLessThan(6 * GATEWAY_MESSAGE_MAX_BYTES);
  });
});

describe('a zstd stream', () => {
  it('refuses a bomb before it goes off', () => {
    const blocks = GATEWAY_MESSAGE_MAX_BYTES / (128 * KIB);
    expect(createDecompressor('zstd-stream').push(zstdBomb(blocks))?.length).toBe(
      GATEWAY_MESSAGE_MAX_BYTES,
    );
    const before = resourceUsage().maxRSS;
    const decompressor = createDecompressor('zstd-stream');
    expect(() => decompressor.push(zstdBomb(blocks * 1_000))).toThrow(GarbledStreamError);
    const grownBytes = (resourceUsage().maxRSS - before) * KIB;
    expect(grownBytes).toBeLessThan(6 * GATEWAY_MESSAGE_MAX_BYTES);
  });

  it('GP-73: says that a stream is garbled which is none', () => {
    const push = (): unknown =>
      createDecompressor('zstd-stream').push(Buffer.from('{"op":10,"d":null}'));
    expect(push).toThrow(GarbledStreamError);
    expect(push).toThrow(/zstd/);
  });
});

describe('no compression', () => {
  it('passes what comes', () => {
    const message = frame(1, 'as it is');
    expect(createDecompressor('none').push(message)).toBe(message);
  });
});
