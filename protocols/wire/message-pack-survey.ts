/**
 * What a MessagePack value holds that a plain decoder gets wrong, found before it is decoded.
 *
 * Integers of 64 bits become doubles, which are exact up to 2^53 only. Strings are taken for UTF-8,
 * yet the Go client writes byte slices as strings. Both are rare: a value is looked over first, and
 * decoded with more care only where there is something to care for. A value that is cut off ends
 * the look; saying what is wrong with it is the decoder's.
 */
import { isUtf8 } from 'node:buffer';
import { stepMessagePack } from './message-pack-length.ts';

export type Survey = {
  /** An integer that a double cannot hold. */
  readonly hasWideIntegers: boolean;
  /** A string that is no UTF-8. */
  readonly hasForeignText: boolean;
};

const UINT64 = 0xcf;
const INT64 = 0xd3;
/** The high 32 bits of 2^53, and of -2^53 as an unsigned number. */
const HIGH_WORD_MAX = 0x1fffff;
const HIGH_WORD_MIN = 0xffe00000;

/** How many bytes stand before a string's content, or 0 when the marker opens no string. */
function stringHeaderBytes(marker: number): number {
  if (marker >= 0xa0 && marker <= 0xbf) return 1;
  if (marker === 0xd9) return 2;
  if (marker === 0xda) return 3;
  return marker === 0xdb ? 5 : 0;
}

function isForeign(bytes: Uint8Array, start: number, end: number): boolean {
  for (let index = start; index < end; index++) {
    if ((bytes[index] as number) >= 0x80) return !isUtf8(bytes.subarray(start, end));
  }
  return false;
}

/** Whether the integer of 64 bits at `offset` lies outside of what a double holds exactly. */
function isWide(bytes: Uint8Array, offset: number, marker: number): boolean {
  let high = 0;
  for (let index = offset + 1; index <= offset + 4; index++)
    high = high * 256 + (bytes[index] ?? 0);
  if (marker === UINT64) return high > HIGH_WORD_MAX;
  return high > HIGH_WORD_MAX && high < HIGH_WORD_MIN;
}

export function surveyMessagePack(bytes: Uint8Array): Survey {
  let hasWideIntegers = false;
  let hasForeignText = false;
  let offset = 0;
  for (let pending = 1; pending > 0 && offset < bytes.length; pending--) {
    const marker = bytes[offset] as number;
    const { length, values } = stepMessagePack(bytes, offset, bytes.length);
    const header = stringHeaderBytes(marker);
    if (header > 0) hasForeignText ||= isForeign(bytes, offset + header, offset + length);
    else if (marker === UINT64 || marker === INT64)
      hasWideIntegers ||= isWide(bytes, offset, marker);
    offset += length;
    pending += values;
  }
  return { hasWideIntegers, hasForeignText };
}
