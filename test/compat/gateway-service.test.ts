/**
 * The main job on real parts: `spectacles gateway` as a process of its own, a real Redis and a real
 * RabbitMQ, and the command handler of the original's introduction with the unmodified
 * @spectacles/brokers 0.9.3, in a process of its own too.
 *
 * By default an event is what the Go gateway published, a string of JSON; with `map` it is an
 * object, which is what the introduction went on to use.
 */
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  SIMULATED_TOKEN,
  type Simulator,
  type SimulatorOptions,
  startSimulator,
} from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';
import { type Program, startProgram, startSpectacles } from '../support/process.ts';
import { startServer } from '../support/servers.ts';
import { amqpUrl } from '../support/shared-servers.ts';
import { simulatedApi } from '../support/simulated-api.ts';

const MODES = ['json', 'map'] as const;
type Mode = (typeof MODES)[number];

const EVENTS = 60;

function fixture(name: string): string {
  return fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
}

async function simulate(options: SimulatorOptions = {}): Promise<Simulator> {
  const simulator = await startSimulator({
    seed: 5,
    guildCount: 4,
    gateway: { maxConcurrency: 2, recommendedShards: 2 },
    ...options,
  });
  onTestFinished(() => simulator.close());
  return simulator;
}

/** The environment that the introduction gives the gateway, pointed at the simulator. */
function environment(simulator: Simulator, mode: Mode): Record<string, string> {
  return {
    DISCORD_TOKEN: SIMULATED_TOKEN,
    DISCORD_EVENTS: 'MESSAGE_CREATE',
    DISCORD_INTENTS: 'GUILD,GUILD_MESSAGES',
    ...simulatedApi(simulator.port),
    // The default is left to itself.
    ...(mode === 'json' ? {} : { BROKER_PAYLOAD: mode }),
  };
}

/** The data of all events of that name that the shards' sessions have sent. */
function sent(simulator: Simulator, name: string): readonly string[] {
  return simulator.discord.gateway
    .sessions()
    .flatMap((session) => session.missed(0) ?? [])
    .flatMap(({ event, json }) => (event === name ? [json] : []));
}

/**
 * Lets events happen, messages among them, and waits until the handler has printed what it was for.
 */
async function expectPrinted(simulator: Simulator, handler: Program, mode: Mode): Promise<void> {
  // Discord says nothing of a guild before it has said that the guild is there.
  const guilds = simulator.discord.world.guildIds.length;
  await until('the guilds are there', () => sent(simulator, 'GUILD_CREATE').length === guilds);
  for (let count = 0; count < EVENTS; count++) {
    simulator.discord.emit('MESSAGE_CREATE');
    simulator.discord.emit('TYPING_START');
    simulator.discord.emit('CHANNEL_UPDATE');
  }
  const expected = sent(simulator, 'MESSAGE_CREATE').map((json) =>
    mode === 'json' ? json : inspect(JSON.parse(json)),
  );
  expect(expected.length).toBeGreaterThan(EVENTS / 2);
  const length = expected.join('\n').length + 1;
  await handler.until('printed all messages', () => handler.stdout.length >= length);
  // Each shard's messages are in order; the shards' order among each other is nobody's to keep.
  expect(sortedById(handler.stdout)).toEqual(sortedById(`${expected.join('\n')}\n`));
}

/** The printed messages, split where one begins. */
function sortedById(text: string): readonly string[] {
  return text.split(/^(?=\{)/m).toSorted();
}

/**
 * Ends the gateway as a person would; its sessions live, and Discord has nothing to complain about.
 */
async function expectCleanEnd(simulator: Simulator, gateway: Program): Promise<void> {
  expect(await gateway.end('SIGTERM')).toEqual({ status: 0, signal: null });
  const { audit } = simulator.discord;
  await until('both connections are closed', () => audit.count('close') === 2);
  expect(audit.of('close').map(({ by }) => by)).toEqual(['client', 'client']);
  expect(audit.of('session-end')).toEqual([]);
  expect(audit.breaches).toEqual([]);
  expect(simulator.discord.rest.audit.breaches).toEqual([]);
  expect(gateway.stdout).toBe('');
  expect(gateway.stderr).not.toContain(SIMULATED_TOKEN);
}

describe.each(MODES)('spectacles gateway and @spectacles/brokers 0.9.3, payload %s', (mode) => {
  it('brings the events to the handler of the introduction through Redis', async () => {
    const redis = await startServer('redis');
    onTestFinished(() => redis.stop());
    const simulator = await simulate();
    const handler = startProgram(fixture('introduction-redis.mjs'), [], {
      environment: { REDIS_URL: redis.url },
    });
    const gateway = startSpectacles(['gateway'], {
      environment: {
        ...environment(simulator, mode),
        BROKER_TYPE: 'redis',
        REDIS_URL: redis.url.replace('redis://', ''),
      },
    });
    await gateway.log('shard is ready', 2);
    await expectPrinted(simulator, handler, mode);

    const client = new Redis(redis.url);
    onTestFinished(() => client.disconnect());
    const pending = async () => (await client.xpending('MESSAGE_CREATE', 'gateway'))[0];
    await until('the handler has acked all of them', async () => (await pending()) === 0);
    // Of its events it publishes one; the others are those by which it takes commands.
    const streams = ['0', '1', 'MESSAGE_CREATE', 'SEND'];
    expect((await client.keys('*')).toSorted()).toEqual(streams);
    await expectCleanEnd(simulator, gateway);
  });

  it('brings the events to a handler through RabbitMQ', async () => {
    const group = `gateway-${randomUUID()}`;
    const simulator = await simulate();
    const handler = startProgram(fixture('introduction-amqp.mjs'), [], {
      environment: { AMQP_HOST: amqpUrl().replace('amqp://', ''), GROUP: group },
    });
    // What is published before there is a queue is nobody's.
    await handler.until('subscribed', () => handler.stderr.includes('listening'));
    const gateway = startSpectacles(['gateway'], {
      environment: {
        ...environment(simulator, mode),
        BROKER_TYPE: 'amqp',
        BROKER_GROUP: group,
        AMQP_URL: amqpUrl(),
      },
    });
    await gateway.log('shard is ready', 2);
    await expectPrinted(simulator, handler, mode);
    await expectCleanEnd(simulator, gateway);
  });
});
