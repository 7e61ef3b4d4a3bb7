/**
 * What every broker does, whichever it is: one suite, run unchanged against each transport.
 *
 * A transport says how to make a configuration for a group of its own; two brokers of one test
 * share it, as two processes of one deployment do.
 */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Broker, Delivery } from '../../protocols/broker.ts';
import { CallTimeoutError, UnroutableError } from '../../protocols/errors.ts';
import { RETRY_DELAY_MS } from '../../protocols/limits.ts';
import { decodeBody } from '../../protocols/wire/body.ts';
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

/** What not every transport can do. */
export type Feature =
  /** Limits of its own for what handlers may have and not have settled. */
  | 'prefetch'
  /** Messages that are no longer delivered when their time is up. */
  | 'expiry'
  /** The shard of an event beside its id. */
  | 'shard'
  /** Messages that go to somebody else when their consumer ends without having settled them. */
  | 'handover';

export type Transport = {
  readonly name: string;
  config(group: string): BrokerConfig;
  /**
   * The same for a part of the group that gets copies of its own; absent where there is no such
   * thing.
   */
  readonly subgroupConfig?: (group: string, subgroup: string) => BrokerConfig;
  /** What it cannot do; the tests of it are not there for this transport. */
  readonly lacks?: readonly Feature[];
};

const EVENTS = 500;

/** Longer than a message that expires takes to do so, and than any broker needs to notice. */
const EXPIRED_MS = 400;

