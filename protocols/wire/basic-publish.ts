/**
 * `basic.publish` of AMQP 0-9-1 as it stands on the wire: method frame, header frame, body frames.
 *
 * Of an event's frames only the shard, the sequence, the message id and the sizes differ from one
 * event of the same name to the next. All the rest is made once and copied; the body is encoded
 * where it is sent from. The two headers have a fixed width (`I` and `l`, 32 and 64 bits), so they
 * stand in one place.
 *
 * A body that is longer than a frame is taken apart where it stands, from its end.
 */
import type { EventOrigin } from '../broker.ts';
import { digitsOf, writeAscii, writeDecimal } from './ascii.ts';
import type { DispatchFacts, PayloadEncoder } from './payload.ts';

const utf8 = new TextEncoder();

const FRAME_METHOD = 1;
const FRAME_HEADER = 2;
const FRAME_BODY = 3;
const FRAME_END = 0xce;
/** Type, channel, size; and the end's one byte. */
const FRAME_HEAD_BYTES = 7;
const FRAME_OVERHEAD_BYTES = FRAME_HEAD_BYTES + 1;

const CLASS_BASIC = 60;
const METHOD_PUBLISH = 40;

const HAS_CONTENT_TYPE = 0x8000;
const HAS_HEADERS = 0x2000;
const HAS_DELIVERY_MODE = 0x1000;
const HAS_EXPIRATION = 0x0100;
const HAS_MESSAGE_ID = 0x0080;

const TRANSIENT = 1;
const PERSISTENT = 2;

const SHORT_STRING_MAX_BYTES = 255;
const COLON = 0x3a;
const UINT32 = 2 ** 32;

function uint16(value: number): readonly number[] {
  return [value >>> 8, value & 0xff];
}

function uint32(value: number): readonly number[] {
  return [...uint16(value >>> 16), ...uint16(value & 0xffff)];
}

/**
 * What is longer than AMQP can say is cut off: no queue is bound by such a name, and none is hit.
 */
function shortString(text: string): readonly number[] {
  const bytes = utf8.encode(text).subarray(0, SHORT_STRING_MAX_BYTES);
  return [bytes.length, ...bytes];
}

function writeUint32(value: number, target: Uint8Array, offset: number): void {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
}

export type PublishFacts = {
  readonly channel: number;
  /** Bytes of the longest frame that the server takes, its head and end included. */
  readonly frameMaxBytes: number;
  readonly exchange: string;
  readonly routingKey: string;
  readonly contentType: string;
  readonly isPersistent: boolean;
  /** Milliseconds in decimal. */
  readonly expiration: string | undefined;
};

/** The frames of one event's name. */
export class BasicPublish {
  readonly #channel: number;
  readonly #bodyMaxBytes: number;
  /** Everything up to the length of the message id. */
  readonly #head: Uint8Array;
  readonly #headerAt: number;
  readonly #bodySizeAt: number;
  readonly #shardAt: number;
  readonly #sequenceAt: number;

  constructor(facts: PublishFacts) {
    const { channel, frameMaxBytes, isPersistent, expiration } = facts;
    this.#channel = channel;
    this.#bodyMaxBytes = frameMaxBytes - FRAME_OVERHEAD_BYTES;
    const method = [
      ...uint16(CLASS_BASIC),
      ...uint16(METHOD_PUBLISH),
      ...uint16(0), // reserved
      ...shortString(facts.exchange),
      ...shortString(facts.routingKey),
      0, // neither mandatory nor immediate
    ];
    const flags =
      HAS_CONTENT_TYPE |
      HAS_HEADERS |
      HAS_DELIVERY_MODE |
      HAS_MESSAGE_ID |
      (expiration === undefined ? 0 : HAS_EXPIRATION);
    const head = [FRAME_METHOD, ...uint16(channel), ...uint32(method.length), ...method, FRAME_END];
    this.#headerAt = head.length;
    head.push(FRAME_HEADER, ...uint16(channel), ...uint32(0));
    head.push(...uint16(CLASS_BASIC), ...uint16(0), ...uint32(0));
    this.#bodySizeAt = head.length;
    head.push(...uint32(0), ...uint16(flags), ...shortString(facts.contentType));
    const shard = [...shortString('shard'), 'I'.charCodeAt(0), ...uint32(0)];
    const sequence = [...shortString('seq'), 'l'.charCodeAt(0), ...uint32(0), ...uint32(0)];
    head.push(...uint32(shard.length + sequence.length), ...shard, ...sequence);
    this.#sequenceAt = head.length - 8;
    this.#shardAt = head.length - sequence.length - 4;
    head.push(isPersistent ? PERSISTENT : TRANSIENT);
    if (expiration !== undefined) head.push(...shortString(expiration));
    this.#head = Uint8Array.from(head);
  }

