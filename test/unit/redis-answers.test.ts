/**
 * The answers of Redis to events, counted: however they are split, each is told once and in order.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { REDIS_REFUSAL_MAX_BYTES } from '../../protocols/limits.ts';
import { RedisAnswerReader } from '../../protocols/wire/redis-answers.ts';

function readerOf() {
  const told: string[] = [];
  const reader = new RedisAnswerReader({
    done: () => told.push('done'),
    refused: (words) => told.push(words),
  });
  const read = (text: string) => reader.read(Buffer.from(text, 'latin1'));
  return { told, read };
}

const words = fc.stringMatching(/^[A-Z]{2,10} [ -~]{0,40}$/);

/** An answer as the server writes it, and what is to be told of it. */
const answer = fc.oneof(
  // Whatever a bulk string holds, line ends and what looks like an answer too.
  fc
    .stringMatching(/^[-+$:\r\n0-9a-z]{0,30}$/)
    .map((value) => ({ text: `$${value.length}\r\n${value}\r\n`, told: 'done' })),
  words.map((line) => ({ text: `+${line}\r\n`, told: 'done' })),
  words.map((line) => ({ text: `-${line}\r\n`, told: line })),
);

describe('the reader of answers', () => {
  it('tells each answer once and in order, wherever they are split', () => {
    const cuts = fc.array(fc.nat(400), { maxLength: 20 });
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 20 }), cuts, (answers, at) => {
        const { told, read } = readerOf();
        const text = answers.map((each) => each.text).join('');
        const places = [0, ...at.filter((cut) => cut < text.length), text.length];
        places.sort((a, b) => a - b);
        places.slice(1).forEach((end, index) => {
          read(text.slice(places[index], end));
        });
        expect(told).toEqual(answers.map((each) => each.told));
      }),
    );
  });

  it('tells of an answer with its last byte, and not before', () => {
    const { told, read } = readerOf();
    read('$3\r\n1-1\r');
    expect(told).toEqual([]);
    read('\n');
    expect(told).toEqual(['done']);
  });

  it('keeps no more of a refusal than its bound', () => {
    const { told, read } = readerOf();
    read(`-${'x'.repeat(10 * REDIS_REFUSAL_MAX_BYTES)}\r\n+OK\r\n`);
    expect(told).toEqual(['x'.repeat(REDIS_REFUSAL_MAX_BYTES), 'done']);
  });

  it.each(['*2\r\n', ':1\r\n', '$-1\r\n', '_\r\n', '\r\n'])('takes %j for no answer', (text) => {
    const { told, read } = readerOf();
    expect(() => read(text)).toThrow(expect.objectContaining({ code: 'BROKER_UNAVAILABLE' }));
    expect(told).toEqual([]);
  });
});
