/** A RabbitMQ of this file's own, told by its operator to do what operators do. */
import { randomUUID } from 'node:crypto';
import { type Channel, type ChannelModel, connect } from 'amqplib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Broker, Delivery } from '../../protocols/broker.ts';
import { AMQP_DELIVERY_LIMIT, AMQP_HEARTBEAT_SECONDS } from '../../protocols/limits.ts';
import { decodeBody } from '../../protocols/wire/body.ts';
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
import { startServer, type TestServer } from '../support/servers.ts';

let server: TestServer;
let bench: Bench;
let event: string;
let group: string;

beforeAll(async () => {
  server = await startServer('rabbitmq');
}, 120_000);

afterAll(async () => {
  await server.stop();
});

beforeEach(() => {
  bench = createBench();
  group = `group-${randomUUID()}`;
  event = `EVENT_${randomUUID()}`;
});

afterEach(async () => {
  await bench.stop();
});

type Settings = {
  readonly prefetch?: number;
  readonly queueType?: 'classic' | 'quorum';
  readonly persistent?: boolean;
  readonly subgroup?: string;
};

function open(settings: Settings = {}): Promise<Broker> {
  return bench.open({ ...amqpConfig(server.url, group), ...settings });
}

/** What `rabbitmqctl list_…` says of these columns, one object a line. */
async function list(what: string, ...columns: readonly string[]) {
  const output = await server.control(`list_${what}`, ...columns, '--formatter', 'json');
  return JSON.parse(output) as Record<string, unknown>[];
}

async function withChannel<Value>(work: (channel: Channel) => Promise<Value>): Promise<Value> {
  const connection: ChannelModel = await connect(server.url);
  try {
    return await work(await connection.createChannel());
  } finally {
    await connection.close();
  }
}

/** Runs Erlang inside the server, for settings that no command changes while it runs. */
async function set(setting: string, value: string): Promise<void> {
  await server.control('eval', `application:set_env(rabbit, ${setting}, ${value}).`);
}

