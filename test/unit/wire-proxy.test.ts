import { decode, Encoder, encode } from '@msgpack/msgpack';
import { describe, expect, it } from 'vitest';
import { ProxyRequestError, UndecodableBodyError } from '../../protocols/errors.ts';
import {
  decodeProxyAnswer,
  decodeProxyRequest,
  encodeProxyAnswer,
  encodeProxyRequest,
  ProxyStatus,
} from '../../protocols/wire/proxy.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const FULL = {
  method: 'POST',
  path: '/channels/1/messages',
  query: { wait: 'true' },
  body: utf8('{"content":"pong"}'),
  headers: { Authorization: 'Bot x' },
  timeoutMs: 2_500,
};

describe('decodeProxyRequest', () => {
  it.each([
    [
      'a map with everything',
      { ...FULL, timeoutMs: undefined, timeout: { secs: 2, nanos: 500_000_000 } },
    ],
    [
      'a positional array, the body an array of integers',
      [FULL.method, FULL.path, FULL.query, [...FULL.body], FULL.headers, [2, 500_000_000]],
    ],
    [
      'text as bytes and the body as text',
      {
        method: utf8('post'),
        path: utf8(FULL.path),
        query: { wait: true },
        body: '{"content":"pong"}',
        headers: { Authorization: utf8('Bot x') },
        timeout: { secs: 2, nanos: 500_000_000 },
        unknown: [1],
      },
    ],
  ])('reads %s', (_name, value) => {
    expect(decodeProxyRequest(encode(value))).toEqual(FULL);
  });

  it('reads a body that the Go client wrote as a string although it is no text', () => {
    const image = Uint8Array.of(0xff, 0xd8, 0xff, 0xe0, 0x00);
    const fields = encode({ method: 'POST', path: '/é', headers: null, body: image });
    // The same bytes under the header of a string: its client knows no other.
    const bin = Buffer.from(fields).indexOf(Uint8Array.of(0xc4, image.length));
    const asString = [...fields];
    asString.splice(bin, 2, 0xa0 | image.length);
    expect(decodeProxyRequest(Uint8Array.from(asString))).toEqual({
      method: 'POST',
      path: '/é',
      body: image,
    });
  });

  it('writes a body that is a value as its JSON, whatever the size of its integers', () => {
    const wide = new Encoder({ useBigInt64: true });
    const bodyOf = (request: Uint8Array) => Buffer.from(decodeProxyRequest(request).body ?? []);
    const route = { method: 'POST', path: '/x' };
    const body = { id: 175928847299117063n, list: [2n ** 64n - 1n, -1, 0.5, 'é', null, true] };
    const json = '{"id":175928847299117063,"list":[18446744073709551615,-1,0.5,"é",null,true]}';
    expect(bodyOf(wide.encode({ ...route, body })).toString()).toBe(json);
    expect(bodyOf(wide.encode(['POST', '/x', null, body])).toString()).toBe(json);
    expect(bodyOf(utf8(`{"method":"POST","path":"/x","body":${json}}`)).toString()).toBe(json);
    expect(bodyOf(utf8(`["POST","/x",null,${json}]`)).toString()).toBe(json);
    const at = new Date(0);
    expect(bodyOf(encode({ ...route, body: { at } })).toString()).toBe(JSON.stringify({ at }));
  });

  it('takes nil and missing as the same', () => {
    const bare = { method: 'GET', path: '/users/@me' };
    expect(decodeProxyRequest(encode(bare))).toEqual(bare);
    const nils = { ...bare, query: null, body: null, headers: null, timeout: null };
    expect(decodeProxyRequest(encode(nils))).toEqual(bare);
    expect(decodeProxyRequest(encode(['GET', '/users/@me']))).toEqual(bare);
  });

  it.each([
    ['no MessagePack', Uint8Array.of(0xc1), ProxyStatus.badRequestFormat],
    ['a number', encode(7), ProxyStatus.badRequestFormat],
    ['no path', encode({ method: 'GET' }), ProxyStatus.badPath],
    ['no method', encode({ path: '/x' }), ProxyStatus.badMethod],
    ['a query that is a list', encode({ ...FULL, query: ['a'] }), ProxyStatus.badQuery],
    ['a header that is a map', encode({ ...FULL, headers: { a: {} } }), ProxyStatus.badHeaders],
    [
      'a body with bytes in it',
      encode({ ...FULL, body: { file: utf8('x') } }),
      ProxyStatus.badRequestFormat,
    ],
    [
      'a timeout that is a word',
      encode({ ...FULL, timeout: 'soon' }),
      ProxyStatus.badRequestFormat,
    ],
  ])('answers %s with its status', (_name, bytes, status) => {
    expect(() => decodeProxyRequest(bytes)).toThrow(ProxyRequestError);
    try {
      decodeProxyRequest(bytes);
    } catch (error) {
      expect(error).toMatchObject({ status });
    }
  });

  it('reads what encodeProxyRequest writes, which older proxies read too', () => {
    expect(decodeProxyRequest(encodeProxyRequest(FULL))).toEqual(FULL);
    expect(decode(encodeProxyRequest(FULL))).toMatchObject({
      timeout: { secs: 2, nanos: 500_000_000 },
    });
    expect(decode(encodeProxyRequest({ method: 'GET', path: '/x' }))).toEqual({
      method: 'GET',
      path: '/x',
    });
  });
});

describe('proxy answers', () => {
  const packed = encodeProxyRequest(FULL);
  const success = {
    status: ProxyStatus.success,
    body: {
      status: 200,
      headers: { 'content-type': 'application/json', 'set-cookie': ['a=1', 'b=2'] },
      url: 'https://discord.com/api/v10/users/@me',
      body: utf8('{}'),
    },
  };
  const failure = { status: ProxyStatus.timedOut, body: 'the request timed out' };

  it('come back as they were written, bodies as bytes', () => {
    expect(decodeProxyAnswer(encodeProxyAnswer(success, packed))).toEqual(success);
    expect(decodeProxyAnswer(encodeProxyAnswer(failure, packed))).toEqual(failure);
    const raw = decode(encodeProxyAnswer(success, packed)) as typeof success;
    expect(raw.body.body).toBeInstanceOf(Uint8Array);
  });

  it('are JSON, bodies as their values, to who has asked in JSON', () => {
    const asked = utf8('{"method":"GET","path":"/users/@me"}');
    const answer = (body: string): unknown => {
      const sent = { ...success, body: { ...success.body, body: utf8(body) } };
      return JSON.parse(new TextDecoder().decode(encodeProxyAnswer(sent, asked)));
    };
    expect(answer('{"id":"1"}')).toEqual({
      status: 0,
      body: { ...success.body, body: { id: '1' } },
    });
    // As Discord answers a DELETE, and as Cloudflare answers for it.
    expect(answer('')).toMatchObject({ body: { body: null } });
    expect(answer('error code: 502')).toMatchObject({ body: { body: 'error code: 502' } });
    expect(JSON.parse(new TextDecoder().decode(encodeProxyAnswer(failure, asked)))).toEqual(
      failure,
    );
  });

  it('are refused when they are none', () => {
    for (const value of [{ status: 9, body: '' }, 'no', { status: 0, body: 'no' }, {}]) {
      expect(() => decodeProxyAnswer(encode(value))).toThrow(UndecodableBodyError);
    }
  });
});
