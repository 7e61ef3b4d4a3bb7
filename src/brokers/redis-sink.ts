/**
 * The data plane of a Redis link: events become XADD commands, many to a write.
 *
 * ioredis keeps a queue of the commands whose replies it awaits. For a batch of n events it is handed
 * n times the same command object, which writes nothing of its own; the batch's bytes then go to the
 * socket in one write. Redis answers in order, so each answer settles the oldest event. This is how
 * ioredis' own pipelines use it, without their object, promise and argument list per command.
 *
 * An answer that is an error loses its event and, since the next would fare no better, the link.
 */
import { Command, type Redis } from 'ioredis';
import type { Confirms, EventSink } from '../../actors/channel/link.ts';
import type { EventOrigin } from '../../protocols/broker.ts';
import type { Clock } from '../../protocols/ports.ts';
import type { PayloadEncoder } from '../../protocols/wire/payload.ts';
import { writeXadd, xaddHead, xaddMaxBytes } from '../../protocols/wire/xadd.ts';
import { EventBatch } from './event-batch.ts';

/** The part of a stream that `sendCommand` uses; the bytes take another way. */
const NOWHERE = { write: () => true } as unknown as NonNullable<
  Parameters<Redis['sendCommand']>[1]
>;

class AwaitedXadd extends Command {
  constructor(resolve: () => void, reject: (error: Error) => void) {
    super('xadd', []);
    this.resolve = resolve;
    this.reject = reject;
  }

  /** The batch has the bytes. */
  override toWritable(): string {
    return '';
  }
}

export type RedisSinkOptions = {
  readonly redis: Redis;
  readonly encoder: PayloadEncoder;
  readonly clock: Clock;
  /** Told of each event in the order in which they were sent. */
  readonly confirms: Pick<Confirms, 'settleOldest'>;
  readonly lost: (reason: unknown) => void;
  /** Told of each event that may be sent. */
  readonly prepared: (event: string) => void;
};

export class RedisSink implements EventSink {
  readonly #redis: Redis;
  readonly #encoder: PayloadEncoder;
  readonly #lost: (reason: unknown) => void;
  readonly #prepared: (event: string) => void;
  readonly #awaited: AwaitedXadd;
  readonly #heads: Uint8Array[] = [];
  readonly #events: string[] = [];
  readonly #batch: EventBatch;
  readonly #facts = { event: '', shard: 0, sequence: 0 };

  constructor(options: RedisSinkOptions) {
    const { redis, encoder, clock, confirms, lost, prepared } = options;
    this.#redis = redis;
    this.#encoder = encoder;
    this.#lost = lost;
    this.#prepared = prepared;
    this.#batch = new EventBatch(clock, (bytes, events, done) => this.#write(bytes, events, done));
    this.#awaited = new AwaitedXadd(
      () => confirms.settleOldest(true),
      (error) => {
        confirms.settleOldest(false);
        lost(error);
      },
    );
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
    if (head === undefined || this.#redis.status !== 'ready') return false;
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
    const redis = this.#redis;
    if (redis.status !== 'ready' || !redis.stream.writable) {
      this.#lost(new Error('the connection closed'));
      return;
    }
    this.#awaited.isTraced = true;
    for (let index = 0; index < events; index++) redis.sendCommand(this.#awaited, NOWHERE);
    redis.stream.write(bytes, done);
  }
}
