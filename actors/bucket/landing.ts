/**
 * From an upstream result to a landing: the body of an answer that limits or locks something is
 * read, so that it is known what.
 *
 * The answer that comes out can be passed on as it came: what was read is put back in front of the
 * body. One with more body than LIMITED_BODY_MAX_BYTES is judged by its headers alone.
 */
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { LIMITED_BODY_MAX_BYTES } from '../../protocols/limits.ts';
import type { HeaderList, Landed, RestAnswer, UpstreamResult } from '../../protocols/proxy.ts';
import { headerOf, readErrorCode, readLimited } from './reading.ts';

const UNAUTHORIZED = 401;
const NOT_FOUND = 404;
const TOO_MANY_REQUESTS = 429;
const READ_STATUSES: ReadonlySet<number> = new Set([UNAUTHORIZED, NOT_FOUND, TOO_MANY_REQUESTS]);
const NO_BODY = new Uint8Array();

/** Encodings that clients ask for; the answer itself is passed on as it came. */
const DECODERS: Readonly<Record<string, typeof gunzipSync>> = {
  gzip: gunzipSync,
  deflate: inflateSync,
  br: brotliDecompressSync,
};

/** At once, where nothing has to be read. */
export function landingOf(result: UpstreamResult): Landed | Promise<Landed> {
  if (result.kind === 'failure' || !READ_STATUSES.has(result.answer.status)) return result;
  return readLanding(result.answer);
}

async function readLanding(answer: RestAnswer): Promise<Landed> {
  const { read, whole, rest } = await readStart(answer);
  const body = whole ? decoded(Buffer.concat(read), answer.headers) : NO_BODY;
  const replayed = { ...answer, body: replay(read, rest) };
  if (answer.status === TOO_MANY_REQUESTS) {
    return { kind: 'answer', answer: replayed, limited: readLimited(answer.headers, body) };
  }
  const code = readErrorCode(answer.headers, body);
  return { kind: 'answer', answer: replayed, ...(code === null ? {} : { code }) };
}

function decoded(body: Uint8Array, headers: HeaderList): Uint8Array {
  const encoding = headerOf(headers, 'content-encoding')?.trim().toLowerCase();
  if (encoding === undefined || encoding === 'identity') return body;
  try {
    return DECODERS[encoding]?.(body, { maxOutputLength: LIMITED_BODY_MAX_BYTES }) ?? NO_BODY;
  } catch {
    // Broken, or far larger than any 429 of Discord: then the headers have to do.
    return NO_BODY;
  }
}

type Start = {
  readonly read: Uint8Array[];
  /** The body ended within the bound. */
  readonly whole: boolean;
  readonly rest: AsyncIterator<Uint8Array> | null;
};

async function readStart(answer: RestAnswer): Promise<Start> {
  const read: Uint8Array[] = [];
  const rest = answer.body[Symbol.asyncIterator]();
  try {
    for (let bytes = 0; bytes <= LIMITED_BODY_MAX_BYTES; ) {
      const next = await rest.next();
      if (next.done === true) return { read, whole: true, rest: null };
      read.push(next.value);
      bytes += next.value.length;
    }
    return { read, whole: false, rest };
  } catch {
    // The connection broke within the body. The headers still say that we were limited.
    return { read, whole: false, rest: null };
  }
}

async function* replay(
  read: readonly Uint8Array[],
  rest: AsyncIterator<Uint8Array> | null,
): AsyncGenerator<Uint8Array> {
  yield* read;
  if (rest === null) return;
  for (;;) {
    const next = await rest.next();
    if (next.done === true) return;
    yield next.value;
  }
}
