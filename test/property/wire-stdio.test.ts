import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { STDIO_FRAME_MAX_BYTES } from '../../protocols/limits.ts';
import { decodeBody } from '../../protocols/wire/body.ts';
import { messagePackLength } from '../../protocols/wire/message-pack-length.ts';
import { dispatchFramer, encodeFrame } from '../../protocols/wire/stdio.ts';
import { StdioDecoder } from '../../protocols/wire/stdio-decoder.ts';

type Frame = { event: string; data: unknown };

function collect() {
  const frames: Frame[] = [];
  const garbage: string[] = [];
  const decoder = new StdioDecoder({
    frame: ({ event, body }) => frames.push({ event, data: decodeBody(body) }),
    garbage: (reason) => garbage.push(reason),
  });
  return { frames, garbage, decoder };
}

function cut(bytes: Uint8Array, at: readonly number[]): Uint8Array[] {
  const points = [0, ...at.map((point) => point % (bytes.length + 1)), bytes.length];
  points.sort((a, b) => a - b);
  return points.slice(1).map((end, index) => bytes.subarray(points[index], end));
}

/**
 * JSON values without the strings that the ladder would take for JSON, the keys that MessagePack
 * refuses, and the integers that JavaScript cannot hold.
 */
const data = fc
  .jsonValue({ maxDepth: 4 })
  .map((value): unknown => JSON.parse(JSON.stringify(value)))
  .filter((value) => {
    const text = JSON.stringify(value);
    return !/__proto__|(?<![\d.])\d{16,}(?![\d.e])/.test(text) && !/"\s*[[{]/.test(text);
  });
const event = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' });

/** How the writers of other languages and years frame the same message. */
const FORMS = ['json', 'spaced', 'map', 'name', 'go', 'positional'] as const;
const written = fc.record({ event, data, form: fc.constantFrom(...FORMS) });
type Written = { readonly event: string; readonly data: unknown; readonly form: string };

/** A string as Go writes text and bytes alike: never str8. */
function goString(content: string): Uint8Array {
  const bytes = new TextEncoder().encode(content);
  const header =
    bytes.length < 32 ? [0xa0 | bytes.length] : [0xda, bytes.length >> 8, bytes.length & 0xff];
  return Uint8Array.from([...header, ...bytes]);
}

function write({ event: name, data: value, form }: Written): Uint8Array {
  switch (form) {
    case 'spaced':
      return Buffer.from(
        `\n ${JSON.stringify({ more: [{}], data: value, event: name }, null, 2)} `,
      );
    case 'name':
      return encode({ name, data: value });
    case 'go': {
      const content =
        typeof value === 'object' && value ? goString(JSON.stringify(value)) : encode(value);
      const keys = [goString('event'), goString('data')] as const;
      return Buffer.concat([Uint8Array.of(0x82), keys[0], goString(name), keys[1], content]);
    }
    case 'positional':
      return encode([name, value]);
    default:
      return encodeFrame(form === 'json' ? 'json' : 'map', { event: name, body: encode(value) });
  }
}

