/** The proxy service: from a configuration to open doors. */
import { Registry } from 'prom-client';
import { type ActorSystem, createActorSystem } from '../../actors/runtime.ts';
import type { Broker } from '../../protocols/broker.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import type { RunningService, ServiceRuntime } from '../cli/services.ts';
import type { ProxyConfig } from '../config/proxy-config.ts';
import { createFailure } from '../failure.ts';
import { ANY_ADDRESS } from '../listen.ts';
import { createCacheMetrics, showCache } from '../metrics/cache-metrics.ts';
import { type Readiness, startHealthServer } from '../metrics/health-server.ts';
import { createProxyMetrics, showStanding } from '../metrics/proxy-metrics.ts';
import { startProxy as openDoors } from '../proxy/proxy.ts';
import { readinessOf } from '../proxy/readiness.ts';
import { processRandom } from '../random.ts';
import { systemClock } from '../system-clock.ts';
import { openCacheBroker, openProxyBroker } from './broker.ts';
import { openSharedLimits } from './shared-limits.ts';

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
};

/** Runs a proxy alone in its process. */
export async function startProxy(
  config: ProxyConfig,
  { log, signal }: ServiceRuntime,
): Promise<RunningService> {
  const clock = systemClock;
  const system = createActorSystem({ name: 'spectacles', clock, random: processRandom(), log });
  const failure = createFailure();
  try {
    const shared = { system, clock, log, signal, registry: new Registry() };
    const broker = await openProxyBroker(config, { ...shared, onFailure: failure.report });
    const events = await openCacheBroker(config, { ...shared, onFailure: failure.report });
    const proxy = await startProxyOn(config, { ...shared, broker, events });
    return {
      done: failure.promise,
      async stop() {
        await proxy.stop();
        await Promise.all([broker?.close(), events?.close()]);
        await system.stop();
      },
    };
  } catch (error) {
    await system.stop();
    throw error;
  }
}

/** Runs a proxy on a broker and an actor system that somebody else starts and stops. */
export async function startProxyOn(
  config: ProxyConfig,
  host: ProxyHost,
): Promise<Pick<RunningService, 'stop'>> {
  const { system, broker, events, clock, log, registry } = host;
  const sharedLimits = await openSharedLimits(config, { clock, log, registry });
  const proxy = await openDoors({
    config,
    ...(broker === undefined ? {} : { broker }),
    ...(events === undefined ? {} : { events }),
    system,
    clock,
    log,
    metrics: createProxyMetrics(registry),
    ...(sharedLimits === undefined ? {} : { sharedLimits }),
    cacheMetrics: createCacheMetrics(registry),
  }).catch(async (error: unknown) => {
    await sharedLimits?.close();
    throw error;
  });
  const { address, path } = config.metrics;
  showStanding(registry, () => proxy.standing);
  showCache(registry, () => proxy.cached);
  const readiness = (): Readiness => {
    if (broker?.state === 'away') return { ready: false, detail: 'the broker is away' };
    return readinessOf(proxy.standing, sharedLimits?.standing);
  };
  const health =
    address === undefined
      ? undefined
      : await startHealthServer({
          host: address.host ?? ANY_ADDRESS,
          port: address.port,
          endpoint: path,
          registry,
          readiness,
        });
  const door = proxy.http && `${proxy.http.host}:${proxy.http.port}`;
  log.info({ http: door, broker: config.broker.type }, 'the proxy takes requests');
  return {
    async stop() {
      await proxy.stop();
      await sharedLimits?.close();
      await health?.close();
    },
  };
}
