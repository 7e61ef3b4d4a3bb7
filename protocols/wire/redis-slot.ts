/**
 * Which of a Redis cluster's 16,384 slots a key belongs to, and names that share a slot.
 *
 * A slot is CRC-16/XMODEM of the key modulo 16,384. Of a key with braces only what stands between
 * the first `{` and the next `}` counts, if there is anything: that is how two keys are kept on one
 * server.
 */

const POLYNOMIAL = 0x1021;
export const REDIS_SLOTS = 16_384;

const utf8 = new TextEncoder();

const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte << 8;
  for (let bit = 0; bit < 8; bit++) {
    remainder = remainder & 0x8000 ? (remainder << 1) ^ POLYNOMIAL : remainder << 1;
  }
  return remainder & 0xffff;
});

/** What of a key decides its slot. */
function hashedPart(key: string): string {
  const open = key.indexOf('{');
  if (open === -1) return key;
  const close = key.indexOf('}', open + 1);
  return close <= open + 1 ? key : key.slice(open + 1, close);
}

export function redisSlot(key: string): number {
  let remainder = 0;
  for (const byte of utf8.encode(hashedPart(key))) {
    remainder = ((remainder << 8) & 0xffff) ^ (TABLE[(remainder >> 8) ^ byte] ?? 0);
  }
  return remainder % REDIS_SLOTS;
}

/**
 * The stream for entries of `event` that nobody could handle, in the same slot as the event's own.
 * Event names have no colon, so no client subscribes to it by mistake.
 */
export function deadLetterStream(event: string): string {
  return hashedPart(event) === event ? `{${event}}:dead` : `${event}:dead`;
}
