/**
 * What can go wrong with publishing to Redis: lost answers, full and read-only servers, trimming,
 * clocks.
 */
import { rmSync } from 'node:fs';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { BROKER_OPERATIONS_MAX } from '../../protocols/limits.ts';
import type { MessageOptions } from '../../src/client/broker-types.ts';
import { Redis as RedisBroker } from '../../src/client/redis.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { body, Inbox, RecordingOrigin, until, writeEvent } from '../support/broker-bench.ts';
import { countedConfig, type LinkBench, placeOf } from '../support/redis-bench.ts';
import {
  admin,
  bench,
  counts,
  event,
  group,
  linkBench,
  proxy,
  server,
  setRedisFaultStage,
  throughProxy,
} from '../support/redis-faults.ts';
import { startServer } from '../support/servers.ts';

const HOUR_MS = 3_600_000;

setRedisFaultStage();

async function serverMs(): Promise<number> {
  const [seconds] = await admin.time();
  return Number(seconds) * 1_000;
}

/** Lets virtual time pass while the real server goes on answering. */
async function passing(clock: VirtualClock, condition: () => boolean): Promise<void> {
  await until('time has passed', () => {
    clock.advance(1_000);
    return condition();
  });
}

describe('a publish over Redis', () => {
  it('R7 whose answer was lost is sent again under the same id', async () => {
    const broker = await bench.open(countedConfig(throughProxy(), group, counts));
    proxy.drop('replies');
    const published = broker.publish(event, body('twice'));
    await until('it was applied', async () => (await admin.xlen(event)) === 1);
    proxy.resume();
    proxy.reset();
    await published;
    const entries = await admin.xrange(event, '-', '+');
    expect(entries).toHaveLength(2);
    const ids = entries.map(([, fields]) => fields[fields.indexOf('id') + 1]);
    expect(new Set(ids).size).toBe(1);
  });

  it('R8 R31 fails with its link when the server gives no sign of life', async () => {
    const clock = new VirtualClock();
    const made = linkBench({ place: placeOf(throughProxy()), clock });
    const link = await made.open();
    proxy.pause();
    const published = link.publish(event, body(1), 'id', {}).catch((error: unknown) => error);
    clock.advance(5_000);
    clock.advance(9_000);
    expect(made.reasons).toEqual([]);
    clock.advance(1_500);
    await until('it was noticed', () => made.reasons.length === 1);
    expect(made.reasons[0]).toMatchObject({ code: 'BROKER_UNAVAILABLE' });
    link.destroy();
    expect(await published).toMatchObject({ code: 'BROKER_UNAVAILABLE' });
  });

  it('R10 waits in a buffer of ours that is bounded, and is delivered when the server is back', async () => {
    const own = await startServer('redis');
    const broker = await bench.open(countedConfig(own.url, group, counts));
    try {
      await own.kill();
      await until('it was noticed', () => broker.state === 'away');
      const waiting = Array.from({ length: BROKER_OPERATIONS_MAX }, (_, index) =>
        broker.publish(event, body(index)),
      );
      await expect(broker.publish(event, body('one more'))).rejects.toMatchObject({
        code: 'BROKER_UNAVAILABLE',
        message: expect.stringContaining(String(BROKER_OPERATIONS_MAX)),
      });
      await own.restart();
      await Promise.all(waiting);
      const other = new Redis(own.url);
      expect(await other.xlen(event)).toBe(BROKER_OPERATIONS_MAX);
      other.disconnect();
    } finally {
      await own.stop();
    }
  });

  it('fails when nobody has ever subscribed, if that matters to its sender', async () => {
    const broker = await bench.open(countedConfig(server.url, group, counts));
    const refused = { code: 'UNROUTABLE' };
    const options = { mandatory: true };
    await expect(broker.publish(event, body(1), options)).rejects.toMatchObject(refused);
    await broker.publish(event, body(2));
    await expect(broker.publish(event, body(3), options)).rejects.toMatchObject(refused);
    const inbox = new Inbox();
    await broker.subscribe(event, inbox.handler);
    await broker.publish(event, body(4), options);
    await until('both came', () => inbox.deliveries.length === 2);
    expect(inbox.values).toEqual([2, 4]);
  });

  it('needs no connection for events where none are written', async () => {
    const own = await startServer('redis');
    onTestFinished(() => own.stop());
    const broker = new RedisBroker(group, new Redis(own.url));
    broker.on(event, (_data: unknown, { ack, reply }: MessageOptions) => {
      void ack();
      void reply('answered');
    });
    await broker.subscribe(event);
    await expect(broker.call(event, 1)).resolves.toBe('answered');
    const asked = new Redis(own.url);
    const list = String(await asked.client('LIST'));
    asked.disconnect();
    const roles = [...list.matchAll(/ name=spectacles-(\w+) /g)].map(([, role]) => role);
    expect(roles.sort()).toEqual(['commands', 'reader', 'replies']);
    await broker.disconnect();
  });
});

