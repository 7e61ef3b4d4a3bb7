/**
 * The proxy's configuration, read and checked as a whole.
 *
 * It fails with one ConfigurationError that has a line for each thing that is wrong.
 */
import { CACHE_EVENTS } from '../../protocols/discord/cache-events.ts';
import type { DispatchEventName } from '../../protocols/discord/dispatch-events.ts';
import type { FamilyLimits } from '../../supervisors/proxy-guard.ts';
import type { Address } from './address.ts';
import { type AmqpEndpoint, parseAmqpUrl, type RedisEndpoint } from './broker-urls.ts';
import type { EventFilter } from './discord-readers.ts';
import { type DiscordApi, POOL_SIZE_WARNING } from './gateway-config.ts';
import { completed, type Findings, type Resolved } from './layers.ts';
import { type ConfigurationSource, type Loaded, load } from './load.ts';
import type { ValuesOf } from './options.ts';
import { PROXY_OPTIONS } from './proxy-options.ts';

export type ProxyConfig = {
  /** Of a whole request, waiting included. Undefined: none. */
  readonly timeoutMs: number | undefined;
  readonly broker: {
    /** `memory` never comes from a file: it is what `spectacles run` uses unless told otherwise. */
    readonly type: 'redis' | 'amqp' | 'none' | 'memory';
    readonly group: string;
    /** Of RabbitMQ's queue. Undefined: none. */
    readonly subgroup: string | undefined;
    readonly event: string;
  };
  /** Undefined: no HTTP front end. */
  readonly http: { readonly address: Address | undefined };
  readonly redis: { readonly endpoint: RedisEndpoint; readonly poolSize: number };
  readonly amqp: AmqpEndpoint;
  readonly ratelimiter: {
    readonly type: 'local' | 'redis';
    readonly prefix: string;
    /** How many proxies there are at least. */
    readonly proxies: number;
    /** Names the address that Discord sees. */
    readonly address: string;
  };
  readonly discord: DiscordApi & {
    /** Without `Bot `; for requests that bring no Authorization. */
    readonly token: string | undefined;
    /** HTTP/1.1 unless it is told. */
    readonly http2?: boolean;
  };
  readonly limits: {
    /** Requests a second of one identity. */
    readonly global: number;
    readonly families: FamilyLimits;
  };
  readonly cache: {
    readonly coalesce: 'waiting' | 'flying' | 'off';
    readonly enabled: boolean;
    /** Of all that the gateway publishes, those that say anything of what is kept; empty: none. */
    readonly events: readonly DispatchEventName[];
    /** To which the gateway publishes them. */
    readonly group: string;
  };
  readonly metrics: {
    /** Undefined: no metrics server. */
    readonly address: Address | undefined;
    /** With its slash. */
    readonly path: string;
  };
};

type Table = typeof PROXY_OPTIONS;
type Origins = Resolved<Table>['origins'];

/** Reads proxy.toml, or what stands for it, and the environment. */
export async function loadProxyConfig(
  source: ConfigurationSource,
): Promise<Loaded<Table, ProxyConfig>> {
  return load(PROXY_OPTIONS, source, (resolved, findings, redactor) => {
    check(resolved, findings);
    return assemble(completed(resolved, findings, redactor), resolved.origins);
  });
}

function check({ values, origins }: Resolved<Table>, { problems, warnings }: Findings): void {
  const poolSize = origins.get('redis.pool_size')?.kind ?? 'default';
  if (poolSize !== 'default') warnings.push(POOL_SIZE_WARNING);
  if (origins.has('amqp.cancellation_event')) {
    warnings.push(
      'amqp.cancellation_event changes nothing: requests are not cancelled by an event, but by their timeout',
    );
  }
  problems.push(...cacheProblems(values), ...portProblems(values, origins));
  if (values['broker.type'] !== 'none' || origins.has('http.address')) return;
  problems.push(
    'broker.type is none and http.address is not set, so no request could come in: set http.address (HTTP_ADDRESS), such as :8080, or another broker.type',
  );
}

