/**
 * MessagePack values: reading what others wrote without losing any of it, writing what all can
 * read.
 *
 * Reading. An integer beyond 2^53 is a bigint, exactly; others are numbers. A string that is no
 * UTF-8 is bytes. A map with the key `__proto__` is refused, as every JavaScript decoder does.
 *
 * Writing. A bigint is an integer of 64 bits. Half of a surrogate pair, which UTF-8 cannot write
 * and strict readers refuse together with all around it, becomes U+FFFD. `undefined` is nil, minus
 * zero is zero. What has the key `__proto__`, which would end the read loops of the older clients,
 * is not written: `packable` says so, and its callers write JSON instead.
 */
import { decode, Encoder } from '@msgpack/msgpack';
import { MESSAGE_PACK_DEPTH_MAX } from '../limits.ts';
import { surveyMessagePack } from './message-pack-survey.ts';

const strictText = new TextDecoder('utf-8', { fatal: true });
const narrow = new Encoder({ maxDepth: MESSAGE_PACK_DEPTH_MAX });
const wide = new Encoder({ maxDepth: MESSAGE_PACK_DEPTH_MAX, useBigInt64: true });

const LONE_SURROGATE = /\p{Surrogate}/u;
const LONE_SURROGATES = /\p{Surrogate}/gu;
const INT32_MAX = 0x7fffffff;
const INT64_MIN = -(2n ** 63n);
const UINT64_MAX = 2n ** 64n - 1n;

type Fields = Record<string, unknown>;

/** Whether a value is a map of its own members, and nothing that a class has made. */
export function isFields(value: unknown): value is Fields {
  if (typeof value !== 'object' || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Sets a key for what it is, also where it is `__proto__`. */
function setOwn(target: Fields, key: string, value: unknown): void {
  Object.defineProperty(target, key, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

export function mapFields(
  fields: Fields,
  change: (value: unknown, key: string) => unknown,
): Fields {
  const changed: Fields = {};
  for (const [key, value] of Object.entries(fields)) setOwn(changed, key, change(value, key));
  return changed;
}

/** `raw` is the same value with its strings as bytes. */
function readText(value: unknown, raw: unknown): unknown {
  if (typeof value === 'string' && raw instanceof Uint8Array) {
    try {
      return strictText.decode(raw);
    } catch {
      return raw;
    }
  }
  if (Array.isArray(value) && Array.isArray(raw)) {
    return value.map((entry, index) => readText(entry, raw[index]));
  }
  if (isFields(value) && isFields(raw)) {
    return mapFields(value, (entry, key) => readText(entry, raw[key]));
  }
  return value;
}

/** Bigints where they are needed, numbers everywhere else. */
function readIntegers(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (Array.isArray(value)) return value.map(readIntegers);
  return isFields(value) ? mapFields(value, readIntegers) : value;
}

/** Reads one value; throws, with whatever error, where there is none or more than one. */
export function unpack(bytes: Uint8Array): unknown {
  const { hasForeignText, hasWideIntegers } = surveyMessagePack(bytes);
  if (!hasForeignText && !hasWideIntegers) return decode(bytes);
  const options = { useBigInt64: hasWideIntegers };
  let value = decode(bytes, options);
  if (hasForeignText) value = readText(value, decode(bytes, { ...options, rawStrings: true }));
  return hasWideIntegers ? readIntegers(value) : value;
}

/** What of a value the plain encoder would get wrong. */
type Care = { bigints: boolean; surrogates: boolean; prototypes: boolean };

function lookOver(value: unknown, care: Care, depth: number): void {
  if (typeof value === 'string') care.surrogates ||= LONE_SURROGATE.test(value);
  else if (typeof value === 'bigint') care.bigints = true;
  // What is deeper, or goes round in circles, is refused by the encoder.
  else if (depth > MESSAGE_PACK_DEPTH_MAX) return;
  else if (Array.isArray(value)) for (const entry of value) lookOver(entry, care, depth + 1);
  else if (isFields(value)) {
    for (const [key, entry] of Object.entries(value)) {
      if (key === '__proto__') care.prototypes = true;
      lookOver(key, care, depth + 1);
      lookOver(entry, care, depth + 1);
    }
  }
}

/** Makes a value one that `wide` writes: it would write integers beyond 32 bits as floats. */
function prepare(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.replace(LONE_SURROGATES, '\ufffd');
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) && Math.abs(value) > INT32_MAX ? BigInt(value) : value;
  }
  if (typeof value === 'bigint') {
    return value >= INT64_MIN && value <= UINT64_MAX ? value : Number(value);
  }
  if (depth > MESSAGE_PACK_DEPTH_MAX) return value;
  if (Array.isArray(value)) return value.map((entry) => prepare(entry, depth + 1));
  if (!isFields(value)) return value;
  const entries = Object.entries(value).map(([key, entry]) => [
    key.replace(LONE_SURROGATES, '\ufffd'),
    prepare(entry, depth + 1),
  ]);
  return Object.fromEntries(entries);
}

/** Writes `value`, or returns undefined when it has the key `__proto__` anywhere. */
export function packable(value: unknown): Uint8Array | undefined {
  const care: Care = { bigints: false, surrogates: false, prototypes: false };
  lookOver(value, care, 1);
  if (care.prototypes) return undefined;
  return care.bigints || care.surrogates ? wide.encode(prepare(value, 1)) : narrow.encode(value);
}

/**
 * Writes a value that came from JSON, which needs no looking over where its text holds nothing to
 * look for. The bytes are the encoder's own and good until its next use.
 */
export function packPlain(value: unknown): Uint8Array {
  return narrow.encodeSharedRef(value);
}
