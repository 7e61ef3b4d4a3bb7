/**
 * Finding one JSON frame in a stream, and its members, without parsing the data.
 *
 * The scan goes through a frame once, however it is cut into chunks. It knows which tokens may
 * follow each other and what is open, and so notices most corruption where it begins: a frame that
 * lost its end is found out at the first brace of the next one. What it lets pass are literals and
 * strings that are no JSON after all, and the data is the reader's to decode. Only the members of
 * the frame itself are kept, as ranges of bytes; of one that stands twice the last counts.
 */
import { FRAME_DEPTH_MAX } from '../limits.ts';
import { type Frame, NIL_BODY, textBody } from './frame.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_ARRAY = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const SPACE = 0x20;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const TAB = 0x09;

/** What the last token was; `name` is a string where an object has the name of a member. */
type Last = 'start' | 'open' | 'name' | 'value' | 'comma' | 'colon';

/** The members of a frame that mean something; others are passed over. */
const MEMBER_NAMES = ['event', 'name', 'data', 'bytes', 'key', 'id'] as const;
type MemberName = (typeof MEMBER_NAMES)[number];

type Range = { readonly start: number; readonly end: number };

export function isWhiteSpace(byte: number): boolean {
  return byte === SPACE || byte === LINE_FEED || byte === CARRIAGE_RETURN || byte === TAB;
}

/** Letters, digits and signs: numbers, true, false and null. */
function isLiteral(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x2d ||
    byte === 0x2b ||
    byte === 0x2e ||
    byte === 0x45
  );
}

function show(byte: number): string {
  return `byte 0x${byte.toString(16).padStart(2, '0')}`;
}

/** Something that no JSON frame has at this offset. */
export class BrokenFrame extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

export class JsonFrameScan {
  /** Where the scan goes on; all offsets are from the frame's start. */
  #at = 0;
  /** Of each array or object that is open, whether it is an object. */
  readonly #open: boolean[] = [];
  #last: Last = 'start';
  #inString = false;
  #inLiteral = false;
  #tokenAt = 0;
  /** The member of the frame itself whose value is being read. */
  #name: Range = { start: 0, end: 0 };
  #valueAt = 0;
  #valueEnd = 0;
  readonly #members = new Map<MemberName, Range>();

