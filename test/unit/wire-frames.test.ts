/**
 * Frames between two processes as each client writes them, byte by byte from their encoders' rules.
 */
import { decode } from '@msgpack/msgpack';
import { describe, expect, it } from 'vitest';
import { decodeBody, encodeBody } from '../../protocols/wire/body.ts';
import type { Frame } from '../../protocols/wire/frame.ts';
import { encodeFrame } from '../../protocols/wire/stdio.ts';
import { StdioDecoder } from '../../protocols/wire/stdio-decoder.ts';

const utf8 = (text: string) => [...new TextEncoder().encode(text)];
const fixstr = (text: string) => [0xa0 | utf8(text).length, ...utf8(text)];
const bytes = (...values: (number | readonly number[])[]) => Uint8Array.from(values.flat());
const str16 = (text: string) => [
  0xda,
  utf8(text).length >> 8,
  utf8(text).length & 0xff,
  ...utf8(text),
];

function read(...chunks: Uint8Array[]): { frames: Frame[]; garbage: string[] } {
  const frames: Frame[] = [];
  const garbage: string[] = [];
  const decoder = new StdioDecoder({
    frame: (frame) => frames.push(frame),
    garbage: (reason) => garbage.push(reason),
  });
  for (const chunk of chunks) decoder.push(chunk);
  decoder.end();
  return { frames, garbage };
}

const line = (text: string) => Buffer.from(`${text}\n`);
const long = `{"content":"${'a'.repeat(40)}"}`;

