/** A 429 is read to see who was behind it, and passed on as it came. */
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { landingOf } from '../../actors/bucket/landing.ts';
import { LIMITED_BODY_MAX_BYTES } from '../../protocols/limits.ts';
import type { HeaderList, RestAnswer } from '../../protocols/proxy.ts';

const BODY = Buffer.from(JSON.stringify({ message: '', retry_after: 1.5, global: true }));

function answerOf(chunks: readonly (Uint8Array | Error)[], headers: HeaderList): RestAnswer {
  async function* body(): AsyncGenerator<Uint8Array> {
    for (const chunk of chunks) {
      if (chunk instanceof Error) throw chunk;
      yield chunk;
    }
  }
  const all: HeaderList = [['content-type', 'application/json'], ...headers];
  return { status: 429, headers: all, url: '', body: body(), discard: () => {} };
}

async function land(chunks: readonly (Uint8Array | Error)[], headers: HeaderList = []) {
  const landing = await landingOf({ kind: 'answer', answer: answerOf(chunks, headers) });
  if (landing.kind !== 'answer') throw new Error('it was an answer');
  const read: Uint8Array[] = [];
  for await (const chunk of landing.answer.body) read.push(chunk);
  return { limited: landing.limited, bytes: Buffer.concat(read) };
}

describe('a 429 that lands', () => {
  it('P51: is passed on byte for byte', async () => {
    const { limited, bytes } = await land([BODY.subarray(0, 7), BODY.subarray(7)]);
    expect(limited).toEqual({ by: 'global', waitMs: 1_500 });
    expect(bytes).toEqual(BODY);
  });

  it.each([
    ['gzip', gzipSync(BODY)],
    ['deflate', deflateSync(BODY)],
    ['br', brotliCompressSync(BODY)],
  ])('is understood in %s, and passed on compressed', async (encoding, packed) => {
    const { limited, bytes } = await land([packed], [['content-encoding', encoding]]);
    expect(limited).toEqual({ by: 'global', waitMs: 1_500 });
    expect(bytes).toEqual(packed);
  });

  it('is judged by its headers when its body is broken, too large, or packed too tightly', async () => {
    const headers: HeaderList = [
      ['retry-after', '3'],
      ['x-ratelimit-scope', 'shared'],
    ];
    const huge = Buffer.alloc(LIMITED_BODY_MAX_BYTES, ' ');
    const bomb = gzipSync(Buffer.alloc(LIMITED_BODY_MAX_BYTES * 20, ' '));
    const bodies = [
      [huge, huge],
      [BODY.subarray(0, 9), new Error('reset')],
    ];
    for (const body of bodies) {
      const landing = await landingOf({ kind: 'answer', answer: answerOf(body, headers) });
      expect(landing.limited).toEqual({ by: 'shared', waitMs: 3_000 });
    }
    const { limited } = await land([bomb], [...headers, ['content-encoding', 'gzip']]);
    expect(limited).toEqual({ by: 'shared', waitMs: 3_000 });
    const { bytes } = await land([huge, huge, BODY], headers);
    expect(bytes.length).toBe(2 * huge.length + BODY.length);
  });
});
