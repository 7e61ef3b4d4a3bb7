import { resourceUsage } from 'node:process';
import { deflateRawSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Decompressor } from '../../actors/connection/ports.ts';
import { GarbledStreamError } from '../../protocols/errors.ts';
import { FrameScanner } from '../../protocols/gateway/frame-scanner.ts';
import { GATEWAY_MESSAGE_MAX_BYTES } from '../../protocols/limits.ts';
import {
  type Decoder,
  loadDecoder,
  loadDecoders,
} from '../../src/gateway/decompression/decoders.ts';
import { loadNodeZlib } from '../../src/gateway/decompression/node-zlib.ts';
import { createRandom } from '../../src/random.ts';
import {
  storedZstdMessages,
  zlibBomb,
  zlibMessages,
  zstdBinding,
  zstdBomb,
  zstdMessages,
} from '../support/gateway-compression.ts';

const ZLIB = await loadDecoders('zlib-stream');
const ZSTD = await loadDecoders('zstd-stream');

type Source = {
  readonly name: string;
  readonly decoders: readonly Decoder[];
  compress(messages: readonly Uint8Array[]): Buffer[] | Promise<Buffer[]>;
};

const SOURCES: readonly Source[] = [
  { name: 'zlib', decoders: ZLIB, compress: zlibMessages },
  { name: 'zstd, stored', decoders: ZSTD, compress: storedZstdMessages },
  // The optional package makes what Discord really sends; without it the stored blocks have to do.
  ...(zstdBinding === undefined
    ? []
    : [1, 9].map(
        (level): Source => ({
          name: `zstd, level ${level}`,
          decoders: ZSTD,
          compress: (messages) => zstdMessages(messages, level),
        }),
      )),
];

const STREAMS = SOURCES.flatMap(({ name, decoders, compress }) =>
  decoders.map((decoder) => ({ name, library: decoder.library, create: decoder.create, compress })),
);

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

