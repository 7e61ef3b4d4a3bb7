import { describe, expect, it } from 'vitest';
import type { Delivery } from '../../protocols/broker.ts';
import { RPC_ANSWERS_MAX_BYTES } from '../../protocols/limits.ts';
import { AnswerMemory } from '../../src/proxy/answer-memory.ts';

function deliveryOf(id: string): Delivery {
  return {
    event: 'REQUEST',
    id,
    body: new Uint8Array(),
    wantsReply: true,
    attempt: 1,
    ack: () => undefined,
    retry: () => undefined,
    reject: () => undefined,
    reply: async () => undefined,
  };
}

const notMade = (): Promise<never> => Promise.reject(new Error('it was made again'));

describe('the memory of answers', () => {
  it('holds an answer and not the buffer that it was written into', async () => {
    const memory = new AnswerMemory();
    const buffer = Buffer.alloc(1_000_000, 'x');
    await memory.answer(deliveryOf('1'), async () => buffer.subarray(0, 10));
    const again = await memory.answer(deliveryOf('1'), notMade);
    expect(again).toEqual(new Uint8Array(buffer.subarray(0, 10)));
    expect(again?.buffer.byteLength).toBe(10);
  });

  it('forgets no others for an answer that is too large to be remembered', async () => {
    const memory = new AnswerMemory();
    const small = Uint8Array.of(1, 2, 3);
    await memory.answer(deliveryOf('1'), async () => small);
    await memory.answer(deliveryOf('2'), async () => new Uint8Array(RPC_ANSWERS_MAX_BYTES + 1));
    expect(await memory.answer(deliveryOf('1'), notMade)).toEqual(small);
    await expect(memory.answer(deliveryOf('2'), notMade)).rejects.toThrow('made again');
  });
});
