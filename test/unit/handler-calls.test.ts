import { describe, expect, it } from 'vitest';
import { BrokerUnavailableError } from '../../protocols/errors.ts';
import { RUN_DRAIN_MS } from '../../protocols/limits.ts';
import { HandlerCalls } from '../../src/services/handler-calls.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';

/** A proxy that answers when it is told to. */
function world() {
  const waiting: ((answer: unknown) => void)[] = [];
  const calls = new HandlerCalls({
    call: () => new Promise((resolve) => waiting.push(resolve)),
  });
  return { calls, clock: new VirtualClock(), waiting };
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

describe('the requests of a handler', () => {
  it('are closed at once when there are none', async () => {
    const { calls, clock } = world();
    await calls.close(clock);
    await expect(calls.call('REQUEST', {})).rejects.toBeInstanceOf(BrokerUnavailableError);
  });

  it('are waited for, and so is the one that follows from an answer', async () => {
    const { calls, clock, waiting } = world();
    const both = calls.call('REQUEST', 1).then(() => calls.call('REQUEST', 2));
    let isClosed = false;
    const closing = calls.close(clock).then(() => {
      isClosed = true;
    });
    await turns();
    waiting[0]?.('one');
    await turns();
    expect([waiting.length, isClosed]).toEqual([2, false]);
    waiting[1]?.('two');
    expect(await both).toBe('two');
    await closing;
  });

  it('are waited for no longer than a stop has time', async () => {
    const { calls, clock, waiting } = world();
    const slow = calls.call('REQUEST', 1);
    const closing = calls.close(clock);
    await turns();
    clock.advance(RUN_DRAIN_MS);
    await closing;
    await expect(calls.call('REQUEST', 2)).rejects.toBeInstanceOf(BrokerUnavailableError);
    waiting[0]?.('late, and still the answer');
    expect(await slow).toBe('late, and still the answer');
  });
});
