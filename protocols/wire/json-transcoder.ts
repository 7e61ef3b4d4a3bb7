/**
 * From the bytes of JSON to the bytes of MessagePack in one pass, without a value in between.
 *
 * Purpose: payload `map` for nearly every event at the price of reading it. What comes out is byte
 * for byte what the library makes of `JSON.parse`, and nothing is allocated.
 *
 * Inner workings: a container's count stands before its entries and is known after them. One byte
 * is left for it, which does for 15 entries; for more the entries are moved. Open containers stand
 * on a stack of numbers, with the places of their keys: a key that comes twice must be found.
 *
 * Failure: `NOT_PLAIN` for whatever needs more care, and for what is no JSON: wide numbers, half of
 * a surrogate pair, keys that come twice, are escaped, look like an index (JavaScript moves those
 * to the front) or are `__proto__`, bytes that are no UTF-8, too much nesting. `packJson` sees to
 * all of them. What stands in the target by then is nothing.
 */
import { MESSAGE_PACK_DEPTH_MAX } from '../limits.ts';
import { countBytes, writeCount, writeNumber, writeTextHeader } from './message-pack-write.ts';

/** No offset: the text needs more care than is taken here. */
export const NOT_PLAIN = -1;

const QUOTE = 0x22;
const PLUS = 0x2b;
const COMMA = 0x2c;
const MINUS = 0x2d;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COLON = 0x3a;
const UPPER_E = 0x45;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const LOWER_E = 0x65;
const LOWER_U = 0x75;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

const NIL = 0xc0;
const FALSE = 0xc2;
const TRUE = 0xc3;

const utf8 = new TextEncoder();
const WORD_NULL = utf8.encode('null');
const WORD_TRUE = utf8.encode('true');
const WORD_FALSE = utf8.encode('false');
const PROTOTYPE_KEY = utf8.encode('__proto__');

/** 1 for a byte of a string that stands for itself: ASCII, no quote, no backslash, no control. */
const IS_PLAIN = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x20 && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);

/** What a letter after a backslash stands for; 0 for a letter that may not be there. */
const ESCAPED = new Uint8Array(256);
for (const [letter, text] of Object.entries({
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
})) {
  ESCAPED[letter.charCodeAt(0)] = text.charCodeAt(0);
}

/**
 * A number of so many digits is exact, and so is each of these powers: one division rounds once.
 */
const EXACT_DIGITS = 15;
const POWERS_OF_TEN = Float64Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));
const EXPONENT_MAX = 999;

/** Keys of open objects that are compared with each other; with more, another way is faster. */
const OPEN_KEYS_MAX = 512;
/** An array index has ten digits at most. */
const INDEX_MAX_DIGITS = 10;
/**
 * Moving entries may cost so many bytes for each byte of the text; hostile nesting would cost more.
 */
const MOVED_BYTES_FACTOR = 8;
/** Of a string that is not plain the length is known last; this much room is left for it. */
const TEXT_HEADER_MAX_BYTES = 5;
/** Shorter strings are faster copied byte by byte than by a call. */
const LONG_TEXT_BYTES = 96;

export class JsonTranscoder {
  #source: Uint8Array = new Uint8Array();
  #target: Uint8Array = this.#source;
  #at = 0;
  #end = 0;
  #out = 0;
  #movable = 0;

  /**
   * Of each open container: where its count goes, how many entries it has, where its keys begin.
   */
  #depth = 0;
  readonly #countAt = new Float64Array(MESSAGE_PACK_DEPTH_MAX + 1);
  readonly #counts = new Float64Array(MESSAGE_PACK_DEPTH_MAX + 1);
  /** Or -1, for an array. */
  readonly #firstKey = new Int32Array(MESSAGE_PACK_DEPTH_MAX + 1);
  /** A bit for each hash of its keys: only a key whose bit is set can have come before. */
  readonly #seen = new Int32Array(MESSAGE_PACK_DEPTH_MAX + 1);
  readonly #keyStarts = new Float64Array(OPEN_KEYS_MAX);
  readonly #keyEnds = new Float64Array(OPEN_KEYS_MAX);
  #keys = 0;

