/**
 * RabbitMQ behind a network that drops, pauses, delays and half-closes, and brokers that share it.
 */
import { randomUUID } from 'node:crypto';
import { type Channel, type ChannelModel, connect } from 'amqplib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Broker, Delivery } from '../../protocols/broker.ts';
import { BROKER_CLOSE_MS, WRITER_EVENTS_MAX, WRITER_MAX_BYTES } from '../../protocols/limits.ts';
import { declare } from '../../src/brokers/amqp-channels.ts';
import { openAmqp } from '../../src/brokers/amqp-connection.ts';
import type { AmqpCount } from '../../src/brokers/amqp-counts.ts';
import {
  type Bench,
  body,
  createBench,
  Inbox,
  RecordingOrigin,
  until,
  writeEvent,
} from '../support/broker-bench.ts';
import { amqpConfig } from '../support/broker-peers.ts';
import { amqpUrl } from '../support/shared-servers.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';

let bench: Bench;
let proxy: TcpProxy;
let event: string;
let group: string;
let counts: Partial<Record<AmqpCount, number>>;
/** A client of another kind, on a connection of its own that nothing happens to. */
let connection: ChannelModel;
let channel: Channel;

/** RabbitMQ through the proxy. */
function throughProxy(query = ''): string {
  return `${amqpUrl().replace(/:\d+$/, `:${proxy.port}`)}${query}`;
}

/** A connection through the proxy that no heartbeat ends. */
function openConnection(signal: AbortSignal): Promise<ChannelModel> {
  const { endpoint } = amqpConfig(throughProxy('?heartbeat=0'), group);
  return openAmqp(endpoint, 'a test', signal, () => undefined);
}

/** Through the proxy. Two missed heartbeats end a connection. */
function open(more: { prefetch?: number; heartbeat?: number } = {}): Promise<Broker> {
  const { heartbeat, ...settings } = more;
  const query = heartbeat === undefined ? '' : `?heartbeat=${heartbeat}`;
  const counter = (what: AmqpCount) => {
    counts[what] = (counts[what] ?? 0) + 1;
  };
  return bench.open({ ...amqpConfig(throughProxy(query), group), counter, ...settings });
}

function openDirectly(): Promise<Broker> {
  return bench.open(amqpConfig(amqpUrl(), group));
}

async function untilBack(...brokers: readonly Broker[]): Promise<void> {
  await until('all are back', () => brokers.every(({ state }) => state === 'open'));
}

beforeEach(async () => {
  bench = createBench();
  proxy = await startTcpProxy(Number(new URL(amqpUrl()).port));
  group = `group-${randomUUID()}`;
  event = `EVENT_${randomUUID()}`;
  counts = {};
  connection = await connect(amqpUrl());
  channel = await connection.createChannel();
});

afterEach(async () => {
  await proxy.close();
  await bench.stop();
  await connection.close();
});

