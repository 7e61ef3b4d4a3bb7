/**
 * What can go wrong with calls over Redis: quick, late and lost answers, and those of the Go
 * client.
 */
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { Broker } from '../../protocols/broker.ts';
import { decodeBody } from '../../protocols/wire/body.ts';
import { Redis as RedisBroker } from '../../src/client/redis.ts';
import { body, until } from '../support/broker-bench.ts';
import { countedConfig } from '../support/redis-bench.ts';
import {
  admin,
  bench,
  counts,
  event,
  group,
  proxy,
  server,
  setRedisFaultStage,
  throughProxy,
} from '../support/redis-faults.ts';

const CALL = { timeoutMs: 10_000 };

let responders: Redis[];

setRedisFaultStage();

beforeEach(() => {
  responders = [];
});

afterEach(() => {
  for (const redis of responders) redis.disconnect();
});

/**
 * Somebody else's service, which answers each entry as fast as it can on a channel of its own
 * choice.
 */
async function respond(channelOf: (id: string) => string): Promise<void> {
  const redis = new Redis(server.url);
  responders.push(redis);
  const answerer = new Redis(server.url);
  responders.push(answerer);
  const loop = async () => {
    for (let last = '0'; ; ) {
      const reply = await redis.xread('BLOCK', 0, 'STREAMS', event, last);
      for (const [, entries] of reply ?? []) {
        for (const [id] of entries) {
          last = id;
          await answerer.publish(channelOf(id), Buffer.from(body({ answered: id })));
        }
      }
    }
  };
  loop().catch(() => undefined);
}

const NANOSECONDS_PER_MS = 1_000_000;
/** More than a client is wrong about the clock of its server: what the way of an answer takes. */
const CLOCK_ERROR_MS = 1_000;

/** Calls once in vain, so that the next question is not given up before it is asked. */
async function connectForAnswers(broker: Broker): Promise<void> {
  await expect(broker.call('NOBODY', body(0), { ...CALL, mandatory: true })).rejects.toMatchObject({
    code: 'UNROUTABLE',
  });
}

describe('a call over Redis', () => {
  it('R25 hears an answer that comes before its caller knows what it waits for', async () => {
    await respond((id) => `${event}:${id}`);
    const broker = await bench.open(countedConfig(throughProxy(), group, counts));
    // All that reaches us comes late, and in the order in which it was sent: the answer in one
    // piece with the id that it answers, or before it.
    proxy.delay(30);
    for (let round = 0; round < 10; round++) {
      const answer = decodeBody(await broker.call(event, body(round), CALL));
      expect(answer).toMatchObject({ answered: expect.stringMatching(/^\d+-\d+$/) });
    }
  });

  it('R2 R26 fails at once when the connection for its answer breaks, and the next one is answered', async () => {
    const broker = await bench.open(countedConfig(server.url, group, counts));
    const call = broker.call(event, body(1), { timeoutMs: 60_000 });
    const failed = expect(call).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' });
    await until('it was sent', async () => (await admin.xlen(event)) === 1);
    await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await failed;
    await respond((id) => `${event}:${id}`);
    await until('it is back', () => broker.state === 'open');
    expect(decodeBody(await broker.call(event, body(2), CALL))).toMatchObject({});
  });

  it('R26 outlives a server that cuts its connection off for reading too slowly', async () => {
    await admin.config('SET', 'client-output-buffer-limit', 'pubsub 1kb 1kb 1');
    try {
      const broker = await bench.open(countedConfig(throughProxy(), group, counts));
      const call = broker.call(event, body(1), { timeoutMs: 60_000 });
      const failed = expect(call).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' });
      await until('it was sent', async () => (await admin.xlen(event)) === 1);
      proxy.pause();
      const noise = 'x'.repeat(1024 * 1024);
      await until('it was cut off', async () => (await admin.publish(`${event}:0-1`, noise)) === 0);
      proxy.resume();
      await failed;
      await until('it is back', () => broker.state === 'open');
    } finally {
      await admin.config('SET', 'client-output-buffer-limit', 'pubsub 32mb 8mb 60');
    }
  });

  it('R27 is not disturbed by answers that come late, twice, or to others', async () => {
    const broker = await bench.open(countedConfig(server.url, group, counts));
    await connectForAnswers(broker);
    await expect(broker.call(event, body(1), { timeoutMs: 500 })).rejects.toMatchObject({
      code: 'CALL_TIMEOUT',
    });
    const [late] = (await admin.xrange(event, '-', '+')).map(([id]) => id);
    const call = broker.call(event, body(2), CALL);
    await until('the next was sent', async () => (await admin.xlen(event)) === 2);
    const [, next] = (await admin.xrange(event, '-', '+')).map(([id]) => id);
    await admin.publish(`${event}:${late}`, Buffer.from(body('late')));
    await admin.publish(`${event}:1-1`, Buffer.from(body('of another')));
    await admin.publish(`${event}:${next}`, Buffer.from(body('right')));
    await admin.publish(`${event}:${next}`, Buffer.from(body('right')));
    expect(decodeBody(await call)).toBe('right');
  });

  it('hears the answers of the Go client, which lack the colon, if it is asked to', async () => {
    await respond((id) => `${event}${id}`);
    const deaf = await bench.open(countedConfig(server.url, group, counts));
    await expect(deaf.call(event, body(1), { timeoutMs: 300 })).rejects.toMatchObject({
      code: 'CALL_TIMEOUT',
    });
    const broker = await bench.open(countedConfig(server.url, group, counts, { goReplies: true }));
    expect(decodeBody(await broker.call(event, body(2), CALL))).toMatchObject({
      answered: expect.any(String),
    });
    await respond((id) => `${event}:${id}`);
    expect(decodeBody(await broker.call(event, body(3), CALL))).toMatchObject({});
  });

  it('fails at once if nobody has ever subscribed and its caller wants to know', async () => {
    const broker = new RedisBroker(group, new Redis(server.url));
    onTestFinished(() => broker.disconnect());
    const options = { timeout: 60_000, mandatory: true };
    const refused = { code: 'UNROUTABLE' };
    await expect(broker.call(event, 1, options)).rejects.toMatchObject(refused);
    expect(await admin.exists(event)).toBe(0);
    await respond((id) => `${event}:${id}`);
    await expect(broker.call(event, 2)).resolves.toMatchObject({ answered: expect.any(String) });
  });

  it('R36 tells its service until when somebody waits', async () => {
    const broker = await bench.open(countedConfig(server.url, group, counts));
    await connectForAnswers(broker);
    await broker.call(event, body(1), { timeoutMs: 500 }).catch(() => undefined);
    const [[, fields] = ['', []]] = await admin.xrange(event, '-', '+');
    const untilMs = Number(fields[fields.indexOf('timeout_at') + 1]) / NANOSECONDS_PER_MS;
    await until('its time is up, by the clock of the server', async () => {
      const [seconds] = await admin.time();
      return Number(seconds) * 1_000 > untilMs + CLOCK_ERROR_MS;
    });
    const service = await bench.open(countedConfig(server.url, group, counts));
    let asked = 0;
    await service.subscribe(event, () => asked++);
    await until('it was dropped', () => counts.of('expired') === 1);
    expect(asked).toBe(0);
  });
});