  /**
   * Writes `source[start, end)` at `offset` of `target`, which has room for three times as many
   * bytes; returns the offset after it, or `NOT_PLAIN`.
   */
  write(
    source: Uint8Array,
    start: number,
    end: number,
    target: Uint8Array,
    offset: number,
  ): number {
    this.#source = source;
    this.#target = target;
    this.#at = start;
    this.#end = end;
    this.#out = offset;
    this.#movable = (end - start) * MOVED_BYTES_FACTOR;
    this.#depth = 0;
    this.#keys = 0;
    return this.#document() ? this.#out : NOT_PLAIN;
  }

  #document(): boolean {
    for (;;) {
      const before = this.#depth;
      if (!this.#value()) return false;
      // Whatever was opened has its first value before it now.
      if (this.#depth > before) continue;
      while (this.#depth > 0) {
        const byte = this.#token();
        this.#at++;
        if (byte === COMMA) break;
        if (byte !== this.#closing() || !this.#close()) return false;
      }
      if (this.#depth === 0) return this.#token() === 0 && this.#at === this.#end;
      this.#counts[this.#depth] = (this.#counts[this.#depth] as number) + 1;
      if (this.#firstKey[this.#depth] !== -1 && !this.#key()) return false;
    }
  }

  #closing(): number {
    return this.#firstKey[this.#depth] === -1 ? CLOSE_BRACKET : CLOSE_BRACE;
  }

  #value(): boolean {
    const byte = this.#token();
    switch (byte) {
      case QUOTE:
        return this.#text();
      case OPEN_BRACE:
        return this.#open(CLOSE_BRACE);
      case OPEN_BRACKET:
        return this.#open(CLOSE_BRACKET);
      case WORD_NULL[0]:
        return this.#word(WORD_NULL, NIL);
      case WORD_TRUE[0]:
        return this.#word(WORD_TRUE, TRUE);
      case WORD_FALSE[0]:
        return this.#word(WORD_FALSE, FALSE);
      default:
        return this.#number(byte);
    }
  }

  /** Opens a container, up to its first value; one that is empty is closed again. */
  #open(closing: number): boolean {
    // A value in it would be one level deeper, and is refused there.
    if (this.#depth + 1 > MESSAGE_PACK_DEPTH_MAX) return false;
    const isMap = closing === CLOSE_BRACE;
    this.#at++;
    if (this.#token() === closing) {
      this.#at++;
      this.#out = writeCount(0, isMap, this.#target, this.#out);
      return true;
    }
    if (this.#depth + 2 > MESSAGE_PACK_DEPTH_MAX) return false;
    const depth = ++this.#depth;
    this.#countAt[depth] = this.#out++;
    this.#counts[depth] = 1;
    this.#seen[depth] = 0;
    this.#firstKey[depth] = isMap ? this.#keys : -1;
    return !isMap || this.#key();
  }

  #close(): boolean {
    const depth = this.#depth--;
    const countAt = this.#countAt[depth] as number;
    const count = this.#counts[depth] as number;
    const firstKey = this.#firstKey[depth] as number;
    if (firstKey !== -1) this.#keys = firstKey;
    const more = countBytes(count) - 1;
    if (more > 0) {
      this.#movable -= this.#out - countAt;
      if (this.#movable < 0) return false;
      this.#target.copyWithin(countAt + 1 + more, countAt + 1, this.#out);
      this.#out += more;
    }
    writeCount(count, firstKey !== -1, this.#target, countAt);
    return true;
  }

  #key(): boolean {
    if (this.#token() !== QUOTE) return false;
    const start = this.#at + 1;
    const end = plainEnd(this.#source, start, this.#end);
    if (end === this.#end || this.#source[end] !== QUOTE || !this.#enter(start, end)) return false;
    this.#at = end + 1;
    this.#copy(start, end);
    if (this.#token() !== COLON) return false;
    this.#at++;
    return true;
  }

  /** Notes a key; false when it is one of those that are not plain. */
  #enter(start: number, end: number): boolean {
    const source = this.#source;
    const length = end - start;
    const first = length === 0 ? 0 : (source[start] as number);
    if (isDigit(first) && length <= INDEX_MAX_DIGITS) return false;
    if (isSame(source, start, end, PROTOTYPE_KEY, 0, PROTOTYPE_KEY.length)) return false;
    if (this.#keys === OPEN_KEYS_MAX) return false;
    const middle = length === 0 ? 0 : (source[(start + end) >>> 1] as number);
    const bit = 1 << ((length * 7 + first * 3 + middle * 5) & 31);
    const depth = this.#depth;
    const seen = this.#seen[depth] as number;
    if ((seen & bit) !== 0 && this.#isKnown(start, end)) return false;
    this.#seen[depth] = seen | bit;
    this.#keyStarts[this.#keys] = start;
    this.#keyEnds[this.#keys] = end;
    this.#keys++;
    return true;
  }

  #isKnown(start: number, end: number): boolean {
    const source = this.#source;
    for (let key = this.#firstKey[this.#depth] as number; key < this.#keys; key++) {
      const otherStart = this.#keyStarts[key] as number;
      const otherEnd = this.#keyEnds[key] as number;
      if (isSame(source, start, end, source, otherStart, otherEnd)) return true;
    }
    return false;
  }

  #text(): boolean {
    const start = this.#at + 1;
    const end = plainEnd(this.#source, start, this.#end);
    if (end === this.#end) return false;
    if (this.#source[end] !== QUOTE) return this.#richText(start, end);
    this.#at = end + 1;
    this.#copy(start, end);
    return true;
  }

  #copy(start: number, end: number): void {
    const source = this.#source;
    const target = this.#target;
    let out = writeTextHeader(end - start, target, this.#out);
    if (end - start >= LONG_TEXT_BYTES) {
      target.set(source.subarray(start, end), out);
      out += end - start;
    } else {
      for (let at = start; at < end; at++) target[out++] = source[at] as number;
    }
    this.#out = out;
  }

  /** A string with escapes or letters beyond ASCII; up to `at` it is plain. */
  #richText(start: number, plain: number): boolean {
    const source = this.#source;
    const target = this.#target;
    const headerAt = this.#out;
    const bodyAt = headerAt + TEXT_HEADER_MAX_BYTES;
    this.#at = start;
    this.#out = bodyAt;
    for (let stop = plain; ; stop = plainEnd(source, this.#at, this.#end)) {
      while (this.#at < stop) target[this.#out++] = source[this.#at++] as number;
      if (stop >= this.#end) return false;
      const byte = source[stop] as number;
      if (byte === QUOTE) break;
      if (byte === BACKSLASH ? !this.#escape() : !this.#letter(byte)) return false;
    }
    this.#at++;
    const bytes = this.#out - bodyAt;
    const textAt = writeTextHeader(bytes, target, headerAt);
    target.copyWithin(textAt, bodyAt, this.#out);
    this.#out = textAt + bytes;
    return true;
  }

  /** One letter of UTF-8 beyond ASCII, in its only valid form; a control character is none. */
  #letter(first: number): boolean {
    const source = this.#source;
    const rest = first < 0xc2 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : first < 0xf5 ? 3 : 0;
    if (rest === 0 || this.#at + rest >= this.#end) return false;
    const second = source[this.#at + 1] as number;
    const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
    const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
    if (second < least || second > most) return false;
    for (let index = 2; index <= rest; index++) {
      if (((source[this.#at + index] as number) & 0xc0) !== 0x80) return false;
    }
    for (let index = 0; index <= rest; index++) {
      this.#target[this.#out++] = source[this.#at++] as number;
    }
    return true;
  }

  #escape(): boolean {
    if (this.#at + 1 >= this.#end) return false;
    const letter = this.#source[this.#at + 1] as number;
    if (letter === LOWER_U) return this.#unicodeEscape();
    const meaning = ESCAPED[letter] as number;
    if (meaning === 0) return false;
    this.#target[this.#out++] = meaning;
    this.#at += 2;
    return true;
  }

  /** `\u` and four digits, or a pair of them; half of a pair is not plain. */
  #unicodeEscape(): boolean {
    let code = this.#codeUnit();
    if (code >= 0xd800 && code <= 0xdbff) {
      const low = this.#codeUnit();
      if (low < 0xdc00 || low > 0xdfff) return false;
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code === -1 || (code >= 0xdc00 && code <= 0xdfff)) return false;
    this.#out = writeCodePoint(code, this.#target, this.#out);
    return true;
  }

  /** The value of an escape of six bytes at the cursor, or -1. */
  #codeUnit(): number {
    const source = this.#source;
    const at = this.#at;
    if (at + 6 > this.#end || source[at] !== BACKSLASH || source[at + 1] !== LOWER_U) return -1;
    let code = 0;
    for (let index = 2; index < 6; index++) {
      const digit = hexDigit(source[at + index] as number);
      if (digit === -1) return -1;
      code = code * 16 + digit;
    }
    this.#at = at + 6;
    return code;
  }

  #word(word: Uint8Array, marker: number): boolean {
    const end = this.#at + word.length;
    if (end > this.#end || !isSame(this.#source, this.#at, end, word, 0, word.length)) return false;
    this.#at = end;
    this.#target[this.#out++] = marker;
    return true;
  }

  #number(first: number): boolean {
    const isNegative = first === MINUS;
    if (isNegative) this.#at++;
    const integerAt = this.#at;
    let mantissa = this.#digits(0);
    const integerDigits = this.#at - integerAt;
    if (integerDigits === 0) return false;
    if (integerDigits > 1 && this.#source[integerAt] === ZERO) return false;
    let digits = integerDigits;
    let power = 0;
    if (this.#byte() === POINT) {
      const fractionAt = ++this.#at;
      mantissa = this.#digits(mantissa);
      power = fractionAt - this.#at;
      if (power === 0) return false;
      digits -= power;
    }
    if (digits > EXACT_DIGITS) return false;
    const marker = this.#byte();
    if (marker === LOWER_E || marker === UPPER_E) {
      const exponent = this.#exponent();
      if (Number.isNaN(exponent)) return false;
      power += exponent;
    }
    if (Math.abs(power) >= POWERS_OF_TEN.length) return false;
    const scale = POWERS_OF_TEN[Math.abs(power)] as number;
    const value = power < 0 ? mantissa / scale : mantissa * scale;
    this.#out = writeNumber(isNegative ? -value : value, this.#target, this.#out);
    return true;
  }

  /** Appends digits to a number. */
  #digits(before: number): number {
    let value = before;
    for (let byte = this.#byte(); isDigit(byte); byte = this.#byte()) {
      value = value * 10 + (byte - ZERO);
      this.#at++;
    }
    return value;
  }

  /** What follows an `e`, or NaN. */
  #exponent(): number {
    const sign = this.#source[++this.#at];
    if (sign === PLUS || sign === MINUS) this.#at++;
    const start = this.#at;
    const value = this.#digits(0);
    if (this.#at === start || value > EXPONENT_MAX) return Number.NaN;
    return sign === MINUS ? -value : value;
  }

  /** Steps over white space; the byte that is then at the cursor, or 0 at the end. */
  #token(): number {
    const source = this.#source;
    let at = this.#at;
    while (at < this.#end) {
      const byte = source[at] as number;
      if (byte > 0x20 || !isSpace(byte)) {
        this.#at = at;
        return byte;
      }
      at++;
    }
    this.#at = at;
    return 0;
  }

  #byte(): number {
    return this.#at < this.#end ? (this.#source[this.#at] as number) : 0;
  }
}

/**
 * Where the first byte from `start` on is that does not stand for itself; `end` if there is none.
 */
function plainEnd(source: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && IS_PLAIN[source[at] as number] === 1) at++;
  return at;
}

function isSame(
  left: Uint8Array,
  leftStart: number,
  leftEnd: number,
  right: Uint8Array,
  rightStart: number,
  rightEnd: number,
): boolean {
  const length = leftEnd - leftStart;
  if (length !== rightEnd - rightStart) return false;
  for (let index = 0; index < length; index++) {
    if (left[leftStart + index] !== right[rightStart + index]) return false;
  }
  return true;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}

function hexDigit(byte: number): number {
  if (isDigit(byte)) return byte - ZERO;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : -1;
}

function writeCodePoint(code: number, target: Uint8Array, offset: number): number {
  if (code < 0x80) {
    target[offset] = code;
    return offset + 1;
  }
  const rest = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  const leads = [0, 0xc0, 0xe0, 0xf0] as const;
  target[offset] = (leads[rest] ?? 0) | (code >>> (6 * rest));
  for (let index = 1; index <= rest; index++) {
    target[offset + index] = 0x80 | ((code >>> (6 * (rest - index))) & 0x3f);
  }
  return offset + rest + 1;
}
