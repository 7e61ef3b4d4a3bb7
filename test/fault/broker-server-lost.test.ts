/**
 * Real servers are killed, come back, come back empty, and freeze; publishing and consuming return.
 */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Broker } from '../../protocols/broker.ts';
import type { BrokerConfig } from '../../src/brokers/create-broker.ts';
import {
  type Bench,
  body,
  createBench,
  Inbox,
  RecordingOrigin,
  until,
  writeEvent,
} from '../support/broker-bench.ts';
import { amqpConfig, redisConfig } from '../support/broker-peers.ts';
import { type ServerKind, startServer, type TestServer } from '../support/servers.ts';

type Case = {
  readonly kind: ServerKind;
  config(url: string, group: string): BrokerConfig;
};

const cases: readonly Case[] = [
  { kind: 'redis', config: redisConfig },
  { kind: 'rabbitmq', config: amqpConfig },
];

const TIMEOUT_MS = 120_000;

describe.each(cases)('a $kind that is lost', ({ kind, config }) => {
  let server: TestServer;
  let bench: Bench;
  let publisher: Broker;
  let consumer: Broker;
  let event: string;
  let group: string;

  beforeAll(async () => {
    server = await startServer(kind);
  }, TIMEOUT_MS);

  afterAll(async () => {
    await server.stop();
  });

  beforeEach(async () => {
    bench = createBench();
    group = `group-${randomUUID()}`;
    event = `EVENT_${randomUUID()}`;
    publisher = await bench.open(config(server.url, group));
    consumer = await bench.open(config(server.url, group));
  });

  afterEach(async () => {
    await bench.stop();
  });

  it(
    'A1 R8 R30 reports what was not confirmed, refuses while away, and comes back with its topology',
    async () => {
      const inbox = new Inbox();
      await consumer.subscribe(event, inbox.handler);
      const origin = new RecordingOrigin();
      let sequence = 0;
      for (; sequence < 200; sequence++)
        writeEvent(publisher, event, { sequence }, origin, sequence);
      await server.kill();
      await until(
        'both have noticed',
        () => publisher.state === 'away' && consumer.state === 'away',
      );
      expect(origin.settled).toBe(sequence);
      expect(writeEvent(publisher, event, {}, origin, sequence)).toBe(false);
      const room = new Promise<void>((resolve) => publisher.writer.onceRoom(resolve));
      await server.restart();
      await room;
      await until('both are back', () => publisher.state === 'open' && consumer.state === 'open');
      inbox.deliveries.length = 0;
      expect(writeEvent(publisher, event, { after: 1 }, origin, 1_000)).toBe(true);
      await publisher.publish(event, body({ after: 2 }));
      const later = () =>
        inbox.values.filter(
          (value) => value !== null && typeof value === 'object' && 'after' in value,
        );
      await until('both messages came', () => later().length >= 2);
      expect(later()).toEqual([{ after: 1 }, { after: 2 }]);
      // A broker may deliver before it confirms.
      await until('its confirm came', () => origin.confirmedSequences.includes(1_000));
      expect(bench.failures).toEqual([]);
    },
    TIMEOUT_MS,
  );

  it(
    'A12 fails a call under way at once, and sends an unconfirmed publish again',
    async () => {
      let asked = 0;
      const other = `${event}_OTHER`;
      const inbox = new Inbox();
      await consumer.subscribe(event, (delivery) => {
        asked++;
        delivery.ack();
      });
      await consumer.subscribe(other, inbox.handler);
      const call = publisher.call(event, body(1), { timeoutMs: 60_000 });
      const failed = expect(call).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' });
      await until('the call has arrived', () => asked === 1);
      await server.kill();
      await failed;
      const published = publisher.publish(other, body('kept')).then(
        () => true,
        () => false,
      );
      await server.restart();
      const arrived = await published;
      await until('both are back', () => publisher.state === 'open' && consumer.state === 'open');
      // RabbitMQ may take longer to start than a publish may wait: then it was refused, not lost.
      if (arrived) await until('it came', () => inbox.values.includes('kept'));
    },
    TIMEOUT_MS,
  );

  it(
    'A2 R31 notices a server that has frozen, and goes on when it has thawed',
    async () => {
      const inbox = new Inbox();
      await consumer.subscribe(event, inbox.handler);
      const origin = new RecordingOrigin();
      server.pause();
      for (let sequence = 1; sequence <= 50; sequence++) {
        writeEvent(publisher, event, { sequence }, origin, sequence);
      }
      await until('it was noticed', () => publisher.state === 'away');
      expect(origin.lostSequences).toHaveLength(50);
      server.resume();
      await until('both are back', () => publisher.state === 'open');
      await publisher.publish(event, body('thawed'));
      await until('it came', () => inbox.values.includes('thawed'));
    },
    TIMEOUT_MS,
  );

  it('A24 keeps trying a server that is not there at the start', async () => {
    const url = server.url.replace(/:\d+$/, ':1');
    const early = await bench.open(config(url, group));
    expect(early.state).toBe('away');
    await expect(early.call(event, body(1), { timeoutMs: 1_000 })).rejects.toMatchObject({
      code: 'BROKER_UNAVAILABLE',
    });
    expect(bench.log.at('warn').length).toBeGreaterThan(1);
    await early.close();
  });
});
