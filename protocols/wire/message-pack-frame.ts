/**
 * Reading one MessagePack frame: a map with `event` or `name`, or, as the Rust client wrote it
 * before September 2022, an array of the name and the data.
 *
 * Data that is a byte string is the body that somebody else encoded; data that is anything else is
 * itself the body, byte for byte. The Rust client writes bytes as an array of small integers: in
 * its frames, and in no others, such an array that spells JSON is taken for the JSON.
 */
import { decode } from '@msgpack/msgpack';
import { type Frame, NIL_BODY, textBody } from './frame.ts';
import { messagePackLength, stepMessagePack } from './message-pack-length.ts';

const BIN8 = 0xc4;
const BIN32 = 0xc6;

const text = new TextDecoder('utf-8', { fatal: true });

/** fixmap, map16 and map32. */
export function opensMap(byte: number): boolean {
  return (byte & 0xf0) === 0x80 || byte === 0xde || byte === 0xdf;
}

/** An array of two or three: the only ones that are frames. */
export function opensPositional(byte: number): boolean {
  return byte === 0x92 || byte === 0x93;
}

function opensArray(byte: number): boolean {
  return (byte & 0xf0) === 0x90 || byte === 0xdc || byte === 0xdd;
}

/** str and bin are interchangeable; undefined for anything else, and for what is empty. */
function textOf(bytes: Uint8Array | undefined): string | undefined {
  if (bytes === undefined) return undefined;
  const value = decode(bytes);
  if (typeof value === 'string') return value || undefined;
  return value instanceof Uint8Array ? text.decode(value) || undefined : undefined;
}

function isByte(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xff;
}

/** The bytes that an array of integers spells, if they are a JSON object or array. */
function spelledJson(bytes: Uint8Array): Uint8Array | undefined {
  const value = decode(bytes);
  if (!Array.isArray(value) || !value.every(isByte)) return undefined;
  const spelled = Uint8Array.from(value);
  try {
    const json = text.decode(spelled);
    if (!/^\s*[[{]/.test(json)) return undefined;
    JSON.parse(json);
    return textBody(spelled);
  } catch {
    return undefined;
  }
}

function bodyOf(data: Uint8Array | undefined, isRust: boolean): Uint8Array {
  const first = data?.[0];
  if (data === undefined || first === undefined) return NIL_BODY;
  if (first >= BIN8 && first <= BIN32) return new Uint8Array(decode(data) as Uint8Array);
  if (isRust && opensArray(first)) return spelledJson(data) ?? new Uint8Array(data);
  return new Uint8Array(data);
}

/** The values inside the map or array that `bytes` is, as ranges of bytes. */
function* values(bytes: Uint8Array): Generator<Uint8Array> {
  const { length, values: count } = stepMessagePack(bytes, 0, bytes.length);
  let offset = length;
  for (let index = 0; index < count; index++) {
    const end = messagePackLength(bytes, offset);
    yield bytes.subarray(offset, end);
    offset = end;
  }
}

/** The frame that `bytes`, one whole value, is; undefined when it names no event. */
export function readMessagePackFrame(bytes: Uint8Array): Frame | undefined {
  const members = opensPositional(bytes[0] ?? 0) ? positional(bytes) : named(bytes);
  const member = (name: string) => textOf(members.get(name));
  const ownName = member('event');
  const event = ownName ?? member('name');
  if (event === undefined) return undefined;
  const body = bodyOf(members.get('data'), ownName === undefined);
  return { event, body, key: member('key'), id: member('id') };
}

function positional(bytes: Uint8Array): Map<string, Uint8Array> {
  const names = ['name', 'data', 'key'];
  return new Map([...values(bytes)].map((value, index) => [names[index] ?? '', value]));
}

function named(bytes: Uint8Array): Map<string, Uint8Array> {
  const members = new Map<string, Uint8Array>();
  let name: string | undefined;
  let isName = true;
  for (const value of values(bytes)) {
    if (isName) name = textOf(value);
    else if (name !== undefined) members.set(name, value);
    isName = !isName;
  }
  return members;
}
