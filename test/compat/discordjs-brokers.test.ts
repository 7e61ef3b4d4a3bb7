/**
 * @discordjs/brokers 1.0.0 from npm, unmodified, over a real Redis: it consumes what we publish
 * with payload discordjs, and we consume what it publishes and answer what it calls.
 */
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { PubSubRedisBroker, RPCRedisBroker } from '@discordjs/brokers';
import { Redis as Ioredis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import type { MessageOptions } from '../../src/client/broker-types.ts';
import { Redis } from '../../src/client/redis.ts';
import { SIMULATED_TOKEN, startSimulator } from '../../src/simulator/index.ts';
import {
  type Bench,
  createBench,
  RecordingOrigin,
  until,
  writeEvent,
} from '../support/broker-bench.ts';
import { redisConfig } from '../support/broker-peers.ts';
import { startSpectacles } from '../support/process.ts';
import { startServer } from '../support/servers.ts';
import { redisUrl } from '../support/shared-servers.ts';
import { simulatedApi } from '../support/simulated-api.ts';

type Message = { readonly data: unknown; ack(): Promise<void> };
type Wrapped = { readonly shardId: number; readonly payload: { readonly d: unknown } };

/** The version of ioredis that the package was made for. */
const TheirRedis: typeof Ioredis = createRequire(
  createRequire(import.meta.url).resolve('@discordjs/brokers'),
)('ioredis');

const ends: (() => unknown)[] = [];
let bench: Bench;
let group: string;
let event: string;

function theirs(url = redisUrl()) {
  const broker = new PubSubRedisBroker<Record<string, never>>(new TheirRedis(url) as never, {
    group,
    name: 'test',
    blockTimeout: 100,
  });
  // Its read loop ends by an error when it is destroyed.
  broker.on('error', () => undefined);
  ends.push(() => broker.destroy());
  return broker;
}

function ours(): Redis {
  const client = new Redis(group, new Ioredis(redisUrl()));
  ends.push(() => client.disconnect());
  return client;
}

beforeEach(() => {
  bench = createBench();
  group = `group-${randomUUID()}`;
  event = `EVENT_${randomUUID()}`;
});

afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  await bench.stop();
});

async function collect(broker: ReturnType<typeof theirs>, name = event): Promise<unknown[]> {
  const received: unknown[] = [];
  broker.on(name, ({ data, ack }: Message) => {
    received.push(data);
    void ack();
  });
  await broker.subscribe([name]);
  return received;
}

/** Its types want an array where its code takes anything. */
function publish(broker: ReturnType<typeof theirs>, data: unknown): Promise<void> {
  return broker.publish(event, data as never);
}

describe('@discordjs/brokers 1.0.0', () => {
  it('consumes the events that our writer publishes, in its own shape, and acks them', async () => {
    const received = await collect(theirs());
    const broker = await bench.open({ ...redisConfig(redisUrl(), group), payload: 'discordjs' });
    const origin = new RecordingOrigin(7);
    const d = {
      id: '1087654321098765432',
      content: 'grüße 🎉',
      author: { bot: false },
      nonce: null,
    };
    writeEvent(broker, event, d, origin, 4711);
    writeEvent(broker, event, {}, origin, 4712);
    await until('both have come', () => received.length === 2);
    expect(received).toEqual([
      { shardId: 7, payload: { op: 0, t: event, s: 4711, d } },
      { shardId: 7, payload: { op: 0, t: event, s: 4712, d: {} } },
    ]);
    const redis = new Ioredis(redisUrl());
    ends.push(() => redis.disconnect());
    await until('they were acked', async () => {
      const [pending] = (await redis.xpending(event, group)) as [number];
      return Number(pending) === 0;
    });
  });

  it('goes on after an event that its decoder would refuse, and which we therefore write as text', async () => {
    const received = await collect(theirs());
    const broker = await bench.open({ ...redisConfig(redisUrl(), group), payload: 'discordjs' });
    const origin = new RecordingOrigin();
    const hostile = JSON.parse('{"__proto__":{"a":1}}');
    writeEvent(broker, event, hostile, origin, 1);
    writeEvent(broker, event, { id: '2' }, origin, 2);
    await until('both have come', () => received.length === 2);
    expect(received[0]).toBe('{"__proto__":{"a":1}}');
    expect((received[1] as Wrapped).payload.d).toEqual({ id: '2' });
  });

  it('publishes what our library consumes: events as their data, everything else as it is', async () => {
    const client = ours();
    const received: unknown[] = [];
    client.on(event, (data: unknown, { ack }: MessageOptions) => {
      received.push(data);
      void ack();
    });
    await client.subscribe(event);
    const publisher = theirs();
    await publish(publisher, {
      shardId: 0,
      payload: { op: 0, t: event, s: 3, d: { id: '1' } },
    });
    // As its gateway's consumers send commands.
    const command = { shardId: 0, payload: { op: 3, d: { since: null, afk: false } } };
    await publish(publisher, command);
    await publish(publisher, ['plain', 1]);
    await until('all have come', () => received.length === 3);
    expect(received).toEqual([{ id: '1' }, command, ['plain', 1]]);
  });

  it('calls a service of our library', async () => {
    const client = ours();
    client.on(event, async (data: unknown, { ack, reply }: MessageOptions) => {
      await ack();
      await reply({ echo: data });
    });
    await client.subscribe(event);
    const caller = new RPCRedisBroker<Record<string, unknown[]>, Record<string, unknown>>(
      new TheirRedis(redisUrl()) as never,
      { group, name: 'caller' },
    );
    ends.push(() => caller.destroy());
    const answers = [];
    for (const number of [1, 2, 3])
      answers.push(await caller.call(event, [number] as never, 10_000));
    expect(answers).toEqual([1, 2, 3].map((number) => ({ echo: [number] })));
  });

  it('consumes what `spectacles gateway` publishes', async () => {
    const redis = await startServer('redis');
    onTestFinished(() => redis.stop());
    const simulator = await startSimulator({ seed: 4, guildCount: 2 });
    onTestFinished(() => simulator.close());
    const received = await collect(theirs(redis.url), 'GUILD_CREATE');
    const gateway = startSpectacles(['gateway'], {
      environment: {
        DISCORD_TOKEN: SIMULATED_TOKEN,
        DISCORD_EVENTS: 'GUILD_CREATE',
        DISCORD_RAW_INTENTS: String(ALL_INTENTS),
        ...simulatedApi(simulator.port),
        REDIS_URL: redis.url,
        BROKER_TYPE: 'redis',
        BROKER_PAYLOAD: 'discordjs',
      },
    });
    await until('both guilds have come', () => received.length === 2);
    expect(await gateway.end('SIGINT')).toEqual({ status: 0, signal: null });
    const sent = simulator.discord.gateway.sessions().flatMap((session) => session.missed(0) ?? []);
    const guilds = sent.filter((one) => one.event === 'GUILD_CREATE');
    expect(received).toEqual(
      guilds.map(({ json, sequence }) => ({
        shardId: 0,
        payload: { op: 0, t: 'GUILD_CREATE', s: sequence, d: JSON.parse(json) },
      })),
    );
    // Its server is stopped while it still reads.
    for (const end of ends.splice(0)) await end();
  });
});
