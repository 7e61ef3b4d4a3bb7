/**
 * The data plane of an AMQP link: one confirm channel that carries nothing but dispatch events.
 *
 * A confirm channel numbers what is published on it from 1, and the ring of unconfirmed events
 * counts its tags the same way, so a confirm finds its event by its number alone. amqplib would
 * take a callback for each publish; the channel's own `ack` and `nack` events carry the number (and
 * `multiple`), come for confirms in any order, and need no closure per event. Hence also the
 * channel of its own: any other publish would take a number.
 *
 * amqplib's `publish` makes every frame anew out of objects, and each is a write of its own. Here
 * the frames of a name are made once, what differs is written into them (`basic-publish.ts`), and
 * those of many events go as one piece to where `publish` would put them: into the channel's own
 * stream. So amqplib still shares the connection fairly between its channels, sends what it sends
 * behind the events and not before, beats, and hears of every end. `eventWire` is all that is used
 * of its inside.
 */
import type { Writable } from 'node:stream';
import type { ConfirmChannel } from 'amqplib';
import type { Confirms, EventSink } from '../../actors/channel/link.ts';
import type { EventOrigin } from '../../protocols/broker.ts';
import { FatalError } from '../../protocols/errors.ts';
import type { Clock } from '../../protocols/ports.ts';
import { BasicPublish } from '../../protocols/wire/basic-publish.ts';
import type { PayloadEncoder, PayloadMode } from '../../protocols/wire/payload.ts';
import { EventBatch } from './event-batch.ts';

export function contentType(payload: PayloadMode): string {
  return payload === 'raw' ? 'application/json' : 'application/vnd.msgpack';
}

/** Where the frames of a channel go, and what must be known to make them. */
type EventWire = {
  readonly channel: number;
  readonly frameMaxBytes: number;
  readonly frames: Writable;
};

/** The inside of amqplib's channel, as its `sendMessage` uses it. */
type ChannelInside = {
  readonly ch?: unknown;
  readonly connection?: {
    readonly frameMax?: unknown;
    readonly channels?: readonly ({ readonly buffer?: unknown } | null)[];
  };
};

function isWritable(value: unknown): value is Writable {
  return value !== null && typeof value === 'object' && 'write' in value;
}

/** Throws where another amqplib has another inside, before a single event is taken. */
function eventWire(channel: ConfirmChannel): EventWire {
  const { ch, connection } = channel as unknown as ChannelInside;
  const frameMaxBytes = connection?.frameMax;
  if (typeof ch === 'number' && typeof frameMaxBytes === 'number') {
    const frames = connection?.channels?.[ch]?.buffer;
    if (isWritable(frames)) return { channel: ch, frameMaxBytes, frames };
  }
  throw new FatalError(
    'this version of amqplib cannot carry events: install the one that package.json names',
  );
}

export type AmqpSinkOptions = {
  readonly channel: ConfirmChannel;
  readonly exchange: string;
  readonly persistent: boolean;
  readonly messageTimeoutMs: number;
  readonly payload: PayloadMode;
  readonly encoder: PayloadEncoder;
  readonly clock: Clock;
  readonly confirms: Confirms;
  readonly lost: (reason: unknown) => void;
};

export class AmqpSink implements EventSink {
  readonly #options: AmqpSinkOptions;
  readonly #wire: EventWire;
  readonly #publishes: BasicPublish[] = [];
  readonly #events: string[] = [];
  readonly #facts = { event: '', shard: 0, sequence: 0 };
  readonly #batch: EventBatch;
  #isClosed = false;

  constructor(options: AmqpSinkOptions) {
    const { channel, confirms, clock } = options;
    this.#options = options;
    this.#wire = eventWire(channel);
    this.#batch = new EventBatch(clock, (bytes, _events, done) => this.#write(bytes, done));
    const settle = (tag: number, isMultiple: boolean, confirmed: boolean) =>
      isMultiple ? confirms.settleThrough(tag, confirmed) : confirms.settle(tag, confirmed);
    channel.on('ack', ({ deliveryTag, multiple }) => settle(deliveryTag, multiple, true));
    channel.on('nack', ({ deliveryTag, multiple }) => settle(deliveryTag, multiple, false));
    channel.on('close', () => {
      this.#isClosed = true;
    });
  }

  prepare(route: number, event: string): void {
    const { exchange, payload, persistent, messageTimeoutMs } = this.#options;
    const { channel, frameMaxBytes } = this.#wire;
    this.#events[route] = event;
    this.#publishes[route] = new BasicPublish({
      channel,
      frameMaxBytes,
      exchange,
      routingKey: event,
      contentType: contentType(payload),
      isPersistent: persistent,
      // "0" would mean: drop unless a consumer is ready this instant.
      expiration: messageTimeoutMs > 0 ? String(Math.round(messageTimeoutMs)) : undefined,
    });
  }

  send(
    route: number,
    source: Uint8Array,
    start: number,
    end: number,
    origin: EventOrigin,
    sequence: number,
  ): boolean {
    const publish = this.#publishes[route];
    if (publish === undefined || !this.#isOpen()) return false;
    const facts = this.#facts;
    facts.event = this.#events[route] as string;
    facts.shard = origin.shard;
    facts.sequence = sequence;
    const { encoder } = this.#options;
    const batch = this.#batch;
    const target = batch.reserve(publish.maxBytes(encoder.maxBytes(end - start)));
    const at = batch.length;
    batch.add(publish.write(encoder, source, start, end, origin, facts, target, at));
    return true;
  }

  /** Once the channel has closed nothing is taken, and the link hears of it however it closed. */
  #isOpen(): boolean {
    if (this.#isClosed) this.#options.lost(new Error('the channel of events has closed'));
    return !this.#isClosed;
  }

  /**
   * What is written is copied: it waits in amqplib's own stream for as long as the server likes.
   */
  #write(bytes: Buffer, done: () => void): void {
    if (this.#isOpen()) this.#wire.frames.write(Buffer.from(bytes));
    done();
  }
}
