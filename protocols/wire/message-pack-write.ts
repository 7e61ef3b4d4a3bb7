/**
 * The smallest MessagePack form of a number or a length, written straight into a caller's buffer.
 *
 * Byte for byte what @msgpack/msgpack writes. Each function returns the offset after what it wrote.
 */

const FIXSTR_MAX = 31;
const FIXED_COUNT_MAX = 15;
const UINT8_MAX = 0xff;
const UINT16_MAX = 0xffff;
const UINT32_MAX = 0xffffffff;
const UINT32 = 2 ** 32;
const FLOAT_BYTES = 8;

/** Markers of a container by the width of its count: in the marker itself, 16 bits, 32 bits. */
const MAP_MARKERS = [0x80, 0xde, 0xdf] as const;
const ARRAY_MARKERS = [0x90, 0xdc, 0xdd] as const;

const scratch = new DataView(new ArrayBuffer(FLOAT_BYTES));

function writeUint16(value: number, target: Uint8Array, offset: number): number {
  target[offset] = value >>> 8;
  target[offset + 1] = value;
  return offset + 2;
}

function writeUint32(value: number, target: Uint8Array, offset: number): number {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
  return offset + 4;
}

/** Two's complement, of any integer that a double holds exactly. */
function writeInt64(value: number, target: Uint8Array, offset: number): number {
  return writeUint32(value, target, writeUint32(Math.floor(value / UINT32), target, offset));
}

export function writeTextHeader(bytes: number, target: Uint8Array, offset: number): number {
  if (bytes <= FIXSTR_MAX) {
    target[offset] = 0xa0 | bytes;
    return offset + 1;
  }
  if (bytes <= UINT8_MAX) {
    target[offset] = 0xd9;
    target[offset + 1] = bytes;
    return offset + 2;
  }
  if (bytes <= UINT16_MAX) {
    target[offset] = 0xda;
    return writeUint16(bytes, target, offset + 1);
  }
  target[offset] = 0xdb;
  return writeUint32(bytes, target, offset + 1);
}

/** How many bytes `writeCount` takes for a container of so many entries. */
export function countBytes(count: number): number {
  if (count <= FIXED_COUNT_MAX) return 1;
  return count <= UINT16_MAX ? 3 : 5;
}

export function writeCount(
  count: number,
  isMap: boolean,
  target: Uint8Array,
  offset: number,
): number {
  const markers = isMap ? MAP_MARKERS : ARRAY_MARKERS;
  if (count <= FIXED_COUNT_MAX) {
    target[offset] = markers[0] | count;
    return offset + 1;
  }
  if (count <= UINT16_MAX) {
    target[offset] = markers[1];
    return writeUint16(count, target, offset + 1);
  }
  target[offset] = markers[2];
  return writeUint32(count, target, offset + 1);
}

export function writeNumber(value: number, target: Uint8Array, offset: number): number {
  if (!Number.isSafeInteger(value)) return writeFloat(value, target, offset);
  return value >= 0 ? writePositive(value, target, offset) : writeNegative(value, target, offset);
}

function writePositive(value: number, target: Uint8Array, offset: number): number {
  if (value < 0x80) {
    target[offset] = value;
    return offset + 1;
  }
  if (value <= UINT8_MAX) {
    target[offset] = 0xcc;
    target[offset + 1] = value;
    return offset + 2;
  }
  if (value <= UINT16_MAX) {
    target[offset] = 0xcd;
    return writeUint16(value, target, offset + 1);
  }
  const isShort = value <= UINT32_MAX;
  target[offset] = isShort ? 0xce : 0xcf;
  return isShort ? writeUint32(value, target, offset + 1) : writeInt64(value, target, offset + 1);
}

function writeNegative(value: number, target: Uint8Array, offset: number): number {
  if (value >= -0x20) {
    target[offset] = value;
    return offset + 1;
  }
  if (value >= -0x80) {
    target[offset] = 0xd0;
    target[offset + 1] = value;
    return offset + 2;
  }
  if (value >= -0x8000) {
    target[offset] = 0xd1;
    return writeUint16(value, target, offset + 1);
  }
  const isShort = value >= -0x80000000;
  target[offset] = isShort ? 0xd2 : 0xd3;
  return isShort ? writeUint32(value, target, offset + 1) : writeInt64(value, target, offset + 1);
}

function writeFloat(value: number, target: Uint8Array, offset: number): number {
  target[offset] = 0xcb;
  scratch.setFloat64(0, value);
  for (let index = 0; index < FLOAT_BYTES; index++) {
    target[offset + 1 + index] = scratch.getUint8(index);
  }
  return offset + 1 + FLOAT_BYTES;
}
