/** Every store of sessions under the one contract: memory, a file, a real Redis, a real cluster. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { SessionArchive } from '../../actors/sessions/ports.ts';
import type { RedisPlace } from '../../src/brokers/redis-connection.ts';
import { ledgerName } from '../../src/gateway/identify/open-ledger.ts';
import { redisLedger } from '../../src/gateway/identify/redis-ledger.ts';
import { fileArchive } from '../../src/gateway/stores/file-archive.ts';
import { type LocalShelves, localArchive } from '../../src/gateway/stores/local-archive.ts';
import { redisArchive } from '../../src/gateway/stores/redis-archive.ts';
import { RedisDoor } from '../../src/gateway/stores/redis-door.ts';
import { systemClock } from '../../src/system-clock.ts';
import { documentedUser } from '../support/documented-user.ts';
import { starts } from '../support/governor-bench.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { placeOf } from '../support/redis-bench.ts';
import { startCluster } from '../support/redis-cluster.ts';
import { startServer, type TestServer } from '../support/servers.ts';
import { PLACE, recordOf } from '../support/session-records.ts';
import { describeSessionArchive, type StoreBench } from './session-archive-contract.ts';

const clock = systemClock;

function redisBench(place: RedisPlace, servers: readonly TestServer[]): StoreBench {
  const opened: SessionArchive[] = [];
  return {
    open(sessions, owner) {
      const door = new RedisDoor(place, clock);
      const archive = redisArchive({ door, place: sessions, owner, log: new RecordingLog() });
      opened.push(archive);
      return archive;
    },
    async wipe() {
      for (const { url } of servers) {
        const client = new Redis(url);
        await client.flushall();
        client.disconnect();
      }
    },
    async stop() {
      for (const archive of opened) await archive.close();
      for (const server of servers) await server.stop();
    },
  };
}

// What keeps places apart is asserted of each of them.
describe('every store of sessions (GP-22)', () => {
  describeSessionArchive('memory', async () => {
    const shelves: LocalShelves = new Map();
    return {
      open: (place, owner) => localArchive({ shelves, place, owner, clock }),
      wipe: async () => {
        for (const shelf of shelves.values()) shelf.clear();
      },
      stop: async () => undefined,
    };
  });

  describeSessionArchive('a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'spectacles-sessions-'));
    const path = join(folder, 'sessions.json');
    return {
      open: (place, owner) => fileArchive({ path, place, owner, clock }),
      wipe: () => rm(path),
      stop: () => rm(folder, { recursive: true }),
    };
  });

  describeSessionArchive('Redis', async () => {
    const server = await startServer('redis');
    return redisBench(placeOf(server.url), [server]);
  });

  describeSessionArchive('a Redis cluster', async () => {
    const { place, servers } = await startCluster();
    return redisBench(place, servers);
  });
});

describe('a Redis user of its own', () => {
  it('needs no more rights than docs/sessions.md names', async () => {
    const server = await startServer('redis');
    onTestFinished(() => server.stop());
    const place = placeOf(await documentedUser(server.url, 'sessions.md', PLACE.prefix));
    const bench = redisBench(place, []);
    onTestFinished(() => bench.stop());
    const archive = bench.open(PLACE, 'owner');
    const request = { shards: [0], ageMs: 0 };
    const {
      claims: [claimed],
    } = await archive.claim(request);
    const change = { shard: 0, generation: claimed?.generation ?? 0 };
    await archive.save({ number: 1, changes: [{ ...change, record: recordOf(1) }] });
    await archive.save({ number: 2, changes: [{ ...change, record: undefined }] });
    expect((await archive.claim(request)).claims).toEqual([{ ...change, record: undefined }]);
    const name = ledgerName(PLACE.prefix, PLACE.application);
    const door = new RedisDoor(place, clock);
    onTestFinished(() => door.close());
    const ledger = redisLedger({ door, name, owner: 'owner' });
    await ledger.learn(starts());
    const { kind } = await ledger.take({ shard: 0, floor: 0, owed: 0, known: starts() });
    expect(kind).toBe('granted');
  });
});
