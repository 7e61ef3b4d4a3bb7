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
import { CONSUMER_PREFETCH } from '../../protocols/limits.ts';
import { type PayloadMode, payloadEncoder } from '../../protocols/wire/payload.ts';
import { type BrokerTreeOptions, startBroker } from '../../supervisors/broker.ts';
import {
  type AmqpEndpoint,
  type RedisEndpoint,
  showAmqpEndpoint,
  showRedisEndpoint,
} from '../config/broker-urls.ts';
import { amqpDriver } from './amqp.ts';
import type { AmqpQueueType } from './amqp-consumers.ts';
import type { AmqpCounter } from './amqp-counts.ts';
import { ipcChildDriver } from './ipc-child.ts';
import type { IpcHost } from './ipc-host.ts';
import type { IpcPort } from './ipc-port.ts';
import type { MemoryHub } from './memory.ts';
import { memoryDriver } from './memory-link.ts';
import { type RedisSettings, redisDriver } from './redis.ts';
import type { RedisPlace } from './redis-connection.ts';
import { stdioDriver } from './stdio.ts';

export type BrokerConfig = {
  readonly payload: PayloadMode;
  /** Messages that handlers may have and not have settled; for AMQP, of each subscription. */
  readonly prefetch?: number;
  /**
   * Who gets a message: one of the group, or each process that asks for it, from that moment on.
   * What `each` needs in the server goes with the process. Stdio and IPC know only the group.
   */
  readonly audience?: 'group' | 'each';
} & (
  | { readonly type: 'memory'; readonly group: string; readonly hub: MemoryHub }
  /** The process that serves its children. */
  | { readonly type: 'ipc'; readonly group: string; readonly host: IpcHost }
  /** A child of such a process; `isPlain` says that its parent is known to be none. */
  | {
      readonly type: 'ipc';
      readonly group: string;
      readonly port: IpcPort;
      readonly isPlain?: boolean;
    }
  | {
      readonly type: 'stdio';
      readonly input: Readable;
      readonly output: Writable;
      /** Whether frames carry the id of their message; they do not unless told to. */
      readonly ids?: boolean;
    }
  | {
      readonly type: 'redis';
      readonly group: string;
      readonly place: RedisPlace;
      /** Streams that we publish to are trimmed to this age; 0 keeps everything. */
      readonly retentionMs: number;
      /** This process among the group's consumers; drawn at random unless given. */
      readonly consumer?: string;
      readonly settings?: RedisSettings;
    }
  | {
      readonly type: 'amqp';
      readonly group: string;
      readonly subgroup?: string;
      readonly endpoint: AmqpEndpoint;
      /** How long a published event may wait for a consumer; 0 for ever. */
      readonly messageTimeoutMs: number;
      /** Classic unless given: a queue of the other type that exists refuses to be declared. */
      readonly queueType?: AmqpQueueType;
      /**
       * Whether what is published lives through a restart of the broker; it does unless told not
       * to.
       */
      readonly persistent?: boolean;
      readonly counter?: AmqpCounter;
    }
);

export type BrokerSurroundings = Pick<
  BrokerTreeOptions,
  'system' | 'clock' | 'log' | 'name' | 'onFailure' | 'signal' | 'triesAgain'
>;

/**
 * The Redis of a configuration, as ioredis wants it; with more than one endpoint it is a cluster.
 */
export function redisPlace(
  endpoint: RedisEndpoint,
  ...others: readonly RedisEndpoint[]
): RedisPlace {
  const { host, port, username, password, database, tls } = endpoint;
  return {
    label: showRedisEndpoint(endpoint),
    others: others.map((other) => ({ host: other.host, port: other.port })),
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

/** A group that nobody else has. */
const ownGroup = (group: string): string =>
  `${ownGroups(group)}${randomBytes(CONSUMER_NAME_BYTES).toString('hex')}`;

/** What the names of all such groups begin with. */
const ownGroups = (group: string): string => `${group}:own:`;

function chooseDriver(
  config: BrokerConfig,
  { clock, log }: Pick<BrokerSurroundings, 'clock' | 'log'>,
): LinkDriver {
  const encoder = payloadEncoder(config.payload);
  const { prefetch = CONSUMER_PREFETCH } = config;
  const isOwn = config.audience === 'each';
  switch (config.type) {
    case 'memory': {
      const { hub } = config;
      const group = isOwn ? ownGroup(config.group) : config.group;
      const label = 'the memory broker';
      const isOwnGroup = isOwn;
      return memoryDriver({ label, hub, group, isOwnGroup, prefetch, encoder, clock, log });
    }
    case 'ipc': {
      const { group } = config;
      if ('host' in config) {
        const { hub } = config.host;
        const label = 'the IPC broker';
        return memoryDriver({ label, hub, group, prefetch, encoder, clock, log });
      }
      const { port, isPlain = false } = config;
      const makeId = randomUUID;
      return ipcChildDriver({ port, group, isPlain, prefetch, encoder, clock, log, makeId });
    }
    case 'stdio': {
      const { input, output, payload, ids = false } = config;
      return stdioDriver({ input, output, payload, ids, prefetch, clock, log });
    }
    case 'redis': {
      const { place, retentionMs } = config;
      const group = isOwn ? ownGroup(config.group) : config.group;
      const consumer = config.consumer ?? randomBytes(CONSUMER_NAME_BYTES).toString('hex');
      const own = { place, group, consumer, retentionMs, prefetch, encoder, clock, log };
      return redisDriver({
        ...config.settings,
        ...own,
        ...(isOwn && { ownGroups: ownGroups(config.group) }),
      });
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
        queueType: config.queueType ?? 'classic',
        isOwnQueue: isOwn,
        prefetch,
        persistent: config.persistent ?? true,
        counter: config.counter ?? (() => undefined),
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