describe('a Redis that cannot write', () => {
  it.each([
    [
      'OOM',
      () => admin.config('SET', 'maxmemory', '1kb'),
      () => admin.config('SET', 'maxmemory', '0'),
    ],
    [
      'NOREPLICAS',
      () => admin.config('SET', 'min-replicas-to-write', '1'),
      () => admin.config('SET', 'min-replicas-to-write', '0'),
    ],
    ['READONLY', () => admin.replicaof('127.0.0.1', '1'), () => admin.replicaof('NO', 'ONE')],
  ])(
    'R28 R37 is away while it says %s, loses nothing, and comes back',
    async (word, spoil, mend) => {
      const broker = await bench.open(countedConfig(server.url, group, counts));
      const consumer = await bench.open(countedConfig(server.url, group, counts));
      const inbox = new Inbox();
      await consumer.subscribe(event, inbox.handler);
      const origin = new RecordingOrigin();
      await spoil();
      writeEvent(broker, event, { sequence: 1 }, origin, 1);
      await until('it was noticed', () => broker.state === 'away');
      expect(origin.lostSequences).toEqual([1]);
      const published = broker.publish(event, body('patient'));
      const said = new RegExp(`${word}|replica`);
      await until('its opening is refused', () =>
        bench.log
          .at('warn')
          .some(
            ({ fields, message }) =>
              said.test(String(fields.reason)) && message.includes('cannot be reached'),
          ),
      );
      await mend();
      await published;
      await until('it came', () => inbox.values.includes('patient'));
      expect(bench.failures).toEqual([]);
    },
  );

  it('is away while it does not say who reads, and is sent again what was mandatory', async () => {
    const broker = await bench.open(countedConfig(server.url, group, counts));
    const consumer = await bench.open(countedConfig(server.url, group, counts));
    const inbox = new Inbox();
    await consumer.subscribe(event, inbox.handler);
    await admin.config('SET', 'replica-serve-stale-data', 'no');
    await admin.replicaof('127.0.0.1', '1');
    const published = broker.publish(event, body('patient'), { mandatory: true });
    await until('it was noticed', () => broker.state === 'away');
    await admin.replicaof('NO', 'ONE');
    await admin.config('SET', 'replica-serve-stale-data', 'yes');
    await published;
    await until('it came', () => inbox.values.includes('patient'));
    expect(bench.failures).toEqual([]);
  });

  it('R37 is away while it says MISCONF, since it cannot save, and comes back', async () => {
    const own = await startServer('redis');
    const keeper = new Redis(own.url);
    try {
      const broker = await bench.open(countedConfig(own.url, group, counts));
      const [, folder] = (await keeper.config('GET', 'dir')) as [string, string];
      rmSync(folder, { recursive: true, force: true });
      await keeper.config('SET', 'save', '3600 1');
      await keeper.bgsave();
      await until('it could not save', async () =>
        /rdb_last_bgsave_status:err/.test(await keeper.info('persistence')),
      );
      const published = broker.publish(event, body('patient'));
      await until('it was noticed', () => broker.state === 'away');
      expect(JSON.stringify(bench.log.at('warn'))).toContain('MISCONF');
      await keeper.config('SET', 'stop-writes-on-bgsave-error', 'no');
      await published;
      expect(bench.failures).toEqual([]);
    } finally {
      keeper.disconnect();
      await own.stop();
    }
  });

  it('R37 is waited for while it is loading what it had on disk', async () => {
    const own = await startServer('redis', {
      arguments: [
        ...['--save', '3600 100000', '--key-load-delay', '1000'],
        ...['--loading-process-events-interval-bytes', '1024'],
      ],
    });
    const keeper = new Redis(own.url, { retryStrategy: () => 50 });
    keeper.on('error', () => undefined);
    try {
      const many = keeper.pipeline();
      for (let index = 0; index < 1_500; index++) many.set(`key${index}`, 'x'.repeat(100));
      await many.exec();
      await keeper.save();
      await own.kill();
      const restarted = own.restart();
      let isLoading = false;
      const watcher = new Redis(own.url, { enableReadyCheck: false, retryStrategy: () => 20 });
      watcher.on('error', () => undefined);
      await until('it is loading', async () => {
        const info = await watcher.info('persistence').catch(() => '');
        isLoading ||= /\bloading:1/.test(info);
        return isLoading;
      });
      watcher.disconnect();
      const broker = await bench.open(countedConfig(own.url, group, counts));
      await broker.publish(event, body('loaded'));
      expect(bench.failures).toEqual([]);
      await restarted;
    } finally {
      keeper.disconnect();
      await own.stop();
    }
  });

  it('R14 is warned about once when it may throw streams away', async () => {
    await admin.config('SET', 'maxmemory', '500mb', 'maxmemory-policy', 'allkeys-lru');
    try {
      const made = linkBench();
      (await made.open()).destroy();
      (await made.open()).destroy();
      expect(made.log.at('warn').map(({ message }) => message)).toEqual([
        expect.stringContaining('set maxmemory-policy to noeviction'),
      ]);
      // Only keys with an expiry, which streams do not have.
      await admin.config('SET', 'maxmemory-policy', 'volatile-lru');
      const safe = linkBench();
      await safe.open();
      expect(safe.log.at('warn')).toEqual([]);
    } finally {
      await admin.config('SET', 'maxmemory', '0', 'maxmemory-policy', 'noeviction');
    }
  });
});