describe.each(STREAMS)('a stream of $name by $library', ({ create, compress }) => {
  it('gives each of many messages, each from the context of those before', async () => {
    const messages = Array.from({ length: 1_500 }, (_, index) =>
      frame(index, index % 3 === 0 ? 'the same words again' : noise(index % 200, index)),
    );
    expectMessages(create(), await compress(messages), messages);
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
      expectMessages(create(), await compress(counts), counts);
    },
  );

  it('GP-70: gives a message whose size is exactly that of its blocks, or one more or less', async () => {
    const sizes = [32, 64, 128, 256].flatMap((size) => [-1, 0, 1].map((by) => size * KIB + by));
    const messages = sizes.flatMap((size) => [
      Buffer.alloc(size, 'x'),
      Buffer.from(noise(size, size)).subarray(0, size),
    ]);
    expectMessages(create(), await compress(messages), messages);
  });

  it('GP-72: knows nothing of another connection', async () => {
    const messages = [frame(1, 'one'), frame(2, 'two'), frame(3, 'three')];
    const compressed = await compress(messages);
    const [first, second] = [create(), create()];
    compressed.forEach((chunk, index) => {
      for (const decompressor of [first, second]) {
        expect(Buffer.from(decompressor.push(chunk) ?? [])).toEqual(messages[index]);
      }
    });
  });

  it('decodes nothing more when it was closed, which may be said again', async () => {
    const [first = Buffer.of()] = await compress([frame(1, 'one')]);
    const decompressor = create();
    decompressor.push(first);
    decompressor.close();
    decompressor.close();
    const other = create();
    expect(Buffer.from(other.push(first) ?? [])).toEqual(frame(1, 'one'));
  });

  it('GP-73: makes no frame of a message that is cut off at any byte', async () => {
    const messages = [frame(1, 'one'), frame(2, `two ${noise(60, 1)} two`)];
    const [first = Buffer.of(), second = Buffer.of()] = await compress(messages);
    for (const [before, cut] of [
      [[], first],
      [[first], second],
    ] as const) {
      for (let end = 0; end < cut.length; end++) {
        const decompressor = create();
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

describe.each(ZLIB)('a zlib stream by $library', ({ library, create }) => {
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
        const decompressor = create();
        expectMessages(decompressor, compressed.slice(0, index), messages);
        expect(decompressor.push(stream.subarray(start, start + cut))).toBeUndefined();
        const message = decompressor.push(stream.subarray(start + cut, ends[index]));
        expect(Buffer.from(message ?? [])).toEqual(messages[index]);
        expectMessages(decompressor, compressed.slice(index + 1), messages.slice(index + 1));
      }
    });
  });

  it('GP-74: gives the messages of a stream that comes byte by byte', () => {
    const decompressor = create();
    const found: string[] = [];
    for (const byte of Buffer.concat(compressed)) {
      const message = decompressor.push(Uint8Array.of(byte));
      if (message !== undefined) found.push(Buffer.from(message).toString());
      expect(decompressor.push(new Uint8Array(0))).toBeUndefined();
    }
    expect(found).toEqual(messages.map(String));
  });

  it('GP-74: does not take the end of one message and the start of another for a mark', () => {
    const decompressor = create();
    expectMessages(decompressor, compressed.slice(0, 1), messages);
    const next = compressed[1] ?? Buffer.of();
    for (let at = 0; at < next.length - 1; at++) {
      expect(decompressor.push(next.subarray(at, at + 1))).toBeUndefined();
    }
  });

  it('keeps the part of a message that has come, whatever comes on other connections', () => {
    const [first = Buffer.of(), second = Buffer.of(), third = Buffer.of()] = compressed;
    const waiting = create();
    expect(waiting.push(first.subarray(0, -3))).toBeUndefined();
    const other = create();
    expectMessages(other, [first, second], messages);
    expect(Buffer.from(waiting.push(first.subarray(-3)) ?? [])).toEqual(messages[0]);
    expect(waiting.push(second.subarray(0, 100))).toBeUndefined();
    expect(Buffer.from(other.push(third) ?? [])).toEqual(messages[2]);
    other.close();
    expect(Buffer.from(waiting.push(second.subarray(100)) ?? [])).toEqual(messages[1]);
  });

  it('GP-73: says that a stream is garbled which is none', () => {
    const push = (): unknown => create().push(Buffer.from('{"op":10,"d":null}'));
    expect(push).toThrow(GarbledStreamError);
    expect(push).toThrow(/zlib/);
  });

  it('makes no frame of what follows the end of the stream, and natively says so at once', () => {
    const decompressor = create();
    expectMessages(decompressor, compressed.slice(0, 1), messages);
    expect(decompressor.push(deflateRawSync(''))).toBeUndefined();
    const second = compressed[1] ?? Buffer.of();
    const found = pushOrGarbled(decompressor, second);
    if (library === 'node:zlib') expect(found).toBeInstanceOf(GarbledStreamError);
    else expect(found instanceof Uint8Array && isFrame(found)).toBe(false);
  });

  it('refuses a bomb before it goes off', () => {
    const bomb = zlibBomb(1024);
    const before = resourceUsage().maxRSS;
    expect(() => create().push(bomb)).toThrow(GarbledStreamError);
    const grownBytes = (resourceUsage().maxRSS - before) * KIB;
    expect(grownBytes).toBeLessThan(6 * GATEWAY_MESSAGE_MAX_BYTES);
  });
});

describe.each(ZSTD)('a zstd stream by $library', ({ create }) => {
  it('refuses a window larger than every decoder should have room for', () => {
    const [message = Buffer.of()] = storedZstdMessages([frame(1, 'one')]);
    const withWindow = (descriptor: number): Buffer => {
      const copy = Buffer.from(message);
      copy[5] = descriptor;
      return copy;
    };
    const ofEightMebibytes = withWindow(13 << 3);
    expect(Buffer.from(create().push(ofEightMebibytes) ?? [])).toEqual(frame(1, 'one'));
    for (const descriptor of [(13 << 3) + 1, 14 << 3, 21 << 3, 0xff]) {
      expect(() => create().push(withWindow(descriptor))).toThrow(GarbledStreamError);
    }
  });

  it('refuses a bomb before it goes off', () => {
    const blocks = GATEWAY_MESSAGE_MAX_BYTES / (128 * KIB);
    expect(create().push(zstdBomb(blocks))?.length).toBe(GATEWAY_MESSAGE_MAX_BYTES);
    const before = resourceUsage().maxRSS;
    const decompressor = create();
    expect(() => decompressor.push(zstdBomb(blocks * 1_000))).toThrow(GarbledStreamError);
    const grownBytes = (resourceUsage().maxRSS - before) * KIB;
    expect(grownBytes).toBeLessThan(6 * GATEWAY_MESSAGE_MAX_BYTES);
  });

  it('GP-73: says that a stream is garbled which is none', () => {
    const push = (): unknown => create().push(Buffer.from('{"op":10,"d":null}'));
    expect(push).toThrow(GarbledStreamError);
    expect(push).toThrow(/zstd/);
  });
});

describe('the choice of a decoder', () => {
  it('takes the native one where there is one, and has one in JavaScript everywhere', () => {
    // Fails in a version of Node that nobody has looked at; node-zlib.ts says what to do.
    expect(ZLIB.map(({ library }) => library)).toEqual(['node:zlib', 'fflate']);
    const native = zstdBinding === undefined ? [] : ['zstd-napi'];
    expect(ZSTD.map(({ library }) => library)).toEqual([...native, 'fzstd']);
  });

  it('leaves the undocumented part of node:zlib alone in a version that is not known', () => {
    expect(loadNodeZlib('20.18.0')).toBeDefined();
    expect(loadNodeZlib('99.0.0')).toBeUndefined();
  });
});

describe('no compression', () => {
  it('passes what comes', async () => {
    const { library, create } = await loadDecoder('none');
    const message = frame(1, 'as it is');
    expect(library).toBe('none');
    expect(create().push(message)).toBe(message);
  });
});
