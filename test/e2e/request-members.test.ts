/**
 * `requestMembers` with everything that belongs to it: the simulated Discord, a gateway, a real
 * Redis and a real RabbitMQ, and workers that compete for the same events.
 */
import { randomUUID } from 'node:crypto';
import { Redis as IoRedis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import { MembersError } from '../../protocols/errors.ts';
import { MEMBERS_PER_CHUNK_MAX } from '../../protocols/limits.ts';
import { Amqp } from '../../src/client/amqp.ts';
import type { BrokerClient } from '../../src/client/broker-client.ts';
import type { AudienceOptions } from '../../src/client/broker-types.ts';
import { Redis } from '../../src/client/redis.ts';
import { requestMembers } from '../../src/client/request-members.ts';
import { loadGatewayConfig } from '../../src/config/gateway-config.ts';
import { startGateway } from '../../src/services/gateway.ts';
import { SIMULATED_TOKEN, type Simulator, startSimulator } from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';
import { loadText } from '../support/configuration.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { startServer } from '../support/servers.ts';
import { amqpUrl } from '../support/shared-servers.ts';
import { simulatedApi } from '../support/simulated-api.ts';

const SHARDS = 2;

type Place = {
  readonly environment: Readonly<Record<string, string>>;
  open(options?: AudienceOptions): Promise<BrokerClient>;
};

async function redisPlace(): Promise<Place> {
  const { url, stop } = await startServer('redis');
  onTestFinished(stop);
  return {
    environment: { BROKER_TYPE: 'redis', REDIS_URL: url },
    open: async (options = {}) =>
      new Redis('bot', new IoRedis(url, { lazyConnect: true }), options),
  };
}

async function amqpPlace(): Promise<Place> {
  const group = `members-${randomUUID()}`;
  return {
    environment: { BROKER_TYPE: 'amqp', AMQP_URL: amqpUrl(), BROKER_GROUP: group },
    async open(options = {}) {
      const broker = new Amqp(group, 'workers', options);
      await broker.connect(amqpUrl());
      return broker;
    },
  };
}

async function startAll(environment: Place['environment']): Promise<Simulator> {
  const simulator = await startSimulator({
    seed: 6,
    guildCount: 12,
    gateway: { maxConcurrency: SHARDS, recommendedShards: SHARDS },
  });
  onTestFinished(() => simulator.close());
  const { config } = await loadText(loadGatewayConfig, undefined, {
    DISCORD_TOKEN: SIMULATED_TOKEN,
    DISCORD_EVENTS: 'GUILD_MEMBERS_CHUNK,RATE_LIMITED',
    DISCORD_INTENTS: 'GUILDS,GUILD_MEMBERS',
    ...simulatedApi(simulator.port),
    ...environment,
  });
  const log = new RecordingLog();
  const { signal } = new AbortController();
  const gateway = await startGateway(config, { log, signal });
  onTestFinished(() => gateway.stop());
  const ready = () => log.lines.filter(({ message }) => message.includes('shard is ready'));
  await until('the shards are ready', () => ready().length === SHARDS);
  return simulator;
}

describe.each([
  ['Redis', redisPlace],
  ['RabbitMQ', amqpPlace],
] as const)('requestMembers over %s', (_name, placeOf) => {
  it('has all members of guilds of any size, beside workers that take the same events', async () => {
    const { environment, open } = await placeOf();
    const simulator = await startAll(environment);
    const opened = async (options?: AudienceOptions): Promise<BrokerClient> => {
      const broker = await open(options);
      onTestFinished(() => broker.disconnect());
      return broker;
    };
    let taken = 0;
    for (const worker of [await opened(), await opened()]) {
      worker.on('GUILD_MEMBERS_CHUNK', (_chunk, { ack }) => {
        taken++;
        return ack();
      });
      await worker.subscribe('GUILD_MEMBERS_CHUNK');
    }
    const { world, audit } = simulator.discord;
    const sizes = world.guildIds.map((guildId) => ({
      guildId,
      size: world.guildCreate(guildId, ALL_INTENTS).member_count,
    }));
    const [largest, ...others] = sizes.toSorted((left, right) => right.size - left.size);
    expect(largest?.size).toBeGreaterThan(2 * MEMBERS_PER_CHUNK_MAX);
    const asked = [largest, ...others.slice(0, 3)].flatMap((guild) => guild ?? []);

    // Two processes ask at the same time, each for all of them.
    const brokers = [await opened({ audience: 'each' }), await opened({ audience: 'each' })];
    const [first] = brokers;
    if (first === undefined || largest === undefined) throw new Error('nobody asks');
    const found = await Promise.all(
      asked.map(({ guildId: guild_id }, index) => {
        return requestMembers(brokers[index % 2] ?? first, { guild_id, query: '', limit: 0 });
      }),
    );
    for (const [index, { members }] of found.entries()) {
      expect(new Set(members.map(({ user }) => user.id)).size).toBe(asked[index]?.size);
    }
    const chunks = asked.reduce(
      (sum, { size }) => sum + Math.ceil(size / MEMBERS_PER_CHUNK_MAX),
      0,
    );
    await until('the workers have had their copies', () => taken === chunks);

    // Some of them, by id and by name.
    const [member] = found[0]?.members ?? [];
    const { guildId: guild_id } = largest;
    const ids = [member?.user.id ?? '', '1'];
    const byId = await requestMembers(first, { guild_id, user_ids: ids });
    expect(byId.members.map(({ user }) => user.id)).toEqual(ids.slice(0, 1));
    expect(byId.notFound).toEqual(['1']);

    // Discord takes a list of one guild once in 30 s; the gateway keeps the second one until then.
    const list = { guild_id: others[3]?.guildId ?? '', query: '', limit: 0 };
    expect((await requestMembers(first, list)).members).toHaveLength(others[3]?.size ?? 0);
    const again = requestMembers(first, list, { timeout: 1_000 });
    const error = await again.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(MembersError);
    expect(error).toMatchObject({ message: expect.stringContaining('did not send') });
    expect(audit.breaches).toEqual([]);
  });
});
