/**
 * A gateway whose session store is a real Redis that dies, freezes, and comes back with nothing,
 * while four shards run on real sockets in front of a broker that confirms late.
 */
import { Redis } from 'ioredis';
import { Registry } from 'prom-client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createActorSystem } from '../../actors/runtime.ts';
import { FatalError } from '../../protocols/errors.ts';
import type { SessionRecord } from '../../protocols/gateway/messages.ts';
import { SESSION_RESUMABLE_MS } from '../../protocols/limits.ts';
import { loadGatewayConfig } from '../../src/config/gateway-config.ts';
import { applicationOf, placeName } from '../../src/gateway/stores/session-place.ts';
import { readRecord } from '../../src/gateway/stores/stored-record.ts';
import { createRandom } from '../../src/random.ts';
import { startGatewayOn } from '../../src/services/gateway.ts';
import { SIMULATED_TOKEN, type Simulator, startSimulator } from '../../src/simulator/index.ts';
import { systemClock } from '../../src/system-clock.ts';
import { until } from '../support/broker-bench.ts';
import { loadText } from '../support/configuration.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { startServer, type TestServer } from '../support/servers.ts';
import { simulatedApi } from '../support/simulated-api.ts';
import { SlowBroker } from '../support/slow-broker.ts';

const SHARDS = 4;
/** Events a second: as many as a busy machine gets done that plays Discord and the broker, too. */
const RATE = 150;
const KEY = placeName({
  prefix: 'gateway',
  application: applicationOf(SIMULATED_TOKEN),
  shardCount: SHARDS,
});

async function simulate(): Promise<Simulator> {
  const simulator = await startSimulator({
    seed: 41,
    guildCount: 8,
    rate: RATE,
    gateway: {
      maxConcurrency: SHARDS,
      recommendedShards: SHARDS,
      // Often enough for some; not so often that an acknowledgement could be late, since both sides
      // share one event loop.
      heartbeatIntervalMs: 5_000,
      heartbeatToleranceMs: 3_000,
    },
  });
  onTestFinished(() => simulator.close());
  return simulator;
}

async function privateRedis(): Promise<TestServer> {
  const server = await startServer('redis');
  onTestFinished(() => server.stop());
  return server;
}

async function createHost(simulator: Simulator, redisUrl: string) {
  const { config } = await loadText(loadGatewayConfig, undefined, {
    DISCORD_TOKEN: SIMULATED_TOKEN,
    DISCORD_EVENTS: '*',
    DISCORD_RAW_INTENTS: '53608447',
    ...simulatedApi(simulator.port),
    SHARD_STORE_TYPE: 'redis',
    REDIS_URL: redisUrl,
  });
  const clock = systemClock;
  const random = createRandom(41);
  const log = new RecordingLog();
  const system = createActorSystem({ name: 'session-store', clock, random, log });
  onTestFinished(() => system.stop());
  const broker = new SlowBroker(createRandom(42));
  const { signal } = new AbortController();
  const registry = new Registry();
  const host = { system, broker, clock, random, log, signal, summaryMs: 60_000, registry };
  return { config, host, log, broker, registry };
}

async function stored(client: Redis): Promise<ReadonlyMap<number, SessionRecord>> {
  const fields = Object.entries(await client.hgetall(KEY));
  const records = fields.flatMap(([field, text]): [number, SessionRecord][] => {
    const record = field.includes(':') ? undefined : readRecord(text);
    return record === undefined ? [] : [[Number(field), record]];
  });
  return new Map(records);
}

/** How many scripts the server has run since it started. */
async function scriptsRun(client: Redis): Promise<number> {
  return Number(/cmdstat_eval:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0);
}

/** A client beside the gateway's, which comes back whenever the server does. */
function clientOf(server: TestServer): Redis {
  const client = new Redis(server.url, { retryStrategy: () => 50, maxRetriesPerRequest: null });
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  return client;
}

function sequences({ discord }: Simulator): ReadonlyMap<number, number> {
  return new Map(discord.gateway.sessions().map(({ shard, sequence }) => [shard[0], sequence]));
}

function eventCount(simulator: Simulator): number {
  return [...sequences(simulator).values()].reduce((sum, sequence) => sum + sequence, 0);
}

