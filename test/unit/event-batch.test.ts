/** The events that wait for a common write: when they leave, and what becomes of their buffers. */
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { EVENT_BATCH_BYTES, EVENT_WRITE_SPACING_MS } from '../../protocols/limits.ts';
import { EventBatch } from '../../src/brokers/event-batch.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';

function bench() {
  const clock = new VirtualClock();
  const writes: { text: string; events: number; buffer: ArrayBufferLike }[] = [];
  const taken: (() => void)[] = [];
  const batch = new EventBatch(clock, (bytes, events, done) => {
    writes.push({ text: bytes.toString('latin1'), events, buffer: bytes.buffer });
    taken.push(done);
  });
  const add = (text: string) => {
    const target = batch.reserve(text.length);
    batch.add(batch.length + target.write(text, batch.length, 'latin1'));
  };
  const texts = () => writes.map(({ text }) => text);
  return { clock, writes, taken, add, texts };
}

describe('events on their way to the socket', () => {
  it('leave at the end of the turn in which they came, in one write', async () => {
    const { writes, add } = bench();
    add('a');
    add('b');
    expect(writes).toEqual([]);
    await turn();
    expect(writes).toMatchObject([{ text: 'ab', events: 2 }]);
  });

  it('wait when another write has just been made, for its distance and no longer', async () => {
    const { clock, add, texts } = bench();
    add('a');
    await turn();
    clock.advance(EVENT_WRITE_SPACING_MS / 4);
    add('b');
    add('c');
    await turn();
    clock.advance(EVENT_WRITE_SPACING_MS / 2);
    expect(texts()).toEqual(['a']);
    add('d');
    clock.advance(EVENT_WRITE_SPACING_MS / 4);
    expect(texts()).toEqual(['a', 'bcd']);
  });

  it('do not wait after a pause', async () => {
    const { clock, add, texts } = bench();
    add('a');
    await turn();
    clock.advance(EVENT_WRITE_SPACING_MS);
    add('b');
    await turn();
    expect(texts()).toEqual(['a', 'b']);
  });

  it('count their distance from when a write was due, however late it was made', async () => {
    const { clock, add, texts } = bench();
    add('a');
    clock.advance(EVENT_WRITE_SPACING_MS / 2);
    await turn();
    clock.advance(EVENT_WRITE_SPACING_MS / 2);
    add('b');
    await turn();
    expect(texts()).toEqual(['a', 'b']);
  });

  it('are written at once when there is no room for the next, in order, however long that is', async () => {
    const { add, texts } = bench();
    add('a');
    add('b'.repeat(EVENT_BATCH_BYTES - 1));
    expect(texts()).toEqual([]);
    add('c');
    expect(texts()).toEqual([`a${'b'.repeat(EVENT_BATCH_BYTES - 1)}`]);
    add('d'.repeat(2 * EVENT_BATCH_BYTES));
    await turn();
    expect(texts().slice(1)).toEqual(['c', 'd'.repeat(2 * EVENT_BATCH_BYTES)]);
  });

  it('use a buffer again when the socket has done with it, and not before', async () => {
    const { clock, writes, taken, add, texts } = bench();
    for (const text of ['a', 'b', 'c']) {
      add(text);
      await turn();
      clock.advance(EVENT_WRITE_SPACING_MS);
      if (text === 'b') taken[0]?.();
    }
    expect(texts()).toEqual(['a', 'b', 'c']);
    const [first, second, third] = writes.map(({ buffer }) => buffer);
    expect(second).not.toBe(first);
    // The third was on its way already when the first came back.
    expect(third).not.toBe(second);
    add('d');
    await turn();
    expect(writes[3]?.buffer).toBe(first);
  });
});
