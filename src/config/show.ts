/**
 * How configured values and names appear in messages: on one line, not too long, without secrets.
 */
import { SHOWN_VALUE_MAX_LENGTH } from '../../protocols/limits.ts';
import { redactPatterns } from '../secrets.ts';

/** A value as somebody wrote it. */
export function showInput(input: unknown): string {
  if (typeof input === 'string') return quote(input);
  if (/^(number|bigint|boolean)$/.test(typeof input)) return String(input);
  if (Array.isArray(input)) {
    return shorten(`[${input.slice(0, SHOWN_VALUE_MAX_LENGTH).map(showInput).join(', ')}]`);
  }
  return kindOf(input);
}

/** What a value is, where it must not be shown itself. */
export function kindOf(input: unknown): string {
  if (typeof input === 'string') return 'a text';
  if (typeof input === 'boolean') return 'true or false';
  if (Array.isArray(input)) return 'a list';
  if (input instanceof Date) return 'a date';
  return typeof input === 'object' ? 'a table' : 'a number';
}

/** A key as somebody wrote it: bare where TOML allows that. */
export function showKey(key: string): string {
  return /^[\w-]{1,60}$/.test(key) ? redactPatterns(key) : quote(key);
}

function quote(text: string): string {
  return JSON.stringify(shorten(redactPatterns(text))).replaceAll(
    /[\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function shorten(text: string): string {
  return text.length <= SHOWN_VALUE_MAX_LENGTH
    ? text
    : `${text.slice(0, SHOWN_VALUE_MAX_LENGTH - 1)}…`;
}
