/**
 * The proxy as a service: the tree that keeps Discord's limits, the cache and the doors in front of
 * it.
 *
 * It starts from the inside out, and stops from the outside in: no new requests, then what is in
 * flight lands, then the connections to Discord close.
 */
import type { Server } from 'node:http';
import { within } from '../../actors/deadline.ts';
import type { ActorSystem } from '../../actors/runtime.ts';
import type { Broker } from '../../protocols/broker.ts';
import { GLOBAL_REQUESTS_PER_WINDOW, PROXY_DRAIN_MS } from '../../protocols/limits.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import type { ProxyMetrics, Upstream } from '../../protocols/proxy.ts';
import type { SharedLimits } from '../../protocols/shared-limits.ts';
import { type ProxyTree, startProxyTree } from '../../supervisors/proxy.ts';
import type { GuardStanding } from '../../supervisors/proxy-guard.ts';
import { optionName } from '../config/options.ts';
import type { ProxyConfig } from '../config/proxy-config.ts';
import { PROXY_OPTIONS } from '../config/proxy-options.ts';
import { ANY_ADDRESS, listen } from '../listen.ts';
import { identityOfBot } from './admission.ts';
import { BodyStore } from './body-store.ts';
import { followEvents } from './cache/follow-events.ts';
import { type CacheMetrics, RestCache } from './cache/rest-cache.ts';
import { SentUpstream } from './cache/sent-upstream.ts';
import { httpDoor } from './http-door.ts';
import { rpcDoor } from './rpc-door.ts';
import { createUpstream } from './upstream.ts';

export type ProxyOptions = {
  readonly config: Pick<ProxyConfig, 'timeoutMs' | 'http' | 'discord'> & {
    /** What Discord gives to most unless given. */
    readonly limits?: ProxyConfig['limits'];
    /** Without one nothing is kept. */
    readonly cache?: ProxyConfig['cache'];
    readonly broker: Pick<ProxyConfig['broker'], 'event'>;
  };
  /** Without one there is no RPC door. */
  readonly broker?: Broker;
  /** By which the gateway's events come to the cache. */
  readonly events?: Broker;
  /** Instead of undici, for tests. */
  readonly upstream?: Upstream;
  readonly system: Pick<ActorSystem, 'spawn'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: ProxyMetrics;
  /** Where the limits are shared with other proxies. */
  readonly sharedLimits?: SharedLimits;
  readonly cacheMetrics?: CacheMetrics;
};

export interface RunningProxy {
  /** Where the HTTP door listens; undefined if there is none. */
  readonly http: { readonly host: string; readonly port: number } | undefined;
  /** Requests that wait or are in flight. */
  readonly requests: number;
  /** What Discord has refused of late, and what is refused for it. */
  readonly standing: GuardStanding;
  /** What the cache holds. */
  readonly cached: RestCache['standing'];
  /** Takes nothing more, lets what is in flight land in time, refuses or hands back what waits. */
  stop(withinMs?: number): Promise<void>;
}

const HTTP_SETTING = optionName('http.address', PROXY_OPTIONS['http.address']);

const UNCOUNTED: CacheMetrics = { looked: () => {}, dropped: () => {} };

const USUAL_LIMITS: ProxyConfig['limits'] = {
  global: GLOBAL_REQUESTS_PER_WINDOW,
  families: new Map(),
};

/** @throws PortInUseError or ConfigurationError when `http.address` cannot be listened on */
export async function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  const { config, broker, system, clock, log, metrics } = options;
  const upstream = new SentUpstream(options.upstream ?? createUpstream(config.discord));
  const { global: globalLimit, families: familyLimits } = config.limits ?? USUAL_LIMITS;
  const { sharedLimits } = options;
  const shared = sharedLimits === undefined ? {} : { sharedLimits };
  const limits = { globalLimit, familyLimits, ...shared };
  const tree = startProxyTree({ system, upstream, clock, log, metrics, ...limits });
  const cache = cacheBefore(tree, options);
  const admission = { token: config.discord.token, timeoutMs: config.timeoutMs };
  const rpc = rpcDoor({ tree: cache, admission, apiVersion: config.discord.version, clock, log });
  let server: Server | undefined;
  let http: RunningProxy['http'];
  let unfollow = (): void => {};
  try {
    const { events = [] } = config.cache ?? {};
    if (options.events !== undefined) unfollow = await followEvents(options.events, events, cache);
    const { address } = config.http;
    if (address !== undefined) {
      server = httpDoor({ tree: cache, bodies: new BodyStore(), admission, log });
      const at = { host: address.host ?? ANY_ADDRESS, port: address.port, setting: HTTP_SETTING };
      http = { host: at.host, port: await listen(server, at) };
    }
    await broker?.subscribe(config.broker.event, rpc.handler);
  } catch (error) {
    server?.close();
    await tree.stop();
    await upstream.close();
    throw error;
  }
  return {
    http,
    get requests() {
      return tree.requests;
    },
    get standing() {
      return tree.standing;
    },
    get cached() {
      return cache.standing;
    },
    async stop(withinMs = Number.POSITIVE_INFINITY) {
      const endMs = clock.nowMs() + withinMs;
      const served = server === undefined ? undefined : shut(server);
      await broker?.unsubscribe(config.broker.event).catch((error: unknown) => {
        log.warn({ error }, 'the broker did not take back the subscription');
      });
      const untilMs = Math.min(clock.nowMs() + PROXY_DRAIN_MS, endMs);
      const left = (): number => Math.max(0, untilMs - clock.nowMs());
      await tree.drain(left());
      await within(clock, left(), Promise.all([rpc.settled(), served]));
      unfollow();
      await tree.stop();
      server?.closeAllConnections();
      await upstream.close();
    },
  };
}

function cacheBefore(
  tree: ProxyTree,
  { config, events, clock, metrics, cacheMetrics = UNCOUNTED }: ProxyOptions,
): RestCache {
  const { coalesce = 'waiting', enabled: keep = false, events: names = [] } = config.cache ?? {};
  const { token } = config.discord;
  const told =
    events !== undefined && token !== undefined
      ? { told: { identity: identityOfBot(token), events: new Set<string>(names) } }
      : {};
  const rules = { coalesce, keep, ...told };
  return new RestCache({ tree, rules, clock, metrics, cacheMetrics });
}

/** No new connections; resolves when the last answer has gone out. */
function shut(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}