describe('a gateway whose session store is in trouble', () => {
  it('keeps every shard connected, and saves when the store is back (GP-65 GP-66)', async () => {
    const server = await privateRedis();
    const client = clientOf(server);
    const simulator = await simulate();
    const { config, host, log, broker, registry } = await createHost(simulator, server.url);
    const gateway = await startGatewayOn(config, host);
    const said = (message: string) =>
      log.lines.filter((line) => line.message.includes(message)).length;
    const isUp = async () =>
      (await registry.metrics()).match(/^gateway_session_store_up (\d)$/m)?.[1] === '1';
    const letEventsHappen = async (count: number) => {
      const goal = eventCount(simulator) + count;
      await until(`${count} events have happened`, () => eventCount(simulator) >= goal);
    };
    /** Waits until all that Discord has sent by now is stored. */
    const expectStored = async () => {
      const sent = sequences(simulator);
      await until('the store is up to date', async () => {
        const records = await stored(client);
        return [...sent].every(([shard, sequence]) => {
          return (records.get(shard)?.sequence ?? 0) >= sequence;
        });
      });
      // What is stored was confirmed by the broker, each and every event of it.
      for (const { sessionId, sequence } of (await stored(client)).values()) {
        const confirmed = new Set(
          broker.confirmed
            .filter(({ session }) => session === sessionId)
            .map((event) => event.sequence),
        );
        const all = Array.from({ length: sequence }, (_, index) => index + 1);
        expect(all.filter((id) => !confirmed.has(id))).toEqual([]);
      }
    };
    await until('all shards are ready', () => said('shard is ready') === SHARDS);
    await letEventsHappen(400);
    await expectStored();
    // However many events there were: a batch a second, whatever is in it.
    expect(await scriptsRun(client)).toBeLessThan(eventCount(simulator) / 10);
    expect(await isUp()).toBe(true);

    await server.kill();
    await until('it is said', () => said('the session store is away') === 1);
    expect(await isUp()).toBe(false);
    await letEventsHappen(200);
    await server.restart();
    await until('it is back', () => said('the session store is back') === 1);
    await expectStored();

    server.pause();
    await until('it is said', () => said('the session store is away') === 2);
    await letEventsHappen(100);
    server.resume();
    await until('it is back', () => said('the session store is back') === 2);
    await expectStored();
    expect(await isUp()).toBe(true);

    const { audit } = simulator.discord;
    expect(audit.count('connect')).toBe(SHARDS);
    expect(audit.count('identify')).toBe(SHARDS);
    expect(audit.breaches).toEqual([]);
    expect(audit.of('close')).toEqual([]);
    expect(log.at('error')).toEqual([]);

    await server.kill();
    await gateway.stop();
    expect(said('sessions that could not be saved')).toBe(1);
    expect(audit.of('session-end')).toEqual([]);
  }, 180_000);

  it('refuses to start when the store refuses it for good', async () => {
    const server = await privateRedis();
    const admin = new Redis(server.url);
    await admin.config('SET', 'requirepass', 'correct-horse');
    admin.disconnect();
    const simulator = await simulate();
    const url = server.url.replace('redis://', 'redis://:battery-staple@');
    const { config, host, log } = await createHost(simulator, url);
    const starting = startGatewayOn(config, host);
    await expect(starting).rejects.toBeInstanceOf(FatalError);
    await expect(starting).rejects.toThrow(/check the user name and password/);
    expect(simulator.discord.audit.count('connect')).toBe(0);
    expect(JSON.stringify(log.lines)).not.toContain('battery-staple');
  });

  it('says what sessions were lost when they are too old to be resumed (GP-68)', async () => {
    const server = await privateRedis();
    const simulator = await simulate();
    const first = await createHost(simulator, server.url);
    const gateway = await startGatewayOn(first.config, first.host);
    const isReady = () => first.log.lines.filter(({ message }) => message === 'shard is ready');
    await until('all shards are ready', () => isReady().length === SHARDS);
    await gateway.stop();
    const client = clientOf(server);
    const old = await stored(client);
    const fence = await client.hget(KEY, '3:fence');
    for (const [shard, record] of old) {
      const savedAtEpochMs = record.savedAtEpochMs - 3_600_000;
      await client.hset(KEY, String(shard), JSON.stringify({ ...record, savedAtEpochMs }));
    }
    const second = await createHost(simulator, server.url);
    const later = await startGatewayOn(second.config, second.host);
    onTestFinished(() => later.stop());
    const lost = second.log.lines.filter(({ message }) => message.includes('session is lost'));
    expect(lost.map(({ fields }) => fields.sequence)).toEqual(
      [...old.values()].map(({ sequence }) => sequence),
    );
    expect(await second.registry.metrics()).toContain('gateway_sessions_lost_total{id="3"} 1');
    await until('they have new sessions', () => simulator.discord.audit.count('identify') === 8);
    expect(simulator.discord.audit.count('resume')).toBe(0);

    // Generation and owner say who may save from now on, and all of it goes by itself in the end.
    const [generation, , owner] = fence?.split(' ') ?? [];
    const [nextGeneration, , nextOwner] = (await client.hget(KEY, '3:fence'))?.split(' ') ?? [];
    expect(Number(nextGeneration)).toBeGreaterThan(Number(generation));
    expect(nextOwner).not.toBe(owner);
    expect(await client.pttl(KEY)).toBeGreaterThan(SESSION_RESUMABLE_MS);
  });
});
