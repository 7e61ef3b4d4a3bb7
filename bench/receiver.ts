/**
 * The other end: a process that takes every event out of Redis or RabbitMQ and notes when it came.
 *
 * It uses the plain client libraries, so that it is no part of what is measured. Each event is
 * looked at: its id and the number in its body must agree, and some bodies are decoded whole.
 */
import { decode } from '@msgpack/msgpack';
import { connect } from 'amqplib';
import { Redis } from 'ioredis';
import { Arrivals } from './arrivals.ts';
import type { ArrivalReport } from './measured.ts';
import { serve } from './processes.ts';
import { BROKER_GROUP } from './row.ts';
import { EVENT, idOf, sequenceOf } from './source/messages.ts';

export type ReceiverOrder =
  | {
      readonly kind: 'open';
      readonly broker: 'redis' | 'amqp';
      readonly url: string;
      readonly shards: number;
      readonly withoutIds: boolean;
    }
  /** Waits for so many events; answers with an `ArrivalReport`. */
  | { readonly kind: 'arrivals'; readonly events: number }
  /** Removes what was made at the broker. */
  | { readonly kind: 'close' };

const READ_COUNT = 1_000;
const READ_BLOCK_MS = 200;
const PATIENCE_MS = 20_000;
const POLL_MS = 2;
const DECODED_SHARE = 256;

const arrivals = new Arrivals();
let shards = 1;
let withoutIds = false;
let failure: unknown;
let close: () => Promise<void> = async () => undefined;

function note(id: string | undefined, body: Uint8Array): void {
  const nonce = sequenceOf(body);
  arrivals.note(nonce);
  if (!withoutIds && id !== idOf(nonce, shards)) {
    throw new Error(`the event ${id} has the body of ${idOf(nonce, shards)}`);
  }
  if (nonce % DECODED_SHARE !== 0) return;
  const value = decode(body);
  // A string of JSON, or with the payload `map` what it says.
  const data: unknown = typeof value === 'string' ? JSON.parse(value) : value;
  if ((data as { nonce?: unknown }).nonce !== String(nonce)) {
    throw new Error(`the body of event ${nonce} cannot be read`);
  }
}

async function openRedis(url: string): Promise<void> {
  const redis = new Redis(url, { protocol: 2, replyMapping: 'legacy', retryStrategy: null });
  await redis.del(EVENT);
  let isClosing = false;
  const reading = readStream(redis, () => isClosing).catch((error: unknown) => {
    failure = error;
  });
  close = async () => {
    isClosing = true;
    await reading;
    await redis.del(EVENT);
    redis.disconnect();
  };
}

async function readStream(redis: Redis, isOver: () => boolean): Promise<void> {
  let last: Buffer | string = '0-0';
  while (!isOver()) {
    const reply = (await redis.xreadBuffer(
      'COUNT',
      READ_COUNT,
      'BLOCK',
      READ_BLOCK_MS,
      'STREAMS',
      EVENT,
      last,
    )) as readonly [Buffer, readonly [Buffer, readonly Buffer[]][]][] | null;
    for (const [, entries] of reply ?? []) {
      for (const [entry, [, data, , id]] of entries) {
        last = entry;
        note(id?.toString(), data ?? new Uint8Array(0));
      }
    }
  }
}

async function openAmqp(url: string): Promise<void> {
  const connection = await connect(url);
  const channel = await connection.createChannel();
  const queue = `${BROKER_GROUP}:${EVENT}`;
  await channel.assertExchange(BROKER_GROUP, 'direct', { durable: true });
  await channel.assertQueue(queue, { durable: true });
  await channel.purgeQueue(queue);
  await channel.bindQueue(queue, BROKER_GROUP, EVENT);
  await channel.consume(
    queue,
    (message) => {
      try {
        if (message) note(String(message.properties.messageId), message.content);
      } catch (error) {
        failure = error;
      }
    },
    { noAck: true },
  );
  close = async () => {
    await channel.deleteQueue(queue);
    await connection.close();
  };
}

async function report(events: number): Promise<ArrivalReport> {
  const deadline = performance.now() + PATIENCE_MS;
  while (arrivals.count < events && failure === undefined && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  if (failure !== undefined) throw failure;
  return { count: arrivals.count, duplicates: arrivals.duplicates, times: arrivals.times() };
}

serve<ReceiverOrder>((order) => {
  switch (order.kind) {
    case 'open':
      ({ shards, withoutIds } = order);
      return order.broker === 'redis' ? openRedis(order.url) : openAmqp(order.url);
    case 'arrivals':
      return report(order.events);
    case 'close':
      return close();
  }
});
