import { describe, expect, it } from 'vitest';
import { decodeBody, encodeBody } from '../../protocols/wire/body.ts';
import { unwrapDispatch } from '../../protocols/wire/discordjs.ts';
import {
  carriesBytes,
  isOurs,
  marked,
  readChildMessage,
  readIpcBody,
  readParentMessage,
  readPlainMessage,
  writeIpcBody,
  writePlainMessage,
} from '../../protocols/wire/ipc.ts';

describe('plain messages over IPC', () => {
  it.each([
    ['an object', { event: 'E', data: { a: 1 } }, { a: 1 }],
    ['no data', { event: 'E' }, null],
    ['a Buffer, which is an encoded body', { event: 'E', data: Buffer.from([0x91, 1]) }, [1]],
    ['a Buffer after JSON', { event: 'E', data: { type: 'Buffer', data: [0x91, 1] } }, [1]],
    ['members that mean nothing', { event: 'E', data: 1, more: 2 }, 1],
  ])('are read: %s', (_name, message, data) => {
    const frame = readPlainMessage(message);
    expect(frame?.event).toBe('E');
    expect(frame?.key).toBeUndefined();
    expect(decodeBody(frame?.body ?? new Uint8Array())).toEqual(data);
  });

  it.each([null, 1, 'E', [], {}, { event: 1 }, { event: '' }, { event: 'E', key: 1 }])(
    'are nothing else: %j',
    (message) => {
      expect(readPlainMessage(message)).toBeUndefined();
    },
  );

  it('are nothing where no body can have their data', () => {
    const circular: Record<string, unknown> = {};
    circular.itself = circular;
    expect(readPlainMessage({ event: 'E', data: circular })).toBeUndefined();
  });

  it('show whole numbers that JSON does not have by their digits', () => {
    const body = encodeBody({ id: 2n ** 60n, list: [1, { id: -(2n ** 60n) }], text: 't' });
    expect(writePlainMessage({ event: 'E', body })).toEqual({
      event: 'E',
      data: { id: '1152921504606846976', list: [1, { id: '-1152921504606846976' }], text: 't' },
    });
  });

  it('show what a body is, and keep the key', () => {
    const body = encodeBody({ a: 1 });
    expect(writePlainMessage({ event: 'E', body, key: 'k' })).toEqual({
      event: 'E',
      data: { a: 1 },
      key: 'k',
    });
    expect(writePlainMessage({ event: 'E', body: Uint8Array.of(0xc1) })).toEqual({
      event: 'E',
      data: Buffer.from([0xc1]),
    });
  });
});

describe('our messages over IPC', () => {
  it('are told from others by their mark, and read only when they are whole', () => {
    const message = marked('link', { op: 'subscribe', ref: 1, event: 'E' });
    expect(isOurs(message)).toBe(true);
    expect(readChildMessage(message)).toEqual(message);
    expect(readParentMessage(message)).toBeUndefined();
    expect(isOurs({ op: 'subscribe' })).toBe(false);
    expect(readChildMessage({ ...message, ref: '1' })).toBeUndefined();
    expect(readChildMessage({ ...message, op: 'nonsense' })).toBeUndefined();
    expect(readChildMessage(marked('link', { op: 'hello', group: 'g', prefetch: 0 }))).toBe(
      undefined,
    );
  });

  it('carry bodies as bytes where bytes arrive as bytes, and in base64 elsewhere', () => {
    const body = Uint8Array.of(0, 255, 128);
    for (const asBytes of [true, false]) {
      const written = writeIpcBody(body, asBytes);
      const sent = asBytes ? structuredClone(written) : JSON.parse(JSON.stringify(written));
      expect([...readIpcBody(sent)]).toEqual([...body]);
    }
    expect(carriesBytes(structuredClone(body))).toBe(true);
    expect(carriesBytes(JSON.parse(JSON.stringify(body)))).toBe(false);
  });
});

describe('the shape of @discordjs/brokers', () => {
  const payload = { op: 0, t: 'E', s: 3, d: { id: '1' } };

  it('is unwrapped for the event that it holds', () => {
    expect(unwrapDispatch('E', { shardId: 0, payload })).toEqual({ id: '1' });
    expect(unwrapDispatch('E', { shardId: 0, payload: { ...payload, d: null } })).toBeNull();
  });

  it.each([
    ['another event', { shardId: 0, payload: { ...payload, t: 'F' } }],
    ['a command to the gateway', { shardId: 0, payload: { op: 3, d: {} } }],
    ['more than the shape', { shardId: 0, payload, more: 1 }],
    ['something else that has a payload', { shardId: '0', payload }],
    ['no object', [0]],
    ['nothing', null],
  ])('is not seen in %s', (_name, value) => {
    expect(unwrapDispatch('E', value)).toBe(value);
  });
});
