/**
 * The consuming side of an AMQP link: queues declared, consumers started and cancelled, deliveries
 * settled.
 *
 * Queues are declared exactly as every other client declares them: durable, with no arguments,
 * bound to the group's exchange; dead letters and limits come by policy. A quorum queue is another
 * matter and has to be asked for: it is declared with its delivery limit and with a queue of dead
 * letters, since without one the broker would drop what reaches the limit in silence.
 *
 * Acks belong to the channel that delivered. A delivery that is settled after its channel has gone
 * reaches nobody and is counted; the broker delivers it again. Handlers never run inside amqplib's
 * own stack frames, which a throw would tear down. A consumer that the broker cancels (its queue
 * was deleted, or its node has gone) ends the link, so that the next one declares the queue again.
 */
import type { Channel, ChannelModel, ConsumeMessage, MessageProperties } from 'amqplib';
import type { Delivery } from '../../protocols/broker.ts';
import { BrokerUnavailableError, FatalError } from '../../protocols/errors.ts';
import {
  AMQP_CLOCK_SKEW_MS,
  AMQP_DELIVERY_LIMIT,
  AMQP_NAME_MAX_BYTES,
  RETRY_DELAY_MS,
} from '../../protocols/limits.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import { assertOwnQueue, declare } from './amqp-channels.ts';
import { declarationError } from './amqp-connection.ts';
import type { AmqpCounter } from './amqp-counts.ts';
import { InFlight } from './in-flight.ts';

export type AmqpQueueType = 'classic' | 'quorum';

/** What the name of a quorum queue's dead letters ends with. */
const DEAD_SUFFIX = '.dead';

export type AmqpConsumersOptions = {
  /** For declarations, on channels that are thrown away. */
  readonly connection: ChannelModel;
  readonly channel: Channel;
  readonly label: string;
  readonly exchange: string;
  /** `group:` or `group:subgroup:`; with the event it is the name of a queue. */
  readonly queuePrefix: string;
  readonly queueType: AmqpQueueType;
  /** The server names a queue for each event, for this connection alone, and drops it with it. */
  readonly isOwnQueue: boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly counter: AmqpCounter;
  readonly deliver: (delivery: Delivery) => void;
  readonly answer: (
    event: string,
    replyTo: string,
    correlationId: unknown,
    body: Uint8Array,
  ) => Promise<void>;
  readonly lost: (reason: unknown) => void;
};

function shardOf({ properties }: ConsumeMessage): number | undefined {
  const shard: unknown = properties.headers?.shard;
  return typeof shard === 'number' ? shard : undefined;
}

/**
 * A broker that counts deliveries says so in a header; others say only that it is not the first.
 */
function attemptOf({ properties, fields }: ConsumeMessage): number {
  const counted: unknown = properties.headers?.['x-delivery-count'];
  if (typeof counted === 'number') return counted + 1;
  return fields.redelivered ? 2 : 1;
}

/** How long before `epochMs` the message had expired; undefined when it does not say. */
function expiredForMs(properties: MessageProperties, epochMs: number): number | undefined {
  const { timestamp } = properties as { timestamp?: unknown };
  const lifeMs = Number.parseInt(String(properties.expiration), 10);
  if (typeof timestamp !== 'number' || Number.isNaN(lifeMs)) return undefined;
  // A timestamp has whole seconds, so the message may be almost a second younger than it says.
  return epochMs - ((timestamp + 1) * 1_000 + lifeMs);
}

export class AmqpConsumers {
  readonly #options: AmqpConsumersOptions;
  readonly #inFlight = new InFlight();
  readonly #tags = new Map<string, string>();
  /** The last change to each event's consumer: changes to one are made one after the other. */
  readonly #turns = new Map<string, Promise<void>>();
  #isOver = false;

  constructor(options: AmqpConsumersOptions) {
    this.#options = options;
  }

  consume(event: string): Promise<void> {
    return this.#inTurn(event, () => this.#consume(event));
  }

  cancel(event: string): Promise<void> {
    return this.#inTurn(event, () => this.#cancel(event));
  }

