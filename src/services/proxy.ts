/** The proxy service: from a configuration to open doors. */
import { Registry } from 'prom-client';
import { type ActorSystem, createActorSystem } from '../../actors/runtime.ts';
import type { Broker } from '../../protocols/broker.ts';
import { BROKER_CLOSE_MS, SHARED_LEAVE_MS } from '../../protocols/limits.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import type { SharedLimits } from '../../protocols/shared-limits.ts';
import type { RunningService, ServiceRuntime } from '../cli/services.ts';
import type { ProxyConfig } from '../config/proxy-config.ts';
import { createFailure } from '../failure.ts';
import { createCacheMetrics, showCache } from '../metrics/cache-metrics.ts';
import { createProxyMetrics, showStanding } from '../metrics/proxy-metrics.ts';
import { startProxy as openDoors, type RunningProxy } from '../proxy/proxy.ts';
import { readinessOf } from '../proxy/readiness.ts';
import { processRandom } from '../random.ts';
import { systemClock } from '../system-clock.ts';
import { unlessAborted } from '../unless-aborted.ts';
import { openCacheBroker, openProxyBroker } from './broker.ts';
import { type Health, openHealth } from './health.ts';
import { openSharedLimits } from './shared-limits.ts';
import { StopList } from './stop-list.ts';

/** What a proxy shares with the other services of its process. */
export type ProxyHost = {
  readonly system: ActorSystem;
  /** Undefined: there is only the HTTP door. */
  readonly broker: Broker | undefined;
  /** By which the gateway's events come to the cache; undefined: it goes without. */
  readonly events?: Broker | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** What its health server shows, the broker's share included. */
  readonly registry: Registry;
  /** Told how the start goes on, and then how the proxy stands. */
  readonly health?: Pick<Health, 'waitFor' | 'follow'>;
  /** Gives the start up. */
  readonly signal: AbortSignal;
  /** Takes what has to be ended of the proxy. */
  readonly stops: Pick<StopList, 'add'>;
};

/** Runs a proxy alone in its process. */
export async function startProxy(
  config: ProxyConfig,
  { log, signal }: ServiceRuntime,
): Promise<RunningService> {
  const clock = systemClock;
  const registry = new Registry();
  const failure = createFailure();
  const health = await openProxyHealth(config, { registry, signal });
  const system = createActorSystem({ name: 'spectacles', clock, random: processRandom(), log });
  const stops = new StopList(clock, log);
  stops.add('its health server', () => health.close());
  stops.add('its actors', () => system.stop());
  try {
    const shared = { system, clock, log, signal, registry };
    health.waitFor('its broker');
    const broker = await openProxyBroker(config, { ...shared, onFailure: failure.report });
    const events = await openCacheBroker(config, { ...shared, onFailure: failure.report });
    const close = (): Promise<unknown> => Promise.all([broker?.close(), events?.close()]);
    stops.add('its brokers', close, BROKER_CLOSE_MS);
    await startProxyOn(config, { ...shared, broker, events, health, stops });
    return { done: failure.promise, stop: stops.stop };
  } catch (error) {
    return await stops.giveUp(error);
  }
}

/** The health server of a proxy, which is told of the rest by `startProxyOn`. */
export function openProxyHealth(
  { metrics: { address, path } }: Pick<ProxyConfig, 'metrics'>,
  host: Pick<ProxyHost, 'registry' | 'signal'>,
): Promise<Health> {
  const { registry, signal } = host;
  return openHealth({ service: 'proxy', address, endpoint: path, registry, signal });
}

/** Runs a proxy on a broker and an actor system that somebody else starts and stops. */
export async function startProxyOn(config: ProxyConfig, host: ProxyHost): Promise<void> {
  const { broker, log, registry, health, stops } = host;
  health?.waitFor('its shared limits');
  const sharedLimits = await openSharedLimits(config, host);
  if (sharedLimits !== undefined) {
    stops.add('its shared limits', () => sharedLimits.close(), SHARED_LEAVE_MS);
  }
  health?.waitFor('its doors');
  const proxy = await openProxy(config, host, sharedLimits);
  stops.add('its doors', (withinMs) => proxy.stop(withinMs));
  showStanding(registry, () => proxy.standing);
  showCache(registry, () => proxy.cached);
  health?.follow(() => {
    if (broker?.state === 'away') return { ready: false, detail: 'the broker is away' };
    return readinessOf(proxy.standing, sharedLimits?.standing);
  });
  const door = proxy.http && `${proxy.http.host}:${proxy.http.port}`;
  const word =
    broker?.state === 'away'
      ? 'the proxy is up, and takes requests from its broker when that is back'
      : 'the proxy takes requests';
  log.info({ http: door, broker: config.broker.type }, word);
}

/** What is opened after the signal, or in spite of it, is closed again. */
async function openProxy(
  config: ProxyConfig,
  { system, broker, events, clock, log, registry, signal }: ProxyHost,
  sharedLimits: SharedLimits | undefined,
): Promise<RunningProxy> {
  const opening = openDoors({
    config,
    ...(broker === undefined ? {} : { broker }),
    ...(events === undefined ? {} : { events }),
    system,
    clock,
    log,
    metrics: createProxyMetrics(registry),
    ...(sharedLimits === undefined ? {} : { sharedLimits }),
    cacheMetrics: createCacheMetrics(registry),
  });
  try {
    return await unlessAborted(signal, opening);
  } catch (error) {
    void opening.then(
      (proxy) => proxy.stop(),
      () => undefined,
    );
    throw error;
  }
}
