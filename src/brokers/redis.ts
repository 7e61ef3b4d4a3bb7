/**
 * The broker over Redis streams.
 *
 * A link is several connections, because each would stop the others: one for commands and one for
 * the gateway's events to every server, one that waits in blocking reads (one a slot in a cluster),
 * one in subscriber mode for answers to calls, made with the first call. The loss of any is the
 * loss of the link.
 *
 * An event is a stream of the same name; an entry has the fields `data`, `id` and, from the
 * gateway, `shard`; one that is of no use after a time has `timeout_at`. Every time is the
 * server's, as the clocks of those who use it may differ.
 */
import type { Redis } from 'ioredis';
import type { EventSink, Link, LinkDriver, LinkHooks } from '../../actors/channel/link.ts';
import type { CallOptions, PublishOptions } from '../../protocols/broker.ts';
import {
  BrokerUnavailableError,
  type SpectaclesError,
  UnroutableError,
} from '../../protocols/errors.ts';
import { REDIS_CLAIM_IDLE_MS } from '../../protocols/limits.ts';
import type { Clock, Log, Timer } from '../../protocols/ports.ts';
import type { PayloadEncoder } from '../../protocols/wire/payload.ts';
import { readGroups, timeoutAtField } from '../../protocols/wire/redis-stream.ts';
import { RedisClaimer } from './redis-claimer.ts';
import { RedisClusterSink } from './redis-cluster-sink.ts';
import { isReplyError, type RedisPlace, redisError } from './redis-connection.ts';
import { RedisConsumption } from './redis-consumption.ts';
import type { RedisCounter } from './redis-counts.ts';
import { RedisLedger } from './redis-ledger.ts';
import { Pulse } from './redis-node.ts';
import { RedisReplies } from './redis-replies.ts';
import { RedisSink } from './redis-sink.ts';
import { RedisTopologies } from './redis-topologies.ts';
import type { RedisTopology } from './redis-topology.ts';
import { RedisTrimmer } from './redis-trimmer.ts';

/** What may be left out. */
export type RedisSettings = {
  /** An entry is taken over from a consumer that has not asked about it for this long. */
  readonly claimIdleMs?: number;
  /** Hears the answers of the Go client, which come on a channel of another name. */
  readonly goReplies?: boolean;
  /** Whether the broker's writer is used, for a connection of its own; it is unless told. */
  readonly writesEvents?: boolean;
  readonly counter?: RedisCounter;
  /**
   * The group is this process's alone: it begins with what is new and goes with the process. Those
   * whose names begin with this are deleted once nobody has read by them for long.
   */
  readonly ownGroups?: string;
};

export type RedisDriverOptions = RedisSettings & {
  readonly place: RedisPlace;
  readonly group: string;
  /** This process among the consumers of the group; no other may have the same name. */
  readonly consumer: string;
  /** Entries older than this are trimmed from the streams that we publish to; 0 keeps all. */
  readonly retentionMs: number;
  /** Deliveries that handlers may have and not have settled. */
  readonly prefetch: number;
  readonly encoder: PayloadEncoder;
  readonly clock: Clock;
  readonly log: Log;
};

/** Of a link whose broker writes no events. */
const NO_EVENTS: EventSink = {
  prepare: (_route, event) => {
    throw new TypeError(`a broker that was opened to write no events is to write ${event}`);
  },
  send: () => false,
};

class RedisLink implements Link {
  readonly sink: EventSink;
  readonly #options: RedisDriverOptions;
  readonly #hooks: LinkHooks;
  readonly #topology: RedisTopology;
  readonly #consumption: RedisConsumption;
  readonly #claimer: RedisClaimer;
  readonly #trimmer: RedisTrimmer;
  readonly #replies: RedisReplies;
  #repliesPulse: Pulse | undefined;
  #isOver = false;

