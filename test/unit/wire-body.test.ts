/**
 * Bodies as the clients of each language and year write them, byte by byte from their encoders'
 * rules.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UndecodableBodyError } from '../../protocols/errors.ts';
import { decodeBody, encodeAnswer, encodeBody } from '../../protocols/wire/body.ts';

const utf8 = (text: string) => [...new TextEncoder().encode(text)];
const fixstr = (text: string) => [0xa0 | utf8(text).length, ...utf8(text)];
const bytes = (...values: (number | readonly number[])[]) => Uint8Array.from(values.flat());

describe('decodeBody', () => {
  it.each([
    ['Go gateway: a fixstr of JSON', bytes(fixstr('{"id":"1"}')), { id: '1' }],
    [
      'Go gateway: a str16 of JSON, though a str8 would do',
      bytes(0xda, 0x00, 0x29, utf8(`{"content":"${'a'.repeat(27)}"}`)),
      { content: 'a'.repeat(27) },
    ],
    ['Go client: a map of raw strings', bytes(0x81, fixstr('op'), 0xd1, 0x00, 0x01), { op: 1 }],
    ['Go client: a byte slice that is nil', bytes(0x81, fixstr('d'), 0xc0), { d: null }],
    ['Rust client: a bin of JSON', bytes(0xc4, 0x08, utf8('{"a":[]}')), { a: [] }],
    [
      'Rust client: a map with an absent Option',
      bytes(0x82, fixstr('guild_id'), 0xd9, 0x02, utf8('12'), fixstr('query'), 0xc0),
      { guild_id: '12', query: null },
    ],
    [
      'Rust client before 2022-09: a positional array',
      bytes(0x92, fixstr('GET'), 0xc0),
      ['GET', null],
    ],
    [
      'JS client: uint8 and float64',
      bytes(0x92, 0xcc, 0xc8, 0xcb, 0x3f, 0xf8, [0, 0, 0, 0, 0, 0]),
      [200, 1.5],
    ],
    ['before 2021-12: JSON alone', bytes(utf8('{"t":"X","d":{"é":1}}')), { t: 'X', d: { é: 1 } }],
    ['JSON alone with space before it', bytes(utf8(' \n[1]')), [1]],
    ['a JSON string alone', bytes(utf8('"text"')), 'text'],
    ['a positive fixint', bytes(0x31), 0x31],
    ['nil', bytes(0xc0), null],
    ['a string that only looks like JSON', bytes(fixstr('{no json')), '{no json'],
    ['a string of JSON that is no object', bytes(fixstr('12')), '12'],
    ['bytes that are no text', bytes(0xc4, 0x02, 0xff, 0xfe), Uint8Array.of(0xff, 0xfe)],
    [
      'Go client: a byte slice among text, both written as strings',
      bytes(0x82, fixstr('body'), 0xa3, 0xff, 0xd8, 0x00, fixstr('path'), fixstr('/ü')),
      { body: Uint8Array.of(0xff, 0xd8, 0x00), path: '/ü' },
    ],
    [
      'Rust client: snowflakes as integers of 64 bits, to the last digit',
      bytes(
        0x92,
        0xcf,
        [0x0f, 0x18, 0x4c, 0x8b, 0x5b, 0x40, 0x10, 0x01],
        0xcf,
        [0, 0, 0, 0, 0, 0, 0x10, 0],
      ),
      [0x0f184c8b5b401001n, 4096],
    ],
    [
      'Go client: an int64, though a shorter one would do',
      bytes(
        0x92,
        0xd3,
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe],
        0xd3,
        [0x80, 0, 0, 0, 0, 0, 0, 0],
      ),
      [-2, -(2n ** 63n)],
    ],
    [
      'the last integers that are numbers, and the first that are not',
      bytes(
        0x94,
        [0xcf, 0x00, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        [0xcf, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],
        [0xd3, 0xff, 0xe0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01],
        [0xd3, 0xff, 0xe0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],
      ),
      [2 ** 53 - 1, 2n ** 53n, -(2 ** 53) + 1, -(2n ** 53n)],
    ],
    ['JSON with the key __proto__', bytes(utf8('{"__proto__":1}')), JSON.parse('{"__proto__":1}')],
    ['the array of ints that a Vec<u8> is, as an array', bytes(0x92, 0x7b, 0x7d), [0x7b, 0x7d]],
  ])('reads %s', (_name, body, value) => {
    expect(decodeBody(body)).toEqual(value);
  });

  it.each([
    ['nothing at all', bytes()],
    ['a byte that MessagePack never uses', bytes(0xc1)],
    ['a map that is cut off', bytes(0x82, fixstr('a'))],
    ['two values one after the other', bytes(0xc0, 0xc0)],
    ['text that is no JSON', bytes(utf8('hello there'))],
    ['a map with the key __proto__', bytes(0x81, fixstr('__proto__'), 0x80)],
    ['a string that is cut off', bytes(0xda, 0x00, 0xff, 0x61)],
    ['an integer of 64 bits that is cut off', bytes(0xcf, 0xff)],
    ['bytes that are neither', bytes(0x1f, 0x8b, 0x08, 0x00)],
  ])('refuses %s with its own error', (_name, body) => {
    expect(() => decodeBody(body)).toThrow(UndecodableBodyError);
  });

  it('reads what encodeBody writes, undefined as nothing', () => {
    const value = { a: 1, b: ['ü', -5, 2 ** 40], c: { d: null } };
    expect(decodeBody(encodeBody(value))).toEqual(value);
    expect(decodeBody(encodeBody(undefined))).toBeNull();
  });

  it('reads back whatever encodeBody writes', () => {
    const scalar = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.double({ noNaN: true }).map((value) => value || 0),
      fc.maxSafeInteger(),
      fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
      fc.bigInt({ min: -(2n ** 63n), max: -(2n ** 53n) }),
      fc.uint8Array(),
      fc.constantFrom(null, true, false),
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        scalar,
        fc.array(tie('value')),
        fc.dictionary(fc.string({ unit: 'binary' }), tie('value'), { noNullPrototype: true }),
      ),
    }));
    // Text that looks like JSON is taken for it; that rung of the ladder has its own examples.
    const isText = (one: unknown) =>
      typeof one === 'string' || one instanceof Uint8Array ? !/^\s*[[{]/.test(String(one)) : true;
    fc.assert(
      fc.property(value.filter(isText), (given) => {
        const read = decodeBody(encodeBody(given));
        if (given instanceof Uint8Array) expect(encodeBody(read)).toEqual(encodeBody(given));
        else expect(read).toEqual(given);
      }),
    );
  });

  it.each([
    ['minus zero', -0, [0x00]],
    ['undefined', undefined, [0xc0]],
    ['infinity', Number.POSITIVE_INFINITY, [0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0]],
    ['half of a surrogate pair', 'a\ud83d', [0xa4, 0x61, 0xef, 0xbf, 0xbd]],
    ['the same in a key', { '\udc00': 1 }, [0x81, 0xa3, 0xef, 0xbf, 0xbd, 0x01]],
    ['a bigint', 2n ** 64n - 1n, [0xcf, ...Array(8).fill(0xff)]],
    ['a bigint beyond 64 bits', 2n ** 64n, [0xcb, 0x43, 0xf0, 0, 0, 0, 0, 0, 0]],
    [
      'numbers beside a bigint as they are alone',
      [-(2n ** 63n), 2 ** 40, 1.5],
      [
        0x93, 0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0, 0xcf, 0, 0, 1, 0, 0, 0, 0, 0, 0xcb, 0x3f, 0xf8, 0, 0,
        0, 0, 0, 0,
      ],
    ],
    [
      'the key __proto__, which no decoder takes, as JSON',
      JSON.parse('{"__proto__":1}'),
      [0xaf, ...utf8('{"__proto__":1}')],
    ],
    [
      'an integer of 64 bits beside it as its digits',
      Object.assign(JSON.parse('{"__proto__":1}'), { id: 2n ** 63n }),
      [0xd9, 0x2a, ...utf8('{"__proto__":1,"id":"9223372036854775808"}')],
    ],
  ])('encodeBody writes %s in a way that everybody can read', (_name, value, expected) => {
    expect([...encodeBody(value)]).toEqual(expected);
  });
});

describe('encodeAnswer', () => {
  const answer = { status: 'sent', shard: 3 };

  it('answers in JSON who has asked in JSON, and everybody else in MessagePack', () => {
    const inJson = encodeAnswer(answer, bytes(utf8('{"op":3}')));
    expect(new TextDecoder().decode(inJson)).toBe('{"status":"sent","shard":3}');
    for (const question of [bytes(fixstr('{"op":3}')), bytes(0x81, fixstr('op'), 3), bytes(0x31)]) {
      expect(encodeAnswer(answer, question)).toEqual(encodeBody(answer));
    }
  });

  it.each([
    ['nothing', undefined, 'null'],
    ['an integer of 64 bits', { id: 2n ** 64n - 1n }, '{"id":"18446744073709551615"}'],
  ])('writes %s in JSON', (_name, value, expected) => {
    const written = encodeAnswer(value, bytes(utf8('{}')));
    expect(new TextDecoder().decode(written)).toBe(expected);
  });
});
