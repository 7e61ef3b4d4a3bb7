/**
 * The body of Discord's answer, from its first byte on: held here until somebody reads it.
 *
 * Purpose: nearly every answer is small, and whole before the limiter has done with its headers. It
 * is then taken at once, as bytes, without a stream. Only one that is still on its way is iterated.
 *
 * Inner workings: undici hands in chunks as they come; at UPSTREAM_BODY_HELD_BYTES that nobody has
 * read it is told to pause, and goes on when they were. A body that is given up is let run out
 * unread, up to UPSTREAM_BODY_DRAINED_BYTES, so that its connection can be used again; a longer one
 * costs the connection.
 *
 * Failure modes: what breaks off throws in whoever reads it, after all that had come before. Nobody
 * is told if nobody reads.
 */
import { UPSTREAM_BODY_DRAINED_BYTES, UPSTREAM_BODY_HELD_BYTES } from '../../protocols/limits.ts';
import type { AnswerBody } from '../../protocols/proxy.ts';

/** How the body's connection is held back, let go on, or given up. */
export type Flow = { pause(): void; resume(): void; abort(reason: Error): void };

const NOTHING = new Uint8Array();

export class ArrivingBody implements AnswerBody {
  readonly #flow: Flow;
  #chunks: Uint8Array[] = [];
  #heldBytes = 0;
  #drainedBytes = 0;
  #isDiscarded = false;
  /** Undefined while it is coming; null when all of it has come. */
  #end: { readonly error: Error } | null | undefined;
  #wake: (() => void) | null = null;

  constructor(flow: Flow) {
    this.#flow = flow;
  }

  // What undici says.

  push(chunk: Uint8Array): void {
    if (this.#isDiscarded) {
      this.#drain(chunk.length);
      return;
    }
    this.#chunks.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes > UPSTREAM_BODY_HELD_BYTES) this.#flow.pause();
    this.#wake?.();
  }

  end(error?: Error): void {
    this.#end = error === undefined ? null : { error };
    this.#wake?.();
  }

  // What a reader does.

  arrived(): Uint8Array | null {
    if (this.#end !== null || this.#isDiscarded) return null;
    const chunks = this.#take();
    return chunks.length > 1 ? Buffer.concat(chunks) : (chunks[0] ?? NOTHING);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      while (!this.#isDiscarded) {
        const chunks = this.#take();
        if (chunks.length > 0) {
          yield* chunks;
          continue;
        }
        if (this.#end === null) return;
        if (this.#end !== undefined) throw this.#end.error;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = null;
      }
    } finally {
      this.discard();
    }
  }

  discard(): void {
    if (this.#isDiscarded) return;
    this.#isDiscarded = true;
    this.#wake?.();
    if (this.#end !== undefined) this.#chunks = [];
    else for (const { length } of this.#take()) this.#drain(length);
  }

  #take(): readonly Uint8Array[] {
    const chunks = this.#chunks;
    if (chunks.length === 0) return chunks;
    this.#chunks = [];
    this.#heldBytes = 0;
    // One that has ended may have left its connection to another.
    if (this.#end === undefined) this.#flow.resume();
    return chunks;
  }

  #drain(bytes: number): void {
    this.#drainedBytes += bytes;
    if (this.#end !== undefined || this.#drainedBytes <= UPSTREAM_BODY_DRAINED_BYTES) return;
    this.#flow.abort(new Error('nobody reads the answer'));
  }
}
