/** How configured values and names appear in messages: on one line, not too long, without secrets. */
import { SHOWN_VALUE_MAX_LENGTH } from '../../protocols/limits.ts';
import { redactPatterns } from '../secrets.ts';

/** A value as somebody wrote it. */
export function showInput(input: unknown): string {
  if (typeof input === 'string') return quote(input);
  if (typeof input === 'number' || typeof input === 'boolean') return String(input);
  if (Array.isArray(input)) {
    return shorten(`[${input.slice(0, SHOWN_VALUE_MAX_LENGTH).map(showInput).join(', ')}]`);
  }
  return input instanceof Date ? 'a date' : 'a table';
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
