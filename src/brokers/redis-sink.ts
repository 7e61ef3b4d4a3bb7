/**
 * The data plane of a Redis link: events become XADD commands in one buffer, sent once a turn.
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
import { REDIS_BATCH_BYTES, REDIS_SPARE_BATCHES_MAX } from '../../protocols/limits.ts';
import type { PayloadEncoder } from '../../protocols/wire/payload.ts';
import { writeXadd, xaddHead, xaddMaxBytes } from '../../protocols/wire/xadd.ts';

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
  readonly #spare: Buffer[] = [];
  readonly #facts = { event: '', shard: 0, sequence: 0 };
  #batch: Buffer = Buffer.allocUnsafeSlow(REDIS_BATCH_BYTES);
  #length = 0;
  #count = 0;
  #isFlushDue = false;

  constructor(options: RedisSinkOptions) {
    const { redis, encoder, confirms, lost, prepared } = options;
    this.#redis = redis;
    this.#encoder = encoder;
    this.#lost = lost;
    this.#prepared = prepared;
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
    this.#makeRoom(xaddMaxBytes(head, this.#encoder, end - start, origin));
    const facts = this.#facts;
    facts.event = this.#events[route] as string;
    facts.shard = origin.shard;
    facts.sequence = sequence;
    this.#length = writeXadd(
      head,
      this.#encoder,
      source,
      start,
      end,
      origin,
      facts,
      this.#batch,
      this.#length,
    );
    this.#count++;
    if (!this.#isFlushDue) {
      this.#isFlushDue = true;
      setImmediate(this.#flushTurn);
    }
    return true;
  }

  readonly #flushTurn = (): void => {
    this.#isFlushDue = false;
    this.#flush();
  };

  #makeRoom(bytes: number): void {
    if (this.#length + bytes <= this.#batch.length) return;
    this.#flush();
    if (bytes > this.#batch.length) {
      this.#keep(this.#batch);
      this.#batch = Buffer.allocUnsafeSlow(bytes);
    }
  }

  /** Sends the batch. On a socket that is gone nothing is sent: the loss of the link settles it. */
  #flush(): void {
    if (this.#count === 0) return;
    const redis = this.#redis;
    const batch = this.#batch;
    const length = this.#length;
    const count = this.#count;
    this.#batch = this.#spare.pop() ?? Buffer.allocUnsafeSlow(REDIS_BATCH_BYTES);
    this.#length = 0;
    this.#count = 0;
    if (redis.status !== 'ready' || !redis.stream.writable) {
      this.#lost(new Error('the connection closed'));
      return;
    }
    this.#awaited.isTraced = true;
    for (let index = 0; index < count; index++) redis.sendCommand(this.#awaited, NOWHERE);
    redis.stream.write(batch.subarray(0, length), () => this.#keep(batch));
  }

  #keep(batch: Buffer): void {
    if (batch.length === REDIS_BATCH_BYTES && this.#spare.length < REDIS_SPARE_BATCHES_MAX) {
      this.#spare.push(batch);
    }
  }
}
