/**
 * Bodies of messages whose sender we do not know: reading every dialect, writing one, or, to who
 * asks in it, the older one.
 *
 * The existing clients publish MessagePack of maps, MessagePack strings that hold JSON, MessagePack
 * byte strings that hold JSON, and, before 2022, JSON alone. A positive fixint is exactly one byte
 * long, so a longer body whose first byte is below 0x80 cannot be MessagePack: it is JSON text.
 * That makes the ladder below unambiguous.
 *
 * Whatever cannot be read is an `UndecodableBodyError`, never another kind of throw.
 */
import { UndecodableBodyError } from '../errors.ts';
import { messageOf } from '../message-of.ts';
import { packable, unpack } from './message-pack.ts';

const FIRST_BYTE_NOT_FIXINT = 0x80;

const strictText = new TextDecoder('utf-8', { fatal: true });

function parseJson(text: string): unknown {
  return JSON.parse(text);
}

/** Whether a body is JSON text: no MessagePack of more than one byte begins so. */
export function isJsonText(body: Uint8Array): boolean {
  const first = body[0];
  return first !== undefined && body.length > 1 && first < FIRST_BYTE_NOT_FIXINT;
}

/** Whether `text` opens like a JSON object or array, white space before it allowed. */
function opensLikeJson(text: string): boolean {
  return /^\s*[[{]/.test(text);
}

/**
 * A body that was read. `json` is the text that its value was parsed from, where it came as JSON.
 */
type OpenedBody = { readonly value: unknown; readonly json?: string };

/**
 * JSON inside a MessagePack string is parsed; a string that only looks like JSON stays a string.
 */
function unwrapText(text: string): OpenedBody {
  if (!opensLikeJson(text)) return { value: text };
  try {
    return { value: parseJson(text), json: text };
  } catch {
    return { value: text };
  }
}

function unwrapBytes(bytes: Uint8Array): OpenedBody {
  let text: string;
  try {
    text = strictText.decode(bytes);
  } catch {
    return { value: bytes };
  }
  const opened = unwrapText(text);
  return opened.json === undefined ? { value: bytes } : opened;
}

function climb(bytes: Uint8Array): OpenedBody {
  if (bytes.length === 0) throw new UndecodableBodyError('the body is empty');
  if (isJsonText(bytes)) {
    const json = strictText.decode(bytes);
    return { value: parseJson(json), json };
  }
  const value = unpack(bytes);
  if (typeof value === 'string') return unwrapText(value);
  if (value instanceof Uint8Array) return unwrapBytes(value);
  return { value };
}

/** Reads a body in any dialect of the existing clients, and keeps the JSON that it was. */
export function openBody(bytes: Uint8Array): OpenedBody {
  try {
    return climb(bytes);
  } catch (cause) {
    if (cause instanceof UndecodableBodyError) throw cause;
    const reason = messageOf(cause);
    throw new UndecodableBodyError(
      `the body of ${bytes.length} bytes is neither MessagePack nor JSON: ${reason}`,
      { cause },
    );
  }
}

/** The value of a body in any dialect of the existing clients. */
export function decodeBody(bytes: Uint8Array): unknown {
  return openBody(bytes).value;
}

/**
 * Writes `value` as MessagePack, which every client reads. `undefined` becomes nil; what has the
 * key `__proto__` becomes a string of JSON, since decoders refuse it in a map.
 */
export function encodeBody(value: unknown): Uint8Array {
  const packed = packable(value) ?? packable(jsonOf(value));
  if (packed === undefined) throw new TypeError('a string is always packable');
  return packed;
}

/**
 * Writes the answer to a question in the question's encoding. The clients of before 2022 ask in
 * JSON and read nothing else: MessagePack throws in their consumer, which costs them their channel.
 */
export function encodeAnswer(value: unknown, question: Uint8Array): Uint8Array {
  return isJsonText(question) ? new TextEncoder().encode(jsonOf(value ?? null)) : encodeBody(value);
}

/**
 * JSON has no integers of 64 bits: they become strings of their digits, as Discord writes its ids.
 */
function jsonOf(value: unknown): string {
  return JSON.stringify(value, (_key, entry: unknown) =>
    typeof entry === 'bigint' ? String(entry) : entry,
  );
}