  /** Takes nothing more, and resolves when handlers have settled all that they have. */
  async close(): Promise<void> {
    await Promise.all([...this.#tags.keys()].map((event) => this.cancel(event)));
    await this.#inFlight.idle();
  }

  /** The channel is gone, or about to go: nothing can be settled on it any more. */
  end(): void {
    this.#isOver = true;
  }

  async #inTurn(event: string, work: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(event) ?? Promise.resolve()).then(work);
    const settled = turn.catch(() => undefined);
    this.#turns.set(event, settled);
    try {
      await turn;
    } finally {
      if (this.#turns.get(event) === settled) this.#turns.delete(event);
    }
  }

  async #consume(event: string): Promise<void> {
    if (this.#tags.has(event)) return;
    const { queuePrefix, channel, label } = this.#options;
    const queue = `${queuePrefix}${event}`;
    if (Buffer.byteLength(`${queue}${DEAD_SUFFIX}`) > AMQP_NAME_MAX_BYTES) {
      throw new FatalError(
        `the queue ${queue.slice(0, 60)}… has a name too long for AMQP, which takes ${AMQP_NAME_MAX_BYTES} bytes`,
      );
    }
    try {
      const declared = await this.#declareQueue(queue, event);
      const { consumerTag } = await channel.consume(declared, (message) =>
        this.#receive(event, message),
      );
      this.#tags.set(event, consumerTag);
    } catch (error) {
      throw declarationError(error, label);
    }
  }

  async #cancel(event: string): Promise<void> {
    const tag = this.#tags.get(event);
    if (tag === undefined) return;
    this.#tags.delete(event);
    try {
      await this.#options.channel.cancel(tag);
    } catch (error) {
      throw declarationError(error, this.#options.label);
    }
  }

  /** @returns the queue's name */
  async #declareQueue(name: string, event: string): Promise<string> {
    const { connection, exchange, isOwnQueue } = this.#options;
    let queue = name;
    await declare(connection, async (channel) => {
      if (isOwnQueue) queue = await assertOwnQueue(channel);
      else await this.#assertSharedQueue(channel, name);
      await channel.bindQueue(queue, exchange, event);
    });
    return queue;
  }

  async #assertSharedQueue(channel: Channel, name: string): Promise<void> {
    if (this.#options.queueType === 'classic') {
      await channel.assertQueue(name, { durable: true });
      return;
    }
    const dead = `${name}${DEAD_SUFFIX}`;
    const quorum = { 'x-queue-type': 'quorum' };
    await channel.assertQueue(dead, { durable: true, arguments: quorum });
    await channel.assertQueue(name, {
      durable: true,
      arguments: { ...quorum, 'x-delivery-limit': AMQP_DELIVERY_LIMIT },
      deadLetterExchange: '',
      deadLetterRoutingKey: dead,
    });
  }

  #receive(event: string, message: ConsumeMessage | null): void {
    if (message === null) {
      this.#options.lost(new Error(`the queue of ${event} was deleted, or its node has gone`));
      return;
    }
    const { clock, log, counter, deliver } = this.#options;
    const lateMs = expiredForMs(message.properties, clock.epochMs());
    if (lateMs !== undefined && lateMs > AMQP_CLOCK_SKEW_MS) {
      counter('expired', event, 1);
      log.warn({ event, lateMs }, 'a message came long after it had expired, and is dropped');
      this.#settle(event, (channel) => channel.nack(message, false, false));
      return;
    }
    const delivery = this.#enter(event, message);
    queueMicrotask(() => deliver(delivery));
  }

  #enter(event: string, message: ConsumeMessage): Delivery {
    const { clock, log, counter, answer, label } = this.#options;
    const { replyTo, correlationId, messageId } = message.properties;
    const nack = (requeue: boolean) =>
      this.#settle(event, (channel) => channel.nack(message, false, requeue));
    return this.#inFlight.enter({
      event,
      id: typeof messageId === 'string' ? messageId : undefined,
      shard: shardOf(message),
      body: message.content,
      wantsReply: typeof replyTo === 'string',
      attempt: attemptOf(message),
      ack: () => this.#settle(event, (channel) => channel.ack(message)),
      // Handed back after a moment: at once it would come round again thousands of times a second.
      retry: () => {
        counter('requeued', event, 1);
        clock.setTimer(RETRY_DELAY_MS, () => nack(true));
      },
      reject: (reason) => {
        counter('rejected', event, 1);
        log.debug({ event, reason }, 'a message was rejected');
        nack(false);
      },
      reply: async (body) => {
        if (typeof replyTo !== 'string') return;
        if (this.#isOver) {
          throw new BrokerUnavailableError(`${label}: the link of the message has gone`);
        }
        await answer(event, replyTo, correlationId, body);
      },
    });
  }

  #settle(event: string, act: (channel: Channel) => void): void {
    try {
      if (this.#isOver) throw new Error('the link has ended');
      act(this.#options.channel);
    } catch {
      // The broker delivers the message again, on whatever channel consumes its queue by then.
      this.#options.counter('stale-settlements', event, 1);
    }
  }
}