/** Two servers of this process cannot share a port, unless each has an interface of its own. */
function portProblems(values: Resolved<Table>['values'], origins: Origins): readonly string[] {
  const { 'http.address': http } = values;
  const metrics = metricsAddress(values, origins);
  if (http === undefined || metrics === undefined) return [];
  const isElsewhere =
    ![http.host, metrics.host].some(isEveryInterface) && http.host !== metrics.host;
  if (http.port === 0 || http.port !== metrics.port || isElsewhere) return [];
  return [
    `http.address and metrics.addr both have port ${http.port}: give each its own (HTTP_ADDRESS, METRICS_ADDR)`,
  ];
}

function isEveryInterface(host: string | undefined): boolean {
  return host === undefined || host === '0.0.0.0' || host === '::';
}

/** Events come by a broker, tell of one bot, and are of use only to what is kept. */
function cacheProblems(values: Resolved<Table>['values']): readonly string[] {
  if (values['cache.events'] === undefined) return [];
  const problems: string[] = [];
  if (values['cache.enabled'] === false) {
    problems.push('cache.events is set and cache.enabled is not: set it (CACHE_ENABLED) to true');
  }
  if (values['discord.token'] === undefined) {
    problems.push(
      'cache.events is set and discord.token is not: set it (DISCORD_TOKEN) to the token of the gateway, whose events tell of its own bot only',
    );
  }
  if (values['broker.type'] === 'none') {
    problems.push('cache.events is set and broker.type is none, so that no event could come in');
  }
  return problems;
}

function followedEvents(filter: EventFilter | undefined): readonly DispatchEventName[] {
  if (filter === undefined) return [];
  return CACHE_EVENTS.filter((event) => filter === 'all' || filter.includes(event));
}

function localAmqp(): AmqpEndpoint {
  const parsed = parseAmqpUrl('amqp://localhost');
  if ('problem' in parsed) throw new TypeError(parsed.problem);
  return parsed.value;
}

/** Where the original served its metrics when it was only told their path. */
const USUAL_METRICS_ADDRESS: Address = { host: '0.0.0.0', port: 3000 };

function metricsAddress(
  { 'metrics.addr': given }: Resolved<Table>['values'],
  origins: Origins,
): Address | undefined {
  const usual = origins.get('metrics.path')?.kind === 'default' ? undefined : USUAL_METRICS_ADDRESS;
  return given ?? usual;
}

function assemble(values: ValuesOf<Table>, origins: Origins): ProxyConfig {
  const amqp = values['amqp.url'];
  return {
    timeoutMs: values.timeout,
    broker: {
      type: values['broker.type'] ?? (amqp === undefined ? 'redis' : 'amqp'),
      group: values['broker.group'],
      subgroup: values['amqp.subgroup'],
      event: values['broker.event'],
    },
    http: { address: values['http.address'] },
    redis: { endpoint: values['redis.url'], poolSize: values['redis.pool_size'] },
    amqp: amqp ?? localAmqp(),
    ratelimiter: {
      type: values['ratelimiter.type'],
      prefix: values['ratelimiter.prefix'],
      proxies: values['ratelimiter.proxies'],
      address: values['ratelimiter.address'],
    },
    discord: {
      token: values['discord.token'],
      version: values['discord.api_version'],
      scheme: values['discord.scheme'],
      host: values['discord.host'],
      ...(values['discord.http_version'] === '2' && { http2: true }),
    },
    limits: {
      global: values['discord.global_limit'],
      families: values['discord.family_limits'],
    },
    cache: {
      coalesce: values['cache.coalesce'],
      enabled: values['cache.enabled'],
      events: followedEvents(values['cache.events']),
      group: values['cache.group'],
    },
    metrics: { address: metricsAddress(values, origins), path: values['metrics.path'] },
  };
}
