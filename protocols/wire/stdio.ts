/**
 * Writing frames for another process.
 *
 * Two forms. JSON: one object a line, `{"event":"MESSAGE_CREATE","data":{…}}`, for the payload
 * modes `json` and `raw`. MessagePack: maps `{ event, data }` one after the other, without lengths
 * between them, for `map`, for `go`, whose data is a string of JSON, and for `discordjs`, whose own
 * shape is one for Redis. A call and its answer carry a `key` besides. In the JSON form Discord's
 * own bytes of `d` are copied between a head that is made once for each event and the end of the
 * line, unparsed.
 *
 * A body that the form cannot show as data travels as the bytes that it is: as MessagePack bin, or
 * in JSON, which has no bytes, in base64 under `bytes` instead of `data`.
 */
import { encode } from '@msgpack/msgpack';
import { decodeBody, isJsonText } from './body.ts';
import type { Frame } from './frame.ts';
import { packJson } from './json-to-message-pack.ts';
import { messagePackLength } from './message-pack-length.ts';
import { type PayloadEncoder, type PayloadMode, payloadEncoder } from './payload.ts';

const utf8 = new TextEncoder();
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const BIN8 = 0xc4;
const BIN32 = 0xc6;
const FIXMAP = 0x80;
const JSON_END = utf8.encode('}\n');

/** Writes dispatches as frames into a buffer that its caller owns. */
export interface DispatchFramer {
  /** The part of a frame before the data, for one event; made once. */
  head(event: string): Uint8Array;
  /** The part after the data: the id of the dispatch, where frames have it. */
  tail(id: string): Uint8Array;
  /** No frame around `length` bytes of JSON is longer than this. */
  maxBytes(head: Uint8Array, length: number, tail: Uint8Array): number;
  /** Writes the frame of `source[start, end)` at `offset`; returns the offset after it. */
  write(
    head: Uint8Array,
    source: Uint8Array,
    start: number,
    end: number,
    tail: Uint8Array,
    target: Uint8Array,
    offset: number,
  ): number;
}

const NO_FACTS = { event: '', shard: 0, sequence: 0 };

function isMap(mode: PayloadMode): boolean {
  return mode === 'map' || mode === 'go' || mode === 'discordjs';
}

/** JSON may be broken over lines between its tokens, never inside them; a frame must not be. */
function keepOnOneLine(data: Uint8Array): void {
  if (data.indexOf(LINE_FEED) < 0 && data.indexOf(CARRIAGE_RETURN) < 0) return;
  for (let index = 0; index < data.length; index++) {
    if (data[index] === LINE_FEED || data[index] === CARRIAGE_RETURN) data[index] = SPACE;
  }
}

/** What comes after the data: `key` and `id`, those that there are, and the end of the line. */
function jsonTail(members: {
  readonly key?: string | undefined;
  readonly id?: string | undefined;
}) {
  const rest = JSON.stringify(members).slice(1, -1);
  return utf8.encode(rest === '' ? '}\n' : `,${rest}}\n`);
}

function jsonHead(event: string): Uint8Array {
  return utf8.encode(`{"event":${JSON.stringify(event)},"data":`);
}

const jsonFramer: DispatchFramer = {
  head: jsonHead,
  tail: () => JSON_END,
  maxBytes: (head, length, tail) => head.length + length + tail.length,
  write(head, source, start, end, tail, target, offset) {
    target.set(head, offset);
    const dataAt = offset + head.length;
    const after = dataAt + (end - start);
    target.set(source.subarray(start, end), dataAt);
    keepOnOneLine(target.subarray(dataAt, after));
    target.set(tail, after);
    return after + tail.length;
  },
};

/** A map with `more` entries after the first two: the event, and the data whose key ends this. */
function mapHead(event: string, more: number): Uint8Array {
  const name = encode(event);
  const keys = [encode('event'), encode('data')] as const;
  return Uint8Array.from([FIXMAP + 2 + more, ...keys[0], ...name, ...keys[1]]);
}

