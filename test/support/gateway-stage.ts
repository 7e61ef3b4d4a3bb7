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

/** The ids of all that has arrived in streams. */
export async function arrivedIds({ redis }: Stage): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for (const stream of await redis.keys('*')) {
    if ((await redis.type(stream)) !== 'stream') continue;
    for (const [, fields] of await redis.xrange(stream, '-', '+')) {
      const id = fields[fields.indexOf('id') + 1];
      if (id !== undefined) ids.add(id);
    }
  }
  return ids;
}

export function isSubset(part: ReadonlySet<string>, whole: ReadonlySet<string>): boolean {
  return [...part].every((id) => whole.has(id));
}

export async function missingIds(stage: Stage): Promise<readonly string[]> {
  const arrived = await arrivedIds(stage);
  return [...sentIds(stage)].filter((id) => !arrived.has(id));
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
