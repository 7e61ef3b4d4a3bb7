import { describe, expect, it, onTestFinished } from 'vitest';
import { BrokerUnavailableError } from '../../protocols/errors.ts';
import { RUN_DRAIN_MS } from '../../protocols/limits.ts';
import { MemoryHub } from '../../src/brokers/memory.ts';
import type { MessageOptions } from '../../src/client/broker-types.ts';
import { Rest } from '../../src/client/rest.ts';
import { HandlerCalls } from '../../src/services/handler-calls.ts';
import { type Bot, startHandler } from '../../src/services/start-handler.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { systemClock } from '../../src/system-clock.ts';
import { body, createBench, until } from '../support/broker-bench.ts';
import { RecordingLog } from '../support/recording-log.ts';

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

describe('the listeners of a handler', () => {
  it('get the events of Discord that they are for, and the news of a lost session', async () => {
    const bench = createBench();
    onTestFinished(() => bench.stop());
    const shared = { type: 'memory', hub: new MemoryHub(systemClock), payload: 'json' } as const;
    const events = await bench.open({ ...shared, group: 'handler' });
    const gateway = await bench.open({ ...shared, group: 'gateway' });
    const heard: unknown[] = [];
    const handler = {
      path: 'bot.mjs',
      load: async () => ({
        default({ broker }: Bot) {
          for (const event of ['TYPING_START', 'SPECTACLES_GAP', 'OF_ITS_OWN']) {
            broker.on(event, (data: unknown, { ack }: MessageOptions) => {
              heard.push(data);
              void ack();
            });
          }
        },
      }),
      failure: async (error: unknown) => new Error('it failed', { cause: error }),
      placeOf: () => undefined,
    };
    const runtime = { log: new RecordingLog(), signal: new AbortController().signal };
    const rest = new Rest(world().calls, 'a.b');
    expect(await startHandler(handler, { events, rest }, runtime)).toEqual(['TYPING_START']);
    await gateway.publish('TYPING_START', body('typing'));
    await gateway.publish('SPECTACLES_GAP', body('gap'));
    await until('both came', () => heard.length === 2);
    expect(heard).toEqual(expect.arrayContaining(['typing', 'gap']));
    // What is its own is its own to subscribe to.
    await expect(gateway.publish('OF_ITS_OWN', body(1), { mandatory: true })).rejects.toThrow();
  });
});