export function brokerContract(transport: Transport): void {
  /** The test of something that not every transport can do, for one that can. */
  const ifCan = (feature: Feature, title: string, test: () => Promise<void>) => {
    if (!transport.lacks?.includes(feature)) it(title, test);
  };

  describe(`the broker contract over ${transport.name}`, () => {
    let bench: Bench;
    let publisher: Broker;
    let consumer: Broker;
    let event: string;
    let group: string;

    beforeEach(async () => {
      bench = createBench();
      group = `group-${randomUUID()}`;
      event = `EVENT_${randomUUID()}`;
      publisher = await bench.open(transport.config(group));
      consumer = await bench.open(transport.config(group));
    });

    afterEach(async () => {
      await bench.stop();
    });

    it('is open once it has started, and away once it has closed', async () => {
      expect(publisher.state).toBe('open');
      const states: string[] = [];
      publisher.watch((state) => states.push(state));
      await publisher.close();
      expect(publisher.state).toBe('away');
      expect(states).toEqual(['away']);
      await expect(publisher.publish(event, body(1))).rejects.toMatchObject({
        code: 'BROKER_UNAVAILABLE',
      });
    });

    it('delivers what was published, once, and confirms it', async () => {
      const inbox = new Inbox();
      await consumer.subscribe(event, inbox.handler);
      await publisher.publish(event, body({ content: 'grüße', id: '1' }));
      await until('the message is there', () => inbox.deliveries.length === 1);
      expect(inbox.values).toEqual([{ content: 'grüße', id: '1' }]);
      expect(inbox.deliveries[0]?.event).toBe(event);
    });

    it('delivers the bytes of a body as they were, whatever they are', async () => {
      const inbox = new Inbox();
      await consumer.subscribe(event, inbox.handler);
      const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index % 256);
      await publisher.publish(event, bytes);
      await until('the message is there', () => inbox.deliveries.length === 1);
      expect(Buffer.from(inbox.deliveries[0]?.body ?? []).equals(Buffer.from(bytes))).toBe(true);
    });

    it('delivers messages of one publisher in order', async () => {
      const inbox = new Inbox();
      await consumer.subscribe(event, inbox.handler);
      const numbers = Array.from({ length: 200 }, (_, index) => index);
      await Promise.all(numbers.map((number) => publisher.publish(event, body([number]))));
      await until('all are there', () => inbox.deliveries.length === numbers.length);
      expect(inbox.values).toEqual(numbers.map((number) => [number]));
    });

    it('gives each message to one of the consumers that compete for it', async () => {
      const rival = await bench.open(transport.config(group));
      const inboxes = [new Inbox(), new Inbox()];
      await consumer.subscribe(event, (inboxes[0] as Inbox).handler);
      await rival.subscribe(event, (inboxes[1] as Inbox).handler);
      const numbers = Array.from({ length: 300 }, (_, index) => index);
      await Promise.all(numbers.map((number) => publisher.publish(event, body([number]))));
      const received = () => inboxes.flatMap((inbox) => inbox.values as number[][]).flat();
      await until('all are there', () => received().length >= numbers.length);
      expect(received().sort((a, b) => a - b)).toEqual(numbers);
      expect(inboxes.every((inbox) => inbox.deliveries.length > 0)).toBe(true);
    });

    it('A7 delivers again what a handler hands back, and counts only the first word', async () => {
      let turn = 0;
      const inbox = new Inbox((delivery) => {
        if (turn++ === 0) {
          delivery.retry();
          delivery.ack();
          delivery.reject('too late');
        } else delivery.ack();
      });
      await consumer.subscribe(event, inbox.handler);
      await publisher.publish(event, body('again'));
      await until('it came twice', () => inbox.deliveries.length === 2);
      expect(inbox.values).toEqual(['again', 'again']);
    });

    it('does not deliver again what was acked or rejected', async () => {
      const inbox = new Inbox((delivery) => {
        if (decodeBody(delivery.body) === 'bad') delivery.reject('it is bad');
        else delivery.ack();
      });
      await consumer.subscribe(event, inbox.handler);
      await publisher.publish(event, body('bad'));
      await publisher.publish(event, body('good'));
      await until('both are there', () => inbox.deliveries.length === 2);
      await consumer.close();
      const successor = await bench.open(transport.config(group));
      const second = new Inbox();
      await successor.subscribe(event, second.handler);
      await publisher.publish(event, body('last'));
      await until('the last is there', () => second.deliveries.length > 0);
      expect(second.values).toEqual(['last']);
    });

    it('A16 goes on after a handler that throws', async () => {
      const inbox = new Inbox((delivery) => {
        if (decodeBody(delivery.body) === 'boom') throw new Error('in the handler');
        delivery.ack();
      });
      await consumer.subscribe(event, inbox.handler);
      await publisher.publish(event, body('boom'));
      await publisher.publish(event, body('after'));
      await until('the second is there', () => inbox.values.includes('after'));
      expect(bench.log.at('error')).toHaveLength(1);
    });

    it('answers a call with what the handler replies', async () => {
      await consumer.subscribe(event, (delivery: Delivery) => {
        expect(delivery.wantsReply).toBe(true);
        delivery.ack();
        void delivery.reply(body({ pong: decodeBody(delivery.body) }));
      });
      const answers = await Promise.all(
        [1, 2, 3, 4, 5].map((n) => publisher.call(event, body({ n }), { timeoutMs: 10_000 })),
      );
      expect(answers.map(decodeBody)).toEqual([1, 2, 3, 4, 5].map((n) => ({ pong: { n } })));
    });

    it('fails a call that nobody answers, and goes on', async () => {
      await consumer.subscribe(event, (delivery) => delivery.ack());
      await expect(publisher.call(event, body(1), { timeoutMs: 300 })).rejects.toBeInstanceOf(
        CallTimeoutError,
      );
      const failure = await publisher
        .call(`${event}_NOBODY`, body(1), { timeoutMs: 300 })
        .catch((error: unknown) => error);
      expect(failure instanceof CallTimeoutError || failure instanceof UnroutableError).toBe(true);
      await publisher.publish(event, body(2));
    });

    it('delivers nothing of an event after it was unsubscribed', async () => {
      const inbox = new Inbox();
      const other = new Inbox();
      await consumer.subscribe(event, inbox.handler);
      await consumer.subscribe(`${event}_OTHER`, other.handler);
      await publisher.publish(event, body(1));
      await until('the first is there', () => inbox.deliveries.length === 1);
      await consumer.unsubscribe(event);
      await publisher.publish(event, body(2));
      await publisher.publish(`${event}_OTHER`, body(3));
      await until('the other is there', () => other.deliveries.length === 1);
      expect(inbox.deliveries).toHaveLength(1);
      await consumer.subscribe(event, inbox.handler);
      await until('what waited is there', () => inbox.deliveries.length === 2);
    });

    it('confirms written events in order, each once, and delivers their payload', async () => {
      const inbox = new Inbox();
      await consumer.subscribe(event, inbox.handler);
      const origin = new RecordingOrigin();
      const sequences = Array.from({ length: EVENTS }, (_, index) => index + 1);
      // Small ones, and now and then one that is larger than any buffer that is reused.
      const values = sequences.map((seq) => ({
        seq,
        text: 'ü'.repeat(seq % 100 === 0 ? 200_000 : seq * 7),
      }));
      for (const value of values) {
        expect(writeEvent(publisher, event, value, origin, value.seq)).toBe(true);
      }
      await until('all are settled', () => origin.settled === EVENTS);
      await until('all are delivered', () => inbox.deliveries.length === EVENTS);
      expect([...origin.confirmedSequences].sort((a, b) => a - b)).toEqual(sequences);
      expect(origin.lostSequences).toEqual([]);
      expect(inbox.values).toEqual(values);
    });

    ifCan(
      'shard',
      'tells of an event which shard it comes from, and what its name is',
      async () => {
        const inbox = new Inbox();
        await consumer.subscribe(event, inbox.handler);
        writeEvent(publisher, event, {}, new RecordingOrigin(12, '77aa'), 5);
        await publisher.publish(event, body({}));
        await until('both are there', () => inbox.deliveries.length === 2);
        expect(inbox.deliveries.map(({ shard }) => shard)).toEqual([12, undefined]);
        expect(inbox.deliveries[0]?.id).toBe('77aa:5');
      },
    );

    it('A3 A4 refuses events at the bound of the writer and says when there is room', async () => {
      const origin = new RecordingOrigin();
      const value = { filler: 'x'.repeat(100_000) };
      let taken = 0;
      while (writeEvent(publisher, event, value, origin, taken + 1)) taken++;
      expect(taken).toBeGreaterThan(100);
      expect(taken).toBeLessThan(10_000);
      const room = new Promise<void>((resolve) => publisher.writer.onceRoom(resolve));
      await consumer.subscribe(event, (delivery) => delivery.ack());
      await room;
      expect(writeEvent(publisher, event, value, origin, taken + 1)).toBe(true);
      await until('all are settled', () => origin.settled === taken + 1);
      expect(origin.lostSequences).toEqual([]);
    });

    it('A30 closes only after what was taken is confirmed and what was delivered is handled', async () => {
      const held: Delivery[] = [];
      await consumer.subscribe(event, (delivery) => held.push(delivery));
      const origin = new RecordingOrigin();
      for (let sequence = 1; sequence <= 20; sequence++) {
        writeEvent(publisher, event, { sequence }, origin, sequence);
      }
      const published = publisher.publish(event, body('last'));
      await publisher.close();
      await published;
      expect(origin.confirmedSequences).toHaveLength(20);
      await until('all are delivered', () => held.length === 21);
      let isClosed = false;
      const closing = consumer.close().then(() => {
        isClosed = true;
      });
      expect(isClosed).toBe(false);
      for (const delivery of held) delivery.ack();
      await closing;
      expect(writeEvent(publisher, event, {}, origin, 21)).toBe(false);
    });

    it('A26 tells which delivery of a message it is, and lets a moment pass before the next', async () => {
      const attempts: number[] = [];
      const timesMs: number[] = [];
      await consumer.subscribe(event, (delivery) => {
        attempts.push(delivery.attempt);
        timesMs.push(performance.now());
        if (attempts.length < 3) delivery.retry();
        else delivery.ack();
      });
      await publisher.publish(event, body('again'));
      await until('it came three times', () => attempts.length === 3);
      expect(attempts[0]).toBe(1);
      expect(attempts[1]).toBeGreaterThan(1);
      const gapsMs = timesMs.slice(1).map((at, index) => at - (timesMs[index] ?? 0));
      // Timers may fire a little early, never much.
      expect(Math.min(...gapsMs)).toBeGreaterThan(RETRY_DELAY_MS * 0.9);
    });

    it('A17 refuses what an asynchronous handler fails on, and goes on', async () => {
      const inbox = new Inbox(() => undefined);
      await consumer.subscribe(event, async (delivery) => {
        inbox.handler(delivery);
        await Promise.resolve();
        if (decodeBody(delivery.body) === 'boom') throw new Error('later, in the handler');
        delivery.ack();
      });
      await publisher.publish(event, body('boom'));
      await publisher.publish(event, body('after'));
      await until('the second is there', () => inbox.values.includes('after'));
      await until('it was noticed', () => bench.log.at('error').length === 1);
      await consumer.close();
      const successor = await bench.open(transport.config(group));
      const second = new Inbox();
      await successor.subscribe(event, second.handler);
      await publisher.publish(event, body('last'));
      await until('the last is there', () => second.deliveries.length > 0);
      expect(second.values).toEqual(['last']);
    });

    it('names each written event by its session and sequence', async () => {
      const inbox = new Inbox();
      await consumer.subscribe(event, inbox.handler);
      const origin = new RecordingOrigin(3, 'abc');
      writeEvent(publisher, event, {}, origin, 41);
      writeEvent(publisher, event, {}, origin, 42);
      await until('both are there', () => inbox.deliveries.length === 2);
      expect(inbox.deliveries.map(({ id }) => id)).toEqual(['abc:41', 'abc:42']);
    });

    it('consumes once, however often and fast it was subscribed and unsubscribed', async () => {
      const inbox = new Inbox();
      await Promise.all([
        consumer.subscribe(event, inbox.handler),
        consumer.unsubscribe(event),
        consumer.subscribe(event, inbox.handler),
      ]);
      await publisher.publish(event, body(1));
      await until('the first is there', () => inbox.deliveries.length === 1);
      await consumer.unsubscribe(event);
      const successor = await bench.open(transport.config(group));
      const second = new Inbox();
      await successor.subscribe(event, second.handler);
      const numbers = [2, 3, 4, 5, 6];
      for (const number of numbers) await publisher.publish(event, body(number));
      await until('the others are there', () => second.deliveries.length === numbers.length);
      expect(inbox.values).toEqual([1]);
      expect(second.values).toEqual(numbers);
    });

    it('takes nothing new while it closes, and leaves it to others', async () => {
      const held: Delivery[] = [];
      await consumer.subscribe(event, (delivery) => held.push(delivery));
      await publisher.publish(event, body('held'));
      await until('it is held', () => held.length === 1);
      const closing = consumer.close();
      await until('it has closed its door', async () => {
        const refused = await consumer.publish(event, body('not taken')).catch(() => 'refused');
        return refused === 'refused';
      });
      const successor = await bench.open(transport.config(group));
      const second = new Inbox();
      await successor.subscribe(event, second.handler);
      await publisher.publish(event, body('later'));
      held[0]?.ack();
      await closing;
      await publisher.publish(event, body('last'));
      await until('the last is there', () => second.values.includes('last'));
      expect(held.length + second.deliveries.length).toBe(3);
      expect(held.map((delivery) => decodeBody(delivery.body))).not.toContain('last');
    });

    ifCan('prefetch', 'holds out no more than the prefetch that it was given', async () => {
      const held: Delivery[] = [];
      const holder = await bench.open({ ...transport.config(group), prefetch: 2 });
      await holder.subscribe(event, (delivery) => held.push(delivery));
      for (let number = 1; number <= 10; number++) await publisher.publish(event, body(number));
      await until('it has its share', () => held.length === 2);
      const rest = new Inbox();
      await consumer.subscribe(event, rest.handler);
      await until('somebody else has the rest', () => rest.deliveries.length === 8);
      expect(held).toHaveLength(2);
      await consumer.unsubscribe(event);
      await publisher.publish(event, body(11));
      await publisher.publish(event, body(12));
      for (const delivery of held.splice(0)) delivery.ack();
      await until('it takes more', () => held.length === 2);
      expect(held.map((delivery) => decodeBody(delivery.body))).toEqual([11, 12]);
      for (const delivery of held) delivery.ack();
    });

    ifCan('expiry', 'does not deliver what has expired', async () => {
      const inbox = new Inbox();
      await consumer.subscribe(event, inbox.handler);
      await consumer.unsubscribe(event);
      await publisher.publish(event, body('stale'), { expirationMs: 100 });
      const call = publisher.call(event, body('stale call'), { timeoutMs: 100 });
      await expect(call).rejects.toBeInstanceOf(CallTimeoutError);
      await new Promise((resolve) => setTimeout(resolve, EXPIRED_MS));
      await publisher.publish(event, body('fresh'), { expirationMs: 60_000 });
      await consumer.subscribe(event, inbox.handler);
      await until('the fresh one is there', () => inbox.values.includes('fresh'));
      expect(inbox.values).toEqual(['fresh']);
    });

    ifCan('handover', 'gives on what is handed back after it was unsubscribed', async () => {
      const held: Delivery[] = [];
      await consumer.subscribe(event, (delivery) => held.push(delivery));
      for (const one of ['back', 'back again', 'kept']) await publisher.publish(event, body(one));
      await until('they are held', () => held.length === 3);
      held[0]?.retry();
      await consumer.unsubscribe(event);
      held[1]?.retry();
      const successor = await bench.open(transport.config(group));
      const inbox = new Inbox();
      await successor.subscribe(event, inbox.handler);
      await until('what was handed back came', () => inbox.deliveries.length === 2);
      await consumer.close();
      await until('what was kept came, too', () => inbox.deliveries.length === 3);
      expect([...inbox.values].sort()).toEqual(['back', 'back again', 'kept']);
    });

    ifCan('handover', 'gives what a consumer has not settled to the next one', async () => {
      const held: Delivery[] = [];
      await consumer.subscribe(event, (delivery) => held.push(delivery));
      const unsettled = ['first', 'second', 'third'];
      for (const one of unsettled) await publisher.publish(event, body(one));
      await until('they are held', () => held.length === unsettled.length);
      // It waits for its handler as long as it may, and then goes all the same.
      await consumer.close();
      const successor = await bench.open(transport.config(group));
      const inbox = new Inbox();
      await successor.subscribe(event, inbox.handler);
      await until('they came again', () => inbox.deliveries.length === unsettled.length);
      for (const delivery of held) delivery.ack();
      expect(inbox.values).toEqual(unsettled);
    });

    const { subgroupConfig } = transport;
    if (subgroupConfig)
      it('gives each subgroup a copy', async () => {
        const inboxes = [new Inbox(), new Inbox(), new Inbox()] as const;
        const subgroups = ['one', 'one', 'two'];
        for (const [index, inbox] of inboxes.entries()) {
          const member = await bench.open(subgroupConfig(group, subgroups[index] as string));
          await member.subscribe(event, inbox.handler);
        }
        const numbers = Array.from({ length: 40 }, (_, index) => index);
        await Promise.all(numbers.map((number) => publisher.publish(event, body(number))));
        const [first, second, other] = inboxes;
        const ofOne = () => [...first.values, ...second.values] as number[];
        await until('both have all', () => ofOne().length >= 40 && other.deliveries.length >= 40);
        expect(ofOne().sort((a, b) => a - b)).toEqual(numbers);
        expect(other.values).toEqual(numbers);
      });
  });
}
