/**
 * `new Redis(group, ioredis)`: the library's broker over Redis streams.
 *
 * The ioredis client that it is given says where Redis is and how to get in; connections of our own are
 * opened to the same place, since one connection cannot wait for messages and do anything else. Any
 * version of ioredis will do. The given client itself is disconnected together with the broker, as
 * it always was.
 */
import type { RedisOptions } from 'ioredis';
import { ConfigurationError } from '../../protocols/errors.ts';
import type { RedisPlace } from '../brokers/redis-connection.ts';
import { BrokerClient, type BrokerClientOptions, type Running } from './broker-client.ts';

/** The part of an ioredis client, of any version, that is used. */
export type RedisClient = {
  readonly options: object;
  readonly isCluster?: boolean;
  disconnect(): void;
};

export type RedisBrokerOptions = BrokerClientOptions & {
  /** This process among the consumers of the group; drawn at random unless given. */
  readonly name?: string;
};

function placeOf(redis: RedisClient): RedisPlace {
  if (redis.isCluster) {
    throw new ConfigurationError(
      'a cluster client was given to Redis; give a client of one server',
    );
  }
  const { host, port, path, keyPrefix, ...options } = redis.options as RedisOptions;
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

export class Redis extends BrokerClient {
  readonly group: string;
  readonly redis: RedisClient;
  readonly name: string | undefined;

  constructor(group: string, redis: RedisClient, options: RedisBrokerOptions = {}) {
    super(options);
    this.group = group;
    this.redis = redis;
    this.name = options.name;
  }

  /** Connects; `subscribe`, `publish` and `call` do so by themselves. */
  async connect(): Promise<void> {
    await this.start();
  }

  override async disconnect(): Promise<void> {
    await super.disconnect();
    this.redis.disconnect();
  }

  protected override async open(): Promise<Running> {
    return this.openOwn({
      type: 'redis',
      group: this.group,
      place: placeOf(this.redis),
      retentionMs: 0,
      payload: 'map',
      ...(this.name !== undefined && { consumer: this.name }),
    });
  }
}
