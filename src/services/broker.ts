/** From the configuration of a service to the broker that it publishes to or is called through. */
import type { Registry } from 'prom-client';
import type { ActorSystem } from '../../actors/runtime.ts';
import type { Broker } from '../../protocols/broker.ts';
import { ConfigurationError } from '../../protocols/errors.ts';
import { SEND_EVENT } from '../../protocols/gateway/commands.ts';
import { PROXY_REQUESTS_MAX } from '../../protocols/limits.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import { type BrokerConfig, createBroker, redisPlace } from '../brokers/create-broker.ts';
import { MemoryHub } from '../brokers/memory.ts';
import type { RedisPlace } from '../brokers/redis-connection.ts';
import type { GatewayConfig } from '../config/gateway-config.ts';
import type { ProxyConfig } from '../config/proxy-config.ts';
import { createBrokerCounter } from '../metrics/broker-metrics.ts';

export type BrokerHost = {
  readonly system: ActorSystem;
  readonly clock: Clock;
  readonly log: Log;
  /** Where services of one process meet when there is no server between them. */
  readonly hub?: MemoryHub;
  readonly onFailure: (error: Error) => void;
  /** Gives the start up. */
  readonly signal?: AbortSignal;
  /** Whether a broker that is away is tried again; it is unless told. */
  readonly triesAgain?: boolean;
  /** Where incidents are counted. */
  readonly registry: Registry;
  /** The name in the actor tree. */
  readonly name?: string;
};

/** The broker that a gateway publishes to. */
export function openGatewayBroker(config: GatewayConfig, host: BrokerHost): Promise<Broker> {
  return createBroker(gatewayBroker(config, host, { writesEvents: true }), host);
}

/** The broker by which a handler in the gateway's own process is given its events. */
export function openHandlerBroker(config: GatewayConfig, host: BrokerHost): Promise<Broker> {
  return createBroker(gatewayBroker(config, host, { writesEvents: false }), host);
}

/** The broker that a proxy is called through; undefined when it has only its HTTP door. */
export async function openProxyBroker(
  config: ProxyConfig,
  host: BrokerHost,
): Promise<Broker | undefined> {
  const broker = proxyBroker(config, host);
  // Whatever may wait in the tree is taken from the broker: else a single bucket whose requests are
  // not settled for long would keep those of all others there. The tree refuses what is above its
  // bounds.
  return broker && createBroker({ ...broker, prefetch: PROXY_REQUESTS_MAX }, host);
}

/**
 * The broker by which the gateway's events come to a proxy's cache; undefined when it goes without.
 * Each proxy gets every event, from the moment on that it asks.
 */
export async function openCacheBroker(
  config: ProxyConfig,
  host: BrokerHost,
): Promise<Broker | undefined> {
  const { events, group } = config.cache;
  if (events.length === 0) return undefined;
  const ofGateway = { ...config.broker, group, subgroup: undefined };
  const broker = proxyBroker({ ...config, broker: ofGateway }, host);
  return broker && createBroker({ ...broker, audience: 'each' }, { ...host, name: 'cache-events' });
}

function gatewayBroker(
  config: GatewayConfig,
  host: BrokerHost,
  { writesEvents }: { readonly writesEvents: boolean },
): BrokerConfig {
  const { group, messageTimeoutMs, retentionMs, payload, type } = config.broker;
  switch (type) {
    case 'memory':
      return { type, group, payload, hub: host.hub ?? new MemoryHub(host.clock) };
    case 'stdio':
      // Whatever comes in is meant for this gateway: nobody else would say what is wrong with it.
      return {
        type,
        payload,
        input: process.stdin,
        output: process.stdout,
        catchAll: SEND_EVENT,
      };
    case 'redis':
      return {
        type,
        group,
        payload,
        retentionMs,
        place: gatewayRedis(config),
        // Without a timeout an entry of a consumer that has died still goes to another, later.
        settings: {
          writesEvents,
          counter: createBrokerCounter(host.registry),
          ...(messageTimeoutMs > 0 && { claimIdleMs: messageTimeoutMs }),
        },
      };
    case 'amqp':
      return {
        type,
        group,
        payload,
        endpoint: config.amqp,
        messageTimeoutMs,
        counter: createBrokerCounter(host.registry),
      };
  }
}

function proxyBroker(config: ProxyConfig, host: BrokerHost): BrokerConfig | undefined {
  const { type, group, subgroup } = config.broker;
  // Requests and answers have an encoding of their own; the mode of events does not touch them.
  const payload = 'raw';
  switch (type) {
    case 'none':
      return undefined;
    case 'memory':
      return { type, group, payload, hub: host.hub ?? new MemoryHub(host.clock) };
    case 'redis':
      return {
        type,
        group,
        payload,
        retentionMs: 0,
        place: redisPlace(config.redis.endpoint),
        settings: { writesEvents: false, counter: createBrokerCounter(host.registry) },
      };
    case 'amqp':
      return {
        type,
        group,
        ...(subgroup !== undefined && { subgroup }),
        payload,
        endpoint: config.amqp,
        messageTimeoutMs: config.timeoutMs ?? 0,
        counter: createBrokerCounter(host.registry),
      };
  }
}

/** The Redis of a gateway, for its broker and its session store. */
export function gatewayRedis({ redis }: Pick<GatewayConfig, 'redis'>): RedisPlace {
  const [first, ...others] = redis.endpoints;
  if (first === undefined) throw new ConfigurationError('redis.urls names no server');
  return redisPlace(first, ...others);
}
