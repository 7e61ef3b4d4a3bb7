/**
 * Finds the messages in the bytes that a WebSocket server sends (RFC 6455, 5.2).
 *
 * Purpose: nearly everything that a gateway sends is a message in one unmasked frame. Such a
 * message is handed over as a view of the bytes that were read: no copy, no queue, no event.
 *
 * Inner workings: a frame begins by saying how long it is. One that is not all there is kept, in a
 * buffer of its size, until the rest has come. Pings and pongs are passed on as they are. From the
 * first frame that closes, is a fragment, or is not as it should be, everything is passed on, to
 * whoever speaks the whole protocol: the order of messages stays what it was, since no more of them
 * are found here.
 */

/** Final and without an extension: a message of one frame. */
const WHOLE_TEXT = 0x81;
const WHOLE_BYTES = 0x82;
const PING = 0x89;
const PONG = 0x8a;

/** Beside the length; a server never sets it. */
const MASKED = 0x80;
/**
 * Stands for a length that the next two bytes say; anything above it for one that eight bytes say.
 */
const LENGTH_16 = 126;
const CONTROL_MAX_BYTES = 125;

const HEAD_BYTES = 2;
const HEAD_16_BYTES = 4;
const HEAD_64_BYTES = 10;
const UINT16 = 2 ** 16;
const UINT32 = 2 ** 32;

const NOTHING = new Uint8Array(0);

export interface FrameListener {
  /** A message; its bytes are valid until this returns. */
  message(data: Uint8Array): void;
  /** Bytes of frames that are no such message; valid until this returns. */
  other(bytes: Uint8Array): void;
}

export class WebSocketFrames {
  readonly #listener: FrameListener;
  readonly #messageMaxBytes: number;
  /** Has room for the frame that has not ended, as far as its length is known. */
  #kept = NOTHING;
  #keptBytes = 0;
  #isOver = false;

  /** @param messageMaxBytes a message that is longer is passed on, before it is all there */
  constructor(listener: FrameListener, messageMaxBytes: number) {
    this.#listener = listener;
    this.#messageMaxBytes = messageMaxBytes;
  }

  /** Reads `bytes[start, end)`, which may be written to again afterwards. */
  read(bytes: Uint8Array, start: number, end: number): void {
    let at = this.#keptBytes === 0 ? start : this.#complete(bytes, start, end);
    while (at < end && !this.#isOver) {
      const size = frameBytes(bytes, at, end);
      if (this.#isForeign(bytes, at, end, size)) {
        this.#isOver = true;
      } else if (at + size > end) {
        this.#keep(bytes, at, end, size);
        return;
      } else {
        this.#take(bytes, at, size);
        at += size;
      }
    }
    if (at < end) this.#listener.other(bytes.subarray(at, end));
  }

  /** Adds to the frame that has not ended. @returns where what follows it begins */
  #complete(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end && this.#keptBytes > 0) {
      const size = frameBytes(this.#kept, 0, this.#keptBytes);
      const next = Math.min(at + size - this.#keptBytes, end);
      this.#keep(bytes, at, next, size);
      this.#review();
      at = next;
    }
    return at;
  }

  /** Takes what is kept, if it has become a whole frame, or turned out to be foreign. */
  #review(): void {
    const kept = this.#kept;
    const length = this.#keptBytes;
    const size = frameBytes(kept, 0, length);
    this.#isOver = this.#isForeign(kept, 0, length, size);
    if (size > length && !this.#isOver) return;
    this.#kept = NOTHING;
    this.#keptBytes = 0;
    if (this.#isOver) this.#listener.other(kept.subarray(0, length));
    else this.#take(kept, 0, size);
  }

  #keep(bytes: Uint8Array, start: number, end: number, size: number): void {
    if (size > this.#kept.length) {
      const grown = new Uint8Array(size);
      grown.set(this.#kept.subarray(0, this.#keptBytes));
      this.#kept = grown;
    }
    this.#kept.set(bytes.subarray(start, end), this.#keptBytes);
    this.#keptBytes += end - start;
  }

  #take(bytes: Uint8Array, at: number, size: number): void {
    const isMessage = bytes[at] === WHOLE_TEXT || bytes[at] === WHOLE_BYTES;
    if (!isMessage) this.#listener.other(bytes.subarray(at, at + size));
    else this.#listener.message(bytes.subarray(at + headBytes(bytes[at + 1] ?? 0), at + size));
  }

  /** Whether the frame that begins at `at` is none that is read here, as far as it is there. */
  #isForeign(bytes: Uint8Array, at: number, end: number, size: number): boolean {
    if (end - at >= HEAD_BYTES && ((bytes[at + 1] ?? 0) & MASKED) !== 0) return true;
    const first = bytes[at];
    if (first === PING || first === PONG) return size > HEAD_BYTES + CONTROL_MAX_BYTES;
    if (first !== WHOLE_TEXT && first !== WHOLE_BYTES) return true;
    return size > this.#messageMaxBytes + HEAD_64_BYTES;
  }
}

/** @param length the second byte of a frame */
function headBytes(length: number): number {
  if (length < LENGTH_16) return HEAD_BYTES;
  return length === LENGTH_16 ? HEAD_16_BYTES : HEAD_64_BYTES;
}

/**
 * How long the frame at `at` is; until that can be known, how much of it must be there to know
 * more.
 */
function frameBytes(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < HEAD_BYTES) return HEAD_BYTES;
  const length = (bytes[at + 1] ?? 0) & ~MASKED;
  const head = headBytes(length);
  if (length < LENGTH_16) return head + length;
  if (end - at < head) return head;
  if (length === LENGTH_16) return head + uint16(bytes, at + 2);
  return head + uint32(bytes, at + 2) * UINT32 + uint32(bytes, at + 6);
}

function uint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function uint32(bytes: Uint8Array, at: number): number {
  return uint16(bytes, at) * UINT16 + uint16(bytes, at + 2);
}