  /** The frames of a body of up to `bodyBytes` are no longer than this. */
  maxBytes(bodyBytes: number): number {
    const frames = Math.ceil(bodyBytes / this.#bodyMaxBytes);
    const messageId = 1 + SHORT_STRING_MAX_BYTES + 1;
    return this.#head.length + messageId + bodyBytes + frames * FRAME_OVERHEAD_BYTES;
  }

  /** Writes all frames of one event at `offset` of `target`; returns the offset after them. */
  write(
    encoder: PayloadEncoder,
    source: Uint8Array,
    start: number,
    end: number,
    origin: EventOrigin,
    facts: DispatchFacts,
    target: Uint8Array,
    offset: number,
  ): number {
    const { shard, sequence } = facts;
    target.set(this.#head, offset);
    writeUint32(shard, target, offset + this.#shardAt);
    writeUint32(Math.floor(sequence / UINT32), target, offset + this.#sequenceAt);
    writeUint32(sequence, target, offset + this.#sequenceAt + 4);
    let at = this.#writeMessageId(origin.session, sequence, target, offset + this.#head.length);
    const headerAt = offset + this.#headerAt;
    writeUint32(at - headerAt - FRAME_HEAD_BYTES, target, headerAt + 3);
    target[at++] = FRAME_END;
    const bodyAt = at + FRAME_HEAD_BYTES;
    const bodyBytes = encoder.write(source, start, end, target, bodyAt, facts) - bodyAt;
    writeUint32(bodyBytes, target, offset + this.#bodySizeAt);
    return bodyBytes <= this.#bodyMaxBytes
      ? this.#closeBody(bodyBytes, target, at)
      : this.#splitBody(bodyBytes, target, at);
  }

  /** `session:sequence`; of a session id without end its beginning. */
  #writeMessageId(session: string, sequence: number, target: Uint8Array, offset: number): number {
    const room = SHORT_STRING_MAX_BYTES - 1 - digitsOf(sequence);
    const name = session.length <= room ? session : session.slice(0, room);
    let at = writeAscii(name, target, offset + 1);
    target[at++] = COLON;
    at = writeDecimal(sequence, target, at);
    target[offset] = at - offset - 1;
    return at;
  }

  /** Puts head and end around the body bytes that stand after the head's place at `offset`. */
  #closeBody(bytes: number, target: Uint8Array, offset: number): number {
    target[offset] = FRAME_BODY;
    target[offset + 1] = this.#channel >>> 8;
    target[offset + 2] = this.#channel;
    writeUint32(bytes, target, offset + 3);
    const end = offset + FRAME_HEAD_BYTES + bytes;
    target[end] = FRAME_END;
    return end + 1;
  }

  #splitBody(bytes: number, target: Uint8Array, offset: number): number {
    const max = this.#bodyMaxBytes;
    const bodyAt = offset + FRAME_HEAD_BYTES;
    const last = Math.ceil(bytes / max) - 1;
    for (let index = last; index >= 0; index--) {
      const from = bodyAt + index * max;
      const length = Math.min(max, bytes - index * max);
      const frameAt = offset + index * (max + FRAME_OVERHEAD_BYTES);
      target.copyWithin(frameAt + FRAME_HEAD_BYTES, from, from + length);
      this.#closeBody(length, target, frameAt);
    }
    return offset + bytes + (last + 1) * FRAME_OVERHEAD_BYTES;
  }
}
