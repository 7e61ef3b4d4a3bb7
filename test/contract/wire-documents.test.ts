/**
 * docs/brokers-wire.md shows one event as it travels; here it is written by the real brokers and
 * read by the plain client of each, so that the page cannot say what is not so.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import { connect } from 'amqplib';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { PAYLOAD_MODES, type PayloadMode } from '../../protocols/wire/payload.ts';
import type { BrokerConfig } from '../../src/brokers/create-broker.ts';
import { createBench, RecordingOrigin, until, writeEvent } from '../support/broker-bench.ts';
import { amqpConfig, redisConfig } from '../support/broker-peers.ts';
import { amqpUrl, redisUrl } from '../support/shared-servers.ts';

const page = readFileSync(new URL('../../docs/brokers-wire.md', import.meta.url), 'utf8');

/** The event that the page shows: message 42 of a session of shard 3. */
const DATA = { content: 'hi' };
const SEQUENCE = 42;
const origin = () => new RecordingOrigin(3, '9f2c4a');

const MODES: readonly PayloadMode[] = PAYLOAD_MODES;

/** The JSON that stands in the page below a heading. */
function documented(heading: string): Record<string, unknown> {
  const block = new RegExp(`#### ${heading}\\n[^#]*?\`\`\`json\\n([^]*?)\`\`\``).exec(page)?.[1];
  if (block === undefined) throw new Error(`docs/brokers-wire.md shows no ${heading}`);
  return JSON.parse(block);
}

/** Writes the event through a broker of that configuration, and waits until it is confirmed. */
async function write(config: BrokerConfig, event: string): Promise<void> {
  const bench = createBench();
  onTestFinished(() => bench.stop());
  const broker = await bench.open(config);
  const whose = origin();
  expect(writeEvent(broker, event, DATA, whose, SEQUENCE)).toBe(true);
  await until('it is confirmed', () => whose.confirmedSequences.length === 1);
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('GP-93: docs/brokers-wire.md shows an event as it is', () => {
  it.each(MODES)('in Redis, with payload %s', async (payload) => {
    const event = `EVENT_${randomUUID()}`;
    await write({ ...redisConfig(redisUrl(), 'shown'), payload } as BrokerConfig, event);
    const client = new Redis(redisUrl(), { protocol: 2, replyMapping: 'legacy' });
    onTestFinished(() => client.disconnect());
    const [entry] = (await client.xrangeBuffer(event, '-', '+')) as [Buffer, Buffer[]][];
    const fields = (entry?.[1] ?? []).map((part, at) => (at === 1 ? hex(part) : String(part)));
    const { data, ...rest } = documented('Redis');
    const body = documented('The body')[payload];
    expect(data).toBe('the body');
    // The event's own name is part of the last mode's body, and here it is another one.
    const shown = payload === 'discordjs' ? fields[1] : body;
    expect(fields).toEqual(['data', shown, ...Object.entries(rest).flat()]);
  });

  it.each(MODES)('in RabbitMQ, with payload %s', async (payload) => {
    const event = `EVENT_${randomUUID()}`;
    const group = `group-${randomUUID()}`;
    const connection = await connect(amqpUrl());
    onTestFinished(() => connection.close());
    const channel = await connection.createChannel();
    await channel.assertExchange(group, 'direct', { durable: true });
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, group, event);
    await write({ ...amqpConfig(amqpUrl(), group), payload } as BrokerConfig, event);
    const message = await channel.get(queue, { noAck: true });
    if (message === false) throw new Error('nothing has arrived');
    const set = Object.entries(message.properties).filter(([, value]) => value !== undefined);
    const contentType = payload === 'raw' ? { contentType: 'application/json' } : {};
    expect(Object.fromEntries(set)).toEqual({ ...documented('RabbitMQ'), ...contentType });
    expect([message.fields.exchange, message.fields.routingKey]).toEqual([group, event]);
    const body = documented('The body')[payload];
    if (payload !== 'discordjs') expect(hex(message.content)).toBe(body);
  });

  it.each(['json', 'go', 'map', 'discordjs'] as const)(
    'on standard output, with payload %s',
    async (payload) => {
      const output = new PassThrough();
      const written: Buffer[] = [];
      output.on('data', (chunk: Buffer) => written.push(chunk));
      await write({ type: 'stdio', payload, input: new PassThrough(), output }, 'MESSAGE_CREATE');
      const bytes = Buffer.concat(written);
      const shown = documented('A frame')[payload];
      expect(payload === 'json' ? String(bytes) : hex(bytes)).toBe(shown);
    },
  );

  it.each(MODES)('with the body that payload %s makes of it', async (payload) => {
    const event = 'MESSAGE_CREATE';
    const client = new Redis(redisUrl(), { protocol: 2, replyMapping: 'legacy', db: 5 });
    onTestFinished(async () => {
      await client.del(event);
      client.disconnect();
    });
    await client.del(event);
    const url = `${redisUrl()}/5`;
    await write({ ...redisConfig(url, 'shown'), payload } as BrokerConfig, event);
    const [entry] = (await client.xrangeBuffer(event, '-', '+')) as [Buffer, Buffer[]][];
    expect(hex(entry?.[1][1] ?? Buffer.alloc(0))).toBe(documented('The body')[payload]);
  });
});
