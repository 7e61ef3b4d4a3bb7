/**
 * What was read and not used yet, in one piece.
 *
 * Chunks are copied behind each other into a buffer that doubles when it is full, so that a value
 * which comes in many chunks is copied a few times and not once a chunk. A chunk that is used up
 * where it stands is not copied at all. An empty buffer keeps no memory.
 */
const FIRST_SIZE_BYTES = 64 * 1024;

export class ChunkBuffer {
  #bytes: Uint8Array = new Uint8Array();
  #start = 0;
  #end = 0;
  /** Whether the bytes are the caller's chunk and not a copy. */
  #isBorrowed = false;

  get length(): number {
    return this.#end - this.#start;
  }

  /** Takes a chunk, which must not change until it is used up or the next chunk is appended. */
  append(chunk: Uint8Array): void {
    if (this.length === 0) {
      this.#bytes = chunk;
      this.#start = 0;
      this.#end = chunk.length;
      this.#isBorrowed = true;
      return;
    }
    this.#makeRoom(chunk.length);
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  /** Everything that is left; good until the next call of another method. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  consume(count: number): void {
    this.#start = Math.min(this.#start + count, this.#end);
    if (this.#start < this.#end) return;
    this.#bytes = new Uint8Array();
    this.#start = 0;
    this.#end = 0;
    this.#isBorrowed = false;
  }

  #makeRoom(count: number): void {
    const needed = this.length + count;
    if (!this.#isBorrowed && this.#end + count <= this.#bytes.length) return;
    const fits = !this.#isBorrowed && needed <= this.#bytes.length / 2;
    const size = Math.max(FIRST_SIZE_BYTES, needed * 2);
    const target = fits ? this.#bytes : new Uint8Array(size);
    target.set(this.bytes());
    this.#bytes = target;
    this.#end = this.length;
    this.#start = 0;
    this.#isBorrowed = false;
  }
}
