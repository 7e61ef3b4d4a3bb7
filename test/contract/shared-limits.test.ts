/**
 * The store of shared limits on a real Redis: its script against a plain function, and what it
 * holds on to.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { Redis } from 'ioredis';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Answer, Offer } from '../../protocols/shared-limits.ts';
import { RedisLimits } from '../../src/proxy/limits/redis-limits.ts';
import { redisStore } from '../../src/proxy/limits/redis-store.ts';
import { EXCHANGE_SCRIPT, GREET_SCRIPT, LEAVE_SCRIPT } from '../../src/proxy/limits/scripts.ts';
import { systemClock } from '../../src/system-clock.ts';
import { until } from '../support/broker-bench.ts';
import { documentedUser } from '../support/documented-user.ts';
import { MemoryStore } from '../support/memory-store.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { placeOf } from '../support/redis-bench.ts';
import { startCluster } from '../support/redis-cluster.ts';
import { startServer } from '../support/servers.ts';
import { redisUrl } from '../support/shared-servers.ts';

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
    store: redisStore(place, systemClock),
    prefix,
    proxiesMin: 2,
    address: 'default',
    proxy,
    clock: systemClock,
    random: Math.random,
    log: new RecordingLog(),
    counted: () => {},
    wentAway: () => {},
  });
  open.push(limits);
  await limits.start(new AbortController().signal);
  return limits;
}

const LOOK: Offer = { expected: '', next: null, waitsFor: null, hadTurn: false };
const offerOf = (expected: string, version: string, text = version): Offer => ({
  ...LOOK,
  expected,
  next: { version, text, keptMs: 60_000 },
});

const proxies = ['one', 'two', 'three'] as const;

/**
 * Belief and memory in the store last this long; steps of time never come near to it by themselves.
 */
const KEPT_MS = 60_000;
const LONG_STEP_MS = 35_000;
const START_MS = 1_700_000_000_000;

const exchanges = fc.record({
  kind: fc.constant('exchange' as const),
  proxy: fc.constantFrom(...proxies),
  place: fc.constantFrom('{a}', '{b}'),
  /** What it takes the place to be at: what it is at, or what it heard last. */
  isCurrent: fc.boolean(),
  offers: fc.boolean(),
  waitsFor: fc.constantFrom('', 'a', 'b\nc'),
  hadTurn: fc.boolean(),
});
const greetings = fc.record({
  kind: fc.constant('greet' as const),
  proxy: fc.constantFrom(...proxies),
  knows: fc.boolean(),
  givesUp: fc.boolean(),
  othersAgoMs: fc.array(fc.integer({ min: 0, max: KEPT_MS - LONG_STEP_MS }), { maxLength: 3 }),
});
const departures = fc.record({
  kind: fc.constant('leave' as const),
  proxy: fc.constantFrom(...proxies),
});
const steps = fc.array(
  fc.record({
    deed: fc.oneof(
      { weight: 6, arbitrary: exchanges },
      { weight: 3, arbitrary: greetings },
      {
        weight: 1,
        arbitrary: departures,
      },
    ),
    // The clock may go back, too.
    afterMs: fc.constantFrom(0, 0, 1, 7, 7.5, LONG_STEP_MS, -20),
  }),
  { maxLength: 25 },
);

type Deed = { readonly kind: 'exchange' | 'greet' | 'leave'; readonly proxy: string };

/** One run of the same scripts on a real server and in memory, at the same times. */
class SideBySide {
  readonly prefix = randomUUID();
  readonly words: (readonly [channel: string, word: string])[] = [];
  nowMs = START_MS;
  readonly memory = new MemoryStore({ epochMs: () => this.nowMs }, (channel, word) =>
    this.words.push([channel, word]),
  );
  readonly #known = new Map<string, string>();
  #memoryName = 'no memory yet';
  #runs = 0;

  /** What a real server has grows older by as much as virtual time has passed. */
  async pass(ms: number): Promise<void> {
    this.nowMs += ms;
    for (const key of await redis.keys(`${this.prefix}*`)) {
      const leftMs = (await redis.pttl(key)) - ms;
      if (leftMs > 0) await redis.pexpire(key, Math.round(leftMs));
      else await redis.del(key);
    }
  }

  async run(deed: Deed & Partial<ExchangeDeed & GreetDeed>): Promise<void> {
    this.#runs += 1;
    const { script, keys, values } = this.#asked(deed);
    const seconds = Math.floor(this.nowMs / 1_000);
    const time = `{ '${seconds}', '${Math.floor((this.nowMs - seconds * 1_000) * 1_000)}' }`;
    const timed = script.replace("redis.call('TIME')", time);
    const real = await redis.eval(timed, keys.length, ...keys, ...values);
    const modelled = this.memory.run(script, keys, values);
    expect(unordered(real)).toEqual(unordered(modelled));
    if (deed.kind === 'greet' && Array.isArray(real)) this.#memoryName = String(real[2]);
    if (deed.kind === 'exchange' && Array.isArray(real)) {
      this.#known.set(`${deed.proxy} ${keys[0]}`, String(real[3]));
      this.#known.set(`now ${keys[0]}`, String(real[3]));
    }
    for (const key of keys) await this.#compareAge(key);
  }