describe('RabbitMQ', () => {
  it('A20 A29 has from us two connections, two channels each, and the heartbeat that we want', async () => {
    const broker = await open();
    const inbox = new Inbox();
    for (let count = 0; count < 20; count++)
      await broker.subscribe(`${event}_${count}`, inbox.handler);
    await Promise.all(
      Array.from({ length: 500 }, (_, number) =>
        broker.publish(`${event}_${number % 20}`, body(number)),
      ),
    );
    await Promise.all(
      Array.from({ length: 50 }, () =>
        broker.call('NOBODY', body(1), { timeoutMs: 5_000 }).catch(() => undefined),
      ),
    );
    await until('all came', () => inbox.deliveries.length === 500);
    const connections = await list('connections', 'channels', 'timeout', 'client_properties');
    const ours = connections.filter((one) =>
      JSON.stringify(one.client_properties).includes('spectacles '),
    );
    expect(ours.map(({ channels, timeout }) => ({ channels, timeout }))).toEqual(
      [1, 2].map(() => ({ channels: 2, timeout: AMQP_HEARTBEAT_SECONDS })),
    );
  });

  it('A33 A28 has from us durable queues without arguments, and others that end with us', async () => {
    const whole = await open();
    await whole.subscribe(event, () => undefined);
    const part = await open({ subgroup: 'part', prefetch: 5 });
    await part.subscribe(event, () => undefined);
    const queues = await list('queues', 'name', 'durable', 'exclusive', 'auto_delete', 'arguments');
    const [shared, own] = [false, true].map((exclusive) =>
      queues.filter((queue) => queue.exclusive === exclusive),
    );
    const plain = { durable: true, exclusive: false, auto_delete: false, arguments: [] };
    const byName = (a: { name?: unknown }, b: { name?: unknown }) =>
      String(a.name).localeCompare(String(b.name));
    expect(shared?.filter(({ name }) => String(name).startsWith(group)).sort(byName)).toEqual(
      [
        { name: `${group}:${event}`, ...plain },
        { name: `${group}:part:${event}`, ...plain },
      ].sort(byName),
    );
    expect(own).toHaveLength(2);
    expect(own?.every(({ name }) => String(name).startsWith('amq.gen-'))).toBe(true);
    const exchanges = await list(
      'exchanges',
      'name',
      'type',
      'durable',
      'auto_delete',
      'internal',
      'arguments',
    );
    expect(exchanges.find(({ name }) => name === group)).toEqual({
      name: group,
      type: 'direct',
      durable: true,
      auto_delete: false,
      internal: false,
      arguments: [],
    });
  });

  it('A27 keeps dead letters where a policy says so, and limits that old queues do not have', async () => {
    const dead = `${group}.dead`;
    await withChannel((channel) => channel.assertQueue(dead, { durable: true }));
    const policy = { 'dead-letter-exchange': '', 'dead-letter-routing-key': dead, 'max-length': 3 };
    await server.control(
      'set_policy',
      group,
      `^${group}:`,
      JSON.stringify(policy),
      '--apply-to',
      'queues',
    );
    const broker = await open();
    const inbox = new Inbox((delivery) => delivery.reject('it is bad'));
    await broker.subscribe(event, inbox.handler);
    await broker.publish(event, body('bad'));
    await until('it is among the dead letters', () =>
      withChannel(async (channel) => (await channel.checkQueue(dead)).messageCount === 1),
    );
    await broker.unsubscribe(event);
    for (const number of [1, 2, 3, 4]) await broker.publish(event, body(number));
    await until('the oldest went', () =>
      withChannel(async (channel) => (await channel.checkQueue(dead)).messageCount === 2),
    );
    const reasons = await withChannel(async (channel) => {
      const messages = [
        await channel.get(dead, { noAck: true }),
        await channel.get(dead, { noAck: true }),
      ];
      return messages.map(
        (message) => (message || undefined)?.properties.headers?.['x-first-death-reason'],
      );
    });
    expect(reasons).toEqual(['rejected', 'maxlen']);
    await server.control('clear_policy', group);
  });

  it('A27 A28 counts the deliveries of a quorum queue, and keeps what nobody could handle', async () => {
    const broker = await open({ queueType: 'quorum', prefetch: 3 });
    const attempts: number[] = [];
    await broker.subscribe(event, (delivery) => {
      attempts.push(delivery.attempt);
      delivery.retry();
    });
    await broker.publish(event, body('poison'));
    const dead = `${group}:${event}.dead`;
    await until('it is among the dead letters', () =>
      withChannel(async (channel) => (await channel.checkQueue(dead)).messageCount === 1),
    );
    expect(attempts).toEqual(
      Array.from({ length: AMQP_DELIVERY_LIMIT + 1 }, (_, index) => index + 1),
    );
    const message = await withChannel((channel) => channel.get(dead, { noAck: true }));
    expect(message && decodeBody(message.content)).toBe('poison');
    // A client that wants classic queues is told at once, and not again and again.
    const other = await open();
    await expect(other.subscribe(event, () => undefined)).rejects.toMatchObject({ code: 'FATAL' });
  });

  it('A9 loses a handler that takes too long, and delivers its message again', async () => {
    await set('channel_tick_interval', '200');
    await set('consumer_timeout', '1000');
    try {
      const broker = await open();
      const held: Delivery[] = [];
      await broker.subscribe(event, (delivery) => held.push(delivery));
      await broker.publish(event, body('slow'));
      await until('the link was lost', () => broker.state === 'away');
      await set('consumer_timeout', '1800000');
      await until('it came again', () => held.length >= 2);
      held[0]?.ack();
      held.at(-1)?.ack();
      await broker.publish(event, body('next'));
      await until('the next came', () =>
        held.some(({ body: bytes }) => decodeBody(bytes) === 'next'),
      );
      expect(bench.failures).toEqual([]);
      for (const delivery of held) delivery.ack();
    } finally {
      await set('consumer_timeout', '1800000');
      await set('channel_tick_interval', '60000');
    }
  });

  it('A22 is shut down in order by its operator: connections first, then all of it', async () => {
    const broker = await open();
    const inbox = new Inbox();
    await broker.subscribe(event, inbox.handler);
    const states: string[] = [];
    broker.watch((state) => states.push(state));
    await server.control('close_all_connections', 'maintenance');
    await until('it is back', () => states.length === 2);
    expect(states).toEqual(['away', 'open']);
    await broker.publish(event, body(1));
    await server.control('stop_app');
    await until('it was noticed', () => broker.state === 'away');
    const waiting = broker.publish(event, body(2));
    await server.control('start_app');
    await waiting;
    await until('both came', () => inbox.values.includes(1) && inbox.values.includes(2));
    expect(bench.failures).toEqual([]);
  });

  it('A5 blocks publishers while memory is short: consuming goes on, and both close in time', async () => {
    const consumer = await open();
    const held: Delivery[] = [];
    await consumer.subscribe(event, (delivery) => held.push(delivery));
    const [publisher, doomed] = [await open(), await open()];
    for (let number = 1; number <= 5; number++) await publisher.publish(event, body(number));
    await until('all came', () => held.length === 5);
    await server.control('set_vm_memory_high_watermark', '0.00001');
    const origin = new RecordingOrigin();
    try {
      writeEvent(publisher, event, 'blocked', origin, 1);
      writeEvent(doomed, event, 'doomed', new RecordingOrigin(), 1);
      await until('they are told', () => publisher.state === 'away' && doomed.state === 'away');
      expect(writeEvent(publisher, event, 'refused', origin, 2)).toBe(false);
      for (const delivery of held) delivery.ack();
      await until('the acks got through', async () => {
        const queues = await list('queues', 'name', 'messages');
        return queues.some(({ name, messages }) => name === `${group}:${event}` && messages === 0);
      });
      await doomed.close();
      const waiting = publisher.publish(event, body('waited'));
      await server.control('set_vm_memory_high_watermark', '0.4');
      await waiting;
    } finally {
      await server.control('set_vm_memory_high_watermark', '0.4');
    }
    await until('it is open again', () => publisher.state === 'open');
    await until('what was blocked is confirmed', () => origin.confirmedSequences.length === 1);
    await until('all came', () =>
      held.map(({ body: bytes }) => decodeBody(bytes)).includes('waited'),
    );
    for (const delivery of held) delivery.ack();
    const lost = bench.log.at('warn').filter(({ message }) => message.includes('was lost'));
    expect(lost).toEqual([]);
  });

  it('A30 has all that was taken when a broker has closed', async () => {
    const consumer = await open();
    await consumer.subscribe(event, () => undefined);
    await consumer.unsubscribe(event);
    const broker = await open();
    const origin = new RecordingOrigin();
    let taken = 0;
    while (taken < 20_000 && writeEvent(broker, event, { taken }, origin, taken + 1)) taken++;
    const published = Array.from({ length: 100 }, (_, number) =>
      broker.publish(event, body(number)),
    );
    await broker.close();
    await Promise.all(published);
    expect(origin.confirmedSequences).toHaveLength(taken);
    const queue = await withChannel((channel) => channel.checkQueue(`${group}:${event}`));
    expect(queue.messageCount).toBe(taken + 100);
  });

  it('A31 keeps what was confirmed through a power cut, and not what was to be transient', async () => {
    const broker = await open();
    await broker.subscribe(event, () => undefined);
    await broker.unsubscribe(event);
    const transient = await open({ persistent: false });
    const origin = new RecordingOrigin();
    writeEvent(broker, event, ['event'], origin, 1);
    writeEvent(transient, event, ['transient event'], origin, 2);
    await broker.publish(event, body('publish'));
    await transient.publish(event, body('transient publish'));
    await broker.publish(event, body('transient by choice'), { persistent: false });
    await transient.publish(event, body('persistent by choice'), { persistent: true });
    await until('all are confirmed', () => origin.confirmedSequences.length === 2);
    await server.kill();
    await server.restart();
    const inbox = new Inbox();
    await broker.subscribe(event, inbox.handler);
    await until('it is back', () => broker.state === 'open');
    await broker.publish(event, body('last'));
    await until('the last came', () => inbox.values.includes('last'));
    expect([...new Set(inbox.values.flat())]).toEqual([
      'event',
      'publish',
      'persistent by choice',
      'last',
    ]);
  });

  it('A23 refuses a password that was changed: for good, in one line without it', async () => {
    await server.control('add_user', 'bot', 'old-word');
    await server.control('set_permissions', 'bot', '.*', '.*', '.*');
    const url = server.url.replace('://', '://bot:old-word@');
    const broker = await bench.open(amqpConfig(url, group));
    await server.control('change_password', 'bot', 'new-word');
    await server.control('close_all_connections', 'rotation');
    await until('it has failed', () => bench.failures.length === 1);
    const [failure] = bench.failures;
    expect(failure).toMatchObject({ code: 'FATAL' });
    expect(failure?.message).toMatch(/user name and password/);
    expect(failure?.message).not.toContain('\n');
    expect(failure?.message).not.toContain('old-word');
    await expect(broker.publish(event, body(1))).rejects.toMatchObject({ code: 'FATAL' });
  });
});
