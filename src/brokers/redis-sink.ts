/**
 * The data plane of a Redis link: events become XADD commands, many to a write.
 *
 * Redis answers in order, so each answer settles the oldest event. One that is a refusal loses its
 * event and, since the next would fare no better, the link.
 */
import type { Confirms, EventSink } from '../../actors/channel/link.ts';
import type { EventOrigin } from '../../protocols/broker.ts';
import type { Clock } from '../../protocols/ports.ts';
import type { PayloadEncoder } from '../../protocols/wire/payload.ts';
import { writeXadd, xaddHead, xaddMaxBytes } from '../../protocols/wire/xadd.ts';
import { EventBatch } from './event-batch.ts';
import type { RedisEventWire } from './redis-event-wire.ts';

export type RedisSinkOptions = {
  readonly wire: RedisEventWire;
  readonly encoder: PayloadEncoder;
  readonly clock: Clock;
  /** Told of each event in the order in which they were sent. */
  readonly confirms: Pick<Confirms, 'settleOldest'>;
  readonly lost: (reason: unknown) => void;
  /** Told of each event that may be sent. */
  readonly prepared: (event: string) => void;
};

export class RedisSink implements EventSink {
  readonly #wire: RedisEventWire;
  readonly #encoder: PayloadEncoder;
  readonly #lost: (reason: unknown) => void;
  readonly #prepared: (event: string) => void;
  readonly #heads: Uint8Array[] = [];
  readonly #events: string[] = [];
  readonly #batch: EventBatch;
  readonly #facts = { event: '', shard: 0, sequence: 0 };

  constructor(options: RedisSinkOptions) {
    const { wire, encoder, clock, confirms, lost, prepared } = options;
    this.#wire = wire;
    this.#encoder = encoder;
    this.#lost = lost;
    this.#prepared = prepared;
    this.#batch = new EventBatch(clock, (bytes, events, done) => this.#write(bytes, events, done));
    wire.tell({
      done: () => confirms.settleOldest(true),
      refused: (error) => {
        confirms.settleOldest(false);
        lost(error);
      },
    });
  }

  prepare(route: number, event: string): void {
    this.#heads[route] = xaddHead(event);
    this.#events[route] = event;
    this.#prepared(event);
  }

  send(
    route: number,
    source: Uint8Array,
    start: number,
    end: number,
    origin: EventOrigin,
    sequence: number,
  ): boolean {
    const head = this.#heads[route];
    if (head === undefined || !this.#wire.isOpen) return false;
    const facts = this.#facts;
    facts.event = this.#events[route] as string;
    facts.shard = origin.shard;
    facts.sequence = sequence;
    const encoder = this.#encoder;
    const batch = this.#batch;
    const target = batch.reserve(xaddMaxBytes(head, encoder, end - start, origin));
    const at = batch.length;
    batch.add(writeXadd(head, encoder, source, start, end, origin, facts, target, at));
    return true;
  }

  /** On a socket that is gone nothing is sent: the loss of the link settles it. */
  #write(bytes: Buffer, events: number, done: () => void): void {
    if (this.#wire.isOpen) this.#wire.write(bytes, events, done);
    else this.#lost(new Error('the connection closed'));
  }
}
