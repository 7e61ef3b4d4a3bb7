/**
 * The broker over Redis streams.
 *
 * A link is up to three connections, because each of them would stop the others: one for commands and
 * published events, one that waits in blocking reads, one in subscriber mode for answers to calls (made
 * with the first call). The loss of any is the loss of the link.
 *
 * An event is a stream of the same name; an entry has the fields `data`, `id` and, from the gateway,
 * `shard`. Streams are trimmed to the retention by the server's own clock, as the publisher's may be wrong.
 */
import type { Redis } from 'ioredis';
import type { Link, LinkDriver, LinkHooks } from '../../actors/channel/link.ts';
import { BrokerUnavailableError } from '../../protocols/errors.ts';
import { REDIS_TRIM_INTERVAL_MS, REDIS_TRIMMED_STREAMS_MAX } from '../../protocols/limits.ts';
import type { Clock, Log, Timer } from '../../protocols/ports.ts';
import type { PayloadEncoder } from '../../protocols/wire/payload.ts';
import { isReplyError, openRedis, type RedisPlace, redisError } from './redis-connection.ts';
import { RedisReader } from './redis-reader.ts';
import { RedisReplies } from './redis-replies.ts';
import { RedisSink } from './redis-sink.ts';

export type RedisDriverOptions = {
  readonly place: RedisPlace;
  readonly group: string;
  /** This process among the consumers of the group. */
  readonly consumer: string;
  /** Entries older than this are trimmed from the streams that we publish to; 0 keeps all. */
  readonly retentionMs: number;
  readonly encoder: PayloadEncoder;
  readonly clock: Clock;
  readonly log: Log;
};

/** Remembers which streams are published to. */
class TrackingSink extends RedisSink {
  readonly streams = new Set<string>();

  override prepare(route: number, event: string): void {
    super.prepare(route, event);
    if (this.streams.size < REDIS_TRIMMED_STREAMS_MAX) this.streams.add(event);
  }
}

class RedisLink implements Link {
  readonly sink: TrackingSink;
  readonly #options: RedisDriverOptions;
  readonly #hooks: LinkHooks;
  readonly #commands: Redis;
  readonly #reader: Redis;
  readonly #consumption: RedisReader;
  readonly #replies: RedisReplies;
  #repliesRedis: Redis | undefined;
  #trimTimer: Timer | undefined;
  #isOver = false;

  constructor(options: RedisDriverOptions, hooks: LinkHooks, commands: Redis, reader: Redis) {
    this.#options = options;
    this.#hooks = hooks;
    this.#commands = commands;
    this.#reader = reader;
    const { place, encoder, group, consumer, log } = options;
    const lost = (reason: unknown) => this.lost(reason);
    this.sink = new TrackingSink(commands, encoder, hooks.confirms, lost);
    this.#consumption = new RedisReader({
      commands,
      reader,
      group,
      consumer,
      label: place.label,
      hooks: { ...hooks, lost },
      log,
    });
    this.#replies = new RedisReplies(() => this.#openReplies());
  }

  async start(): Promise<void> {
    await this.#consumption.start();
    if (this.#options.retentionMs > 0) this.#trimLater();
  }

  lost(reason: unknown): void {
    if (!this.#isOver) this.#hooks.lost(redisError(reason, this.#options.place.label));
  }

  consume(event: string): Promise<void> {
    return this.#consumption.consume(event);
  }

  cancel(event: string): Promise<void> {
    return this.#consumption.cancel(event);
  }

  async publish(event: string, body: Uint8Array, id: string): Promise<void> {
    await this.#append(event, body, id);
  }

  call(
    event: string,
    body: Uint8Array,
    id: string,
    _options: unknown,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    return this.#replies.await(event, () => this.#append(event, body, id), signal);
  }

  async close(deadlineMs: number): Promise<void> {
    const { clock } = this.#options;
    let timer: Timer | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = clock.setTimer(deadlineMs, resolve);
    });
    await this.#consumption.stop(deadline);
    // Acks and replies of the last handlers are ahead of this in the same connection.
    await Promise.race([this.#commands.ping(), deadline]);
    timer?.cancel();
  }

  destroy(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#trimTimer?.cancel();
    this.#consumption.abort();
    this.#commands.disconnect();
    this.#reader.disconnect();
    this.#repliesRedis?.disconnect();
  }

  async #append(event: string, body: Uint8Array, id: string): Promise<string> {
    const { label } = this.#options.place;
    if (this.sink.streams.size < REDIS_TRIMMED_STREAMS_MAX) this.sink.streams.add(event);
    try {
      const entry = await this.#commands.xadd(event, '*', 'data', Buffer.from(body), 'id', id);
      return String(entry);
    } catch (error) {
      const known = redisError(error, label);
      // A server that answers and is not able to write (READONLY, OOM, LOADING) is as good as gone.
      if (isReplyError(error) && known instanceof BrokerUnavailableError) this.lost(known);
      throw known;
    }
  }

  async #openReplies(): Promise<Redis> {
    const redis = await openRedis(this.#options.place, 'replies', (reason) => this.lost(reason));
    if (this.#isOver) redis.disconnect();
    this.#repliesRedis = redis;
    return redis;
  }

  #trimLater(): void {
    this.#trimTimer = this.#options.clock.setTimer(REDIS_TRIM_INTERVAL_MS, () => {
      void this.#trim().then(
        () => {
          if (!this.#isOver) this.#trimLater();
        },
        (error: unknown) => {
          const reason = error instanceof Error ? error.message : String(error);
          this.#options.log.warn({ reason }, 'streams cannot be trimmed (Redis 6.2 or later can)');
        },
      );
    });
  }

  async #trim(): Promise<void> {
    const [seconds] = await this.#commands.time();
    const oldest = Math.max(0, Number(seconds) * 1_000 - this.#options.retentionMs);
    for (const event of this.sink.streams) {
      await this.#commands.xtrim(event, 'MINID', '~', String(oldest));
    }
  }
}

export function redisDriver(options: RedisDriverOptions): LinkDriver {
  const { place } = options;
  return {
    label: place.label,
    async open(hooks, signal) {
      let link: RedisLink | undefined;
      const onEnd = (reason: unknown) => (link ? link.lost(reason) : hooks.lost(reason));
      const commands = await openRedis(place, 'commands', onEnd);
      let reader: Redis;
      try {
        reader = await openRedis(place, 'reader', onEnd);
      } catch (error) {
        commands.disconnect();
        throw error;
      }
      link = new RedisLink(options, hooks, commands, reader);
      if (signal.aborted) {
        link.destroy();
        throw new BrokerUnavailableError(`${place.label} was given up while it opened`);
      }
      await link.start();
      return link;
    },
  };
}
