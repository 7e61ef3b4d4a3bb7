/**
 * From JSON text to a MessagePack value, for consumers that decode MessagePack and look no further:
 * the careful way, for what `json-transcoder.ts` does not take.
 *
 * What JSON can say and JavaScript cannot hold, and what a decoder would refuse, is rare and is
 * looked for in the text: integers beyond 2^53 keep every digit as integers of 64 bits (those
 * beyond 64 bits become floats, as all numbers beyond do: 1e400 is infinity); half of a surrogate
 * pair becomes U+FFFD; of a key that stands twice in an object the last counts; minus zero becomes
 * zero. Text that is no JSON, has the key `__proto__`, or nests deeper than MESSAGE_PACK_DEPTH_MAX
 * is no MessagePack value: undefined.
 */
import { packable, packPlain } from './message-pack.ts';

/** A number that may be no safe integer, an escaped surrogate or letter, or the key itself. */
const SUSPECT = /(?:^|[:,[])\s*-?\d{16}|\\u[dD][89a-fA-F]|\\u00[5-7]|__proto__/;

/** Strings are matched so that digits inside them are not, and numbers whole. */
const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g;

const INTEGER_MARK = '\u0000spectacles-integer:';

function isWide(token: string): boolean {
  return /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token));
}

/** JSON whose integers beyond 2^53 are bigints, exactly. */
export function parseWide(text: string): unknown {
  // Text is judged as it is: a marked integer may stand where a bare one may not, as a key.
  const value: unknown = JSON.parse(text);
  // Text that has the mark already is somebody's joke; its integers stay doubles.
  if (!SUSPECT.test(text) || text.includes('spectacles-integer:')) return value;
  const marked = text.replace(STRING_OR_NUMBER, (token) =>
    isWide(token) ? JSON.stringify(INTEGER_MARK + token) : token,
  );
  return JSON.parse(marked, (_key, value: unknown) =>
    typeof value === 'string' && value.startsWith(INTEGER_MARK)
      ? BigInt(value.slice(INTEGER_MARK.length))
      : value,
  );
}

/** The bytes are good until the next value is packed. */
export function packJson(text: string): Uint8Array | undefined {
  try {
    return SUSPECT.test(text) ? packable(parseWide(text)) : packPlain(JSON.parse(text));
  } catch {
    return undefined;
  }
}
