/**
 * From a configuration to a broker: chooses the driver and starts its tree.
 *
 * Rejects with a `FatalError` when the broker refuses for good (credentials, rights, virtual host,
 * arguments); a broker that cannot be reached is no failure: it is away, and tried again.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import type { LinkDriver } from '../../actors/channel/link.ts';
import type { Broker } from '../../protocols/broker.ts';
import { type PayloadMode, payloadEncoder } from '../../protocols/wire/payload.ts';
import { type BrokerTreeOptions, startBroker } from '../../supervisors/broker.ts';
import {
  type AmqpEndpoint,
  type RedisEndpoint,
  showAmqpEndpoint,
  showRedisEndpoint,
} from '../config/broker-urls.ts';
import { amqpDriver } from './amqp.ts';
import { type MemoryHub, memoryDriver } from './memory.ts';
import { redisDriver } from './redis.ts';
import type { RedisPlace } from './redis-connection.ts';
import { stdioDriver } from './stdio.ts';

export type BrokerConfig = { readonly payload: PayloadMode } & (
  | { readonly type: 'memory'; readonly group: string; readonly hub: MemoryHub }
  | { readonly type: 'stdio'; readonly input: Readable; readonly output: Writable }
  | {
      readonly type: 'redis';
      readonly group: string;
      readonly place: RedisPlace;
      /** Streams that we publish to are trimmed to this age; 0 keeps everything. */
      readonly retentionMs: number;
      /** This process among the group's consumers; drawn at random unless given. */
      readonly consumer?: string;
    }
  | {
      readonly type: 'amqp';
      readonly group: string;
      readonly subgroup?: string;
      readonly endpoint: AmqpEndpoint;
      /** How long a published event may wait for a consumer; 0 for ever. */
      readonly messageTimeoutMs: number;
    }
);

export type BrokerSurroundings = Pick<
  BrokerTreeOptions,
  'system' | 'clock' | 'log' | 'name' | 'onFailure'
>;

/** The Redis of a configuration, as ioredis wants it. */
export function redisPlace(endpoint: RedisEndpoint): RedisPlace {
  const { host, port, username, password, database, tls } = endpoint;
  return {
    label: showRedisEndpoint(endpoint),
    options: {
      host,
      port,
      db: database,
      ...(username !== undefined && { username }),
      ...(password !== undefined && { password }),
      ...(tls && { tls: {} }),
    },
  };
}

const CONSUMER_NAME_BYTES = 20;

function chooseDriver(
  config: BrokerConfig,
  { clock, log }: Pick<BrokerSurroundings, 'clock' | 'log'>,
): LinkDriver {
  const encoder = payloadEncoder(config.payload);
  switch (config.type) {
    case 'memory':
      return memoryDriver({ hub: config.hub, group: config.group, encoder, clock, log });
    case 'stdio': {
      const { input, output, payload } = config;
      return stdioDriver({ input, output, payload, clock, log });
    }
    case 'redis': {
      const { place, group, retentionMs } = config;
      const consumer = config.consumer ?? randomBytes(CONSUMER_NAME_BYTES).toString('hex');
      return redisDriver({ place, group, consumer, retentionMs, encoder, clock, log });
    }
    case 'amqp': {
      const { endpoint, group, subgroup, messageTimeoutMs, payload } = config;
      const label = showAmqpEndpoint(endpoint);
      const queuePrefix = subgroup === undefined ? `${group}:` : `${group}:${subgroup}:`;
      return amqpDriver({
        endpoint,
        label,
        exchange: group,
        queuePrefix,
        messageTimeoutMs,
        payload,
        encoder,
        clock,
        log,
      });
    }
  }
}

export function createBroker(
  config: BrokerConfig,
  surroundings: BrokerSurroundings,
): Promise<Broker> {
  return startBroker({
    ...surroundings,
    driver: chooseDriver(config, surroundings),
    makeId: randomUUID,
  });
}
