/**
 * Messages for each process that asks, and not for one of its group: with every server, and without
 * one.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Broker } from '../../protocols/broker.ts';
import { readGroups } from '../../protocols/wire/redis-stream.ts';
import type { BrokerConfig } from '../../src/brokers/create-broker.ts';
import { MemoryHub } from '../../src/brokers/memory.ts';
import { ABANDONED_GROUPS_SCRIPT } from '../../src/brokers/redis-scripts.ts';
import { systemClock } from '../../src/system-clock.ts';
import { createBench, until } from '../support/broker-bench.ts';
import { amqpConfig, redisConfig } from '../support/broker-peers.ts';
import { amqpUrl, redisUrl } from '../support/shared-servers.ts';

const hub = new MemoryHub(systemClock);

const KINDS: readonly (readonly [string, (group: string) => BrokerConfig])[] = [
  ['Redis', (group) => redisConfig(redisUrl(), group)],
  ['AMQP', (group) => amqpConfig(amqpUrl(), group)],
  ['memory', (group) => ({ type: 'memory', group, payload: 'json', hub })],
];

/** Collects what a broker is given of an event. */
async function collect(broker: Broker, event: string): Promise<string[]> {
  const got: string[] = [];
  await broker.subscribe(event, (delivery) => {
    got.push(Buffer.from(delivery.body).toString());
    delivery.ack();
  });
  return got;
}

describe.each(KINDS)('an audience of each over %s', (_name, configOf) => {
  it('gets every message from then on, whoever else listens', async () => {
    const bench = createBench();
    onTestFinished(() => bench.stop());
    const [group, event] = [`group-${randomUUID()}`, `EVENT_${randomUUID()}`];
    const shared = await bench.open(configOf(group));
    const ofGroup = await collect(shared, event);
    const send = (text: string) => shared.publish(event, Buffer.from(text));
    await send('before');
    const [one, other] = await Promise.all([
      bench.open({ ...configOf(group), audience: 'each' }),
      bench.open({ ...configOf(group), audience: 'each' }),
    ]);
    const [ofOne, ofOther] = [await collect(one, event), await collect(other, event)];
    for (const text of ['first', 'second']) await send(text);
    await until('all have come', () => [ofOne, ofOther].every(({ length }) => length === 2));
    await until('the group has its share', () => ofGroup.length === 3);
    expect([ofOne, ofOther].map((texts) => texts.toSorted())).toEqual([
      ['first', 'second'],
      ['first', 'second'],
    ]);
    await Promise.all([one.close(), other.close(), shared.close()]);
  });
});

describe('an audience of each over Redis', () => {
  it('leaves nothing in the server', async () => {
    const bench = createBench();
    onTestFinished(() => bench.stop());
    const [group, event] = [`group-${randomUUID()}`, `EVENT_${randomUUID()}`];
    const { redis, groups } = connect(event);
    const broker = await bench.open({ ...redisConfig(redisUrl(), group), audience: 'each' });
    await collect(broker, event);
    expect(await groups()).toEqual([expect.stringMatching(`^${group}:own:`)]);
    await broker.close();
    expect(await groups()).toEqual([]);
    expect(await redis.exists(event)).toBe(1);
  });

  it('ends the link when its group has vanished, and begins anew', async () => {
    const bench = createBench();
    onTestFinished(() => bench.stop());
    const [group, event] = [`group-${randomUUID()}`, `EVENT_${randomUUID()}`];
    const { redis, groups } = connect(event);
    const broker = await bench.open({ ...redisConfig(redisUrl(), group), audience: 'each' });
    const states: string[] = [];
    broker.watch((state) => states.push(state));
    const got = await collect(broker, event);
    const [own = ''] = await groups();
    await redis.xgroup('DESTROY', event, own);
    await until('it has noticed', () => states.join() === 'away,open');
    await redis.xadd(event, '*', 'data', 'after');
    await until('it goes on', () => got.includes('after'));
    await broker.close();
  });

  it('takes away what killed processes left, and nothing that is read by', async () => {
    const event = `EVENT_${randomUUID()}`;
    const { redis, groups } = connect(event);
    for (const name of ['g:own:dead', 'g:own:live', 'g:own:new', 'g']) {
      await redis.xgroup('CREATE', event, name, '$', 'MKSTREAM');
      // One that nobody has read by yet may be about to be.
      if (name !== 'g:own:new') await redis.xgroup('CREATECONSUMER', event, name, 'reader');
    }
    await sleep(2 * IDLE_MS);
    await redis.xadd(event, '*', 'data', 'x');
    await redis.xreadgroup('GROUP', 'g:own:live', 'reader', 'STREAMS', event, '>');
    const deleted = await redis.eval(ABANDONED_GROUPS_SCRIPT, 1, event, 'g:own:', String(IDLE_MS));
    expect(deleted).toBe(1);
    expect((await groups()).toSorted()).toEqual(['g', 'g:own:live', 'g:own:new']);
  });
});

/** Far longer than two commands take one after the other. */
const IDLE_MS = 1_000;

function connect(event: string) {
  const redis = new Redis(redisUrl());
  onTestFinished(() => redis.disconnect());
  const groups = async (): Promise<readonly string[]> =>
    readGroups(await redis.callBuffer('XINFO', 'GROUPS', event)).map(({ name }) => name);
  return { redis, groups };
}
