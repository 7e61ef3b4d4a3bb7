/**
 * `XADD event * data <body> id <session:seq> shard <shard>` as Redis reads it off the wire.
 *
 * What depends on the event alone is made once per route; the rest is written straight into the
 * caller's buffer. The body's length stands before the body and is not known until it is encoded:
 * the room for its digits is guessed, and a wrong guess, which only the `map` shapes can make,
 * moves the body by the difference.
 */
import type { EventOrigin } from '../broker.ts';
import { digitsOf, writeAscii, writeDecimal } from './ascii.ts';
import type { DispatchFacts, PayloadEncoder } from './payload.ts';

const ascii = new TextEncoder();

const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;
const DOLLAR = 0x24;
const COLON = 0x3a;

/** `$`, up to ten digits, CR LF. */
const LENGTH_MAX_BYTES = 13;
/** The longest decimal of a sequence or a shard. */
const NUMBER_MAX_BYTES = 20;

function bulk(text: string): string {
  return `$${ascii.encode(text).length}\r\n${text}\r\n`;
}

/** The bytes of an XADD up to the length of its body. */
export function xaddHead(event: string): Uint8Array {
  return ascii.encode(`*9\r\n${bulk('XADD')}${bulk(event)}${bulk('*')}${bulk('data')}`);
}

const ID_FIELD = ascii.encode(`\r\n${bulk('id')}`);
const SHARD_FIELD = ascii.encode(`\r\n${bulk('shard')}`);

function writeLineEnd(target: Uint8Array, offset: number): number {
  target[offset] = CARRIAGE_RETURN;
  target[offset + 1] = LINE_FEED;
  return offset + 2;
}

function writeLength(length: number, target: Uint8Array, offset: number): number {
  target[offset] = DOLLAR;
  return writeLineEnd(target, writeDecimal(length, target, offset + 1));
}

function copy(bytes: Uint8Array, target: Uint8Array, offset: number): number {
  target.set(bytes, offset);
  return offset + bytes.length;
}

/** No XADD of `length` bytes of JSON is longer than this. */
export function xaddMaxBytes(
  head: Uint8Array,
  encoder: PayloadEncoder,
  length: number,
  origin: EventOrigin,
): number {
  const fields = ID_FIELD.length + SHARD_FIELD.length + 2 * LENGTH_MAX_BYTES + 8;
  const values = origin.session.length + 1 + 2 * NUMBER_MAX_BYTES;
  return head.length + LENGTH_MAX_BYTES + encoder.maxBytes(length) + fields + values;
}

/** Writes one whole XADD at `offset` of `target`; returns the offset after it. */
export function writeXadd(
  head: Uint8Array,
  encoder: PayloadEncoder,
  source: Uint8Array,
  start: number,
  end: number,
  origin: EventOrigin,
  facts: DispatchFacts,
  target: Uint8Array,
  offset: number,
): number {
  const lengthAt = copy(head, target, offset);
  const guess = digitsOf(encoder.maxBytes(end - start));
  const guessedAt = lengthAt + 1 + guess + 2;
  const guessedEnd = encoder.write(source, start, end, target, guessedAt, facts);
  const bodyBytes = guessedEnd - guessedAt;
  const bodyAt = writeLength(bodyBytes, target, lengthAt);
  if (bodyAt !== guessedAt) target.copyWithin(bodyAt, guessedAt, guessedEnd);
  let at = copy(ID_FIELD, target, bodyAt + bodyBytes);
  const idBytes = origin.session.length + 1 + digitsOf(facts.sequence);
  at = writeLength(idBytes, target, at);
  at = writeAscii(origin.session, target, at);
  target[at] = COLON;
  at = writeDecimal(facts.sequence, target, at + 1);
  at = copy(SHARD_FIELD, target, at);
  at = writeLength(digitsOf(facts.shard), target, at);
  at = writeDecimal(facts.shard, target, at);
  return writeLineEnd(target, at);
}
