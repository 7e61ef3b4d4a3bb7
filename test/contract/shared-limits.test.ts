/** The store of shared limits on a real Redis: its script against a plain function, and what it holds on to. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { SHARED_WAIT_KEPT_MS } from '../../protocols/limits.ts';
import type { Answer, Offer } from '../../protocols/shared-limits.ts';
import { RedisLimits } from '../../src/proxy/limits/redis-limits.ts';
import { EXCHANGE_SCRIPT } from '../../src/proxy/limits/scripts.ts';
import { systemClock } from '../../src/system-clock.ts';
import { until } from '../support/broker-bench.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { placeOf } from '../support/redis-bench.ts';
import { startCluster } from '../support/redis-cluster.ts';
import { startServer } from '../support/servers.ts';
import { redisUrl } from '../support/shared-servers.ts';
import { exchangeIn, NOTHING_STORED } from '../support/shared-store.ts';

const redis = new Redis(redisUrl());
const open: RedisLimits[] = [];

afterEach(async () => {
  for (const limits of open.splice(0)) await limits.close();
});
afterAll(() => redis.disconnect());

async function join(
  prefix: string,
  proxy: string,
  place = placeOf(redisUrl()),
): Promise<RedisLimits> {
  const limits = new RedisLimits({
    place,
    prefix,
    proxiesMin: 2,
    proxy,
    clock: systemClock,
    random: Math.random,
    log: new RecordingLog(),
    counted: () => {},
    wentAway: () => {},
  });
  open.push(limits);
  await limits.start();
  return limits;
}

const LOOK: Offer = { expected: '', next: null, waitsFor: null, hadTurn: false };
const offerOf = (expected: string, version: string, text = version): Offer => ({
  ...LOOK,
  expected,
  next: { version, text, keptMs: 60_000 },
});

const proxies = ['one', 'two', 'three'] as const;
const operations = fc.array(
  fc.record({
    proxy: fc.constantFrom(...proxies),
    /** What it takes the place to be at: what it heard last, or nothing. */
    isCurrent: fc.boolean(),
    offers: fc.boolean(),
    waitsFor: fc.constantFrom(null, 'a', 'b\nc'),
    hadTurn: fc.boolean(),
  }),
  { maxLength: 25 },
);

describe('an exchange', () => {
  it('does on the server what the plain function does', async () => {
    await fc.assert(
      fc.asyncProperty(operations, async (list) => {
        const key = `exchange:${randomUUID()}`;
        let place = NOTHING_STORED;
        let nowMs = 0;
        const known = new Map<string, string>();
        for (const [index, { proxy, isCurrent, offers, waitsFor, hadTurn }] of list.entries()) {
          const expected = isCurrent ? place.version : (known.get(proxy) ?? '');
          const version = offers ? `${index + 1} ${proxy}` : '';
          const values = [proxy, expected, version, `text ${index}`, 60_000, waitsFor ?? ''];
          const reply = await redis.eval(
            EXCHANGE_SCRIPT,
            1,
            key,
            ...values,
            hadTurn ? '1' : '0',
            SHARED_WAIT_KEPT_MS,
            'channel:',
          );
          const [, , kept, now, text, ahead] = reply as [
            string,
            string,
            number,
            string,
            string | null,
            string[],
          ];
          const next = offers ? { version, text: `text ${index}`, keptMs: 60_000 } : null;
          const offer = { expected, next, waitsFor, hadTurn };
          const [after, answer] = exchangeIn(place, proxy, offer, ++nowMs);
          const sorted = (one: Answer) => ({ ...one, ahead: [...one.ahead].sort() });
          expect(sorted({ kept: kept === 1, version: now, text, ahead })).toEqual(sorted(answer));
          place = after;
          known.set(proxy, now);
          // Who has waited longer is told to the millisecond.
          await sleep(2);
        }
        await redis.del(key);
      }),
      { numRuns: 40 },
    );
  }, 60_000);

  it('P74: of many that decide at once exactly one decides each time', async () => {
    const prefix = randomUUID();
    const all = await Promise.all(proxies.map((proxy) => join(prefix, proxy)));
    const increase = async (limits: RedisLimits): Promise<void> => {
      let known: Answer = { kept: false, version: '', text: null, ahead: [] };
      for (let done = 0; done < 40; ) {
        const count = Number(known.version.split(' ')[0] || 0) + 1;
        const version = `${count} ${limits.proxy}`;
        const answer = await limits.exchange('count', offerOf(known.version, version));
        if (answer === null) throw new Error('Redis went away');
        known = answer;
        if (answer.kept) done += 1;
      }
    };
    await Promise.all(all.flatMap((limits) => [increase(limits), increase(limits)]));
    const last = await all[0]?.exchange('count', LOOK);
    expect(last?.version.split(' ')[0]).toBe(String(2 * 40 * proxies.length));
  });

  it('P76: tells those that wait, on connections that stood before they waited', async () => {
    const prefix = randomUUID();
    const [one, two] = [await join(prefix, 'one'), await join(prefix, 'two')];
    let news = 0;
    two.watch('place', () => {
      news += 1;
    });
    await one.exchange('place', offerOf('', '1 one'));
    await sleep(50);
    // Nobody waits: nobody is told.
    const heard = news;
    await two.exchange('place', { ...LOOK, waitsFor: 'a turn' });
    await one.exchange('place', offerOf('1 one', '2 one'));
    await until('the other has heard of it', () => news > heard);
  });
});

