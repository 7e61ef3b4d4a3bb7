/** Every option of the proxy: proxy.toml and the environment. */
import {
  GLOBAL_LIMIT_MAX,
  GLOBAL_REQUESTS_PER_WINDOW,
  POOL_SIZE_MAX,
  SHARED_PROXIES_MAX,
} from '../../protocols/limits.ts';
import { botToken, eventFilter } from './discord-readers.ts';
import { familyLimits } from './family-limits.ts';
import { HEALTH_PATHS } from './gateway-options.ts';
import { option, optional } from './options.ts';
import {
  address,
  amqpUrl,
  choice,
  duration,
  flag,
  hostName,
  httpPath,
  integer,
  nameText,
  redisUrl,
} from './readers.ts';

export const PROXY_OPTIONS = {
  timeout: optional(duration(), 'none', {
    environment: ['TIMEOUT'],
    description: 'How long a request may take, its waiting for rate limits included',
  }),
  'broker.type': optional(
    choice(['redis', 'amqp', 'none']),
    '`amqp` if `amqp.url` is set, else `redis`',
    {
      environment: ['BROKER_TYPE'],
      description: 'Where requests come from: `redis`, `amqp`, or `none` for HTTP only',
    },
  ),
  'broker.group': option(nameText('a group'), 'proxy', {
    environment: ['BROKER_GROUP', 'AMQP_GROUP'],
    oldKeys: ['amqp.group'],
    description: 'The group that requests are published to: the exchange of AMQP',
  }),
  'broker.event': option(nameText('an event'), 'REQUEST', {
    environment: ['BROKER_EVENT', 'AMQP_EVENT'],
    oldKeys: ['amqp.event'],
    description: 'The event that carries requests',
  }),
  'http.address': optional(address(), 'off', {
    environment: ['HTTP_ADDRESS'],
    description: 'Where the HTTP front end listens, for any Discord library',
  }),
  'redis.url': option(redisUrl(), 'localhost:6379', {
    environment: ['REDIS_URL'],
    description: 'Redis',
  }),
  'redis.pool_size': option(integer(1, POOL_SIZE_MAX), '32', {
    environment: ['REDIS_POOL_SIZE'],
    alsoUnset: 'zero',
    description: 'Read for the sake of old files; it changes nothing',
  }),
  'amqp.url': optional(amqpUrl(), '`amqp://localhost` where it is needed', {
    environment: ['AMQP_URL'],
    description: 'RabbitMQ; `amqp://host//` and `amqp://host` are the virtual host `/`',
  }),
  'amqp.subgroup': optional(nameText('a subgroup'), 'none', {
    environment: ['AMQP_SUBGROUP'],
    description:
      'RabbitMQ: requests wait in the queue `group:subgroup:event`, not in `group:event`',
  }),
  'amqp.cancellation_event': optional(nameText('an event'), 'none', {
    environment: ['AMQP_CANCELLATION_EVENT'],
    description: 'Read for the sake of old files; it changes nothing',
  }),
  'ratelimiter.type': option(choice(['local', 'redis']), 'local', {
    environment: ['RATELIMITER_TYPE'],
    description: '`redis` shares the limits between all proxies of one Redis',
  }),
  'ratelimiter.prefix': option(nameText('a prefix'), 'proxy', {
    environment: ['RATELIMITER_PREFIX'],
    description: 'What the keys of shared limits begin with: proxies with one prefix share them',
  }),
  'ratelimiter.proxies': option(integer(1, SHARED_PROXIES_MAX), '1', {
    environment: ['RATELIMITER_PROXIES'],
    alsoUnset: 'zero',
    description:
      'How many proxies there are at least: while Redis is away each keeps to its share of every limit, by this number or by how many it has seen, whichever is larger',
  }),
  'ratelimiter.address': option(nameText('an address'), 'default', {
    environment: ['RATELIMITER_ADDRESS'],
    description:
      'Any name for the address that Discord sees: proxies that share limits and have the same one count together what Discord bans an address for',
  }),
  'discord.token': optional(botToken(), 'none', {
    environment: ['DISCORD_TOKEN'],
    description: 'Used for requests that bring no Authorization, and for no others',
  }),
  'discord.api_version': option(integer(6, 99), '10', {
    environment: ['DISCORD_API_VERSION'],
    alsoUnset: 'zero',
    description: "The version of Discord's REST API",
  }),
  'discord.scheme': option(choice(['https', 'http']), 'https', {
    environment: ['DISCORD_API_PROTOCOL', 'DISCORD_API_SCHEME'],
    description: '`https`, or `http` for a simulated Discord',
  }),
  'discord.host': option(hostName(), 'discord.com', {
    environment: ['DISCORD_API_HOST'],
    description: "The host of Discord's REST API, with a port where it has one",
  }),
  'discord.http_version': option(choice(['1.1', '2']), '1.1', {
    environment: ['DISCORD_HTTP_VERSION'],
    description: "`2` speaks HTTP/2 with Discord's REST API, whose host must offer it",
  }),
  'discord.global_limit': option(integer(1, GLOBAL_LIMIT_MAX), String(GLOBAL_REQUESTS_PER_WINDOW), {
    environment: ['DISCORD_GLOBAL_LIMIT'],
    alsoUnset: 'zero',
    description: 'Requests a second of one bot, if Discord has raised its limit',
  }),
  'discord.family_limits': option(familyLimits(), 'invites=200/10m', {
    environment: ['DISCORD_FAMILY_LIMITS'],
    description:
      'Families of routes that get no more than so many requests in so long, where Discord blocks without a warning; `none` for no such limit',
  }),
  'cache.coalesce': option(choice(['waiting', 'flying', 'off']), 'waiting', {
    environment: ['CACHE_COALESCE'],
    description:
      'Which identical GETs of one token share a request: those that have not been sent yet, `flying` also those that have, or none',
  }),
  'cache.enabled': option(flag(), 'false', {
    environment: ['CACHE_ENABLED'],
    description: "Whether answers to a bot's GETs are kept for as long as they are true",
  }),
  'cache.events': optional(eventFilter(), 'off', {
    environment: ['CACHE_EVENTS'],
    description:
      'The events that the bot\'s gateway publishes and that the cache goes by, `["*"]` for all; answers whose changes they tell of are kept longer',
  }),
  'cache.group': option(nameText('a group'), 'gateway', {
    environment: ['CACHE_GROUP'],
    description: 'The group that the gateway publishes to, `broker.group` there',
  }),
  'metrics.addr': optional(address(), '`0.0.0.0:3000` if `metrics.path` is set, else off', {
    environment: ['METRICS_ADDR'],
    description: 'Where metrics, `/healthz` and `/readyz` are served',
  }),
  'metrics.path': option(httpPath(HEALTH_PATHS), 'metrics', {
    environment: ['METRICS_PATH'],
    description: 'The path of the metrics, with or without a slash before it',
  }),
};
