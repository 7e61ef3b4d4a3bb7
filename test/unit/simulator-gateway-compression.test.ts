/** What the simulated gateway puts on the wire, decoded by programs that are not ours. */
import { constants, inflateSync } from 'node:zlib';
import * as fzstd from 'fzstd';
import { describe, expect, it } from 'vitest';
import {
  cut,
  loadZstd,
  type StreamCompressor,
  storedZstdStream,
  WireEncoder,
  zlibStream,
} from '../../src/simulator/compression.ts';
import { VIRTUAL_ADDRESSES } from '../../src/simulator/discord.ts';
import { stage } from '../support/simulated-client.ts';

/** From a few bytes to several MiB, repeating and not, with text of several bytes a character. */
const MESSAGES: readonly string[] = [
  '{"op":11}',
  '{"op":11}',
  ...Array.from({ length: 50 }, (_, index) => JSON.stringify({ index, text: 'ünïcödé 🦊' })),
  JSON.stringify({ text: '🦊é漢'.repeat(20_000) }),
  JSON.stringify({ text: Array.from({ length: 40_000 }, (_, index) => `${index * 7919}`).join() }),
  'x'.repeat(128 * 1024),
  'y'.repeat(128 * 1024 + 1),
  JSON.stringify({ text: '漢字'.repeat(700_000) }),
  '{"op":1}',
];

function encode(stream: StreamCompressor): readonly Uint8Array[] {
  return MESSAGES.map((message) => stream(Buffer.from(message)));
}

/** Inflates a zlib stream up to here: all that a client has received. */
function inflate(parts: readonly Uint8Array[]): string {
  const finishFlush = constants.Z_SYNC_FLUSH;
  return inflateSync(Buffer.concat(parts), { finishFlush }).toString();
}

/** Decodes each message when it arrives, from one context. */
function decodeZstd(parts: readonly Uint8Array[]): readonly string[] {
  let output: Uint8Array[] = [];
  const decoder = new fzstd.Decompress((data) => output.push(data.slice()));
  return parts.map((part) => {
    output = [];
    decoder.push(part);
    return Buffer.concat(output).toString();
  });
}

describe('zlib-stream', () => {
  it('is one zlib stream in which each message ends in 00 00 ff ff', () => {
    const parts = encode(zlibStream());
    for (const part of parts) expect([...part.subarray(-4)]).toEqual([0, 0, 0xff, 0xff]);
    expect([...(parts[0] ?? [])].slice(0, 2)).toEqual([0x78, 0x9c]);
    expect(parts[1]?.[0]).not.toBe(0x78);
    expect(inflate(parts)).toBe(MESSAGES.join(''));
    for (let count = 1; count < 20; count++) {
      expect(inflate(parts.slice(0, count))).toBe(MESSAGES.slice(0, count).join(''));
    }
  });

  it('refers back across messages, so that a client has to keep its context', () => {
    const stream = zlibStream();
    const text = Buffer.from(JSON.stringify({ text: 'some words that come again 12345' }));
    const [first, second] = [stream(text), stream(text)];
    expect(second.length).toBeLessThan(first.length / 2);
  });
});

describe.each([
  ['stored blocks', async () => storedZstdStream],
  ['zstd-napi', loadZstd],
])('zstd-stream of %s', (_name, factory) => {
  it('gives one message for each part, of one frame that never ends', async () => {
    const stream = (await factory())();
    const parts = encode(stream);
    expect(decodeZstd(parts)).toEqual(MESSAGES);
    const magic = parts.filter((part) => Buffer.from(part).readUInt32LE(0) === 0xfd2fb528);
    expect(magic).toHaveLength(1);
  });
});

it('has real zstd where its package is installed', async () => {
  const stream = (await loadZstd())();
  const long = Buffer.from('again and '.repeat(10_000));
  expect(stream(long).length).toBeLessThan(1_000);
});

describe('framing', () => {
  it('cuts into pieces that are the whole when joined, inside of characters too', () => {
    const data = Buffer.from('漢字🦊'.repeat(7));
    for (let pieces = 1; pieces <= data.length; pieces++) {
      const parts = cut(data, pieces);
      expect(parts).toHaveLength(pieces);
      expect(parts.every((part) => part.length > 0)).toBe(true);
      expect(Buffer.concat(parts)).toEqual(data);
    }
  });

  it('is WebSocket messages for zlib-stream and fragments of one for the others', () => {
    const text = JSON.stringify({ text: 'some text to cut up' });
    const framing = { pieces: 3 };
    const zlib = new WireEncoder('zlib-stream', storedZstdStream).encode(text, framing);
    expect(zlib.map(({ fragments }) => fragments)).toEqual([1, 1, 1]);
    expect(inflate(zlib.map(({ data }) => data))).toBe(text);
    for (const compress of ['zstd-stream', null]) {
      const messages = new WireEncoder(compress, storedZstdStream).encode(text, framing);
      expect(messages.map(({ fragments }) => fragments)).toEqual([3]);
      expect(messages[0]?.binary).toBe(compress !== null);
    }
  });
});

describe('a connection', () => {
  it('has a stream of its own from its first byte', () => {
    const { client, clock } = stage();
    const query = 'v=10&encoding=json&compress=zlib-stream';
    for (let count = 0; count < 2; count++) {
      const one = client({ query }).identify().settle(1_000);
      const frames = inflate(one.chunks).match(/"t":"(READY|GUILD_CREATE)"/g) ?? [];
      expect(frames[0]).toBe('"t":"READY"');
      expect(frames).toHaveLength(5);
      clock.advance(5_000);
    }
    const zstd = client({ query: 'v=10&encoding=json&compress=zstd-stream' }).identify();
    const first: { op: number } = JSON.parse(decodeZstd(zstd.chunks)[0] ?? '');
    expect(first.op).toBe(10);
  });

  it('deflates large payloads one by one when IDENTIFY asks for it, and not beside a stream', () => {
    const { client, clock } = stage();
    const one = client().identify({ compress: true }).settle(1_000);
    expect(one.frames.map(({ op }) => op)).toEqual([10]);
    const events = one.unreadable.map((data) => JSON.parse(inflate([data])).t);
    expect(events).toEqual(['READY', ...Array(4).fill('GUILD_CREATE')]);
    clock.advance(5_000);
    const query = 'v=10&encoding=json&compress=zlib-stream';
    const other = client({ query, url: VIRTUAL_ADDRESSES.main }).identify({ compress: true });
    expect(inflate(other.chunks)).toContain('"t":"READY"');
  });
});