/** The entries after the data: `key` and `id`, those that there are. */
function mapTail({ key, id }: Pick<Frame, 'key' | 'id'>): readonly Uint8Array[] {
  return [
    ...(key === undefined ? [] : [encode('key'), encode(key)]),
    ...(id === undefined ? [] : [encode('id'), encode(id)]),
  ];
}

const NOTHING = new Uint8Array();

function mapFramer(body: PayloadEncoder, withIds: boolean): DispatchFramer {
  return {
    head: (event) => mapHead(event, withIds ? 1 : 0),
    tail: (id) => (withIds ? Buffer.concat(mapTail({ id })) : NOTHING),
    maxBytes: (head, length, tail) => head.length + body.maxBytes(length) + tail.length,
    write(head, source, start, end, tail, target, offset) {
      target.set(head, offset);
      const after = body.write(source, start, end, target, offset + head.length, NO_FACTS);
      target.set(tail, after);
      return after + tail.length;
    },
  };
}

const jsonFramerWithIds: DispatchFramer = { ...jsonFramer, tail: (id) => jsonTail({ id }) };

/** `withIds`: frames carry the id of their dispatch. */
export function dispatchFramer(
  mode: PayloadMode,
  { withIds }: { readonly withIds: boolean },
): DispatchFramer {
  if (isMap(mode)) return mapFramer(payloadEncoder(mode === 'go' ? 'go' : 'map'), withIds);
  return withIds ? jsonFramerWithIds : jsonFramer;
}

/** Whether JSON says all of `value`: no bytes, no dates, no numbers beyond it. */
function isJson(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return true;
    case 'number':
      return Number.isFinite(value);
    case 'object':
      if (value === null) return true;
      if (Array.isArray(value)) return value.every(isJson);
      return isPlain(value) && Object.values(value).every(isJson);
    default:
      return false;
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The value of a body that JSON can show; undefined for others. */
function shownInJson(body: Uint8Array): { readonly data: unknown } | undefined {
  try {
    const data = decodeBody(body);
    return isJson(data) ? { data } : undefined;
  } catch {
    return undefined;
  }
}

function jsonFrame({ event, body, key, id }: Frame): Uint8Array {
  const shown = shownInJson(body);
  if (shown === undefined) {
    const bytes = Buffer.from(body).toString('base64');
    return utf8.encode(`${JSON.stringify({ event, bytes, key, id })}\n`);
  }
  // Text stays as it is, with every digit of its numbers.
  const data = isJsonText(body) ? new Uint8Array(body) : utf8.encode(JSON.stringify(shown.data));
  keepOnOneLine(data);
  return Buffer.concat([jsonHead(event), data, jsonTail({ key, id })]);
}

/**
 * Whether `body` is one MessagePack value that a reader will not take for bytes of another body.
 */
function isMessagePack(body: Uint8Array): boolean {
  const first = body[0] ?? BIN8;
  if (first >= BIN8 && first <= BIN32) return false;
  try {
    return messagePackLength(body, 0) === body.length;
  } catch {
    return false;
  }
}

/** The data of a MessagePack frame: the body itself, its value, or its bytes. */
function messagePackData(body: Uint8Array): Uint8Array {
  if (isMessagePack(body)) return body;
  const packed = isJsonText(body) ? packJson(new TextDecoder().decode(body)) : undefined;
  return packed ?? encode(body);
}

function mapFrame(frame: Frame): Uint8Array {
  const tail = mapTail(frame);
  return Buffer.concat([
    mapHead(frame.event, tail.length / 2),
    messagePackData(frame.body),
    ...tail,
  ]);
}

/** A whole frame around a body in any encoding. */
export function encodeFrame(mode: PayloadMode, frame: Frame): Uint8Array {
  return isMap(mode) ? mapFrame(frame) : jsonFrame(frame);
}