  constructor(
    options: RedisDriverOptions,
    hooks: LinkHooks,
    topology: RedisTopology,
    ledger: RedisLedger,
  ) {
    this.#options = options;
    this.#hooks = hooks;
    this.#topology = topology;
    const { place, group, consumer, clock, log, retentionMs } = options;
    const count = options.counter ?? (() => undefined);
    const guarded = { ...hooks, lost: (reason: unknown) => this.lost(reason) };
    const consuming = {
      topology,
      ledger,
      group,
      consumer,
      label: place.label,
      hooks: guarded,
      clock,
      log,
      prefetch: options.prefetch,
      count,
      ownGroups: options.ownGroups,
    };
    this.#consumption = new RedisConsumption(consuming);
    this.#claimer = new RedisClaimer({
      ...consuming,
      consumption: this.#consumption,
      idleMs: options.claimIdleMs ?? REDIS_CLAIM_IDLE_MS,
    });
    this.#trimmer = new RedisTrimmer({ topology, retentionMs, clock, log, count });
    this.#replies = new RedisReplies({
      open: () => this.#openReplies(),
      goReplies: options.goReplies ?? false,
    });
    this.sink = this.#makeSink(guarded);
  }

  start(): void {
    this.#consumption.start();
    this.#claimer.start();
    this.#trimmer.start();
  }

  lost(reason: unknown): void {
    if (!this.#isOver) this.#hooks.lost(redisError(reason, this.#options.place.label));
  }

  async consume(event: string): Promise<void> {
    await this.#consumption.consume(event);
    this.#claimer.look(event);
  }

  cancel(event: string): Promise<void> {
    return this.#consumption.cancel(event);
  }

  async publish(
    event: string,
    body: Uint8Array,
    id: string,
    options: PublishOptions,
  ): Promise<void> {
    if (options.mandatory === true) await this.#refuseUnread(event);
    await this.#append(event, body, id, options.expirationMs);
  }

  async call(
    event: string,
    body: Uint8Array,
    id: string,
    options: CallOptions,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const send = () => this.#append(event, body, id, options.timeoutMs);
    if (options.mandatory === true) await this.#refuseUnread(event);
    try {
      return await this.#replies.await(event, send, signal);
    } catch (error) {
      throw redisError(error, this.#options.place.label);
    }
  }

  async close(deadlineMs: number): Promise<void> {
    let timer: Timer | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = this.#options.clock.setTimer(deadlineMs, resolve);
    });
    this.#claimer.stop();
    await this.#consumption.stop(deadline);
    // Acks and replies of the last handlers are ahead of this in the same connections.
    const settled = Promise.all(this.#topology.nodes.map((node) => node.settled()));
    await Promise.race([settled, deadline]);
    timer?.cancel();
  }

  destroy(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#repliesPulse?.stop();
    this.#trimmer.stop();
    this.#claimer.stop();
    this.#consumption.abort();
    this.#topology.destroy();
  }

  #makeSink(hooks: LinkHooks): EventSink {
    const { encoder, clock, writesEvents = true } = this.#options;
    if (!writesEvents) return NO_EVENTS;
    const parts = {
      encoder,
      clock,
      confirms: hooks.confirms,
      lost: hooks.lost,
      prepared: (event: string) => this.#trimmer.add(event),
    };
    if (this.#topology.isCluster)
      return new RedisClusterSink({ ...parts, topology: this.#topology });
    return new RedisSink({ ...parts, wire: this.#topology.any.events });
  }

  /** A stream without a group is one that nobody has ever subscribed to. */
  async #refuseUnread(event: string): Promise<void> {
    const { commands } = this.#topology.nodeOf(event);
    try {
      if (readGroups(await commands.callBuffer('XINFO', 'GROUPS', event)).length > 0) return;
    } catch (error) {
      const isMissing = isReplyError(error) && /no such key/i.test(error.message);
      if (!isMissing) throw this.#refused(error);
    }
    throw new UnroutableError(event);
  }

  async #append(
    event: string,
    body: Uint8Array,
    id: string,
    expirationMs: number | undefined,
  ): Promise<string> {
    this.#trimmer.add(event);
    const node = this.#topology.nodeOf(event);
    const fields = ['data', Buffer.from(body), 'id', id];
    if (expirationMs !== undefined) fields.push(...timeoutAtField(node.epochMs() + expirationMs));
    try {
      return String(await node.commands.xadd(event, '*', ...fields));
    } catch (error) {
      throw this.#refused(error);
    }
  }

  /**
   * What a command has failed with. A server that answers and cannot do it (READONLY, OOM, LOADING)
   * is as good as gone.
   */
  #refused(error: unknown): SpectaclesError {
    const known = redisError(error, this.#options.place.label);
    if (isReplyError(error) && known instanceof BrokerUnavailableError) this.lost(known);
    return known;
  }

  async #openReplies(): Promise<Redis> {
    const { clock, place } = this.#options;
    try {
      const redis = await this.#topology.connect(this.#topology.any, 'replies');
      const label = `${place.label} (answers)`;
      this.#repliesPulse = new Pulse(
        clock,
        label,
        () => redis.ping(),
        (reason) => this.lost(reason),
      );
      if (!this.#isOver) this.#repliesPulse.start();
      return redis;
    } catch (error) {
      this.lost(error);
      throw error;
    }
  }
}

export function redisDriver(options: RedisDriverOptions): LinkDriver {
  const { place, clock, log, writesEvents = true } = options;
  const topologies = new RedisTopologies(place, clock, { carriesEvents: writesEvents });
  const ledger = new RedisLedger(place.label, options.counter ?? (() => undefined));
  let isWarned = false;
  return {
    label: place.label,
    async open(hooks, signal) {
      let link: RedisLink | undefined;
      const lost = (reason: unknown) => (link ? link.lost(reason) : hooks.lost(reason));
      const topology = await topologies.open(signal, lost);
      if (signal.aborted) {
        topology.destroy();
        throw new BrokerUnavailableError(`${place.label} was given up while it opened`);
      }
      const { evictionPolicy } = topology;
      if (evictionPolicy !== undefined && !isWarned) {
        isWarned = true;
        log.warn(
          { evictionPolicy },
          `${place.label} may throw streams away when its memory is full: set maxmemory-policy to noeviction`,
        );
      }
      link = new RedisLink(options, hooks, topology, ledger);
      link.start();
      return link;
    },
  };
}
