/** Which connections to a real Redis are opened: those that are used, and no others. */
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { RedisDoor } from '../../src/gateway/stores/redis-door.ts';
import { redisStore } from '../../src/proxy/limits/redis-store.ts';
import { systemClock } from '../../src/system-clock.ts';
import { createBench } from '../support/broker-bench.ts';
import { redisConfig } from '../support/broker-peers.ts';
import { placeOf } from '../support/redis-bench.ts';
import { startServer } from '../support/servers.ts';

async function startPrivate() {
  const server = await startServer('redis');
  onTestFinished(() => server.stop());
  const watcher = new Redis(server.url);
  onTestFinished(() => watcher.disconnect());
  /** What the connections of Spectacles are for. */
  const roles = async (): Promise<readonly string[]> => {
    const list = String(await watcher.client('LIST'));
    return [...list.matchAll(/ name=spectacles-(\w+) /g)].map((match) => match[1] ?? '').sort();
  };
  return { url: server.url, roles };
}

describe('connections to Redis', () => {
  it('are one for a session store', async () => {
    const { url, roles } = await startPrivate();
    const door = new RedisDoor(placeOf(url), systemClock);
    onTestFinished(() => door.close());
    await door.reach();
    expect(await roles()).toEqual(['commands']);
  });

  it('are two for shared limits: for questions, and for what others tell', async () => {
    const { url, roles } = await startPrivate();
    const { signal } = new AbortController();
    const link = await redisStore(placeOf(url), systemClock).open(signal, () => undefined);
    onTestFinished(() => link.close());
    await link.listen('a channel', () => undefined);
    expect(await roles()).toEqual(['commands', 'replies']);
  });

  it('are two for a broker that publishes, one of them for events alone', async () => {
    const { url, roles } = await startPrivate();
    const bench = createBench();
    onTestFinished(() => bench.stop());
    await bench.open(redisConfig(url, 'connections'));
    expect(await roles()).toEqual(['commands', 'events']);
  });
});