  #asked(deed: Deed & Partial<ExchangeDeed & GreetDeed>) {
    const { kind, proxy } = deed;
    const [members, memory] = [`${this.prefix}{p}`, `${this.prefix}{p}:memory`];
    if (kind === 'leave') return { script: LEAVE_SCRIPT, keys: [members], values: [proxy] };
    if (kind === 'greet') {
      const { knows, givesUp, othersAgoMs = [] } = deed;
      const others = othersAgoMs.flatMap((agoMs, index) => [proxies[index] ?? '', String(agoMs)]);
      const known = knows === true ? this.#memoryName : 'another memory';
      const kept = [String(2 * KEPT_MS), String(KEPT_MS)];
      const asked = [proxy, `memory ${this.#runs}`, ...kept, known, givesUp === true ? '1' : '0'];
      const values = [...asked, ...others];
      return { script: GREET_SCRIPT, keys: [members, memory], values };
    }
    const { place = '', isCurrent, offers, waitsFor = '', hadTurn } = deed;
    const key = `${this.prefix}${place}`;
    const expected = this.#known.get(isCurrent === true ? `now ${key}` : `${proxy} ${key}`) ?? '';
    const version = offers === true ? `${this.#runs} ${proxy}` : '';
    const turn = hadTurn === true ? '1' : '0';
    const channel = `${this.prefix}:news:`;
    const kept = [String(2 * KEPT_MS), waitsFor, turn, String(KEPT_MS), channel, place];
    const values = [proxy, expected, version, `text ${this.#runs}`, ...kept];
    return { script: EXCHANGE_SCRIPT, keys: [key], values };
  }

  /** To within what a run may take of real time, which is far less than any bound. */
  async #compareAge(key: string): Promise<void> {
    const [leftMs, modelledMs] = [await redis.pttl(key), this.memory.keptMs(key)];
    const isThere = leftMs !== NO_KEY;
    expect([key, isThere]).toEqual([key, modelledMs !== null]);
    if (isThere) expect(Math.abs(leftMs - (modelledMs ?? 0))).toBeLessThan(LONG_STEP_MS / 2);
  }
}

type ExchangeDeed = {
  readonly place: string;
  readonly isCurrent: boolean;
  readonly offers: boolean;
  readonly waitsFor: string;
  readonly hadTurn: boolean;
};
type GreetDeed = {
  readonly knows: boolean;
  readonly givesUp: boolean;
  readonly othersAgoMs: readonly number[];
};

const NO_KEY = -2;

/** Who waits is listed in no order. */
const unordered = (reply: unknown): unknown =>
  Array.isArray(reply)
    ? reply.map((one) => (Array.isArray(one) ? [...one].map(String).sort() : one))
    : reply;

describe('the scripts', () => {
  it('do on the server what the store in memory does, words and ages included', async () => {
    const listener = redis.duplicate();
    try {
      await fc.assert(
        fc.asyncProperty(steps, async (list) => {
          const both = new SideBySide();
          const heard: (readonly [string, string])[] = [];
          listener.removeAllListeners('pmessage');
          listener.on('pmessage', (_pattern, channel, word) => heard.push([channel, word]));
          const pattern = `${both.prefix}:news:*`;
          await listener.psubscribe(pattern);
          for (const { deed, afterMs } of list) {
            await both.pass(afterMs);
            await both.run(deed);
          }
          // Whatever was published before has come when its answer has.
          await listener.punsubscribe(pattern);
          expect([...heard].map(String).sort()).toEqual(both.words.map(String).sort());
          const keys = await redis.keys(`${both.prefix}*`);
          if (keys.length > 0) await redis.del(...keys);
        }),
        { numRuns: 60 },
      );
    } finally {
      listener.disconnect();
    }
  });
});

describe('an exchange', () => {
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
    await until('they have seen each other', () => one.standing.proxies === 2);
    await until('all is theirs', () => one.standing.share === 1 && two.standing.share === 1);
    await two.close();
    await until('one is left', () => one.standing.proxies === 1);
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
      await until('they have seen each other', () => one.standing.proxies === 2);
      for (const limits of open.splice(0)) await limits.close();
    } finally {
      await cluster.stop();
    }
  });
});

it('needs no more rights than docs/rate-limits.md names', async () => {
  const server = await startServer('redis');
  try {
    const place = placeOf(await documentedUser(server.url, 'rate-limits.md', 'p'));
    const one = await join('p', 'one', place);
    const two = await join('p', 'two', place);
    const news: string[] = [];
    one.watch('{a}', () => news.push('a'));
    await one.exchange('{a}', { ...LOOK, waitsFor: 'a turn' });
    expect(await two.exchange('{a}', offerOf('', '1 two'))).toMatchObject({ kept: true });
    await until('the other hears of it', () => news.length > 0);
    expect(await one.exchange('{a}', LOOK)).toMatchObject({ kept: false, text: '1 two' });
    for (const limits of open.splice(0)) await limits.close();
  } finally {
    await server.stop();
  }
});
