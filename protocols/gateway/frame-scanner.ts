/**
 * Finds `op`, `t`, `s` and the byte range of `d` in one gateway frame without parsing its JSON.
 *
 * Purpose: the dispatch path forwards the bytes of `d` as they came, so all it needs of a frame is
 * the envelope. Nothing is allocated: the result stands in the scanner's own fields until the next
 * scan.
 *
 * Inner workings: one pass over the bytes of the outermost object. Keys may come in any order, the
 * last of two equal keys counts, as with JSON.parse. A nested value is skipped by counting brackets
 * outside of strings, so text that looks like a key inside `d` is never seen, and depth costs no
 * stack. Only what is needed is checked: the inside of `d` is the consumer's to parse.
 *
 * Failure: `scan` returns false for anything that is not one JSON object with an integer `op`, an
 * `s` that is absent, null or a non-negative integer, and a `t` that is absent, null or a string.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const ZERO = 0x30;
const NINE = 0x39;
const LETTER_D = 0x64;
const LETTER_N = 0x6e;
const LETTER_O = 0x6f;
const LETTER_P = 0x70;
const LETTER_S = 0x73;
const LETTER_T = 0x74;

/** What stands where `s` is absent or null. */
export const NO_SEQUENCE = -1;

/** Bytes of a string that are looked at in one turn of the loop. */
const STRING_STEP_BYTES = 4;

const NOTHING = new Uint8Array(0);

/** No offset: the string does not end. */
const UNENDED = -1;

type Field = 'op' | 's' | 't' | 'd' | 'other';

export class FrameScanner {
  op = -1;
  sequence = NO_SEQUENCE;
  /** The bytes of `t` without its quotes; an empty range when it is absent or null. */
  eventStart = 0;
  eventEnd = 0;
  /** The bytes of `d`; an empty range when it is absent. */
  dataStart = 0;
  dataEnd = 0;

  #source: Uint8Array = NOTHING;
  #end = 0;
  #at = 0;

  /** Scans `source[start, end)`. The fields hold offsets into `source`. */
  scan(source: Uint8Array, start: number, end: number): boolean {
    this.#source = source;
    this.#end = end;
    this.#at = start;
    this.op = -1;
    this.sequence = NO_SEQUENCE;
    this.eventStart = this.eventEnd = 0;
    this.dataStart = this.dataEnd = 0;
    return this.#object() && this.op >= 0;
  }

  #object(): boolean {
    if (!this.#expect(OPEN_BRACE)) return false;
    this.#space();
    if (this.#source[this.#at] === CLOSE_BRACE) return this.#finish();
    for (;;) {
      if (!this.#member()) return false;
      this.#space();
      const byte = this.#byte();
      if (byte === CLOSE_BRACE) return this.#finish();
      if (byte !== COMMA) return false;
      this.#at++;
    }
  }

  /** Past the closing brace only white space may follow. */
  #finish(): boolean {
    this.#at++;
    this.#space();
    return this.#at === this.#end;
  }

  #member(): boolean {
    this.#space();
    if (this.#byte() !== QUOTE) return false;
    const keyStart = this.#at + 1;
    if (!this.#string()) return false;
    const field = this.#field(keyStart, this.#at - 1);
    if (!this.#expect(COLON)) return false;
    this.#space();
    switch (field) {
      case 'op':
        this.op = this.#integer();
        return this.op >= 0;
      case 's':
        return this.#sequence();
      case 't':
        return this.#event();
      case 'd':
        this.dataStart = this.#at;
        if (!this.#value()) return false;
        this.dataEnd = this.#at;
        return true;
      case 'other':
        return this.#value();
    }
  }

  #field(start: number, end: number): Field {
    const source = this.#source;
    const length = end - start;
    if (length === 1) {
      const letter = source[start];
      if (letter === LETTER_D) return 'd';
      if (letter === LETTER_S) return 's';
      if (letter === LETTER_T) return 't';
      return 'other';
    }
    if (length === 2 && source[start] === LETTER_O && source[start + 1] === LETTER_P) return 'op';
    return source.subarray(start, end).includes(BACKSLASH)
      ? this.#escapedField(start, end)
      : 'other';
  }

  /** A key spelled with escapes; Discord sends none, so an allocation does not matter. */
  #escapedField(start: number, end: number): Field {
    const key = resolveEscapes(this.#source, start, end);
    return key === 'op' || key === 's' || key === 't' || key === 'd' ? key : 'other';
  }

  #sequence(): boolean {
    if (this.#byte() === LETTER_N) {
      this.sequence = NO_SEQUENCE;
      return this.#word('null');
    }
    this.sequence = this.#integer();
    return this.sequence >= 0;
  }

  #event(): boolean {
    if (this.#byte() === LETTER_N) {
      this.eventStart = this.eventEnd = 0;
      return this.#word('null');
    }
    if (this.#byte() !== QUOTE) return false;
    this.eventStart = this.#at + 1;
    if (!this.#string()) return false;
    this.eventEnd = this.#at - 1;
    return true;
  }

  /** A non-negative integer, or -1. */
  #integer(): number {
    const start = this.#at;
    let value = 0;
    let byte = this.#byte();
    while (byte >= ZERO && byte <= NINE) {
      value = value * 10 + (byte - ZERO);
      this.#at++;
      byte = this.#byte();
    }
    const length = this.#at - start;
    if (length === 0 || value > Number.MAX_SAFE_INTEGER) return -1;
    if (length > 1 && this.#source[start] === ZERO) return -1;
    return byte === COMMA || byte === CLOSE_BRACE || isSpace(byte) ? value : -1;
  }

  #value(): boolean {
    const byte = this.#byte();
    if (byte === QUOTE) return this.#string();
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) return this.#nested();
    const start = this.#at;
    while (this.#at < this.#end && !endsScalar(this.#byte())) this.#at++;
    return this.#at > start;
  }

  /**
   * Skips an object or array, to past its closing bracket. Nearly all bytes of a frame pass here,
   * so strings are skipped in the same loop, which keeps everything in local variables.
   */
  #nested(): boolean {
    const source = this.#source;
    const end = this.#end;
    let at = this.#at;
    let depth = 0;
    while (at < end) {
      const byte = source[at++];
      if (byte === QUOTE) {
        at = afterString(source, at, end);
        if (at === UNENDED) return false;
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        depth++;
      } else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) {
        this.#at = at;
        return true;
      }
    }
    return false;
  }

