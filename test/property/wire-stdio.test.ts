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

/** JSON values without the strings that the ladder would take for JSON, or keys MessagePack refuses. */
const data = fc
  .jsonValue({ maxDepth: 4 })
  .map((value): unknown => JSON.parse(JSON.stringify(value)))
  .filter((value) => {
    const text = JSON.stringify(value);
    return !/__proto__|constructor|prototype/.test(text) && !/"\s*[[{]/.test(text);
  });
const event = fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' });

const written = fc.oneof(
  fc.record({ event, data, form: fc.constant('json' as const) }),
  fc.record({ event, data, form: fc.constant('map' as const) }),
  fc.record({ event, data, form: fc.constant('name' as const) }),
);

function write({ event: name, data: value, form }: { event: string; data: unknown; form: string }) {
  if (form === 'name') return encode({ name, data: value });
  return encodeFrame(form === 'json' ? 'json' : 'map', name, encode(value));
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
    const framer = dispatchFramer(mode);
    fc.assert(
      fc.property(event, data, fc.boolean(), (name, value, isPretty) => {
        const json = new TextEncoder().encode(JSON.stringify(value, null, isPretty ? 2 : 0));
        const head = framer.head(name);
        const target = new Uint8Array(framer.maxBytes(head, json.length) + 5);
        const end = framer.write(head, json, 0, json.length, target, 5);
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
