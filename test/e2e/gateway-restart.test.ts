/**
 * A gateway that is stopped and started again, as a process of its own, with a real Redis as its broker and
 * a session store of each kind. Discord goes on sending while it is down.
 *
 * Every session is resumed, none is started anew, and at the far end, in Redis' streams, is every event.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SIMULATED_TOKEN, type Simulator, startSimulator } from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';
import { type Program, startSpectacles } from '../support/process.ts';
import { startServer } from '../support/servers.ts';

const SHARDS = 16;
const EVENTS_WHILE_DOWN = 150;
const FILE = 'sessions.json';

type Store = 'redis' | 'file';

type Stage = {
  readonly store: Store;
  readonly simulator: Simulator;
  readonly redis: Redis;
  readonly redisUrl: string;
  readonly folder: string;
};

async function setStage(store: Store): Promise<Stage> {
  const server = await startServer('redis');
  onTestFinished(() => server.stop());
  const redis = new Redis(server.url);
  onTestFinished(() => redis.disconnect());
  const folder = await mkdtemp(join(tmpdir(), 'spectacles-restart-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const simulator = await startSimulator({
    seed: 31,
    guildCount: 2 * SHARDS,
    rate: 200,
    gateway: { maxConcurrency: SHARDS, recommendedShards: SHARDS },
  });
  onTestFinished(() => simulator.close());
  return { store, simulator, redis, redisUrl: server.url, folder };
}

function startGateway({ store, simulator, redisUrl, folder }: Stage): Program {
  return startSpectacles(['gateway'], {
    folder,
    environment: {
      DISCORD_TOKEN: SIMULATED_TOKEN,
      DISCORD_EVENTS: '*',
      DISCORD_RAW_INTENTS: '53608447',
      DISCORD_API_SCHEME: 'http',
      DISCORD_API_HOST: `127.0.0.1:${simulator.port}`,
      BROKER_TYPE: 'redis',
      REDIS_URL: redisUrl,
      SHARD_STORE_TYPE: store,
      SHARD_STORE_PATH: FILE,
    },
  });
}

function sentCount({ simulator }: Stage): number {
  return simulator.discord.gateway.sessions().reduce((sum, { sequence }) => sum + sequence, 0);
}

/** Discord sends on for a while. */
async function letEventsHappen(stage: Stage): Promise<void> {
  const before = sentCount(stage);
  await until('events have happened', () => sentCount(stage) >= before + EVENTS_WHILE_DOWN);
}

/** Every event that the sessions have sent, as `session:sequence`. */
function sentIds({ simulator }: Stage): ReadonlySet<string> {
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
async function arrivedIds({ redis }: Stage): Promise<ReadonlySet<string>> {
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

function isSubset(part: ReadonlySet<string>, whole: ReadonlySet<string>): boolean {
  return [...part].every((id) => whole.has(id));
}

async function missingIds(stage: Stage): Promise<readonly string[]> {
  const arrived = await arrivedIds(stage);
  return [...sentIds(stage)].filter((id) => !arrived.has(id));
}

/** How many shards have a session in the store. */
async function storedSessions({ store, redis, folder }: Stage): Promise<number> {
  if (store === 'redis') {
    const [key = ''] = await redis.keys('gateway:sessions:*');
    const fields = key === '' ? [] : await redis.hkeys(key);
    return fields.filter((field) => !field.includes(':')).length;
  }
  const text = await readFile(join(folder, FILE), 'utf8').catch(() => '');
  return text.split('"sessionId"').length - 1;
}

describe('a gateway that is started again', () => {
  it.each(['redis', 'file'] as const)(
    'resumes every session and loses no event, with the %s store (GP-69)',
    async (store) => {
      const stage = await setStage(store);
      const { discord } = stage.simulator;
      const { audit } = discord;
      const first = startGateway(stage);
      await first.log('shard is ready', SHARDS);
      await letEventsHappen(stage);
      const seen = new Map(discord.gateway.sessions().map(({ id, sequence }) => [id, sequence]));
      const seenIds = sentIds(stage);
      await until('they have arrived', async () => isSubset(seenIds, await arrivedIds(stage)));
      expect(await first.end('SIGTERM')).toEqual({ status: 0, signal: null });
      await letEventsHappen(stage);

      const second = startGateway(stage);
      await second.log('shard has resumed its session', SHARDS);
      // Each goes on where the first process has left off, and nothing before that is sent again.
      const resumes = audit.of('resume');
      expect(resumes).toHaveLength(SHARDS);
      for (const { session, sequence } of resumes) {
        expect(sequence).toBeGreaterThanOrEqual(seen.get(session) ?? Number.POSITIVE_INFINITY);
      }
      await letEventsHappen(stage);
      await until('all are stored', async () => (await storedSessions(stage)) === SHARDS);
      await second.end('SIGKILL');
      await letEventsHappen(stage);

      const third = startGateway(stage);
      await third.log('shard has resumed its session', SHARDS);
      discord.setRate(0);
      await until('all has arrived', async () => (await missingIds(stage)).length === 0);
      expect(sentIds(stage).size).toBeGreaterThan(4 * EVENTS_WHILE_DOWN);
      expect(audit.count('resume')).toBe(2 * SHARDS);
      expect(audit.count('identify')).toBe(SHARDS);
      expect(audit.of('session-end')).toEqual([]);
      expect(audit.breaches).toEqual([]);
      expect(await third.end('SIGTERM')).toEqual({ status: 0, signal: null });
      for (const { logs, stderr } of [first, second, third]) {
        // Discord limits how often it is asked for the gateway, and a start waits for its turn.
        const trouble = logs.filter(({ level, msg }) => level !== 'info' && !msg.includes('/bot'));
        expect(trouble).toEqual([]);
        expect(stderr).not.toContain(SIMULATED_TOKEN);
      }
    },
    120_000,
  );
});