describe('trimming Redis streams', () => {
  const OLD = 500;

  /** Entries that are two hours old by the server's clock, and three that are new. */
  async function fill(): Promise<void> {
    const oldMs = (await serverMs()) - 2 * HOUR_MS;
    const many = admin.pipeline();
    for (let index = 0; index < OLD; index++)
      many.xadd(event, `${oldMs}-${index + 1}`, 'data', '1');
    for (let index = 0; index < 3; index++) many.xadd(event, '*', 'data', '2');
    await many.exec();
  }

  async function remainingOld(): Promise<number> {
    const entries = await admin.xrange(event, '-', '+');
    return entries.filter(([, fields]) => fields[1] === '1').length;
  }

  async function trimOnce(): Promise<LinkBench> {
    // Its own clock is years behind, which must not matter.
    const clock = new VirtualClock(1_000);
    const made = linkBench({ clock, retentionMs: HOUR_MS });
    const link = await made.open();
    link.sink.prepare(0, event);
    await passing(clock, () => clock.nowMs() > 61_000);
    await until('it was trimmed', async () => (await admin.xlen(event)) < OLD);
    await link.close(100);
    return made;
  }

  it('R15 R36 drops what is older than the retention by the clock of the server, and nothing younger', async () => {
    await fill();
    await admin.xgroup('CREATE', event, group, '$');
    const made = await trimOnce();
    expect(await remainingOld()).toBeLessThan(100);
    expect((await admin.xrange(event, '-', '+')).filter(([, f]) => f[1] === '2')).toHaveLength(3);
    expect(made.counts.of('trimmed-unread')).toBe(0);
    expect(made.log.at('warn')).toEqual([]);
  });

  it('R15 counts and tells what the slowest group has not read', async () => {
    await fill();
    await admin.xgroup('CREATE', event, 'quick', '$');
    await admin.xgroup('CREATE', event, group, '0');
    await admin.xreadgroup('GROUP', group, 'slow', 'COUNT', 150, 'STREAMS', event, '>');
    const made = await trimOnce();
    const missed = OLD - 150 - (await remainingOld());
    expect(missed).toBeGreaterThan(0);
    expect(made.counts.of('trimmed-unread')).toBe(missed);
    expect(made.log.at('warn')).toMatchObject([{ fields: { event, group, missed } }]);
  });
});

describe('deadlines over Redis', () => {
  it('R36 drops and counts what nobody waits for any more, by the clock of the server', async () => {
    const made = linkBench({ clock: new VirtualClock(1_000) });
    const link = await made.open();
    const nowMs = await serverMs();
    const nanoseconds = (ms: number) => `${ms}000000`;
    const add = (data: string, timeoutAt: string) =>
      admin.xadd(event, '*', 'timeout_at', timeoutAt, 'data', data);
    await add('late', nanoseconds(nowMs - 1_000));
    await add('early', nanoseconds(nowMs + 60_000));
    await add('unreadable', 'tomorrow');
    await link.consume(event);
    await until('the others came', () => made.deliveries.length === 2);
    expect(made.texts).toEqual(['early', 'unreadable']);
    expect(made.counts.of('expired')).toBe(1);
    await until('all are acked', async () => {
      const [pending] = (await admin.xpending(event, group)) as [number];
      return Number(pending) === 0;
    });
  });

  it('R36 writes them by the clock of the server, as the Rust client reads them', async () => {
    const link = await linkBench({ clock: new VirtualClock(1_000) }).open();
    const before = await serverMs();
    await link.publish(event, body(1), 'id', { expirationMs: 5_000 });
    const [entry] = await admin.xrange(event, '-', '+');
    const fields = entry?.[1] ?? [];
    expect(fields.slice(0, 4)).toEqual(['data', expect.anything(), 'id', 'id']);
    const timeoutAt = fields[fields.indexOf('timeout_at') + 1] ?? '';
    expect(timeoutAt).toMatch(/^\d{19}$/);
    const timeoutMs = Number(BigInt(timeoutAt) / 1_000_000n);
    expect(timeoutMs - before).toBeGreaterThanOrEqual(5_000 - 1_000);
    expect(timeoutMs - before).toBeLessThan(60_000);
  });
});
