/** What is published, called and delivered over the tree of a broker, and what becomes of each. */
import { describe, expect, it } from 'vitest';
import type { Delivery } from '../../protocols/broker.ts';
import {
  BROKER_BACKOFF_MIN_MS,
  BROKER_OPERATIONS_MAX,
  BROKER_OPERATIONS_MAX_BYTES,
  CONFIRM_STALL_MS,
  PUBLISH_TIMEOUT_MS,
} from '../../protocols/limits.ts';
import { Attached } from '../../src/client/local.ts';
import { RecordingOrigin, writeEvent } from '../support/broker-bench.ts';
import { BODY, createBrokerTree, outcome } from '../support/broker-tree-bench.ts';

describe('operations on the tree of a broker', () => {
  it('sends an unconfirmed publish again under the same id, in order, and fails a call', async () => {
    const { world, last, start } = createBrokerTree();
    const broker = await start();
    const first = outcome(broker.publish('A', BODY));
    const call = outcome(broker.call('C', BODY, { timeoutMs: 60_000 }));
    await world.pass(0);
    const { id } = last().published[0] ?? {};
    last().hooks.lost(new Error('reset'));
    await world.pass(0);
    expect(call.value).toBe('BROKER_UNAVAILABLE');
    const second = outcome(broker.publish('B', BODY));
    await world.pass(BROKER_BACKOFF_MIN_MS);
    expect(last().published.map(({ event }) => event)).toEqual(['A', 'B']);
    expect(last().published[0]?.id).toBe(id);
    for (const { confirm } of last().published) confirm();
    await world.pass(0);
    expect([first.value, second.value]).toEqual(['done', 'done']);
  });

  it('sends it again though a listener of the library throws when the link is lost', async () => {
    const { world, last, start } = createBrokerTree();
    const client = new Attached(await start());
    const errors: string[] = [];
    client.on('error', ({ message }) => errors.push(message));
    client.on('close', () => {
      throw new RangeError('no such thing');
    });
    const published = outcome(client.publish('A', 1));
    await world.pass(0);
    last().hooks.lost(new Error('reset'));
    await world.pass(BROKER_BACKOFF_MIN_MS);
    last().published[0]?.confirm();
    await world.pass(0);
    expect(published.value).toBe('done');
    expect(errors).toEqual([expect.stringContaining('close failed with RangeError')]);
  });

  it('A1 settles every operation within its deadline, and takes no more than its bound', async () => {
    const { world, start } = createBrokerTree();
    const broker = await start();
    const sent = outcome(broker.publish('A', BODY));
    const call = outcome(broker.call('C', BODY, { timeoutMs: 1_000 }));
    await world.pass(1_000);
    expect(call.value).toBe('CALL_TIMEOUT');
    await world.pass(PUBLISH_TIMEOUT_MS);
    expect(sent.value).toBe('PUBLISH_TIMEOUT');
    const many = Array.from({ length: BROKER_OPERATIONS_MAX }, () => broker.publish('A', BODY));
    const settled = Promise.allSettled(many);
    await expect(broker.publish('A', BODY)).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' });
    await world.pass(PUBLISH_TIMEOUT_MS);
    expect((await settled).every(({ status }) => status === 'rejected')).toBe(true);
  });

  it('A5 is away while the broker blocks publishers, keeps its link, and goes on', async () => {
    const { world, links, last, start } = createBrokerTree();
    const broker = await start();
    const origin = new RecordingOrigin();
    writeEvent(broker, 'E', 1, origin, 1);
    last().hooks.blocked(true);
    await world.pass(CONFIRM_STALL_MS * 5);
    expect(broker.state).toBe('away');
    expect(writeEvent(broker, 'E', 1, origin, 2)).toBe(false);
    last().hooks.blocked(false);
    await world.pass(0);
    expect(broker.state).toBe('open');
    expect(links).toHaveLength(1);
    last().hooks.confirms.settle(1, true);
    expect(origin.confirmedSequences).toEqual([1]);
  });

  it('A5 sends nothing while publishers are blocked, and what waited afterwards', async () => {
    const { world, last, start } = createBrokerTree();
    const broker = await start();
    last().hooks.blocked(true);
    await world.pass(0);
    const late = outcome(broker.publish('LATE', BODY));
    await world.pass(PUBLISH_TIMEOUT_MS);
    // It was never sent, and its sender may know.
    expect(late.value).toBe('BROKER_UNAVAILABLE');
    const waiting = outcome(broker.publish('WAITING', BODY));
    await world.pass(0);
    expect(last().published).toEqual([]);
    last().hooks.blocked(false);
    await world.pass(0);
    expect(last().published.map(({ event }) => event)).toEqual(['WAITING']);
    last().published[0]?.confirm();
    await world.pass(0);
    expect(waiting.value).toBe('done');
  });

  it('takes bodies up to a bound in bytes, and one that is larger alone', async () => {
    const { world, last, start } = createBrokerTree();
    const broker = await start();
    const large = new Uint8Array(BROKER_OPERATIONS_MAX_BYTES + 1);
    const alone = outcome(broker.publish('A', large));
    await expect(broker.publish('B', BODY)).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' });
    await world.pass(0);
    last().published[0]?.confirm();
    await world.pass(0);
    expect(alone.value).toBe('done');
    const half = large.subarray(0, BROKER_OPERATIONS_MAX_BYTES / 2);
    const both = [broker.publish('A', half), broker.publish('B', half)].map(outcome);
    await expect(broker.publish('C', BODY)).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' });
    await world.pass(0);
    for (const { confirm } of last().published) confirm();
    await world.pass(0);
    expect(both.map(({ value }) => value)).toEqual(['done', 'done']);
  });

  it('A16 A17 refuses a message whose handler throws, at once or later, and lives', async () => {
    const { world, links, last, start } = createBrokerTree();
    const broker = await start();
    const fates: string[] = [];
    const delivery = (event: string): Delivery => ({
      event,
      body: BODY,
      wantsReply: false,
      attempt: 1,
      ack: () => fates.push(`${event} acked`),
      retry: () => fates.push(`${event} handed back`),
      reject: () => fates.push(`${event} refused`),
      reply: async () => undefined,
    });
    const subscribed = Promise.all([
      broker.subscribe('NOW', () => {
        throw new Error('at once');
      }),
      broker.subscribe('LATER', async () => {
        await Promise.resolve();
        throw new Error('later');
      }),
      broker.subscribe('FINE', async (one) => one.ack()),
    ]);
    await world.pass(0);
    await subscribed;
    for (const event of ['NOW', 'LATER', 'FINE']) last().hooks.delivery(delivery(event));
    await world.pass(0);
    expect(fates.sort()).toEqual(['FINE acked', 'LATER refused', 'NOW refused']);
    expect(links).toHaveLength(1);
    expect(broker.state).toBe('open');
  });
});
