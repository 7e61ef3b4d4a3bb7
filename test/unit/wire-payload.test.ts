import { decode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBody } from '../../protocols/wire/body.ts';
import { PAYLOAD_MODES, type PayloadMode, payloadEncoder } from '../../protocols/wire/payload.ts';
import { writeXadd, xaddHead, xaddMaxBytes } from '../../protocols/wire/xadd.ts';

const utf8 = new TextEncoder();
const FACTS = { event: 'MESSAGE_CREATE', shard: 12, sequence: 4711 };

/** Encodes with foreign bytes on both sides of source and target, and checks that they stay. */
function encoded(mode: PayloadMode, json: string): Uint8Array {
  const encoder = payloadEncoder(mode);
  const text = utf8.encode(json);
  const source = new Uint8Array(text.length + 10).fill(0x7e);
  source.set(text, 5);
  const target = new Uint8Array(encoder.maxBytes(text.length) + 14).fill(0x7e);
  const end = encoder.write(source, 5, 5 + text.length, target, 7, FACTS);
  expect(end - 7).toBeLessThanOrEqual(encoder.maxBytes(text.length));
  expect([...target.subarray(0, 7)]).toEqual(Array(7).fill(0x7e));
  return target.slice(7, end);
}

describe('payload encoders', () => {
  it.each([
    [10, [0xaa]],
    [31, [0xbf]],
    [32, [0xda, 0x00, 0x20]],
    [255, [0xda, 0x00, 0xff]],
    [65_535, [0xda, 0xff, 0xff]],
    [65_536, [0xdb, 0x00, 0x01, 0x00, 0x00]],
  ])('json: a string of %i bytes, never str8, as the Go gateway writes it', (length, header) => {
    const json = `"${'a'.repeat(length - 2)}"`;
    const body = encoded('json', json);
    expect([...body.subarray(0, header.length)]).toEqual(header);
    expect(new TextDecoder().decode(body.subarray(header.length))).toBe(json);
    expect(decode(body)).toBe(json);
  });

  it('json and raw: keeps every byte, order, spacing and number as Discord wrote it', () => {
    const json = '{ "id":1087654321098765432, "a":1.0, "b":"\\u00fc", "id":"twice" }';
    expect(new TextDecoder().decode(encoded('raw', json))).toBe(json);
    expect(decode(encoded('json', json))).toBe(json);
  });

  it('map: a MessagePack map', () => {
    expect(decode(encoded('map', '{"id":"1","n":null,"x":[1.5,-3,true]}'))).toEqual({
      id: '1',
      n: null,
      x: [1.5, -3, true],
    });
  });

  it('map: stays within its bound where MessagePack is longer than JSON', () => {
    const json = `[${Array(500).fill('1.5').join(',')}]`;
    expect(decode(encoded('map', json))).toEqual(Array(500).fill(1.5));
  });

  it('map: writes what cannot be a map as a string of the same bytes', () => {
    const deep = `${'['.repeat(2_000)}${']'.repeat(2_000)}`;
    expect(decode(encoded('map', deep))).toBe(deep);
    expect(decode(encoded('map', '{"cut":'))).toBe('{"cut":');
    for (const json of ['{1234567890123456789:1}', '[01234567890123456]', '[1234567890123456e]']) {
      expect(decode(encoded('map', json))).toBe(json);
    }
  });

  it.each([
    ['a number beyond all', '{"a":1e400,"b":-1e400}', { a: Infinity, b: -Infinity }],
    ['minus zero', '[-0,-0.0]', [0, 0]],
    ['a key that stands twice: the last counts', '{"a":1,"b":2,"a":3}', { a: 3, b: 2 }],
    [
      'integers of up to 64 bits, every digit',
      '[18446744073709551615,-9223372036854775808,9007199254740993,9007199254740991]',
      [2n ** 64n - 1n, -(2n ** 63n), 9007199254740993n, 9007199254740991],
    ],
    ['integers beyond that, as floats', '[18446744073709551616]', [2 ** 64]],
    [
      'long digits that are no integer',
      '[12345678901234567.5,1e22,0.0000010005272224612843]',
      [Number('12345678901234567.5'), 1e22, Number('0.0000010005272224612843')],
    ],
    [
      'digits in strings and keys, untouched',
      '{"1234567890123456789":"\\"12345678901234567890","x":[":12345678901234567890"]}',
      { '1234567890123456789': '"12345678901234567890', x: [':12345678901234567890'] },
    ],
    [
      'half of a surrogate pair',
      '["\\ud83d","\\ude00a","\\ud83d\\ude00"]',
      ['\ufffd', '\ufffda', '😀'],
    ],
    [
      'somebody who writes our mark',
      '["\\u0000spectacles-integer:1",1234567890123456789]',
      ['\u0000spectacles-integer:1', Number('1234567890123456789')],
    ],
    [
      'the keys of other prototypes',
      '{"constructor":1,"prototype":2}',
      { constructor: 1, prototype: 2 },
    ],
  ])('map: writes %s', (_name, json, value) => {
    expect(decodeBody(encoded('map', json))).toEqual(value);
  });

  it.each(['{"__proto__":{"a":1}}', '{"d":[{"__pr\\u006fto__":1}]}'])(
    'map: writes %s as text, since decoders refuse it in a map',
    (json) => {
      expect(decode(encoded('map', json))).toBe(json);
      expect(decode(encoded('discordjs', json))).toBe(json);
    },
  );

  it('map: writes as one value what JSON can say, whatever it is', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), (json) => {
        const packed = encoded('map', json);
        const value: unknown = JSON.parse(json);
        const wide = (read: unknown): unknown => (typeof read === 'bigint' ? Number(read) : read);
        const narrowed = JSON.parse(JSON.stringify(value), (_key, read) => wide(read) || read);
        if (json.includes('__proto__')) return;
        expect(JSON.stringify(decode(packed), (_key, read) => wide(read))).toBe(
          JSON.stringify(narrowed),
        );
      }),
    );
  });

  it('discordjs: the shape that @discordjs/brokers expects', () => {
    expect(decode(encoded('discordjs', '{"id":"1"}'))).toEqual({
      shardId: 12,
      payload: { op: 0, t: 'MESSAGE_CREATE', s: 4711, d: { id: '1' } },
    });
  });
});