  /** Skips a string whose opening quote is at the cursor, to past its closing quote. */
  #string(): boolean {
    const at = afterString(this.#source, this.#at + 1, this.#end);
    if (at === UNENDED) return false;
    this.#at = at;
    return true;
  }

  #word(word: string): boolean {
    for (let index = 0; index < word.length; index++) {
      if (this.#source[this.#at + index] !== word.charCodeAt(index)) return false;
    }
    this.#at += word.length;
    return this.#at <= this.#end;
  }

  #expect(byte: number): boolean {
    this.#space();
    if (this.#byte() !== byte) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    while (this.#at < this.#end && isSpace(this.#byte())) this.#at++;
  }

  /** The byte at the cursor, or 0 at the end: no token of JSON begins or ends with a zero byte. */
  #byte(): number {
    return this.#at < this.#end ? (this.#source[this.#at] ?? 0) : 0;
  }
}

/**
 * Where the string ends whose content begins at `start`: past its closing quote, or `UNENDED`.
 *
 * Four bytes a turn: that there are so many left is asked once for all of them, and a frame is
 * mostly made of what stands between quotes.
 */
function afterString(source: Uint8Array, start: number, end: number): number {
  let at = start;
  let byte: number | undefined;
  while (at + STRING_STEP_BYTES <= end) {
    byte = source[at];
    if (byte === QUOTE) return at + 1;
    if (byte === BACKSLASH) {
      at += 2;
      continue;
    }
    byte = source[at + 1];
    if (byte === QUOTE) return at + 2;
    if (byte === BACKSLASH) {
      at += 3;
      continue;
    }
    byte = source[at + 2];
    if (byte === QUOTE) return at + 3;
    if (byte === BACKSLASH) {
      at += 4;
      continue;
    }
    byte = source[at + 3];
    if (byte === QUOTE) return at + 4;
    if (byte === BACKSLASH) {
      at += 5;
      continue;
    }
    at += STRING_STEP_BYTES;
  }
  while (at < end) {
    byte = source[at++];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at++;
  }
  return UNENDED;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function endsScalar(byte: number): boolean {
  return byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET || isSpace(byte);
}

/** The text between two quotes, with its escapes resolved; undefined when they are not valid. */
export function resolveEscapes(source: Uint8Array, start: number, end: number): string | undefined {
  try {
    const text: unknown = JSON.parse(`"${new TextDecoder().decode(source.subarray(start, end))}"`);
    return typeof text === 'string' ? text : undefined;
  } catch {
    return undefined;
  }
}
