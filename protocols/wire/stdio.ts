/**
 * Writing frames on standard output.
 *
 * Two forms. JSON: one object a line, `{"event":"MESSAGE_CREATE","data":{…}}`, for the payload modes
 * `json` and `raw`. MessagePack: maps `{ event, data }` one after the other, without lengths between
 * them, for `map`, and for `discordjs`, whose own shape is one for Redis. In the JSON form Discord's own bytes of `d` are copied between a
 * head that is made once for each event and the end of the line, unparsed.
 */
import { encode } from '@msgpack/msgpack';
import { decodeBody } from './body.ts';
import { type PayloadMode, payloadEncoder } from './payload.ts';

const utf8 = new TextEncoder();
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const JSON_END = utf8.encode('}\n');

/** Writes dispatches as frames into a buffer that its caller owns. */
export interface DispatchFramer {
  /** The part of a frame before the data, for one event; made once. */
  head(event: string): Uint8Array;
  /** No frame around `length` bytes of JSON is longer than this. */
  maxBytes(head: Uint8Array, length: number): number;
  /** Writes the frame of `source[start, end)` at `offset`; returns the offset after it. */
  write(
    head: Uint8Array,
    source: Uint8Array,
    start: number,
    end: number,
    target: Uint8Array,
    offset: number,
  ): number;
}

const NO_FACTS = { event: '', shard: 0, sequence: 0 };

function isMap(mode: PayloadMode): boolean {
  return mode === 'map' || mode === 'discordjs';
}

/** JSON may be broken over lines between its tokens, never inside them; a frame must not be. */
function keepOnOneLine(data: Uint8Array): void {
  if (data.indexOf(LINE_FEED) < 0 && data.indexOf(CARRIAGE_RETURN) < 0) return;
  for (let index = 0; index < data.length; index++) {
    if (data[index] === LINE_FEED || data[index] === CARRIAGE_RETURN) data[index] = SPACE;
  }
}

const jsonFramer: DispatchFramer = {
  head: (event) => utf8.encode(`{"event":${JSON.stringify(event)},"data":`),
  maxBytes: (head, length) => head.length + length + JSON_END.length,
  write(head, source, start, end, target, offset) {
    target.set(head, offset);
    const dataAt = offset + head.length;
    const after = dataAt + (end - start);
    target.set(source.subarray(start, end), dataAt);
    keepOnOneLine(target.subarray(dataAt, after));
    target.set(JSON_END, after);
    return after + JSON_END.length;
  },
};

/** A map of two entries, the first of them the event, and the key of the second. */
function mapHead(event: string): Uint8Array {
  const name = encode(event);
  const keys = [encode('event'), encode('data')] as const;
  return Uint8Array.from([0x82, ...keys[0], ...name, ...keys[1]]);
}

const mapBody = payloadEncoder('map');

const mapFramer: DispatchFramer = {
  head: mapHead,
  maxBytes: (head, length) => head.length + mapBody.maxBytes(length),
  write(head, source, start, end, target, offset) {
    target.set(head, offset);
    return mapBody.write(source, start, end, target, offset + head.length, NO_FACTS);
  },
};

export function dispatchFramer(mode: PayloadMode): DispatchFramer {
  return isMap(mode) ? mapFramer : jsonFramer;
}

/** A whole frame around a body in any encoding. */
export function encodeFrame(mode: PayloadMode, event: string, body: Uint8Array): Uint8Array {
  const data = decodeBody(body);
  return isMap(mode)
    ? encode({ event, data })
    : utf8.encode(`${JSON.stringify({ event, data })}\n`);
}
