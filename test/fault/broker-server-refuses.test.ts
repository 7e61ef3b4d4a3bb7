/** What servers refuse: for good with one line and no password in it, for now by coming back. */
import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BrokerConfig } from '../../src/brokers/create-broker.ts';
import { type Bench, body, createBench, Inbox, until } from '../support/broker-bench.ts';
import { amqpConfig, redisConfig } from '../support/broker-peers.ts';
import { startServer, type TestServer } from '../support/servers.ts';
import { amqpUrl } from '../support/shared-servers.ts';

const PASSWORD = 'open-sesame';
const TIMEOUT_MS = 120_000;

let bench: Bench;
let event: string;
let group: string;

beforeEach(() => {
  bench = createBench();
  group = `group-${randomUUID()}`;
  event = `EVENT_${randomUUID()}`;
});

afterEach(async () => {
  await bench.stop();
});

/** Fatal, in one line that names the remedy and not the password; nor does the log. */
async function expectRefusal(config: BrokerConfig, remedy: RegExp): Promise<void> {
  const error = await bench.open(config).catch((reason: unknown) => reason);
  expect(error, JSON.stringify(bench.log.lines)).toMatchObject({ code: 'FATAL' });
  const { message } = error as Error;
  expect(message).toMatch(remedy);
  expect(message).not.toContain('wrong-word');
  expect(message).not.toContain('\n');
  expect(JSON.stringify(bench.log.lines)).not.toContain('wrong-word');
}

describe('Redis', () => {
  let server: TestServer;
  let url: string;
  let admin: Redis;

  beforeAll(async () => {
    server = await startServer('redis');
    url = server.url;
    admin = new Redis(url);
  }, TIMEOUT_MS);

  afterAll(async () => {
    admin.disconnect();
    await server.stop();
  });

  it.each([
    [
      'a wrong password',
      (base: string) => base.replace('://', '://someone:wrong-word@'),
      /user name and password/,
    ],
    ['a database that is not there', (base: string) => `${base}/99`, /database/],
  ])('A23 is fatal for %s, in one line without the password', async (_name, spoil, remedy) => {
    await expectRefusal(redisConfig(spoil(url), group), remedy);
  });

  it('A23 is fatal for a password that is missing', async () => {
    await admin.config('SET', 'requirepass', PASSWORD);
    try {
      await expect(bench.open(redisConfig(url, group))).rejects.toMatchObject({ code: 'FATAL' });
      const right = url.replace('://', `://:${PASSWORD}@`);
      const broker = await bench.open(redisConfig(right, group));
      await broker.publish(event, body(1));
    } finally {
      await admin.config('SET', 'requirepass', '');
    }
  });

  it('R37 tells the subscriber of a key that is no stream, and goes on', async () => {
    await admin.set(event, 'a string');
    const broker = await bench.open(redisConfig(url, group));
    await expect(broker.subscribe(event, () => undefined)).rejects.toMatchObject({ code: 'FATAL' });
    const inbox = new Inbox();
    await broker.subscribe(`${event}_GOOD`, inbox.handler);
    await broker.publish(`${event}_GOOD`, body('good'));
    await until('it came', () => inbox.values.includes('good'));
  });

  it('R11 R12 makes a group again that has vanished', async () => {
    const broker = await bench.open(redisConfig(url, group));
    const inbox = new Inbox();
    await broker.subscribe(event, inbox.handler);
    await broker.publish(event, body('before'));
    await until('it came', () => inbox.values.includes('before'));
    await admin.flushall();
    await broker.publish(event, body('after'));
    await until('it came', () => inbox.values.includes('after'));
    expect(inbox.values).toEqual(['before', 'after']);
    expect(bench.failures).toEqual([]);
  });

  it('R13 neither loses nor repeats entries when only the group has vanished', async () => {
    const broker = await bench.open(redisConfig(url, group));
    const inbox = new Inbox();
    await broker.subscribe(event, inbox.handler);
    await broker.publish(event, body('before'));
    await until('it came', () => inbox.values.includes('before'));
    await admin.xgroup('DESTROY', event, group);
    await broker.publish(event, body('after'));
    await until('it came', () => inbox.values.includes('after'));
    expect(inbox.values).toEqual(['before', 'after']);
  });

  it('R34 acks and skips entries without data, and goes on', async () => {
    const broker = await bench.open(redisConfig(url, group));
    const inbox = new Inbox();
    await broker.subscribe(event, inbox.handler);
    await admin.xadd(event, '*', 'payload', 'x');
    await admin.xadd(event, '*', 'unknown', '1', 'data', '{"a":1}', 'more', '2');
    await until('the good one came', () => inbox.deliveries.length === 1);
    expect(inbox.values).toEqual([{ a: 1 }]);
    await until('both are acked', async () => {
      const [pending] = (await admin.xpending(event, group)) as [number];
      return pending === 0;
    });
  });

  it('R28 comes back after the server was read-only for a while', async () => {
    const broker = await bench.open(redisConfig(url, group));
    const inbox = new Inbox();
    await broker.subscribe(event, inbox.handler);
    await admin.replicaof('127.0.0.1', '1');
    const published = broker.publish(event, body('patient'));
    await until('it was noticed', () => broker.state === 'away');
    await admin.replicaof('NO', 'ONE');
    await published;
    await until('it came', () => inbox.values.includes('patient'));
  });

  it('R20 leaves no consumer behind that has nothing pending', async () => {
    const broker = await bench.open(redisConfig(url, group));
    const inbox = new Inbox();
    await broker.subscribe(event, inbox.handler);
    await broker.publish(event, body(1));
    await until('it came', () => inbox.deliveries.length === 1);
    await broker.close();
    expect(await admin.xinfo('CONSUMERS', event, group)).toEqual([]);
  });
});

