/** Every option of the proxy: proxy.toml and the environment. */
import {
  GLOBAL_LIMIT_MAX,
  GLOBAL_REQUESTS_PER_WINDOW,
  POOL_SIZE_MAX,
} from '../../protocols/limits.ts';
import { botToken } from './discord-readers.ts';
import { familyLimits } from './family-limits.ts';
import { HEALTH_PATHS } from './gateway-options.ts';
import { option, optional } from './options.ts';
import {
  address,
  amqpUrl,
  choice,
  duration,
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
    zeroIsUnset: true,
    description: 'Connections to Redis',
  }),
  'amqp.url': optional(amqpUrl(), '`amqp://localhost` where it is needed', {
    environment: ['AMQP_URL'],
    description: 'RabbitMQ; `amqp://host//` and `amqp://host` are the virtual host `/`',
  }),
  'ratelimiter.type': option(choice(['local', 'redis']), 'local', {
    environment: ['RATELIMITER_TYPE'],
    description: '`redis` shares what is known of the limits between all proxies',
  }),
  'discord.token': optional(botToken(), 'none', {
    environment: ['DISCORD_TOKEN'],
    description: 'Used for requests that bring no Authorization, and for no others',
  }),
  'discord.api_version': option(integer(6, 99), '10', {
    environment: ['DISCORD_API_VERSION'],
    zeroIsUnset: true,
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
    zeroIsUnset: true,
    description: 'Requests a second of one bot, if Discord has raised its limit',
  }),
  'discord.family_limits': option(familyLimits(), 'invites=200/10m', {
    environment: ['DISCORD_FAMILY_LIMITS'],
    description:
      'Families of routes that get no more than so many requests in so long, where Discord blocks without a warning; `none` for no such limit',
  }),
  'metrics.addr': optional(address(), 'off', {
    environment: ['METRICS_ADDR'],
    description: 'Where metrics, `/healthz` and `/readyz` are served, such as `0.0.0.0:3000`',
  }),
  'metrics.path': option(httpPath(HEALTH_PATHS), 'metrics', {
    environment: ['METRICS_PATH'],
    description: 'The path of the metrics, with or without a slash before it',
  }),
};
