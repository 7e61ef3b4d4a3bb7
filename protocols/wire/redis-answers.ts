/**
 * Reads the answers to commands whose values are of no interest: whether each was done, and no
 * more.
 *
 * An XADD is answered by a bulk string (`$15`, then as many bytes), a PING by a line (`+PONG`), and
 * what is refused by a line of words (`-OOM …`). No object is made for an answer, and a bulk string
 * is stepped over, not read. An answer may be split anywhere.
 *
 * Failure: anything else, an array or a null for instance, throws. What follows could be taken for
 * answers that it is not, so the reader is of no use then.
 */
import { BrokerUnavailableError } from '../errors.ts';
import { REDIS_REFUSAL_MAX_BYTES } from '../limits.ts';

const DOLLAR = 0x24;
const PLUS = 0x2b;
const MINUS = 0x2d;
const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;
const ZERO = 0x30;
const LINE_END_BYTES = 2;

export interface AnswerListener {
  /** The oldest command that had no answer was done. */
  done(): void;
  /** It was refused, in these words. */
  refused(words: string): void;
}

export class RedisAnswerReader {
  readonly #listener: AnswerListener;
  /** What the answer began with; 0 between two answers. */
  #type = 0;
  /** The digits of a bulk string's length, so far. */
  #length = 0;
  /** What is to come of a bulk string and its line end. */
  #left = 0;
  #words = '';

  constructor(listener: AnswerListener) {
    this.#listener = listener;
  }

  read(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#left === 0) this.#take(bytes[at++] as number);
      else at = this.#stepOver(at, bytes.length);
    }
  }

  #stepOver(at: number, end: number): number {
    const step = Math.min(this.#left, end - at);
    this.#left -= step;
    if (this.#left === 0) this.#listener.done();
    return at + step;
  }

  #take(byte: number): void {
    if (this.#type === 0) this.#begin(byte);
    else if (byte === LINE_FEED) this.#endLine();
    else if (byte === CARRIAGE_RETURN) return;
    else if (this.#type === DOLLAR) this.#digit(byte);
    else if (this.#type === MINUS && this.#words.length < REDIS_REFUSAL_MAX_BYTES) {
      this.#words += String.fromCharCode(byte);
    }
  }

  #begin(byte: number): void {
    if (byte !== DOLLAR && byte !== PLUS && byte !== MINUS) throw noAnswer(byte);
    this.#type = byte;
    this.#length = 0;
    this.#words = '';
  }

  #digit(byte: number): void {
    const digit = byte - ZERO;
    if (digit < 0 || digit > 9) throw noAnswer(byte);
    this.#length = this.#length * 10 + digit;
  }

  #endLine(): void {
    const type = this.#type;
    this.#type = 0;
    if (type === DOLLAR) this.#left = this.#length + LINE_END_BYTES;
    else if (type === PLUS) this.#listener.done();
    else this.#listener.refused(this.#words);
  }
}

function noAnswer(byte: number): BrokerUnavailableError {
  return new BrokerUnavailableError(
    `the server answered an event with what is no answer to it (byte ${byte})`,
  );
}