describe('a frame', () => {
  it.each([
    ['the specification: an object of JSON', line('{"event":"E","data":{"a":1}}'), { a: 1 }],
    ['the same with its members the other way round', line('{"data":[1],"event":"E"}'), [1]],
    ['the same over several lines', line('{\n "event" : "E",\r\n\t"data" : [ 1 ]\n}'), [1]],
    ['an event whose name is escaped', line('{"\\u0065vent":"\\u0045","data":2}'), 2],
    ['data of one digit, which is no MessagePack', line('{"event":"E","data":7}'), 7],
    ['no data', line('{"event":"E"}'), null],
    ['members that mean nothing here', line('{"t":[{"event":"X"}],"event":"E","data":{}}'), {}],
    [
      'members that stand twice: the last counts',
      line('{"event":"X","data":1,"event":"E","data":2}'),
      2,
    ],
    ['bytes, which JSON does not have', line('{"event":"E","bytes":"kwECAw=="}'), [1, 2, 3]],
    [
      'the Go gateway: a map whose data is a raw string of JSON, never str8',
      bytes(0x82, fixstr('event'), fixstr('E'), fixstr('data'), str16(long)),
      JSON.parse(long),
    ],
    [
      'the Go gateway: data before event, as maps may be',
      bytes(0x82, fixstr('data'), fixstr('[]'), fixstr('event'), fixstr('E')),
      [],
    ],
    [
      'the Rust client: a map with name, and a str8',
      bytes(0x82, fixstr('name'), fixstr('E'), fixstr('data'), 0xd9, utf8(long).length, utf8(long)),
      JSON.parse(long),
    ],
    [
      'the Rust client: Bytes, as bin',
      bytes(0x82, fixstr('name'), fixstr('E'), fixstr('data'), 0xc4, 0x07, utf8('{"a":1}')),
      { a: 1 },
    ],
    [
      'the Rust client: Vec<u8>, as an array of integers',
      bytes(0x82, fixstr('name'), fixstr('E'), fixstr('data'), 0x97, utf8('{"a":1}')),
      { a: 1 },
    ],
    [
      'the Rust client: numbers that spell nothing stay numbers',
      bytes(0x82, fixstr('name'), fixstr('E'), fixstr('data'), 0x92, 0x01, 0xcc, 0xff),
      [1, 255],
    ],
    [
      'anybody else: numbers that spell JSON stay numbers',
      bytes(0x82, fixstr('event'), fixstr('E'), fixstr('data'), 0x92, 0x7b, 0x7d),
      [0x7b, 0x7d],
    ],
    [
      'the Rust client before 2022-09: an array of name and data',
      bytes(0x92, fixstr('E'), 0x97, utf8('{"a":1}')),
      { a: 1 },
    ],
    [
      'the JS client: a map with uint8 and nil',
      bytes(0x82, fixstr('event'), fixstr('E'), fixstr('data'), 0x92, 0xcc, 0xc8, 0xc0),
      [200, null],
    ],
    [
      'a map of 16 bits of length with members that mean nothing here',
      bytes(0xde, 0x00, 0x03, 0x01, 0x02, fixstr('event'), fixstr('E'), fixstr('data'), 0xc3),
      true,
    ],
    [
      'names and events as bin',
      bytes(0x82, 0xc4, 0x05, utf8('event'), 0xc4, 0x01, utf8('E'), fixstr('data'), 0x05),
      5,
    ],
  ])('is read from %s', (_name, written, data) => {
    const { frames, garbage } = read(written, line('{"event":"NEXT"}'));
    expect(garbage).toEqual([]);
    expect(frames.map((frame) => frame.event)).toEqual(['E', 'NEXT']);
    expect(decodeBody((frames[0] as Frame).body)).toEqual(data);
    // The same, one byte at a time.
    const single = read(...[...written].map((byte) => Uint8Array.of(byte)));
    expect(single.frames).toEqual(frames.slice(0, 1));
  });

  it.each([
    ['no event', line('{"data":1}')],
    ['an event that is no text', line('{"event":1,"data":1}')],
    ['an empty event', line('{"event":"","data":1}')],
    ['a map without an event', bytes(0x81, fixstr('data'), 0x01)],
    ['an event that is no UTF-8', bytes(0x81, fixstr('event'), 0xc4, 0x01, 0xff)],
    ['an array that opens with no name', bytes(0x92, 0x01, 0x02)],
    ['a comma too many', line('{"event":"E",}')],
    ['a colon too few', line('{"event" "E"}')],
    ['brackets that do not match', line('{"event":"E","data":[}]')],
    ['a value without a name', line('{"event":"E",1}')],
    ['a line feed inside a string', line('{"event":"E","data":"a\nb"}')],
    ['nesting without end', line(`{"event":"E","data":${'['.repeat(20_000)}`)],
  ])('is none with %s, which is said once, and the next is read', (_name, written) => {
    const { frames, garbage } = read(written, line('\n{"event":"NEXT"}'));
    expect(garbage).toHaveLength(1);
    expect(frames.map((frame) => frame.event)).toEqual(['NEXT']);
  });

  it('has a key and an id where its sender gave them', () => {
    const { frames } = read(
      line('{"event":"A","data":1,"key":"01H","id":"s:4"}'),
      bytes(0x83, fixstr('event'), fixstr('B'), fixstr('key'), fixstr('k'), fixstr('id'), 0xc0),
      bytes(0x93, fixstr('C'), 0xc0, fixstr('k2')),
    );
    expect(frames.map(({ event, key, id }) => ({ event, key, id }))).toEqual([
      { event: 'A', key: '01H', id: 's:4' },
      { event: 'B', key: 'k', id: undefined },
      { event: 'C', key: 'k2', id: undefined },
    ]);
  });

  it('keeps every digit of the numbers in its data', () => {
    const { frames } = read(line('{"event":"E","data":[1.0, 12345678901234567890]}'));
    expect(Buffer.from((frames[0] as Frame).body).toString()).toBe('[1.0, 12345678901234567890]');
  });

  const BODIES: [string, Uint8Array, unknown, unknown][] = [
    ['a map', encodeBody({ a: 'ü' }), { a: 'ü' }, { a: 'ü' }],
    ['JSON text', Buffer.from('{\n"a": [1.0]}'), { a: [1] }, { a: [1] }],
    ['a string of JSON', encodeBody('{"a":1}'), { a: 1 }, '{"a":1}'],
  ];

  it.each(BODIES)('shows what its body is: %s', (_name, body, shownInJson, shownInMap) => {
    const json = Buffer.from(encodeFrame('json', { event: 'E', body })).toString();
    expect(json.split('\n')).toHaveLength(2);
    expect(JSON.parse(json)).toEqual({ event: 'E', data: shownInJson });
    expect(decode(encodeFrame('map', { event: 'E', body }))).toEqual({
      event: 'E',
      data: shownInMap,
    });
  });

  it.each([
    ['bytes that are nothing', Uint8Array.of(0x1f, 0x8b, 0x00, 0xff)],
    ['one byte', Uint8Array.of(0x31)],
    ['nothing', new Uint8Array()],
    ['MessagePack of bytes', encodeBody(Uint8Array.of(1, 2, 3))],
    ['a date', encodeBody(new Date(1_700_000_000_123))],
    ['an integer of 64 bits', encodeBody(2n ** 63n)],
    ['infinity', encodeBody(Number.POSITIVE_INFINITY)],
    ['a value that is cut off', Uint8Array.of(0x82, 0xa1)],
    ['a byte that MessagePack never uses', Uint8Array.of(0xc1)],
    ['two values', Uint8Array.of(0xc0, 0xc0)],
  ])('carries any body to the byte: %s', (_name, body) => {
    for (const mode of ['json', 'map'] as const) {
      const { frames } = read(encodeFrame(mode, { event: 'E', body, key: 'k', id: 'i' }));
      expect(frames).toHaveLength(1);
      const frame = frames[0] as Frame;
      expect(frame).toMatchObject({ event: 'E', key: 'k', id: 'i' });
      const isSame = Buffer.compare(frame.body, body) === 0;
      // A number is the same number as text.
      if (!isSame) expect(decodeBody(frame.body)).toEqual(decodeBody(body));
      if (body.length !== 1) expect(isSame).toBe(true);
    }
  });
});