describe('what is held', () => {
  it('P77: five hundred that wait take no connection more than one does', async () => {
    const server = await startServer('redis');
    const watcher = new Redis(server.url);
    try {
      const limits = await join(randomUUID(), 'one', placeOf(server.url));
      const connections = async (): Promise<number> =>
        String(await watcher.client('LIST'))
          .split('\n')
          .filter((line) => line.includes('name=spectacles-')).length;
      const before = await connections();
      const waiters = Array.from({ length: 500 }, (_, index) => {
        limits.watch(`place ${index}`, () => {});
        return limits.exchange(`place ${index}`, { ...LOOK, waitsFor: 'a turn' });
      });
      const during = await connections();
      expect((await Promise.all(waiters)).every((answer) => answer?.kept === true)).toBe(true);
      expect([during, await connections()]).toEqual([before, before]);
      // And none of them keeps a release from being heard.
      const release = await limits.exchange('place 7', offerOf('', '1 one'));
      expect(release?.kept).toBe(true);
      await limits.close();
    } finally {
      watcher.disconnect();
      await server.stop();
    }
  });

  it('P75: every key expires, whether it is kept, waited for or a proxy', async () => {
    const prefix = randomUUID();
    const limits = await join(prefix, 'one');
    await limits.exchange('kept', offerOf('', '1 one'));
    await limits.exchange('waited for', { ...LOOK, waitsFor: 'a turn' });
    const keys = await redis.keys(`${prefix}:*`);
    expect(keys).toHaveLength(4);
    for (const key of keys) expect(await redis.pttl(key)).toBeGreaterThan(0);
  });

  it('says who is there, and who has gone', async () => {
    const prefix = randomUUID();
    const one = await join(prefix, 'one');
    const two = await join(prefix, 'two');
    await until('they have seen each other', () => one.standing.proxies === 2, 5_000);
    await until('all is theirs', () => one.standing.share === 1 && two.standing.share === 1, 5_000);
    await two.close();
    await until('one is left', () => one.standing.proxies === 1, 5_000);
    expect(one.standing).toMatchObject({ together: true, share: 1 });
  });

  it('may be held by the servers of a cluster', async () => {
    const cluster = await startCluster();
    try {
      const prefix = randomUUID();
      const one = await join(prefix, 'one', cluster.place);
      const two = await join(prefix, 'two', cluster.place);
      const heard = new Set<number>();
      for (let index = 0; index < 20; index++) {
        const place = `place ${index}`;
        two.watch(place, () => heard.add(index));
        await two.exchange(place, { ...LOOK, waitsFor: 'a turn' });
        const answer = await one.exchange(place, offerOf('', '1 one'));
        expect(answer).toMatchObject({ kept: true, ahead: ['a turn'] });
      }
      await until('the other has heard of each', () => heard.size === 20);
      await until('they have seen each other', () => one.standing.proxies === 2, 5_000);
      for (const limits of open.splice(0)) await limits.close();
    } finally {
      await cluster.stop();
    }
  }, 60_000);
});