describe('RabbitMQ', () => {
  it.each([
    [
      'a wrong password',
      (url: string) => url.replace('://', '://guest:wrong-word@'),
      /user name and password/,
    ],
    ['a virtual host that is not there', (url: string) => `${url}/nowhere`, /virtual host/],
  ])('A23 is fatal for %s, in one line without the password', async (_name, spoil, remedy) => {
    await expectRefusal(amqpConfig(spoil(amqpUrl()), group), remedy);
  });

  it('A10 tells the subscriber of a queue with other arguments, and goes on', async () => {
    const connection = await connect(amqpUrl());
    const channel = await connection.createChannel();
    await channel.assertQueue(`${group}:${event}`, { durable: true, messageTtl: 1_000 });
    const broker = await bench.open(amqpConfig(amqpUrl(), group));
    await expect(broker.subscribe(event, () => undefined)).rejects.toMatchObject({ code: 'FATAL' });
    const inbox = new Inbox();
    await broker.subscribe(`${event}_GOOD`, inbox.handler);
    await broker.publish(`${event}_GOOD`, body('good'));
    await until('it came', () => inbox.values.includes('good'));
    await channel.deleteQueue(`${group}:${event}`);
    await connection.close();
  });

  it('A10 is fatal for an exchange of another kind, in one line and without trying again', async () => {
    const connection = await connect(amqpUrl());
    const channel = await connection.createChannel();
    await channel.assertExchange(group, 'topic', { durable: true });
    const error = await bench.open(amqpConfig(amqpUrl(), group)).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'FATAL' });
    expect((error as Error).message).toMatch(/other arguments/);
    expect((error as Error).message).not.toContain('\n');
    expect(bench.log.at('warn')).toEqual([]);
    await channel.deleteExchange(group);
    await connection.close();
  });

  it('A8 consumes again after its queue was deleted', async () => {
    const broker = await bench.open(amqpConfig(amqpUrl(), group));
    const inbox = new Inbox();
    await broker.subscribe(event, inbox.handler);
    const connection = await connect(amqpUrl());
    const channel = await connection.createChannel();
    await channel.deleteQueue(`${group}:${event}`);
    await until('it was noticed', () => broker.state === 'away');
    await until('it is back', () => broker.state === 'open');
    await broker.publish(event, body('again'));
    await until('it came', () => inbox.values.includes('again'));
    await connection.close();
  });

  it('A6 A7 takes late and repeated acks for nothing', async () => {
    const broker = await bench.open(amqpConfig(amqpUrl(), group));
    const inbox = new Inbox(() => undefined);
    await broker.subscribe(event, inbox.handler);
    await broker.publish(event, body('once'));
    await until('it came', () => inbox.deliveries.length === 1);
    const connection = await connect(amqpUrl());
    const channel = await connection.createChannel();
    await channel.assertQueue(`${group}:DOOMED`, { durable: true });
    await broker.subscribe('DOOMED', () => undefined);
    await channel.deleteQueue(`${group}:DOOMED`);
    await until('it came again on the next link', () => inbox.deliveries.length === 2);
    const [stale, fresh] = inbox.deliveries;
    stale?.ack();
    fresh?.ack();
    fresh?.ack();
    await broker.publish(event, body('next'));
    await until('the next one came', () => inbox.deliveries.length === 3);
    inbox.deliveries[2]?.ack();
    expect(broker.state).toBe('open');
    await connection.close();
  });

  it('writes the properties that other clients rely on', async () => {
    const broker = await bench.open(amqpConfig(amqpUrl(), group));
    const connection = await connect(amqpUrl());
    const channel = await connection.createChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, group, event);
    const origin = { shard: 7, session: 'abc', confirmed: () => undefined, lost: () => undefined };
    const json = new TextEncoder().encode('{"id":"1"}');
    broker.writer.write(broker.writer.route(event), json, 0, json.length, origin, 42);
    let message: Awaited<ReturnType<typeof channel.get>> = false;
    await until('it came', async () => {
      message = await channel.get(queue, { noAck: true });
      return message !== false;
    });
    expect(message).toMatchObject({
      content: Buffer.from([0xaa, ...json]),
      properties: {
        contentType: 'application/vnd.msgpack',
        deliveryMode: 2,
        expiration: '120000',
        messageId: 'abc:42',
        headers: { shard: 7, seq: 42 },
      },
    });
    await connection.close();
  });
});
