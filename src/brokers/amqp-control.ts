/**
 * The control plane of an AMQP link: single publishes, calls, and the answers to calls.
 *
 * All go over one confirm channel of their own. A message that nobody's queue would get comes back
 * before it is confirmed (a return precedes its ack), so whoever asked to know is told that nobody
 * consumes it. Calls carry their id as correlation and the link's own queue of answers; they are
 * not written to disk, since a call whose link is lost has failed for its caller and must not be
 * carried out after a restart.
 *
 * Publishes and calls are bounded and given their deadlines by the desk that sends them. Answers
 * come from handlers, so they are bounded here, in count and bytes, and fail when no confirm comes
 * in time.
 */
import type { ConfirmChannel, Message, Options } from 'amqplib';
import type { CallOptions, PublishOptions } from '../../protocols/broker.ts';
import {
  BrokerUnavailableError,
  PublishRefusedError,
  PublishTimeoutError,
  UnroutableError,
  UnsupportedByBrokerError,
} from '../../protocols/errors.ts';
import {
  AMQP_NAME_MAX_BYTES,
  BROKER_OPERATIONS_MAX,
  BROKER_OPERATIONS_MAX_BYTES,
  MESSAGE_EXPIRATION_MAX_MS,
  PUBLISH_TIMEOUT_MS,
} from '../../protocols/limits.ts';
import type { Clock } from '../../protocols/ports.ts';
import type { AmqpCounter } from './amqp-counts.ts';
import { IdleCount } from './idle-count.ts';

export type AmqpControlOptions = {
  readonly channel: ConfirmChannel;
  readonly label: string;
  readonly exchange: string;
  readonly answerQueue: string;
  /** Whether publishes that do not say are written to disk. */
  readonly persistent: boolean;
  readonly clock: Clock;
  readonly counter: AmqpCounter;
};

type Call = {
  readonly resolve: (body: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
};

/** RabbitMQ closes the channel on an expiration that it does not like. */
function expiration(milliseconds: number): string {
  return String(Math.min(MESSAGE_EXPIRATION_MAX_MS, Math.max(0, Math.round(milliseconds))));
}

/** amqplib tells a nack and the loss of the channel by the same means, and only by their words. */
function isNack(error: unknown): boolean {
  return error instanceof Error && error.message === 'message nacked';
}

export class AmqpControl {
  readonly #options: AmqpControlOptions;
  readonly #calls = new Map<string, Call>();
  /** By message id: what to do when the broker hands a message back. */
  readonly #returnable = new Map<string, () => void>();
  readonly #answers = new IdleCount();
  #answerBytes = 0;

  constructor(options: AmqpControlOptions) {
    this.#options = options;
    options.channel.on('return', (message: Message) => {
      this.#returnable.get(String(message.properties.messageId))?.();
    });
  }

  publish(event: string, body: Uint8Array, id: string, options: PublishOptions): Promise<void> {
    const { expirationMs, mandatory = false, persistent = this.#options.persistent } = options;
    return this.#send(event, body, {
      messageId: id,
      mandatory,
      persistent,
      timestamp: this.#timestamp(),
      ...(expirationMs !== undefined && { expiration: expiration(expirationMs) }),
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
        resolve: (answer) => settle() && resolve(answer),
        reject: (error) => settle() && reject(error),
      };
      this.#calls.set(id, call);
      signal.addEventListener('abort', () => call.reject(signal.reason), { once: true });
      this.#send(event, body, {
        messageId: id,
        correlationId: id,
        replyTo: this.#options.answerQueue,
        mandatory: true,
        persistent: false,
        timestamp: this.#timestamp(),
        expiration: expiration(options.timeoutMs),
      }).catch(call.reject);
    });
  }

  /**
   * Answers a message of `event` that came with `replyTo`; resolves when the broker has the answer.
   */
  async answer(
    event: string,
    replyTo: string,
    correlationId: unknown,
    body: Uint8Array,
  ): Promise<void> {
    const { label, clock } = this.#options;
    const isFull =
      this.#answers.count >= BROKER_OPERATIONS_MAX ||
      (this.#answers.count > 0 && this.#answerBytes + body.length > BROKER_OPERATIONS_MAX_BYTES);
    if (isFull) {
      throw new BrokerUnavailableError(
        `${this.#answers.count} answers wait for ${label} already; one to ${event} was not taken`,
      );
    }
    this.#answers.enter();
    this.#answerBytes += body.length;
    const properties = typeof correlationId === 'string' ? { correlationId } : {};
    const written = this.#write('', replyTo, `the answer to ${event}`, body, properties);
    // It takes its room until the broker has it, also when nobody waits for that any more.
    written.then(
      () => this.#answerSettled(body.length),
      () => this.#answerSettled(body.length),
    );
    await new Promise<void>((resolve, reject) => {
      const timer = clock.setTimer(PUBLISH_TIMEOUT_MS, () =>
        reject(new PublishTimeoutError(`the answer to ${event}`, PUBLISH_TIMEOUT_MS)),
      );
      written.then(resolve, reject).finally(() => timer.cancel());
    });
  }

  /** An answer has arrived in the link's queue. */
  answered(message: Message): void {
    const call = this.#calls.get(String(message.properties.correlationId));
    if (call) call.resolve(message.content);
    else this.#options.counter('late-answers', '', 1);
  }

  /** The link is gone: there is nowhere for an answer to come to. */
  lose(error: unknown): void {
    for (const call of [...this.#calls.values()]) call.reject(error);
  }

  /** Resolves when every answer that was given is confirmed. */
  idle(): Promise<void> {
    return this.#answers.idle();
  }

  #answerSettled(bytes: number): void {
    this.#answerBytes -= bytes;
    this.#answers.leave();
  }

  /** AMQP counts whole seconds. */
  #timestamp(): number {
    return Math.floor(this.#options.clock.epochMs() / 1_000);
  }

  #send(
    event: string,
    body: Uint8Array,
    properties: Options.Publish & { readonly messageId: string },
  ): Promise<void> {
    const { messageId } = properties;
    if (!properties.mandatory) {
      return this.#write(this.#options.exchange, event, event, body, properties);
    }
    return new Promise((resolve, reject) => {
      this.#returnable.set(messageId, () => reject(new UnroutableError(event)));
      this.#write(this.#options.exchange, event, event, body, properties)
        .then(resolve, reject)
        .finally(() => this.#returnable.delete(messageId));
    });
  }

  #write(
    exchange: string,
    routingKey: string,
    what: string,
    body: Uint8Array,
    properties: Options.Publish,
  ): Promise<void> {
    const { label, channel } = this.#options;
    return new Promise((resolve, reject) => {
      if (Buffer.byteLength(routingKey) > AMQP_NAME_MAX_BYTES) {
        throw new UnsupportedByBrokerError(
          `the name ${what.slice(0, 60)}… is too long for AMQP, which takes ${AMQP_NAME_MAX_BYTES} bytes`,
        );
      }
      const settle = (error: unknown) => {
        if (!error) resolve();
        else if (isNack(error)) reject(new PublishRefusedError(`${label} refused ${what}`));
        else {
          const message = `${label} closed the channel before it confirmed ${what}`;
          reject(new BrokerUnavailableError(message));
        }
      };
      try {
        channel.publish(exchange, routingKey, Buffer.from(body), properties, settle);
      } catch (error) {
        const message = `${label}: the channel has closed; ${what} was not sent`;
        reject(new BrokerUnavailableError(message, { cause: error }));
      }
    });
  }
}
