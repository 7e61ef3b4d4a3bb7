/**
 * The data plane of an AMQP link: one confirm channel that carries nothing but dispatch events.
 *
 * A confirm channel numbers what is published on it from 1, and the ring of unconfirmed events counts
 * its tags the same way, so a confirm finds its event by its number alone. amqplib would take a callback
 * for each publish; the channel's own `ack` and `nack` events carry the number (and `multiple`), come
 * for confirms in any order, and need no closure per event. Hence also the channel of its own: any other
 * publish would take a number.
 *
 * amqplib copies what it is given into its frames before `publish` returns, so body, options and
 * headers are written into the same objects again and again.
 */
import type { ConfirmChannel, Options } from 'amqplib';
import type { Confirms, EventSink } from '../../actors/channel/link.ts';
import type { EventOrigin } from '../../protocols/broker.ts';
import { AMQP_BODY_BYTES } from '../../protocols/limits.ts';
import type { PayloadEncoder, PayloadMode } from '../../protocols/wire/payload.ts';

export function contentType(payload: PayloadMode): string {
  return payload === 'raw' ? 'application/json' : 'application/vnd.msgpack';
}

export type AmqpSinkOptions = {
  readonly channel: ConfirmChannel;
  readonly exchange: string;
  readonly persistent: boolean;
  readonly messageTimeoutMs: number;
  readonly payload: PayloadMode;
  readonly encoder: PayloadEncoder;
  readonly confirms: Confirms;
  readonly lost: (reason: unknown) => void;
};

export class AmqpSink implements EventSink {
  readonly #channel: ConfirmChannel;
  readonly #exchange: string;
  readonly #encoder: PayloadEncoder;
  readonly #lost: (reason: unknown) => void;
  readonly #events: string[] = [];
  readonly #facts = { event: '', shard: 0, sequence: 0 };
  readonly #headers = { shard: 0, seq: 0 };
  readonly #properties: Options.Publish;
  #body: Buffer = Buffer.allocUnsafeSlow(AMQP_BODY_BYTES);

  constructor(options: AmqpSinkOptions) {
    const { channel, confirms, messageTimeoutMs } = options;
    this.#channel = channel;
    this.#exchange = options.exchange;
    this.#encoder = options.encoder;
    this.#lost = options.lost;
    this.#properties = {
      persistent: options.persistent,
      contentType: contentType(options.payload),
      headers: this.#headers,
      messageId: '',
      // "0" would mean: drop unless a consumer is ready this instant.
      ...(messageTimeoutMs > 0 && { expiration: String(Math.round(messageTimeoutMs)) }),
    };
    const settle = (tag: number, isMultiple: boolean, confirmed: boolean) =>
      isMultiple ? confirms.settleThrough(tag, confirmed) : confirms.settle(tag, confirmed);
    channel.on('ack', ({ deliveryTag, multiple }) => settle(deliveryTag, multiple, true));
    channel.on('nack', ({ deliveryTag, multiple }) => settle(deliveryTag, multiple, false));
  }

  prepare(route: number, event: string): void {
    this.#events[route] = event;
  }

  send(
    route: number,
    source: Uint8Array,
    start: number,
    end: number,
    origin: EventOrigin,
    sequence: number,
  ): boolean {
    const event = this.#events[route];
    if (event === undefined) return false;
    const body = this.#encode(event, source, start, end, origin, sequence);
    this.#headers.shard = origin.shard;
    this.#headers.seq = sequence;
    this.#properties.messageId = `${origin.session}:${sequence}`;
    try {
      this.#channel.publish(this.#exchange, event, body, this.#properties);
    } catch (error) {
      // The channel has closed and its `close` event is on its way: nothing was taken.
      this.#lost(error);
      return false;
    }
    return true;
  }

  #encode(
    event: string,
    source: Uint8Array,
    start: number,
    end: number,
    origin: EventOrigin,
    sequence: number,
  ): Buffer {
    const facts = this.#facts;
    facts.event = event;
    facts.shard = origin.shard;
    facts.sequence = sequence;
    const bytes = this.#encoder.maxBytes(end - start);
    const target = bytes <= this.#body.length ? this.#body : Buffer.allocUnsafeSlow(bytes);
    return target.subarray(0, this.#encoder.write(source, start, end, target, 0, facts));
  }
}
