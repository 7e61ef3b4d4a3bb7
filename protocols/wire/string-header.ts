/**
 * The MessagePack string header, written without allocating.
 *
 * The Go gateway publishes each dispatch as a MessagePack string whose content is Discord's JSON.
 * Its encoder knows fixstr, str16 and str32 and never writes str8, so neither does this: the bytes
 * are then the same as the ones existing consumers have always met. Every reader accepts all four.
 */

const FIXSTR_MAX_BYTES = 31;
const STR16_MAX_BYTES = 0xffff;

/** The longest header: one marker byte and a 32-bit length. */
export const STRING_HEADER_MAX_BYTES = 5;

/** Writes the header of a string of `length` bytes at `offset`; returns the offset after it. */
export function writeStringHeader(length: number, target: Uint8Array, offset: number): number {
  if (length <= FIXSTR_MAX_BYTES) {
    target[offset] = 0xa0 | length;
    return offset + 1;
  }
  if (length <= STR16_MAX_BYTES) {
    target[offset] = 0xda;
    target[offset + 1] = length >>> 8;
    target[offset + 2] = length;
    return offset + 3;
  }
  target[offset] = 0xdb;
  target[offset + 1] = length >>> 24;
  target[offset + 2] = length >>> 16;
  target[offset + 3] = length >>> 8;
  target[offset + 4] = length;
  return offset + 5;
}