describe('frames on standard input', () => {
  it('S4 are the same messages however they are cut, in either form', () => {
    fc.assert(
      fc.property(fc.array(written, { maxLength: 8 }), fc.array(fc.nat()), (list, points) => {
        const { frames, garbage, decoder } = collect();
        const bytes = Buffer.concat(list.map(write));
        for (const chunk of cut(bytes, points)) decoder.push(chunk);
        decoder.end();
        expect(garbage).toEqual([]);
        expect(frames).toEqual(
          list.map(({ event: name, data: value }) => ({ event: name, data: value })),
        );
      }),
    );
  });

  it('S6 are found again after a line of garbage, and garbage neither throws nor spins', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat()), (noise, points) => {
        const { decoder } = collect();
        for (const chunk of cut(noise, points)) decoder.push(chunk);
        decoder.end();
      }),
    );
    const { frames, garbage, decoder } = collect();
    decoder.push(Buffer.from('hello {"event":"LOST"}\n{"event":"FOUND","data":1}\n{"data":2}\n'));
    expect(frames).toEqual([{ event: 'FOUND', data: 1 }]);
    expect(garbage).toHaveLength(2);
  });

  it('S6 are found again after a frame that lost its end, or its beginning, or some of its middle', () => {
    const [lost, next, after] = ['LOST', 'NEXT', 'AFTER'].map((name) => ({ event: name, data }));
    const record = fc.record({ id: fc.string(), nested: fc.array(data, { maxLength: 3 }) });
    const lines = record.map((value) =>
      [lost, next, after].map((frame) => `${JSON.stringify({ ...frame, data: value })}\n`),
    );
    fc.assert(
      fc.property(lines, fc.nat(), fc.nat(), fc.array(fc.nat()), (all, from, length, points) => {
        const [broken, ...whole] = all as [string, string, string];
        const at = from % (broken.length - 1);
        // The line feed at the end stays: it is what a line of its own means.
        const left = `${broken.slice(0, at)}${broken.slice(at + 1 + length, -1)}\n`;
        // What is wrong inside the data is for the reader of the body to find.
        const frames: { event: string }[] = [];
        const garbage = () => undefined;
        const decoder = new StdioDecoder({ frame: (frame) => frames.push(frame), garbage });
        for (const chunk of cut(Buffer.from(left + whole.join('')), points)) decoder.push(chunk);
        decoder.end();
        // A frame that ends where a value is due may take the next one for its value, and no more.
        expect(frames.map((frame) => frame.event).slice(-1)).toEqual(['AFTER']);
        if (!/[:[,]$/.test(left.trimEnd())) expect(frames.at(-2)?.event).toBe('NEXT');
      }),
    );
  });

  it('S6 are found again after MessagePack that is broken', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.array(fc.nat()), (noise, points) => {
        const { frames, garbage, decoder } = collect();
        const bytes = Buffer.concat([
          Uint8Array.of(0xc1),
          noise.filter((byte) => byte !== 0x7b && byte < 0x80),
          encode({ event: 'FOUND', data: { a: 1 } }),
          encode({ name: 'NEXT', data: null }),
        ]);
        for (const chunk of cut(bytes, points)) decoder.push(chunk);
        expect(frames.map((frame) => frame.event)).toEqual(['FOUND', 'NEXT']);
        expect(garbage).toHaveLength(1);
      }),
    );
  });

  it('S6 cost time in proportion to their length, however they are broken', () => {
    const worst = ['{"a":\n', '{"a":[\n', '\x82\n', '{"a":"\n', '{\n', '\xdf\xff'];
    for (const piece of worst) {
      const { decoder } = collect();
      const chunk = Buffer.from(piece.repeat(20_000), 'latin1');
      for (let count = 0; count < 4; count++) decoder.push(chunk);
      decoder.end();
    }
  });

  it('S6 are given up when they outgrow their bound', () => {
    const { frames, garbage, decoder } = collect();
    const chunk = Buffer.alloc(1024 * 1024, 0x61);
    decoder.push(Buffer.from('{"event":"X","data":"'));
    for (let size = 0; size <= STDIO_FRAME_MAX_BYTES; size += chunk.length) decoder.push(chunk);
    decoder.push(Buffer.from('"}\n{"event":"NEXT","data":null}\n'));
    expect(garbage).toHaveLength(1);
    expect(frames).toEqual([{ event: 'NEXT', data: null }]);
  });

  it('finds the end of every MessagePack value, and of none that is cut short', () => {
    const value = fc.oneof(
      data,
      fc.uint8Array({ maxLength: 300 }),
      fc.string({ maxLength: 300 }),
      fc.double({ noNaN: true }),
      fc.maxSafeInteger(),
      fc.date({ noInvalidDate: true }),
    );
    fc.assert(
      fc.property(value, fc.nat(), (content, cutAt) => {
        const bytes = encode(content);
        expect(messagePackLength(Buffer.concat([bytes, bytes]), 0)).toBe(bytes.length);
        expect(messagePackLength(bytes.subarray(0, cutAt % bytes.length), 0)).toBe(-1);
      }),
    );
  });
});

describe('frames on standard output', () => {
  it.each(['json', 'raw', 'map'] as const)('hold Discord’s bytes of d: %s', (mode) => {
    const framer = dispatchFramer(mode, { withIds: false });
    fc.assert(
      fc.property(event, data, fc.boolean(), (name, value, isPretty) => {
        const json = new TextEncoder().encode(JSON.stringify(value, null, isPretty ? 2 : 0));
        const head = framer.head(name);
        const tail = framer.tail('');
        const target = new Uint8Array(framer.maxBytes(head, json.length, tail) + 5);
        const end = framer.write(head, json, 0, json.length, tail, target, 5);
        const frame = target.subarray(5, end);
        const { frames, garbage, decoder } = collect();
        decoder.push(frame);
        expect(garbage).toEqual([]);
        expect(frames).toEqual([{ event: name, data: value }]);
        if (mode !== 'map') expect(frame.indexOf(0x0a)).toBe(frame.length - 1);
      }),
    );
  });
});