/** Reads one command the way Redis does. */
function readCommand(bytes: Uint8Array): { words: Buffer[]; end: number } {
  const buffer = Buffer.from(bytes);
  let at = 0;
  const line = () => {
    const end = buffer.indexOf('\r\n', at);
    const text = buffer.toString('latin1', at, end);
    at = end + 2;
    return text;
  };
  const count = Number(line().slice(1));
  const words = Array.from({ length: count }, () => {
    const length = Number(line().slice(1));
    const word = buffer.subarray(at, at + length);
    expect(buffer.toString('latin1', at + length, at + length + 2)).toBe('\r\n');
    at += length + 2;
    return word;
  });
  return { words, end: at };
}

describe('writeXadd', () => {
  const origin = { shard: 12, session: 'abc', confirmed: () => undefined, lost: () => undefined };

  it.each(
    PAYLOAD_MODES.flatMap((mode) =>
      [2, 4, 5, 9, 94, 95, 99, 994, 999, 9_994, 99_999].map((length) => [mode, length] as const),
    ),
  )('writes a command that Redis can read: %s, %i bytes of JSON', (mode, length) => {
    const encoder = payloadEncoder(mode);
    const source = utf8.encode(`"${'b'.repeat(length - 2)}"`);
    const head = xaddHead('MESSAGE_CRÉATE');
    const target = new Uint8Array(xaddMaxBytes(head, encoder, source.length, origin) + 3);
    const end = writeXadd(head, encoder, source, 0, source.length, origin, FACTS, target, 3);
    const { words, end: read } = readCommand(target.subarray(3, end));
    expect(read).toBe(end - 3);
    const texts = words.map((word) => word.toString());
    expect(texts.slice(0, 4)).toEqual(['XADD', 'MESSAGE_CRÉATE', '*', 'data']);
    expect(texts.slice(5)).toEqual(['id', 'abc:4711', 'shard', '12']);
    const body = new Uint8Array(encoder.maxBytes(source.length));
    const bodyEnd = encoder.write(source, 0, source.length, body, 0, FACTS);
    expect(Buffer.compare(words[4] as Buffer, body.subarray(0, bodyEnd))).toBe(0);
  });
});
