/**
 * The broker over AMQP 0-9-1, as RabbitMQ speaks it.
 *
 * A link is two connections: RabbitMQ stops reading from one that publishes when it runs short of
 * memory or disk, and acks must still get through then. Publishing has a confirm channel for events and
 * one for everything else; consuming has one for subscriptions and one for answers to our calls, in an
 * exclusive queue whose name the server chooses anew for every link. Topology is declared on a channel that is
 * thrown away, since a refused declaration costs the channel it was made on.
 *
 * Exchange and queues are declared exactly as every other client declares them: a direct durable
 * exchange with the name of the group, durable queues without arguments.
 *
 * Acks belong to the channel that delivered. The link is gone with any of its channels, and an ack that
 * comes later reaches nobody. A cancelled consumer (its queue was deleted) also ends the link, so that the
 * next one declares the queue again.
 */
import type { Channel, ChannelModel, ConfirmChannel, ConsumeMessage, Options } from 'amqplib';
import type { Link, LinkDriver, LinkHooks } from '../../actors/channel/link.ts';
import type { CallOptions, PublishOptions } from '../../protocols/broker.ts';
import {
  BrokerUnavailableError,
  PublishRefusedError,
  UnroutableError,
} from '../../protocols/errors.ts';
import { CONSUMER_PREFETCH, RETRY_DELAY_MS } from '../../protocols/limits.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import type { PayloadEncoder, PayloadMode } from '../../protocols/wire/payload.ts';
import type { AmqpEndpoint } from '../config/broker-urls.ts';
import { amqpError, firstOpenError, openAmqp, watchEnd } from './amqp-connection.ts';
import { AmqpSink } from './amqp-sink.ts';
import { InFlight } from './in-flight.ts';

export type AmqpDriverOptions = {
  readonly endpoint: AmqpEndpoint;
  readonly label: string;
  /** The group: the name of the exchange. */
  readonly exchange: string;
  /** `group:` or `group:subgroup:`; with the event it is the name of a queue. */
  readonly queuePrefix: string;
  readonly messageTimeoutMs: number;
  readonly payload: PayloadMode;
  readonly encoder: PayloadEncoder;
  readonly clock: Clock;
  readonly log: Log;
};

type Channels = {
  readonly publishing: ChannelModel;
  readonly consuming: ChannelModel;
  readonly events: ConfirmChannel;
  readonly control: ConfirmChannel;
  readonly deliveries: Channel;
  readonly answers: Channel;
  /** The server's name for our queue of answers. */
  readonly answerQueue: string;
};