describe('a connection to RabbitMQ', () => {
  it('A1 that is reset settles every event, and sends every publish again', async () => {
    const consumer = await openDirectly();
    const inbox = new Inbox();
    await consumer.subscribe(event, inbox.handler);
    const broker = await open();
    const origin = new RecordingOrigin();
    const numbers = Array.from({ length: 300 }, (_, index) => index);
    let sequence = 0;
    let published: Promise<unknown> = Promise.resolve();
    // The same turn as the reset, and turns in which some are confirmed already.
    for (const pause of [0, 5, 20]) {
      const batch = numbers.map((number) => broker.publish(event, body(`${pause}:${number}`)));
      published = Promise.all([published, ...batch]);
      for (let count = 0; count < 300; count++) {
        if (writeEvent(broker, event, { sequence }, origin, sequence)) sequence++;
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
      proxy.reset();
      await until('it was noticed', () => broker.state === 'away');
      expect(origin.settled).toBe(sequence);
      await untilBack(broker);
    }
    await published;
    expect(sequence).toBe(900);
    const wanted = [0, 5, 20].flatMap((pause) => numbers.map((number) => `${pause}:${number}`));
    await until('all came', () => {
      const values = new Set(inbox.values);
      return wanted.every((value) => values.has(value));
    });
    const confirmed = new Set(origin.confirmedSequences);
    const written = () =>
      new Set(
        inbox.values.flatMap((value) =>
          typeof value === 'object' && value !== null && 'sequence' in value
            ? [value.sequence as number]
            : [],
        ),
      );
    await until('every confirmed event came', () => {
      const came = written();
      return [...confirmed].every((one) => came.has(one));
    });
  });

  it('A2 that is half-open is found by its heartbeats, with nothing published on it', async () => {
    const broker = await open({ heartbeat: 1 });
    const inbox = new Inbox();
    await broker.subscribe(event, inbox.handler);
    proxy.pause();
    await until('it was noticed', () => broker.state === 'away');
    proxy.reset();
    proxy.resume();
    await untilBack(broker);
    await broker.publish(event, body('later'));
    await until('it came', () => inbox.values.includes('later'));
  });

  it('A2 that the server has half closed is replaced', async () => {
    const broker = await open();
    const inbox = new Inbox();
    await broker.subscribe(event, inbox.handler);
    proxy.halfClose();
    await until('it was noticed', () => broker.state === 'away');
    await untilBack(broker);
    await broker.publish(event, body('later'));
    await until('it came', () => inbox.values.includes('later'));
  });

  it('A3 A4 that is slower than its publisher holds no more than the bounds, and loses nothing', async () => {
    const broker = await open();
    const origin = new RecordingOrigin();
    const value = { filler: 'x'.repeat(50_000) };
    proxy.pause();
    let taken = 0;
    while (writeEvent(broker, event, value, origin, taken + 1)) taken++;
    expect(taken).toBeLessThan(WRITER_EVENTS_MAX);
    expect(taken * 50_000).toBeLessThanOrEqual(WRITER_MAX_BYTES);
    expect(origin.settled).toBe(0);
    const room = new Promise<void>((resolve) => broker.writer.onceRoom(resolve));
    proxy.delay(20);
    proxy.resume();
    await room;
    // One that never pauses gets on with every confirm, and does not wait for a buffer to be empty.
    let more = taken;
    await until('as much again was taken', () => {
      while (more < taken * 2 && writeEvent(broker, event, value, origin, more + 1)) more++;
      return more === taken * 2;
    });
    await until('all are settled', () => origin.settled === more);
    expect(origin.lostSequences).toEqual([]);
  });

  it('A6 that has gone takes late acks for nothing, counts them, and goes on', async () => {
    const broker = await open();
    const held: Delivery[] = [];
    await broker.subscribe(event, (delivery) => held.push(delivery));
    for (let number = 0; number < 5; number++) await broker.publish(event, body(number));
    await until('all came', () => held.length === 5);
    proxy.reset();
    await until('it was noticed', () => broker.state === 'away');
    await untilBack(broker);
    await until('all came again', () => held.length === 10);
    const stale = held.slice(0, 5);
    for (const delivery of stale) delivery.ack();
    await expect(stale[0]?.reply(body('nobody asked'))).resolves.toBeUndefined();
    expect(counts['stale-settlements']).toBe(5);
    // Had they reached the new channel, it would be closed, or these acks would be refused.
    for (const delivery of held.slice(5)) delivery.ack();
    await broker.publish(event, body('next'));
    await until('the next came', () => held.length === 11);
    expect(held.slice(5, 10).every(({ attempt }) => attempt > 1)).toBe(true);
    held[10]?.ack();
    await broker.close();
    expect(await channel.checkQueue(`${group}:${event}`)).toMatchObject({ messageCount: 0 });
    expect(bench.log.at('warn').filter(({ message }) => message.includes('lost'))).toHaveLength(1);
  });

  it('A11 A12 that has gone fails its calls at once; the next has a queue of answers of its own', async () => {
    const broker = await open();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, group, event);
    const asked: { replyTo: string; correlationId: string }[] = [];
    await channel.consume(
      queue,
      (message) => {
        if (message) asked.push(message.properties as (typeof asked)[number]);
      },
      { noAck: true },
    );
    const failed = broker.call(event, body(1), { timeoutMs: 60_000 }).catch((error) => error.code);
    await until('it was asked', () => asked.length === 1);
    proxy.reset();
    expect(await failed).toBe('BROKER_UNAVAILABLE');
    await untilBack(broker);
    const answered = broker.call(event, body(2), { timeoutMs: 60_000 });
    await until('it was asked again', () => asked.length === 2);
    const [first, second] = asked;
    expect(second?.replyTo).not.toBe(first?.replyTo);
    expect(asked.every(({ replyTo }) => replyTo.startsWith('amq.gen-'))).toBe(true);
    for (const { replyTo, correlationId } of asked) {
      channel.sendToQueue(replyTo, Buffer.from(body('answer')), { correlationId });
    }
    await answered;
  });

  it('A19 that ends because the process was too busy comes back, and the log says why', async () => {
    const broker = await open({ heartbeat: 1 });
    const inbox = new Inbox();
    await broker.subscribe(event, inbox.handler);
    const states: string[] = [];
    broker.watch((state) => states.push(state));
    // Longer than RabbitMQ waits for a sign of life, and than the check may be late.
    const end = performance.now() + 5_000;
    while (performance.now() < end);
    await until('it was noticed', () => states.includes('away'));
    await untilBack(broker);
    await broker.publish(event, body('later'));
    await until('it came', () => inbox.values.includes('later'));
    expect(bench.log.at('warn').map(({ message }) => message)).toContainEqual(
      expect.stringContaining('too busy'),
    );
  });

  it('closes in time although nothing gets through any more', async () => {
    const broker = await open();
    await broker.subscribe(event, () => undefined);
    const origin = new RecordingOrigin();
    proxy.pause();
    writeEvent(broker, event, {}, origin, 1);
    const startedMs = performance.now();
    await broker.close();
    // A bound against waiting for ever; closing waits for the desk, for confirms and for goodbyes.
    expect(performance.now() - startedMs).toBeLessThan(BROKER_CLOSE_MS * 4);
    expect(origin.lostSequences).toEqual([1]);
  });
});

