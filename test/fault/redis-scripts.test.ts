/**
 * The scripts that run on a Redis server, run on one: what each does, and what it must leave alone.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { deadLetterStream } from '../../protocols/wire/redis-slot.ts';
import {
  DEAD_LETTER_SCRIPT,
  KEEP_SCRIPT,
  LAY_GHOSTS_SCRIPT,
  LEAVE_SCRIPT,
  REAP_SCRIPT,
} from '../../src/brokers/redis-scripts.ts';
import { redisUrl } from '../support/shared-servers.ts';

const GROUP = 'group';

let redis: Redis;
let event: string;

beforeAll(() => {
  redis = new Redis(redisUrl());
});

afterAll(() => {
  redis.disconnect();
});

beforeEach(async () => {
  event = `EVENT_${randomUUID()}`;
  await redis.xgroup('CREATE', event, GROUP, '0', 'MKSTREAM');
});

const run = (script: string, ...values: (string | number)[]) =>
  redis.eval(script, 1, event, GROUP, ...values);

/** Makes an entry and gives it to a consumer. */
async function give(consumer: string): Promise<string> {
  const id = String(await redis.xadd(event, '*', 'data', 'x'));
  await redis.xreadgroup('GROUP', GROUP, consumer, 'STREAMS', event, '>');
  return id;
}

async function pendingOf(consumer: string): Promise<unknown[][]> {
  return (await redis.xpending(event, GROUP, '-', '+', 10, consumer)) as unknown[][];
}

async function consumers(): Promise<string[]> {
  const list = (await redis.xinfo('CONSUMERS', event, GROUP)) as unknown[][];
  return list.map((facts) => String(facts[1])).sort();
}

describe('R33 a script', () => {
  it('R20 R21 takes out consumers that have nothing and are silent, and no others', async () => {
    await give('busy');
    for (const idle of ['idle', 'me']) await redis.xgroup('CREATECONSUMER', event, GROUP, idle);
    expect(Number(await run(REAP_SCRIPT, 'me', 3_600_000))).toBe(0);
    await sleep(20);
    expect(Number(await run(REAP_SCRIPT, 'me', 10))).toBe(1);
    expect(await consumers()).toEqual(['busy', 'me']);
    expect(await pendingOf('busy')).toHaveLength(1);
  });

  it('R20 lets a consumer leave with nothing pending, and hands over what is', async () => {
    const id = await give('leaver');
    expect(Number(await run(LEAVE_SCRIPT, 'leaver', 60_000, 100))).toBe(0);
    const [[, , idleMs, deliveries] = []] = await pendingOf('leaver');
    expect(Number(idleMs)).toBeGreaterThanOrEqual(60_000);
    expect(deliveries).toBe(1);
    await redis.xack(event, GROUP, id);
    expect(Number(await run(LEAVE_SCRIPT, 'leaver', 60_000, 100))).toBe(1);
    expect(await consumers()).toEqual([]);
  });

  it('R18 keeps what is its own, without a count, and tells what is not', async () => {
    const mine = await give('me');
    const others = await give('other');
    await redis.call('XCLAIM', event, GROUP, 'me', '0', mine, 'IDLE', '60000', 'JUSTID');
    expect(await run(KEEP_SCRIPT, 'me', mine, others, '1-1')).toEqual([others, '1-1']);
    const [[, , idleMs, deliveries] = []] = await pendingOf('me');
    expect(Number(idleMs)).toBeLessThan(60_000);
    expect(deliveries).toBe(1);
    expect(await pendingOf('other')).toHaveLength(1);
  });

  it('R16 acks what is pending and gone, and nothing that is there', async () => {
    const [gone, there] = [await give('me'), await give('me')];
    await redis.xdel(event, gone);
    expect(Number(await run(LAY_GHOSTS_SCRIPT, 'me', 100))).toBe(1);
    expect((await pendingOf('me')).map(([id]) => id)).toEqual([there]);
  });

  it('R19 buries an entry once, and tells what was not there to be buried', async () => {
    const dead = deadLetterStream(event);
    const bury = (id: string) =>
      redis.eval(DEAD_LETTER_SCRIPT, 2, event, dead, GROUP, 'me', id, 'why', 3, 100, 10);
    const [id, gone] = [await give('me'), await give('me')];
    await redis.xdel(event, gone);
    expect([await bury(id), await bury(id), await bury(gone)]).toEqual([2, 0, 1]);
    expect(await redis.xlen(dead)).toBe(1);
    expect(await pendingOf('me')).toEqual([]);
  });
});
