/**
 * A gateway as a process of its own in front of a simulated Discord, with a real Redis as its
 * broker and a session store of either kind: what tests of restarts need, and a look at what has
 * arrived at the far end.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { onTestFinished } from 'vitest';
import { SIMULATED_TOKEN, type Simulator, startSimulator } from '../../src/simulator/index.ts';
import { until } from './broker-bench.ts';
import { type Program, startSpectacles } from './process.ts';
import { startServer } from './servers.ts';
import { simulatedApi } from './simulated-api.ts';

export const SESSIONS_FILE = 'sessions.json';
export const EVENTS_AT_LEAST = 150;

export type Store = 'redis' | 'file';

export type Stage = {
  readonly store: Store;
  readonly simulator: Simulator;
  readonly redis: Redis;
  readonly redisUrl: string;
  readonly folder: string;
};

/** A simulated Discord with room for so many shards at once, which sends 200 events a second. */
export async function startDiscord(seed: number, shards: number): Promise<Simulator> {
  const simulator = await startSimulator({
    seed,
    guildCount: 2 * shards,
    rate: 200,
    gateway: { maxConcurrency: shards, recommendedShards: shards },
  });
  onTestFinished(() => simulator.close());
  return simulator;
}

/** `spectacles gateway` with all that it needs to reach the simulated Discord, and all intents. */
export function startGatewayProgram(
  { port }: Simulator,
  folder: string,
  environment: Readonly<Record<string, string>>,
): Program {
  return startSpectacles(['gateway'], {
    folder,
    environment: {
      DISCORD_TOKEN: SIMULATED_TOKEN,
      DISCORD_EVENTS: '*',
      DISCORD_RAW_INTENTS: '53608447',
      ...simulatedApi(port),
      SHARD_STORE_PATH: SESSIONS_FILE,
      ...environment,
    },
  });
}

export async function setStage(store: Store, shards: number): Promise<Stage> {
  const server = await startServer('redis');
  onTestFinished(() => server.stop());
  const redis = new Redis(server.url);
  onTestFinished(() => redis.disconnect());
  const folder = await mkdtemp(join(tmpdir(), 'spectacles-restart-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const simulator = await startDiscord(31, shards);
  return { store, simulator, redis, redisUrl: server.url, folder };
}

export function startGateway({ store, simulator, redisUrl, folder }: Stage): Program {
  return startGatewayProgram(simulator, folder, {
    BROKER_TYPE: 'redis',
    REDIS_URL: redisUrl,
    SHARD_STORE_TYPE: store,
  });
}

function sentCount({ simulator }: Stage): number {
  return simulator.discord.gateway.sessions().reduce((sum, { sequence }) => sum + sequence, 0);
}

/** Discord sends on for a while. */
export async function letEventsHappen(stage: Stage): Promise<void> {
  const before = sentCount(stage);
  await until('events have happened', () => sentCount(stage) >= before + EVENTS_AT_LEAST);
}

/** Every event that the sessions have sent, as `session:sequence`. */
export function sentIds({ simulator }: Stage): ReadonlySet<string> {
  const sessions = simulator.discord.gateway.sessions();
  return new Set(
    sessions.flatMap((session) => {
      const sent = session.missed(0);
      if (sent === undefined) throw new Error('the session has forgotten what it sent');
      return sent.map(({ sequence }) => `${session.id}:${sequence}`);
    }),
  );
}

/** The streams and how many entries each has. */
async function streamLengths({ redis }: Stage): Promise<ReadonlyMap<string, number>> {
  const keys = await redis.keys('*');
  const replies = (await redis.pipeline(keys.map((key) => ['xlen', key])).exec()) ?? [];
  // Of a key that is no stream the reply is an error.
  return new Map(
    keys.flatMap((key, index) => {
      const length = replies[index]?.[1];
      return typeof length === 'number' ? [[key, length]] : [];
    }),
  );
}

/** Whether events with these ids stand in streams; by default those of all that was sent. */
export async function haveArrived(
  stage: Stage,
  ids: ReadonlySet<string> = sentIds(stage),
): Promise<boolean> {
  const lengths = await streamLengths(stage);
  // To read them all again and again would keep this process from being Discord.
  if ([...lengths.values()].reduce((sum, length) => sum + length, 0) < ids.size) return false;
  const missing = new Set(ids);
  for (const stream of lengths.keys()) {
    for (const [, fields] of await stage.redis.xrange(stream, '-', '+')) {
      missing.delete(fields[fields.indexOf('id') + 1] ?? '');
    }
  }
  return missing.size === 0;
}

/** How many shards have a session in the store. */
export async function storedSessions({ store, redis, folder }: Stage): Promise<number> {
  if (store === 'redis') {
    const [key = ''] = await redis.keys('gateway:sessions:*');
    const fields = key === '' ? [] : await redis.hkeys(key);
    return fields.filter((field) => !field.includes(':')).length;
  }
  const text = await readFile(join(folder, SESSIONS_FILE), 'utf8').catch(() => '');
  return text.split('"sessionId"').length - 1;
}
