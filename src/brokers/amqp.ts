/**
 * The broker over AMQP 0-9-1, as RabbitMQ speaks it.
 *
 * A link is two connections with two channels each (`amqp-channels.ts`): dispatch events
 * (`amqp-sink.ts`), other publishes, calls and answers (`amqp-control.ts`), consumers
 * (`amqp-consumers.ts`), and the answers to our own calls. The loss of any one of them is the loss
 * of the link; the next link declares everything anew. The exchange is declared as every other
 * client declares it: with the name of the group, direct, durable.
 *
 * While the broker blocks publishers (short of memory or disk) the link stays, consuming goes on,
 * and nothing is published. Closing goes in order: consumers cancelled, handlers waited for, their
 * answers confirmed, channels closed, connections closed.
 */
import type { Link, LinkDriver, LinkHooks } from '../../actors/channel/link.ts';
import type { CallOptions, PublishOptions } from '../../protocols/broker.ts';
import { BrokerUnavailableError, FatalError } from '../../protocols/errors.ts';
import { AMQP_NAME_MAX_BYTES } from '../../protocols/limits.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import type { PayloadEncoder, PayloadMode } from '../../protocols/wire/payload.ts';
import type { AmqpEndpoint } from '../config/broker-urls.ts';
import { type AmqpChannels, closeChannels, openChannels } from './amqp-channels.ts';
import { declarationError, endError, firstOpenError, openAmqp } from './amqp-connection.ts';
import { AmqpConsumers, type AmqpQueueType } from './amqp-consumers.ts';
import { AmqpControl } from './amqp-control.ts';
import type { AmqpCounter } from './amqp-counts.ts';
import { AmqpSink } from './amqp-sink.ts';

export type AmqpDriverOptions = {
  readonly endpoint: AmqpEndpoint;
  readonly label: string;
  /** The group: the name of the exchange. */
  readonly exchange: string;
  /** `group:` or `group:subgroup:`; with the event it is the name of a queue. */
  readonly queuePrefix: string;
  readonly queueType: AmqpQueueType;
  /** Queues are this connection's alone and go with it. */
  readonly isOwnQueue: boolean;
  /** Messages of one subscription that handlers may have and not have settled. */
  readonly prefetch: number;
  /**
   * Whether events and publishes are written to disk, so that they live through a restart of the
   * broker.
   */
  readonly persistent: boolean;
  readonly messageTimeoutMs: number;
  readonly payload: PayloadMode;
  readonly encoder: PayloadEncoder;
  readonly clock: Clock;
  readonly log: Log;
  readonly counter: AmqpCounter;
};

class AmqpLink implements Link {
  readonly sink: AmqpSink;
  readonly #label: string;
  readonly #hooks: LinkHooks;
  readonly #channels: AmqpChannels;
  readonly #end: () => void;
  readonly #control: AmqpControl;
  readonly #consumers: AmqpConsumers;
  #isOver = false;

  /** @param end ends the connections at once */
  constructor(
    options: AmqpDriverOptions,
    hooks: LinkHooks,
    channels: AmqpChannels,
    end: () => void,
  ) {
    const { label, exchange, clock, log, counter } = options;
    this.#label = label;
    this.#hooks = hooks;
    this.#channels = channels;
    this.#end = end;
    const lost = (reason: unknown) => this.lost(reason);
    this.sink = new AmqpSink({
      channel: channels.events,
      exchange,
      persistent: options.persistent,
      messageTimeoutMs: options.messageTimeoutMs,
      payload: options.payload,
      encoder: options.encoder,
      clock,
      confirms: hooks.confirms,
      lost,
    });
    const control = new AmqpControl({
      channel: channels.control,
      label,
      exchange,
      answerQueue: channels.answerQueue,
      persistent: options.persistent,
      clock,
      counter,
    });
    this.#control = control;
    this.#consumers = new AmqpConsumers({
      connection: channels.consuming,
      channel: channels.deliveries,
      label,
      exchange,
      queuePrefix: options.queuePrefix,
      queueType: options.queueType,
      isOwnQueue: options.isOwnQueue,
      clock,
      log,
      counter,
      deliver: (delivery) => hooks.delivery(delivery),
      answer: (event, replyTo, correlationId, body) =>
        control.answer(event, replyTo, correlationId, body),
      lost,
    });
    channels.publishing.on('blocked', () => hooks.blocked(true));
    channels.publishing.on('unblocked', () => hooks.blocked(false));
  }

  async start(): Promise<void> {
    const { answers, answerQueue } = this.#channels;
    await answers.consume(
      answerQueue,
      (message) => {
        if (message === null) this.lost(new Error('the queue of answers was deleted'));
        else this.#control.answered(message);
      },
      { noAck: true },
    );
  }

  lost(reason: unknown): void {
    if (this.#isOver) return;
    this.#hooks.lost(endError(reason, this.#label));
  }

  consume(event: string): Promise<void> {
    return this.#consumers.consume(event);
  }

  cancel(event: string): Promise<void> {
    return this.#consumers.cancel(event);
  }

  publish(event: string, body: Uint8Array, id: string, options: PublishOptions): Promise<void> {
    return this.#control.publish(event, body, id, options);
  }

  call(
    event: string,
    body: Uint8Array,
    id: string,
    options: CallOptions,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    return this.#control.call(event, body, id, options, signal);
  }

  async close(): Promise<void> {
    await this.#consumers.close();
    await this.#control.idle();
    this.#isOver = true;
    this.#consumers.end();
    await closeChannels(this.#channels);
  }

  destroy(): void {
    this.#isOver = true;
    this.#consumers.end();
    this.#control.lose(new BrokerUnavailableError(`${this.#label} was closed`));
    this.#end();
  }
}

async function openLink(
  options: AmqpDriverOptions,
  hooks: LinkHooks,
  signal: AbortSignal,
  hasOpened: boolean,
): Promise<AmqpLink> {
  const { endpoint, label } = options;
  const ending = new AbortController();
  const over = AbortSignal.any([signal, ending.signal]);
  let link: AmqpLink | undefined;
  const onEnd = (reason: unknown) => {
    if (link) link.lost(reason);
    else if (!over.aborted) hooks.lost(endError(reason, label));
  };
  try {
    const connections = {
      publishing: await openAmqp(endpoint, 'publishing', over, onEnd),
      consuming: await openAmqp(endpoint, 'consuming', over, onEnd),
    };
    const channels = await openChannels(connections, options, onEnd);
    link = new AmqpLink(options, hooks, channels, () => ending.abort());
    await link.start();
    return link;
  } catch (error) {
    ending.abort();
    if (signal.aborted) throw new BrokerUnavailableError(`${label} was given up while it opened`);
    throw hasOpened ? declarationError(error, label) : firstOpenError(error, label, endpoint);
  }
}

export function amqpDriver(options: AmqpDriverOptions): LinkDriver {
  const { label, exchange } = options;
  let hasOpened = false;
  return {
    label,
    async open(hooks, signal) {
      if (Buffer.byteLength(exchange) > AMQP_NAME_MAX_BYTES) {
        throw new FatalError(
          `the group ${exchange.slice(0, 60)}… is too long for AMQP, which takes ${AMQP_NAME_MAX_BYTES} bytes`,
        );
      }
      const link = await openLink(options, hooks, signal, hasOpened);
      hasOpened = true;
      return link;
    },
  };
}
