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
import type { Clock, Log } from '../../protocols/ports.ts';
import {
  type PayloadEncoder,
  type PayloadMode,
  payloadEncoder,
} from '../../protocols/wire/payload.ts';
import { type BrokerTreeOptions, startBroker } from '../../supervisors/broker.ts';
import {
  type AmqpEndpoint,
  type RedisEndpoint,
  showAmqpEndpoint,
  showRedisEndpoint,
} from '../config/broker-urls.ts';
import { type AmqpDriverOptions, amqpDriver } from './amqp.ts';
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
      /** The event whose handler gets what nobody subscribed to; dropped unless there is one. */
      readonly catchAll?: string;
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

/** What the names begin with of groups that are one process's own. */
const ownGroups = (group: string): string => `${group}:own:`;

const randomName = (): string => randomBytes(CONSUMER_NAME_BYTES).toString('hex');

type ConfigOf<Type extends BrokerConfig['type']> = Extract<BrokerConfig, { type: Type }>;

const isOwn = ({ audience }: BrokerConfig): boolean => audience === 'each';

/** The group of a configuration; where each process is to get everything, one that is its own. */
function groupOf(config: ConfigOf<'memory' | 'redis'>): string {
  return isOwn(config) ? `${ownGroups(config.group)}${randomName()}` : config.group;
}

/** What every driver is given. */
type Shared = {
  readonly prefetch: number;
  readonly encoder: PayloadEncoder;
  readonly clock: Clock;
  readonly log: Log;
};

function chooseDriver(
  config: BrokerConfig,
  { clock, log }: Pick<BrokerSurroundings, 'clock' | 'log'>,
): LinkDriver {
  const { payload, prefetch = CONSUMER_PREFETCH } = config;
  const shared = { prefetch, encoder: payloadEncoder(payload), clock, log };
  switch (config.type) {
    case 'memory':
      return memoryDriver({
        ...shared,
        label: 'the memory broker',
        hub: config.hub,
        group: groupOf(config),
        isOwnGroup: isOwn(config),
      });
    case 'ipc':
      return ipcDriver(config, shared);
    case 'stdio': {
      const { input, output, ids = false, catchAll } = config;
      return stdioDriver({ input, output, payload, ids, prefetch, catchAll, clock, log });
    }
    case 'redis':
      return redisDriver({
        ...config.settings,
        ...shared,
        place: config.place,
        group: groupOf(config),
        consumer: config.consumer ?? randomName(),
        retentionMs: config.retentionMs,
        ...(isOwn(config) && { ownGroups: ownGroups(config.group) }),
      });
    case 'amqp':
      return amqpDriver(amqpOptions(config, shared));
  }
}

function ipcDriver(config: ConfigOf<'ipc'>, shared: Shared): LinkDriver {
  const { group } = config;
  if ('host' in config) {
    return memoryDriver({ ...shared, label: 'the IPC broker', hub: config.host.hub, group });
  }
  const { port, isPlain = false } = config;
  return ipcChildDriver({ ...shared, port, group, isPlain, makeId: randomUUID });
}

function amqpOptions(config: ConfigOf<'amqp'>, shared: Shared): AmqpDriverOptions {
  const { endpoint, group, subgroup, messageTimeoutMs, payload } = config;
  return {
    ...shared,
    endpoint,
    label: showAmqpEndpoint(endpoint),
    exchange: group,
    queuePrefix: subgroup === undefined ? `${group}:` : `${group}:${subgroup}:`,
    queueType: config.queueType ?? 'classic',
    isOwnQueue: isOwn(config),
    persistent: config.persistent ?? true,
    counter: config.counter ?? (() => undefined),
    messageTimeoutMs,
    payload,
  };
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