describe('a connection that is given up', () => {
  it('settles what waits for an answer, and is closed', async () => {
    const givingUp = new AbortController();
    const model = await openConnection(givingUp.signal);
    proxy.drop('replies');
    const opening = model.createChannel();
    givingUp.abort();
    await expect(opening).rejects.toThrow(/no reply will be forthcoming/);
    await until('it is gone', () => proxy.connections === 0);
  });

  it('ends what was declared on it, also while its channel closes', async () => {
    const givingUp = new AbortController();
    const model = await openConnection(givingUp.signal);
    let isOver = false;
    const declaring = declare(model, async () => proxy.drop('replies')).finally(() => {
      isOver = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(isOver).toBe(false);
    givingUp.abort();
    await until('it is over', () => isOver);
    await declaring;
  });
});

describe('messages', () => {
  it('A14 that must be consumed fail when nobody does, and only those', async () => {
    const broker = await openDirectly();
    await expect(broker.publish(event, body(1), { mandatory: true })).rejects.toMatchObject({
      code: 'UNROUTABLE',
    });
    await expect(broker.publish(event, body(1))).resolves.toBeUndefined();
    await expect(broker.call(event, body(1), { timeoutMs: 60_000 })).rejects.toMatchObject({
      code: 'UNROUTABLE',
    });
    const inbox = new Inbox();
    await broker.subscribe(event, inbox.handler);
    const numbers = Array.from({ length: 200 }, (_, index) => index);
    const results = await Promise.allSettled(
      numbers.map((number) =>
        broker.publish(number % 2 === 0 ? event : `${event}_NOBODY`, body(number), {
          mandatory: true,
        }),
      ),
    );
    expect(results.map(({ status }) => status === 'fulfilled')).toEqual(
      numbers.map((number) => number % 2 === 0),
    );
  });

  it('A25 to an exchange that has vanished arrive after all, and so do their neighbours', async () => {
    const broker = await open();
    const inbox = new Inbox();
    await broker.subscribe(event, inbox.handler);
    await broker.publish(event, body('before'));
    await until('it came', () => inbox.deliveries.length === 1);
    await channel.deleteExchange(group);
    const origin = new RecordingOrigin();
    writeEvent(broker, event, {}, origin, 1);
    await Promise.all([1, 2, 3].map((number) => broker.publish(event, body(number))));
    await until('all came', () => [1, 2, 3].every((number) => inbox.values.includes(number)));
    expect(origin.lostSequences).toEqual([1]);
    expect(bench.failures).toEqual([]);
  });

  it('A32 that arrive long after they have expired are dropped, counted, and refused', async () => {
    const broker = await open();
    const inbox = new Inbox();
    await broker.subscribe(event, inbox.handler);
    const seconds = Math.floor(Date.now() / 1_000);
    const send = (value: string, timestamp: number | undefined, expiration: string | undefined) =>
      channel.publish(group, event, Buffer.from(body(value)), {
        ...(timestamp !== undefined && { timestamp }),
        ...(expiration !== undefined && { expiration }),
      });
    send('long gone', seconds - 600, '1000');
    send('long gone by a strange clock', seconds - 40, '1000');
    send('gone by a clock that differs', seconds - 20, '1000');
    send('old', seconds - 600, undefined);
    send('without a time', undefined, '60000');
    send('by a clock in milliseconds', seconds * 1_000, '60000');
    send('with an expiration of its own', seconds - 600, '700000');
    await until('the last came', () => inbox.deliveries.length === 5);
    expect(inbox.values).toEqual([
      'gone by a clock that differs',
      'old',
      'without a time',
      'by a clock in milliseconds',
      'with an expiration of its own',
    ]);
    expect(counts.expired).toBe(2);
    await broker.close();
    expect(await channel.checkQueue(`${group}:${event}`)).toMatchObject({ messageCount: 0 });
  });

  it('with names that AMQP cannot carry are refused, and nothing else is', async () => {
    const broker = await openDirectly();
    const long = 'E'.repeat(300);
    await expect(broker.publish(long, body(1))).rejects.toMatchObject({
      code: 'UNSUPPORTED_BY_BROKER',
    });
    await expect(broker.subscribe(long, () => undefined)).rejects.toMatchObject({ code: 'FATAL' });
    await broker.publish(event, body(1));
    expect(broker.state).toBe('open');
    group = 'g'.repeat(300);
    await expect(openDirectly()).rejects.toMatchObject({ code: 'FATAL' });
  });

  it('answered by a handler whose link has gone fail to be answered, and say so', async () => {
    const service = await open();
    const held: Delivery[] = [];
    await service.subscribe(event, (delivery) => held.push(delivery));
    const caller = await openDirectly();
    const call = caller.call(event, body(1), { timeoutMs: 20_000 });
    await until('it came', () => held.length === 1);
    proxy.reset();
    await until('it was noticed', () => service.state === 'away');
    await expect(held[0]?.reply(body('late'))).rejects.toMatchObject({
      code: 'BROKER_UNAVAILABLE',
    });
    await until('it came again', () => held.length === 2);
    held[1]?.ack();
    await held[1]?.reply(body('here'));
    expect(Buffer.from(await call)).toEqual(Buffer.from(body('here')));
  });
});
