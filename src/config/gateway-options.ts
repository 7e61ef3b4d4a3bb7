/** Every option of the gateway: gateway.toml and the environment. */
import {
  IDENTIFY_FLOOR_MAX,
  LARGE_THRESHOLD_MAX,
  LARGE_THRESHOLD_MIN,
  MESSAGE_EXPIRATION_MAX_MS,
  POOL_SIZE_MAX,
  SHARDS_MAX,
} from '../../protocols/limits.ts';
import { PAYLOAD_MODES } from '../../protocols/wire/payload.ts';
import { botToken, eventFilter, intentNames, presence, rawIntents } from './discord-readers.ts';
import { option, optional, required } from './options.ts';
import {
  address,
  amqpUrl,
  choice,
  duration,
  freeText,
  hostName,
  httpPath,
  integer,
  nameText,
  redisUrls,
  shardIds,
} from './readers.ts';

/** Paths at which our own HTTP servers tell whether the service lives and is ready. */
export const HEALTH_PATHS = ['/healthz', '/readyz'];

export const GATEWAY_OPTIONS = {
  token: required(botToken(), {
    environment: ['DISCORD_TOKEN'],
    description: "The bot's token; a `Bot` before it is taken off",
  }),
  events: required(eventFilter(), {
    environment: ['DISCORD_EVENTS'],
    description: 'The dispatch events to publish, no others are; `["*"]` is all of them',
  }),
  intents: optional(intentNames(), 'required, or `raw_intents`', {
    environment: ['DISCORD_INTENTS'],
    description: 'What Discord is asked to send, by name; earlier names are read with a warning',
  }),
  raw_intents: optional(rawIntents(), 'required, or `intents`', {
    environment: ['DISCORD_RAW_INTENTS'],
    otherKeys: ['rawintents'],
    description: 'The same as a bit set; it wins over `intents` given in the same place',
  }),
  gateway_version: option(integer(6, 99), '10', {
    environment: ['DISCORD_GATEWAY_VERSION'],
    alsoUnset: 'zero',
    description: "The version of Discord's gateway protocol",
  }),
  compression: option(choice(['zstd-stream', 'zlib-stream', 'none']), 'zstd-stream', {
    environment: ['DISCORD_COMPRESSION'],
    description: 'How Discord compresses what it sends: `zstd-stream`, `zlib-stream` or `none`',
  }),
  large_threshold: optional(integer(LARGE_THRESHOLD_MIN, LARGE_THRESHOLD_MAX), "Discord's: 50", {
    environment: ['DISCORD_LARGE_THRESHOLD'],
    alsoUnset: 'zero',
    description: 'Guilds of up to so many members come with those who are offline, too: 50 to 250',
  }),
  'shards.count': optional(integer(1, SHARDS_MAX), "Discord's recommendation", {
    environment: ['DISCORD_SHARD_COUNT'],
    alsoUnset: 'zero',
    description: 'How many shards the bot has in all its processes together',
  }),
  'shards.ids': optional(shardIds(), 'all', {
    environment: ['DISCORD_SHARD_IDS'],
    alsoUnset: 'empty list',
    description: 'The shards that this process runs: a list, or ranges such as `0-3,8`',
  }),
  'broker.type': option(choice(['stdio', 'redis', 'amqp']), 'stdio', {
    environment: ['BROKER_TYPE'],
    description: 'Where events go: `stdio`, `redis` or `amqp`',
  }),
  'broker.group': option(nameText('a group'), 'gateway', {
    environment: ['BROKER_GROUP'],
    description: 'The group that events are published to: the exchange of AMQP',
  }),
  'broker.message_timeout': option(duration(MESSAGE_EXPIRATION_MAX_MS), '2m', {
    environment: ['BROKER_MESSAGE_TIMEOUT'],
    alsoUnset: 'zero',
    description: 'AMQP: unread events expire after this. Redis: idle ones are handed to others',
  }),
  'broker.retention': option(duration(), '1h', {
    environment: ['BROKER_RETENTION'],
    description: "Redis: streams are trimmed to this age, by the server's clock",
  }),
  'broker.payload': option(choice(PAYLOAD_MODES), 'json', {
    environment: ['BROKER_PAYLOAD'],
    description: 'How an event is encoded: `json`, `go`, `raw`, `map` or `discordjs`',
  }),
  'api.version': option(integer(6, 99), '10', {
    environment: ['DISCORD_API_VERSION'],
    alsoUnset: 'zero',
    description: "The version of Discord's REST API",
  }),
  'api.scheme': option(choice(['https', 'http']), 'https', {
    environment: ['DISCORD_API_PROTOCOL', 'DISCORD_API_SCHEME'],
    description: '`https`, or `http` for a simulated Discord',
  }),
  'api.host': option(hostName(), 'discord.com', {
    environment: ['DISCORD_API_HOST'],
    description: "The host of Discord's REST API, with a port where it has one",
  }),
  'prometheus.address': optional(address(), 'off', {
    environment: ['PROMETHEUS_ADDRESS'],
    description: 'Where metrics, `/healthz` and `/readyz` are served, such as `:8080`',
  }),
  'prometheus.endpoint': option(httpPath(HEALTH_PATHS), '/metrics', {
    environment: ['PROMETHEUS_ENDPOINT'],
    description: 'The path of the metrics',
  }),
  'shard_store.type': option(choice(['local', 'file', 'redis'], { memory: 'local' }), 'local', {
    environment: ['SHARD_STORE_TYPE'],
    description:
      'Where sessions are kept over a restart: `redis`, `file`, or `local`, which keeps none',
  }),
  'shard_store.prefix': option(nameText('a prefix'), 'gateway', {
    environment: ['SHARD_STORE_PREFIX'],
    description: 'What the names of the stored sessions begin with',
  }),
  'shard_store.path': option(freeText("a file's path"), 'spectacles-sessions.json', {
    environment: ['SHARD_STORE_PATH'],
    description: 'The file of the `file` store, from the folder that the gateway is started in',
  }),
  'identify.floor': option(integer(0, IDENTIFY_FLOOR_MAX), '20', {
    environment: ['IDENTIFY_FLOOR'],
    description:
      'No session is started when so few are left of the day; shards go on resuming the ones they have',
  }),
  presence: optional(presence(), 'none', {
    environment: ['DISCORD_PRESENCE'],
    description: 'What the bot shows of itself; JSON in the environment',
  }),
  'amqp.url': option(amqpUrl(), 'amqp://localhost', {
    environment: ['AMQP_URL'],
    oldKeys: ['broker.url'],
    description: 'RabbitMQ; `amqp://host//` and `amqp://host` are the virtual host `/`',
  }),
  'redis.urls': option(redisUrls(), 'localhost:6379', {
    environment: ['REDIS_URL'],
    otherKeys: ['redis.url'],
    description: 'Redis; more than one, with commas between them, is a cluster',
  }),
  'redis.pool_size': option(integer(1, POOL_SIZE_MAX), '5', {
    environment: ['REDIS_POOL_SIZE'],
    alsoUnset: 'zero',
    description: 'Read for the sake of old files; it changes nothing',
  }),
};
