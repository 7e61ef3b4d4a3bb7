/** A real Redis cluster of three masters: streams all over it, and what happens when it changes. */
import { randomUUID } from 'node:crypto';
import { Cluster, Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { decodeBody } from '../../protocols/wire/body.ts';
import { deadLetterStream, REDIS_SLOTS, redisSlot } from '../../protocols/wire/redis-slot.ts';
import { Redis as RedisClient } from '../../src/client/redis.ts';
import { brokerContract } from '../contract/broker-contract.ts';
import {
  type Bench,
  body,
  createBench,
  Inbox,
  RecordingOrigin,
  until,
  writeEvent,
} from '../support/broker-bench.ts';
import { Counts, countedConfig, portOf } from '../support/redis-bench.ts';
import { clusterPlace, startCluster, type TestCluster } from '../support/redis-cluster.ts';
import { startServer } from '../support/servers.ts';

/** With so many names at random each of three masters has some. */
const EVENTS = 48;

const TIMEOUT_MS = 120_000;
const SLOTS_OF_FIRST = Math.floor(REDIS_SLOTS / 3);

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await startCluster();
}, TIMEOUT_MS);

afterAll(async () => {
  await cluster.stop();
});

brokerContract({
  name: 'a Redis cluster',
  config: (group) => ({
    type: 'redis',
    group,
    place: cluster.place,
    retentionMs: 3_600_000,
    payload: 'json',
  }),
});

