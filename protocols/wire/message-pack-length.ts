/**
 * How long a MessagePack value is, found without decoding it.
 *
 * Values follow each other on a stream without lengths between them, so the end of one has to be
 * walked to. The walk keeps a count of the values still to come instead of a stack, so a deeply
 * nested value costs no memory.
 */

/** The sizes of fixed-length values by their marker, marker included. */
const FIXED_LENGTHS: ReadonlyMap<number, number> = new Map([
  [0xc0, 1],
  [0xc2, 1],
  [0xc3, 1],
  [0xca, 5],
  [0xcb, 9],
  [0xcc, 2],
  [0xcd, 3],
  [0xce, 5],
  [0xcf, 9],
  [0xd0, 2],
  [0xd1, 3],
  [0xd2, 5],
  [0xd3, 9],
  [0xd4, 3],
  [0xd5, 4],
  [0xd6, 6],
  [0xd7, 10],
  [0xd8, 18],
]);

/** How many bytes of length follow the marker, and how many bytes of type follow the length. */
const SIZED: ReadonlyMap<number, readonly [lengthBytes: number, typeBytes: number]> = new Map([
  [0xc4, [1, 0]],
  [0xc5, [2, 0]],
  [0xc6, [4, 0]],
  [0xc7, [1, 1]],
  [0xc8, [2, 1]],
  [0xc9, [4, 1]],
  [0xd9, [1, 0]],
  [0xda, [2, 0]],
  [0xdb, [4, 0]],
]);

/** How many bytes of count follow the marker, and how many values each counted entry holds. */
const COUNTED: ReadonlyMap<number, readonly [countBytes: number, valuesPerEntry: number]> = new Map(
  [
    [0xdc, [2, 1]],
    [0xdd, [4, 1]],
    [0xde, [2, 2]],
    [0xdf, [4, 2]],
  ],
);

function readUnsigned(bytes: Uint8Array, offset: number, length: number): number {
  let value = 0;
  for (let index = 0; index < length; index++) value = value * 256 + (bytes[offset + index] ?? 0);
  return value;
}

/**
 * Steps over one marker and its own bytes: how long they are, and how many values they announce.
 */
export function stepMessagePack(
  bytes: Uint8Array,
  offset: number,
  end: number,
): { length: number; values: number } {
  const marker = bytes[offset] as number;
  if (marker <= 0x7f || marker >= 0xe0) return { length: 1, values: 0 };
  if (marker <= 0x8f) return { length: 1, values: (marker & 0x0f) * 2 };
  if (marker <= 0x9f) return { length: 1, values: marker & 0x0f };
  if (marker <= 0xbf) return { length: 1 + (marker & 0x1f), values: 0 };
  const fixed = FIXED_LENGTHS.get(marker);
  if (fixed !== undefined) return { length: fixed, values: 0 };
  const sized = SIZED.get(marker);
  if (sized) {
    const [lengthBytes, typeBytes] = sized;
    if (offset + 1 + lengthBytes > end) return { length: 1 + lengthBytes, values: 0 };
    const size = readUnsigned(bytes, offset + 1, lengthBytes);
    return { length: 1 + lengthBytes + typeBytes + size, values: 0 };
  }
  const counted = COUNTED.get(marker);
  if (!counted) throw new Error('MessagePack has no value that begins with 0xc1');
  const [countBytes, valuesPerEntry] = counted;
  if (offset + 1 + countBytes > end) return { length: 1 + countBytes, values: 0 };
  const count = readUnsigned(bytes, offset + 1, countBytes);
  return { length: 1 + countBytes, values: count * valuesPerEntry };
}

/** The offset after the value that begins at `start`, or -1 when it is not all there yet. */
export function messagePackLength(bytes: Uint8Array, start: number): number {
  const walk = new MessagePackWalk(start);
  return walk.advance(bytes, bytes.length) ? walk.offset : -1;
}

/** A walk over one value that can go on when more of it has come. */
export class MessagePackWalk {
  offset: number;
  #pending = 1;

  constructor(start: number) {
    this.offset = start;
  }

  /** Walks on through `bytes` up to `end`; true when the value's end, now `offset`, was found. */
  advance(bytes: Uint8Array, end: number): boolean {
    while (this.#pending > 0) {
      if (this.offset >= end) return false;
      const { length, values } = stepMessagePack(bytes, this.offset, end);
      if (this.offset + length > end) return false;
      this.offset += length;
      this.#pending += values - 1;
    }
    return true;
  }

  /** At least this many bytes are still to come after `offset`, by what is announced already. */
  announced(bytes: Uint8Array, end: number): number {
    if (this.#pending === 0 || this.offset >= end) return this.#pending;
    return this.#pending - 1 + stepMessagePack(bytes, this.offset, end).length;
  }
}