  /**
   * Scans on through `bytes`, which begins with the frame and holds at least what it held before.
   * Returns the frame's length, or -1 when it is not all there yet. Throws `BrokenFrame`.
   */
  advance(bytes: Uint8Array): number {
    while (this.#at < bytes.length) {
      if (this.#inString) this.#string(bytes);
      else if (this.#inLiteral && isLiteral(bytes[this.#at] as number)) this.#at++;
      else {
        if (this.#inLiteral) this.#endToken();
        this.#token(bytes);
        if (this.#open.length === 0) return this.#at;
      }
    }
    return -1;
  }

  /** The frame, when the scan is complete; undefined when it names no event. */
  read(bytes: Uint8Array): Frame | undefined {
    const member = (name: MemberName) => {
      const found = this.#members.get(name);
      return found && bytes.subarray(found.start, found.end);
    };
    const event = textOf(member('event')) ?? textOf(member('name'));
    if (event === undefined) return undefined;
    const body = bodyOf(member('data'), member('bytes'));
    return { event, body, key: textOf(member('key')), id: textOf(member('id')) };
  }

  /** Goes on to the end of a string, or of what there is of it. */
  #string(bytes: Uint8Array): void {
    let at = this.#at;
    while (at < bytes.length) {
      const byte = bytes[at] as number;
      if (byte < SPACE) throw new BrokenFrame(`${show(byte)} inside a string`, at);
      at += byte === BACKSLASH ? 2 : 1;
      if (byte !== QUOTE) continue;
      this.#at = at;
      this.#endToken();
      return;
    }
    this.#at = at;
  }

  #token(bytes: Uint8Array): void {
    const byte = bytes[this.#at] as number;
    switch (byte) {
      case SPACE:
      case LINE_FEED:
      case CARRIAGE_RETURN:
      case TAB:
        break;
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        this.#begin(byte);
        if (this.#open.length === FRAME_DEPTH_MAX) {
          throw new BrokenFrame(`nesting deeper than ${FRAME_DEPTH_MAX}`, this.#at);
        }
        this.#open.push(byte === OPEN_OBJECT);
        this.#last = 'open';
        break;
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        this.#close(bytes, byte);
        break;
      case COMMA:
        this.#must(this.#last === 'value', byte);
        if (this.#open.length === 1) this.#endMember(bytes);
        this.#last = 'comma';
        break;
      case COLON:
        this.#must(this.#last === 'name', byte);
        this.#last = 'colon';
        break;
      default:
        this.#must(byte === QUOTE || isLiteral(byte), byte);
        this.#begin(byte);
        this.#inString = byte === QUOTE;
        this.#inLiteral = !this.#inString;
    }
    this.#at++;
  }

  /** Whether what comes next is the name of a member, or the end of an object that has none. */
  #isNameDue(): boolean {
    return (this.#last === 'open' || this.#last === 'comma') && this.#open.at(-1) === true;
  }

  /** A value, or a member's name, begins here. */
  #begin(byte: number): void {
    this.#must(this.#last !== 'value' && this.#last !== 'name', byte);
    this.#must(byte === QUOTE || !this.#isNameDue(), byte);
    this.#tokenAt = this.#at;
    if (this.#open.length === 1 && this.#last === 'colon') this.#valueAt = this.#at;
  }

  /** A string or a literal has ended before `#at`. */
  #endToken(): void {
    this.#inString = false;
    this.#inLiteral = false;
    if (!this.#isNameDue()) {
      this.#endValue(this.#at);
      return;
    }
    this.#last = 'name';
    if (this.#open.length === 1) this.#name = { start: this.#tokenAt, end: this.#at };
  }

  #endValue(end: number): void {
    this.#last = 'value';
    if (this.#open.length === 1) this.#valueEnd = end;
  }

  #close(bytes: Uint8Array, byte: number): void {
    this.#must(this.#last === 'value' || this.#last === 'open', byte);
    this.#must(this.#open.at(-1) === (byte === CLOSE_OBJECT), byte);
    if (this.#open.length === 1 && this.#last === 'value') this.#endMember(bytes);
    this.#open.pop();
    this.#endValue(this.#at + 1);
  }

  #endMember(bytes: Uint8Array): void {
    const known = memberName(bytes.subarray(this.#name.start, this.#name.end));
    if (known) this.#members.set(known, { start: this.#valueAt, end: this.#valueEnd });
  }

  #must(holds: boolean, byte: number): void {
    if (!holds) throw new BrokenFrame(`${show(byte)} where JSON has none`, this.#at);
  }
}

const text = new TextDecoder('utf-8', { fatal: true });

/** The text of a JSON string; undefined when it is none after all. */
function readText(bytes: Uint8Array): string | undefined {
  try {
    return String(JSON.parse(text.decode(bytes)));
  } catch {
    return undefined;
  }
}

function memberName(bytes: Uint8Array): MemberName | undefined {
  const name = readText(bytes);
  return MEMBER_NAMES.find((known) => known === name);
}

/** The content of a member that is a string and not empty. */
function textOf(member: Uint8Array | undefined): string | undefined {
  if (member === undefined || member[0] !== QUOTE) return undefined;
  return readText(member) || undefined;
}

function bodyOf(data: Uint8Array | undefined, bytes: Uint8Array | undefined): Uint8Array {
  const encoded = bytes?.[0] === QUOTE ? readText(bytes) : undefined;
  if (encoded !== undefined) return new Uint8Array(Buffer.from(encoded, 'base64'));
  return data === undefined || data.length === 0 ? NIL_BODY : textBody(data);
}