describe('a Redis cluster', () => {
  let bench: Bench;
  let counts: Counts;
  let group: string;
  let admin: Cluster;

  beforeEach(() => {
    bench = createBench();
    counts = new Counts();
    group = `group-${randomUUID()}`;
    admin = new Cluster(
      cluster.servers.map(({ url }) => ({ host: '127.0.0.1', port: portOf(url) })),
    );
  });

  afterEach(async () => {
    admin.disconnect();
    await bench.stop();
  });

  const config = (place = cluster.place) => ({
    ...countedConfig('redis://127.0.0.1', group, counts),
    place,
  });
  const eventsOf = (count: number) => Array.from({ length: count }, () => `EVENT_${randomUUID()}`);

  it('R22 knows the slot of every key, and of the dead letters beside it', async () => {
    for (const key of ['MESSAGE_CREATE', '', 'a{b}c', '{}x', '{x', 'grüße', ...eventsOf(20)]) {
      expect([key, redisSlot(key)]).toEqual([key, await admin.cluster('KEYSLOT', key)]);
    }
    for (const event of [...eventsOf(5), 'a{b}c']) {
      expect(redisSlot(deadLetterStream(event))).toBe(redisSlot(event));
    }
  });

  it('R22 R32 carries events of many slots, confirms each, and keeps the order of each', async () => {
    const events = eventsOf(EVENTS);
    expect(new Set(events.map((event) => Math.floor(redisSlot(event) / 5_462))).size).toBe(3);
    const publisher = await bench.open(config());
    const consumer = await bench.open(config());
    const inboxes = new Map(events.map((event) => [event, new Inbox()]));
    for (const [event, inbox] of inboxes) await consumer.subscribe(event, inbox.handler);
    const origin = new RecordingOrigin();
    const sequences = Array.from({ length: 600 }, (_, index) => index + 1);
    for (const sequence of sequences) {
      const event = events[sequence % events.length] ?? '';
      expect(writeEvent(publisher, event, { sequence }, origin, sequence)).toBe(true);
    }
    await until('all are settled', () => origin.settled === sequences.length);
    expect([...origin.confirmedSequences].sort((a, b) => a - b)).toEqual(sequences);
    for (const [event, inbox] of inboxes) {
      const own = sequences.filter((sequence) => events[sequence % events.length] === event);
      await until('all of it came', () => inbox.deliveries.length === own.length);
      expect(inbox.values).toEqual(own.map((sequence) => ({ sequence })));
    }
    expect(bench.log.at('warn')).toEqual([]);
  });

  it('R22 confirms what each master has taken, also while another is silent', async () => {
    const events = eventsOf(EVENTS);
    const broker = await bench.open(config());
    const [silent] = cluster.servers;
    const isSilent = (event: string) => redisSlot(event) < SLOTS_OF_FIRST;
    expect(new Set(events.map(isSilent)).size).toBe(2);
    const origin = new RecordingOrigin();
    const answered: number[] = [];
    silent?.pause();
    try {
      for (const [index, event] of events.entries()) {
        expect(writeEvent(broker, event, { index }, origin, index)).toBe(true);
        if (!isSilent(event)) answered.push(index);
      }
      await until('the others are confirmed', () => origin.settled === answered.length);
      expect([...origin.confirmedSequences].sort((a, b) => a - b)).toEqual(answered);
    } finally {
      silent?.resume();
    }
    await until('all are confirmed', () => origin.settled === events.length);
    expect(origin.lostSequences).toEqual([]);
  });

  it('R22 is found out from one address, from a client of a cluster, and by what is not one', async () => {
    const [only = ''] = cluster.servers.map(({ url }) => url);
    const events = eventsOf(6);
    const broker = await bench.open(config(clusterPlace([only])));
    for (const event of events) await broker.publish(event, body(event));
    const client = new RedisClient(group, admin);
    const received: unknown[] = [];
    for (const event of events) {
      client.on(event, async (data, { ack }) => {
        received.push(data);
        await ack();
      });
    }
    await client.subscribe(events);
    await until('all came', () => received.length === events.length);
    await client.disconnect();
    const single = await startServer('redis');
    try {
      await expect(bench.open(config(clusterPlace([single.url, only])))).rejects.toMatchObject({
        code: 'FATAL',
        message: expect.stringContaining('no cluster'),
      });
    } finally {
      await single.stop();
    }
  });

  it('R19 R33 takes over, buries and answers calls on every master', async () => {
    const events = eventsOf(6);
    for (const event of events) {
      await admin.xgroup('CREATE', event, group, '0', 'MKSTREAM');
      const ids = [
        String(await admin.xadd(event, '*', 'data', '"orphan"')),
        String(await admin.xadd(event, '*', 'nothing', '1')),
      ];
      await admin.xreadgroup('GROUP', group, 'dead', 'STREAMS', event, '>');
      // As if it had been dead for an hour.
      const idle = ['IDLE', '3600000', 'JUSTID'];
      await admin.call('XCLAIM', event, group, 'dead', '0', ...ids, ...idle);
    }
    const consumer = await bench.open(config());
    const inbox = new Inbox((delivery) => {
      delivery.ack();
      void delivery.reply(body('answer'));
    });
    for (const event of events) await consumer.subscribe(event, inbox.handler);
    await until('all were taken over', () => inbox.deliveries.length === events.length);
    await until('the others are dead', () => counts.of('dead-lettered') === events.length);
    const caller = await bench.open(config());
    for (const event of events) {
      const answer = await caller.call(event, body('call'), { timeoutMs: 10_000 });
      expect(decodeBody(answer)).toBe('answer');
    }
  });

  it('R22 R28 goes on when a slot has moved to another master', async () => {
    const [event = ''] = eventsOf(1);
    const broker = await bench.open(config());
    const inbox = new Inbox();
    await broker.subscribe(event, inbox.handler);
    await broker.publish(event, body('before'));
    await until('it came', () => inbox.values.includes('before'));
    await moveSlot(redisSlot(event), event);
    await broker.publish(event, body('after'));
    await until('it came', () => inbox.values.includes('after'));
    expect(bench.failures).toEqual([]);
  });

  it('R28 is away while a master is, and goes on when it is back', async () => {
    const [event = ''] = eventsOf(1);
    const broker = await bench.open(config());
    const inbox = new Inbox();
    await broker.subscribe(event, inbox.handler);
    const [server] = cluster.servers;
    await server?.kill();
    await until('it was noticed', () => broker.state === 'away');
    await server?.restart();
    await until('it is back', () => broker.state === 'open');
    await broker.publish(event, body('back'));
    await until('it came', () => inbox.values.includes('back'));
    expect(bench.failures).toEqual([]);
  });

  /** Moves a slot with the one key in it, as `redis-cli --cluster reshard` does. */
  async function moveSlot(slot: number, key: string): Promise<void> {
    const nodes = cluster.servers.map(({ url }) => new Redis(url));
    try {
      const ids = await Promise.all(nodes.map((node) => node.call('CLUSTER', 'MYID')));
      const from = Math.min(2, Math.floor(slot / 5_461));
      const to = (from + 1) % 3;
      const [source, target] = [nodes[from], nodes[to]];
      await target?.cluster('SETSLOT', slot, 'IMPORTING', String(ids[from]));
      await source?.cluster('SETSLOT', slot, 'MIGRATING', String(ids[to]));
      const port = portOf(cluster.servers[to]?.url ?? '');
      await source?.migrate('127.0.0.1', port, key, 0, 5_000);
      for (const node of [target, source]) {
        await node?.cluster('SETSLOT', slot, 'NODE', String(ids[to]));
      }
    } finally {
      for (const node of nodes) node.disconnect();
    }
  }
});
