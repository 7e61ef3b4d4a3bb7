/** Bodies as the clients of each language and year write them, byte by byte from their encoders' rules. */
import { describe, expect, it } from 'vitest';
import { UndecodableBodyError } from '../../protocols/errors.ts';
import { decodeBody, encodeBody } from '../../protocols/wire/body.ts';

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
  ])('reads %s', (_name, body, value) => {
    expect(decodeBody(body)).toEqual(value);
  });

  it.each([
    ['nothing at all', bytes()],
    ['a byte that MessagePack never uses', bytes(0xc1)],
    ['a map that is cut off', bytes(0x82, fixstr('a'))],
    ['two values one after the other', bytes(0xc0, 0xc0)],
    ['text that is no JSON', bytes(utf8('hello there'))],
    ['bytes that are neither', bytes(0x1f, 0x8b, 0x08, 0x00)],
  ])('refuses %s with its own error', (_name, body) => {
    expect(() => decodeBody(body)).toThrow(UndecodableBodyError);
  });

  it('reads what encodeBody writes, undefined as nothing', () => {
    const value = { a: 1, b: ['ü', -5, 2 ** 40], c: { d: null } };
    expect(decodeBody(encodeBody(value))).toEqual(value);
    expect(decodeBody(encodeBody(undefined))).toBeNull();
  });
});