type Call = {
  readonly event: string;
  readonly resolve: (body: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
};

class AmqpLink implements Link {
  readonly sink: AmqpSink;
  readonly #options: AmqpDriverOptions;
  readonly #hooks: LinkHooks;
  readonly #channels: Channels;
  readonly #inFlight = new InFlight();
  readonly #consumerTags = new Map<string, string>();
  readonly #calls = new Map<string, Call>();
  #isOver = false;

  constructor(options: AmqpDriverOptions, hooks: LinkHooks, channels: Channels) {
    this.#options = options;
    this.#hooks = hooks;
    this.#channels = channels;
    this.sink = new AmqpSink({
      channel: channels.events,
      exchange: options.exchange,
      messageTimeoutMs: options.messageTimeoutMs,
      payload: options.payload,
      encoder: options.encoder,
      confirms: hooks.confirms,
      lost: (reason) => this.lost(reason),
    });
    channels.publishing.on('blocked', () => hooks.blocked(true));
    channels.publishing.on('unblocked', () => hooks.blocked(false));
    channels.control.on('return', (message) => this.#returned(message));
  }

  async start(): Promise<void> {
    const { answers, answerQueue } = this.#channels;
    await answers.consume(answerQueue, (message) => this.#answered(message), { noAck: true });
  }

  lost(reason: unknown): void {
    if (this.#isOver) return;
    const known = amqpError(reason, this.#options.label);
    this.#hooks.lost(known);
    for (const call of [...this.#calls.values()]) call.reject(known);
  }

  async consume(event: string): Promise<void> {
    if (this.#consumerTags.has(event)) return;
    const { queuePrefix, exchange, label } = this.#options;
    const queue = `${queuePrefix}${event}`;
    try {
      await declare(this.#channels.consuming, async (channel) => {
        await channel.assertQueue(queue, { durable: true });
        await channel.bindQueue(queue, exchange, event);
      });
      const { consumerTag } = await this.#channels.deliveries.consume(queue, (message) =>
        this.#deliver(event, message),
      );
      this.#consumerTags.set(event, consumerTag);
    } catch (error) {
      throw amqpError(error, label);
    }
  }

  async cancel(event: string): Promise<void> {
    const tag = this.#consumerTags.get(event);
    if (tag === undefined) return;
    this.#consumerTags.delete(event);
    try {
      await this.#channels.deliveries.cancel(tag);
    } catch (error) {
      throw amqpError(error, this.#options.label);
    }
  }

  publish(event: string, body: Uint8Array, id: string, options: PublishOptions): Promise<void> {
    const { expirationMs } = options;
    return this.#send(event, body, {
      messageId: id,
      ...(expirationMs !== undefined && { expiration: String(Math.round(expirationMs)) }),
    });
  }

  call(
    event: string,
    body: Uint8Array,
    id: string,
    options: CallOptions,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const settle = () => this.#calls.delete(id);
      const call: Call = {
        event,
        resolve: (answer) => settle() && resolve(answer),
        reject: (error) => settle() && reject(error),
      };
      this.#calls.set(id, call);
      signal.addEventListener('abort', () => call.reject(signal.reason), { once: true });
      const properties: Options.Publish = {
        messageId: id,
        correlationId: id,
        replyTo: this.#channels.answerQueue,
        mandatory: true,
        expiration: String(Math.round(options.timeoutMs)),
      };
      this.#send(event, body, properties).catch(call.reject);
    });
  }

  async close(): Promise<void> {
    for (const event of [...this.#consumerTags.keys()]) await this.cancel(event);
    await this.#inFlight.idle();
    this.#isOver = true;
    const { publishing, consuming } = this.#channels;
    // Closing a connection is ordered behind everything that was written to it.
    await Promise.allSettled([publishing.close(), consuming.close()]);
  }

  destroy(): void {
    this.#isOver = true;
    for (const call of [...this.#calls.values()]) {
      call.reject(new BrokerUnavailableError(`${this.#options.label} was closed`));
    }
    destroyConnection(this.#channels.publishing);
    destroyConnection(this.#channels.consuming);
  }

  #send(event: string, body: Uint8Array, properties: Options.Publish): Promise<void> {
    const { label, exchange } = this.#options;
    return new Promise((resolve, reject) => {
      const persistent = { persistent: true, ...properties };
      const settle = (error: unknown) => {
        if (!error) resolve();
        else if (isNack(error)) reject(new PublishRefusedError(`${label} refused ${event}`));
        else
          reject(
            new BrokerUnavailableError(`${label} closed the channel before it confirmed ${event}`),
          );
      };
      try {
        this.#channels.control.publish(exchange, event, Buffer.from(body), persistent, settle);
      } catch (error) {
        reject(amqpError(error, label));
      }
    });
  }

  #deliver(event: string, message: ConsumeMessage | null): void {
    if (message === null) {
      this.lost(new Error(`the queue of ${event} was deleted`));
      return;
    }
    const { deliveries } = this.#channels;
    const { log, clock } = this.#options;
    const { replyTo, correlationId } = message.properties;
    const settle = (act: (channel: Channel) => void) => {
      if (this.#isOver) return;
      try {
        act(deliveries);
      } catch {
        // The channel has closed since: the broker delivers the message again.
      }
    };
    const delivery = this.#inFlight.enter({
      event,
      body: message.content,
      wantsReply: typeof replyTo === 'string',
      ack: () => settle((channel) => channel.ack(message)),
      // Handed back after a moment: at once it would come round again thousands of times a second.
      retry: () => {
        clock.setTimer(RETRY_DELAY_MS, () =>
          settle((channel) => channel.nack(message, false, true)),
        );
      },
      reject: (reason) => {
        log.warn({ event, reason }, 'a message was rejected');
        settle((channel) => channel.nack(message, false, false));
      },
      reply: (body) => this.#reply(replyTo, correlationId, body),
    });
    this.#hooks.delivery(delivery);
  }

  async #reply(replyTo: unknown, correlationId: unknown, body: Uint8Array): Promise<void> {
    if (typeof replyTo !== 'string') return;
    const { control } = this.#channels;
    const { label } = this.#options;
    const properties = typeof correlationId === 'string' ? { correlationId } : {};
    await new Promise<void>((resolve, reject) => {
      try {
        control.sendToQueue(replyTo, Buffer.from(body), properties, (error: unknown) => {
          if (error) reject(new BrokerUnavailableError(`${label} did not take an answer`));
          else resolve();
        });
      } catch (error) {
        reject(amqpError(error, label));
      }
    });
  }

  #answered(message: ConsumeMessage | null): void {
    if (message === null) {
      this.lost(new Error('the queue of answers was deleted'));
      return;
    }
    this.#calls.get(message.properties.correlationId)?.resolve(message.content);
  }

  #returned(message: { properties: { correlationId?: unknown } }): void {
    const call = this.#calls.get(String(message.properties.correlationId));
    call?.reject(new UnroutableError(call.event));
  }
}

/** amqplib tells a nack and the loss of the channel by the same means, and only by their words. */
function isNack(error: unknown): boolean {
  return error instanceof Error && error.message === 'message nacked';
}

/** Declares on a channel of its own: a refusal closes that channel and no other. */
async function declare(
  connection: ChannelModel,
  work: (channel: Channel) => Promise<void>,
): Promise<void> {
  const channel = await connection.createChannel();
  // The refusal itself reaches the caller by the promise of what was refused.
  channel.on('error', () => undefined);
  await work(channel);
  await channel.close();
}

/** amqplib can only close politely; a peer that is silent would keep that waiting. */
function destroyConnection(model: ChannelModel): void {
  const { connection } = model as unknown as { connection: { stream?: { destroy(): void } } };
  model.on('error', () => undefined);
  connection.stream?.destroy();
}

async function openChannels(
  options: AmqpDriverOptions,
  publishing: ChannelModel,
  consuming: ChannelModel,
  onEnd: (reason: unknown) => void,
): Promise<Channels> {
  const watched = async <C extends Channel>(opening: Promise<C>): Promise<C> => {
    const channel = await opening;
    watchEnd(channel, onEnd);
    return channel;
  };
  await declare(publishing, async (channel) => {
    await channel.assertExchange(options.exchange, 'direct', { durable: true });
  });
  const events = await watched(publishing.createConfirmChannel());
  const control = await watched(publishing.createConfirmChannel());
  const deliveries = await watched(consuming.createChannel());
  const answers = await watched(consuming.createChannel());
  await deliveries.prefetch(CONSUMER_PREFETCH);
  const { queue } = await answers.assertQueue('', {
    exclusive: true,
    autoDelete: true,
    durable: false,
  });
  return { publishing, consuming, events, control, deliveries, answers, answerQueue: queue };
}

export function amqpDriver(options: AmqpDriverOptions): LinkDriver {
  const { endpoint, label } = options;
  let hasOpened = false;
  return {
    label,
    async open(hooks, signal) {
      const models: ChannelModel[] = [];
      let link: AmqpLink | undefined;
      const onEnd = (reason: unknown) =>
        link ? link.lost(reason) : hooks.lost(amqpError(reason, label));
      try {
        const publishing = await openAmqp(endpoint, label, 'publishing', onEnd);
        models.push(publishing);
        const consuming = await openAmqp(endpoint, label, 'consuming', onEnd);
        models.push(consuming);
        const channels = await openChannels(options, publishing, consuming, onEnd);
        if (signal.aborted)
          throw new BrokerUnavailableError(`${label} was given up while it opened`);
        link = new AmqpLink(options, hooks, channels);
        await link.start();
        hasOpened = true;
        return link;
      } catch (error) {
        for (const model of models) destroyConnection(model);
        throw hasOpened ? amqpError(error, label) : firstOpenError(error, label);
      }
    },
  };
}
