/**
 * `new Redis(group, ioredis)`: the library's broker over Redis streams.
 *
 * The ioredis client that it is given says where Redis is and how to get in; connections of our own
 * are opened to the same place, since one connection cannot wait for messages and do anything else.
 * Any version of ioredis will do, and so will a client of a cluster. The given client itself is
 * disconnected together with the broker, as it always was; what goes wrong with it is no news
 * beside what our own connections say, and not for the console.
 */
import type { RedisOptions } from 'ioredis';
import { ConfigurationError } from '../../protocols/errors.ts';
import { messageOf } from '../../protocols/message-of.ts';
import type { BrokerConfig } from '../brokers/create-broker.ts';
import type { RedisPlace } from '../brokers/redis-connection.ts';
import { parseRedisUrl } from '../config/broker-urls.ts';
import { BrokerClient, type Running } from './broker-client.ts';
import type { AudienceOptions, BrokerClientOptions } from './broker-types.ts';

/** The part of an ioredis client, of any version, that is used. */
export type RedisClient = {
  readonly options: object;
  readonly isCluster?: boolean;
  on?(event: 'error', listener: (error: Error) => void): unknown;
  disconnect(): void;
};

export type RedisBrokerOptions = BrokerClientOptions &
  AudienceOptions & {
    /**
     * This process among the consumers of the group; drawn at random unless given. A process that
     * comes back under its old name goes on with what it had in hand, so no two may have the same
     * at a time.
     */
    readonly name?: string;
    /** Messages that listeners may have and not have acked. */
    readonly prefetch?: number;
    /** Milliseconds after which a message is taken over from a process that gives no sign of it. */
    readonly claimAfter?: number;
    /**
     * Whether `call` hears services that were written with the Go client, for one more
     * subscription.
     */
    readonly goReplies?: boolean;
  };

/** One of the addresses of a cluster: a port, a URL, or an object. */
function nodeOptions(node: unknown): RedisOptions | undefined {
  if (typeof node === 'number') return { port: node };
  if (typeof node === 'object' && node !== null) {
    const { host, port } = node as RedisOptions;
    return { ...(host !== undefined && { host }), ...(port !== undefined && { port }) };
  }
  const parsed = typeof node === 'string' ? parseRedisUrl(node) : undefined;
  if (parsed === undefined || 'problem' in parsed) return undefined;
  return { host: parsed.value.host, port: parsed.value.port };
}

function clusterPlaceOf(redis: RedisClient): RedisPlace {
  // The addresses that it was given; it has them under this name in every version.
  const given: unknown = 'startupNodes' in redis ? redis.startupNodes : undefined;
  const addresses: readonly unknown[] = Array.isArray(given) ? given : [];
  const [first, ...others] = addresses.flatMap((node) => nodeOptions(node) ?? []);
  if (first === undefined) {
    throw new ConfigurationError('the cluster client that was given to Redis names no addresses');
  }
  const { redisOptions } = redis.options as { redisOptions?: RedisOptions };
  const place = placeOf({ options: { ...redisOptions, ...first }, disconnect: () => undefined });
  return { ...place, others };
}

function placeOf(redis: RedisClient): RedisPlace {
  if (redis.isCluster) return clusterPlaceOf(redis);
  const { host, port, path, keyPrefix, ...options } = redis.options as RedisOptions;
  const isSomewhere = host ?? port ?? path ?? options.sentinels;
  if (isSomewhere === undefined) {
    throw new ConfigurationError(
      'the client given to Redis says no host, port, path or sentinels in its options; it must be one of ioredis',
    );
  }
  if (keyPrefix) {
    throw new ConfigurationError(
      `the ioredis client has keyPrefix ${keyPrefix}; events are shared by their bare names, so it must have none`,
    );
  }
  const place = path
    ? { path }
    : { ...(host !== undefined && { host }), ...(port !== undefined && { port }) };
  return {
    label: path ? `redis at ${path}` : `redis://${host ?? 'localhost'}:${port ?? 6379}`,
    options: { ...options, ...place },
  };
}

/** Names the option that no broker could work with. */
function refuseBadNumbers({ prefetch, claimAfter }: RedisBrokerOptions): void {
  for (const [name, value] of Object.entries({ prefetch, claimAfter })) {
    if (value === undefined || (Number.isSafeInteger(value) && value > 0)) continue;
    throw new ConfigurationError(`${name} is ${value}; it must be a whole number above 0`);
  }
}

export class Redis extends BrokerClient {
  readonly group: string;
  readonly redis: RedisClient;
  readonly name: string | undefined;
  readonly #options: RedisBrokerOptions;

  constructor(group: string, redis: RedisClient, options: RedisBrokerOptions = {}) {
    super(options);
    refuseBadNumbers(options);
    this.#options = options;
    this.group = group;
    this.redis = redis;
    this.name = options.name;
    redis.on?.('error', (error) => {
      // The error itself may hold the password, which was part of a command.
      const reason = messageOf(error);
      this.log.debug({ reason }, 'the ioredis client that the broker was given reported an error');
    });
  }

  /** Connects; `subscribe`, `publish` and `call` do so by themselves. */
  async connect(): Promise<void> {
    await this.start();
  }

  override async disconnect(): Promise<void> {
    await super.disconnect();
    this.redis.disconnect();
  }

  protected override async open(signal: AbortSignal): Promise<Running> {
    const { prefetch, claimAfter, goReplies } = this.#options;
    const config: BrokerConfig = {
      type: 'redis',
      group: this.group,
      place: placeOf(this.redis),
      retentionMs: 0,
      payload: 'map',
      audience: this.audience,
      settings: {
        writesEvents: false,
        ...(claimAfter !== undefined && { claimIdleMs: claimAfter }),
        ...(goReplies !== undefined && { goReplies }),
      },
      ...(prefetch !== undefined && { prefetch }),
      ...(this.name !== undefined && { consumer: this.name }),
    };
    return this.openOwn(config, signal);
  }
}
