/**
 * Takes an answer's body into memory, so that it can be read more than once.
 *
 * It is taken as fast as Discord sends it, whoever reads slowly later. A body that breaks off
 * breaks off for every reader, at the same place. One that is larger than there is room for stays
 * with a single reader, who gets what was taken and then the rest as it comes.
 */
import type { HeaderList, RestAnswer } from '../../../protocols/proxy.ts';

/** The bytes that all collecting together may take. */
export class CollectingRoom {
  readonly #maxBytes: number;
  #taken = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#taken;
  }

  take(bytes: number): boolean {
    if (this.#taken + bytes > this.#maxBytes) return false;
    this.#taken += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#taken -= bytes;
  }
}

export type Collected =
  | { readonly kind: 'whole'; readonly body: Uint8Array }
  | { readonly kind: 'broken'; readonly body: Uint8Array; readonly error: unknown }
  /** Too large; `answer` has it from its beginning, once. */
  | { readonly kind: 'large'; readonly answer: RestAnswer };

export async function collect(
  answer: RestAnswer,
  room: CollectingRoom,
  maxBytes: number,
): Promise<Collected> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const rest = answer.body[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await rest.next();
      if (done === true) return { kind: 'whole', body: Buffer.concat(chunks) };
      chunks.push(value);
      if (bytes + value.length > maxBytes || !room.take(value.length)) {
        return { kind: 'large', answer: { ...answer, body: resumed(chunks, rest) } };
      }
      bytes += value.length;
    }
  } catch (error) {
    return { kind: 'broken', body: Buffer.concat(chunks), error };
  } finally {
    room.give(bytes);
  }
}

async function* resumed(
  chunks: readonly Uint8Array[],
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) {
      yield next.value;
    }
  } finally {
    await rest.return?.();
  }
}

/** An answer with headers of its own, out of what was collected. */
export function replica(
  { status, url }: Pick<RestAnswer, 'status' | 'url'>,
  headers: HeaderList,
  collected: Exclude<Collected, { kind: 'large' }>,
): RestAnswer {
  async function* read(): AsyncGenerator<Uint8Array> {
    if (collected.body.length > 0) yield collected.body;
    if (collected.kind === 'broken') throw collected.error;
  }
  return { status, headers, url, body: read(), discard: () => {} };
}
