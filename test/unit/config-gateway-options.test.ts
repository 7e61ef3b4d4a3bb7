/** Every option of a gateway: its default, and what it is in the file and in the environment. */
import { expect, it } from 'vitest';
import type { GatewayConfig } from '../../src/config/gateway-config.ts';
import { GATEWAY_OPTIONS } from '../../src/config/gateway-options.ts';
import {
  DEFAULTS,
  gatewayFromFile,
  loadGateway,
  MINIMAL,
  MINIMAL_ENVIRONMENT,
} from '../support/gateway-configuration.ts';
import { type OptionCase, testEveryOption } from '../support/option-cases.ts';

const EVERY_OPTION: readonly OptionCase<typeof GATEWAY_OPTIONS, GatewayConfig>[] = [
  ['token', '"Bot xyz"', 'DISCORD_TOKEN', 'Bot xyz', (c) => c.token, 'xyz'],
  ['events', '["*"]', 'DISCORD_EVENTS', '*', (c) => c.events, 'all'],
  [
    'events',
    '["READY", "TYPING_START"]',
    'DISCORD_EVENTS',
    'READY, TYPING_START',
    (c) => c.events,
    ['READY', 'TYPING_START'],
  ],
  [
    'intents',
    '["GUILDS", "GUILD_MEMBERS"]',
    'DISCORD_INTENTS',
    'GUILDS,GUILD_MEMBERS',
    (c) => c.intents,
    3,
  ],
  ['raw_intents', '513', 'DISCORD_RAW_INTENTS', '513', (c) => c.intents, 513],
  ['gateway_version', '9', 'DISCORD_GATEWAY_VERSION', '9', (c) => c.gatewayVersion, 9],
  ['compression', '"none"', 'DISCORD_COMPRESSION', 'none', (c) => c.compression, 'none'],
  ['shards.count', '16', 'DISCORD_SHARD_COUNT', '16', (c) => c.shards.count, 16],
  ['large_threshold', '250', 'DISCORD_LARGE_THRESHOLD', '250', (c) => c.largeThreshold, 250],
  ['shards.ids', '[1, 0]', 'DISCORD_SHARD_IDS', '0,1', (c) => c.shards.ids, [0, 1]],
  ['shards.ids', '["0-2", 8]', 'DISCORD_SHARD_IDS', '0-2,8', (c) => c.shards.ids, [0, 1, 2, 8]],
  ['broker.type', '"redis"', 'BROKER_TYPE', 'redis', (c) => c.broker.type, 'redis'],
  ['broker.group', '"bots"', 'BROKER_GROUP', 'bots', (c) => c.broker.group, 'bots'],
  [
    'broker.message_timeout',
    '"90s"',
    'BROKER_MESSAGE_TIMEOUT',
    '1m30s',
    (c) => c.broker.messageTimeoutMs,
    90_000,
  ],
  [
    'broker.retention',
    '"1 day"',
    'BROKER_RETENTION',
    '24h',
    (c) => c.broker.retentionMs,
    86_400_000,
  ],
  ['broker.payload', '"map"', 'BROKER_PAYLOAD', 'map', (c) => c.broker.payload, 'map'],
  ['api.version', '9', 'DISCORD_API_VERSION', '9', (c) => c.api.version, 9],
  ['api.scheme', '"http"', 'DISCORD_API_PROTOCOL', 'http', (c) => c.api.scheme, 'http'],
  ['api.scheme', '"http"', 'DISCORD_API_SCHEME', 'http', (c) => c.api.scheme, 'http'],
  [
    'api.host',
    '"localhost:4100"',
    'DISCORD_API_HOST',
    'localhost:4100',
    (c) => c.api.host,
    'localhost:4100',
  ],
  [
    'prometheus.address',
    '":8080"',
    'PROMETHEUS_ADDRESS',
    ':8080',
    (c) => c.prometheus.address,
    { host: undefined, port: 8080 },
  ],
  [
    'prometheus.endpoint',
    '"stats"',
    'PROMETHEUS_ENDPOINT',
    '/stats',
    (c) => c.prometheus.endpoint,
    '/stats',
  ],
  ['shard_store.type', '"redis"', 'SHARD_STORE_TYPE', 'redis', (c) => c.shardStore.type, 'redis'],
  [
    'shard_store.prefix',
    '"mine"',
    'SHARD_STORE_PREFIX',
    'mine',
    (c) => c.shardStore.prefix,
    'mine',
  ],
  [
    'shard_store.path',
    '"/var/lib/bot/sessions.json"',
    'SHARD_STORE_PATH',
    '/var/lib/bot/sessions.json',
    (c) => c.shardStore.path,
    '/var/lib/bot/sessions.json',
  ],
  ['identify.floor', '7', 'IDENTIFY_FLOOR', '7', (c) => c.identify.floor, 7],
  [
    'presence',
    '{ status = "idle", activities = [{ name = "x", type = 3 }] }',
    'DISCORD_PRESENCE',
    '{"status":"idle","activities":[{"name":"x","type":3}]}',
    (c) => c.presence,
    { status: 'idle', afk: false, since: null, activities: [{ name: 'x', type: 3 }] },
  ],
  [
    'amqp.url',
    '"amqp://h//"',
    'AMQP_URL',
    'amqp://h',
    (c) => [c.amqp.host, c.amqp.vhost],
    ['h', '/'],
  ],
  [
    'redis.urls',
    '["a:1", "redis://b:2"]',
    'REDIS_URL',
    'a:1,redis://b:2',
    (c) => c.redis.endpoints.map(({ host, port }) => `${host} ${port}`),
    ['a 1', 'b 2'],
  ],
  ['redis.pool_size', '7', 'REDIS_POOL_SIZE', '7', (c) => c.redis.poolSize, 7],
];

/** A file with `key = value` over the minimal one. */
function withKey(key: string, value: string): string {
  const [section, name] = key.split('.');
  const others = MINIMAL.split('\n').filter((line) => !line.startsWith(`${key} `));
  // The top of a file comes before its tables, and raw_intents stands alone.
  const kept = others.filter((line) => key !== 'raw_intents' || !line.startsWith('intents'));
  return name === undefined
    ? [...kept, `${key} = ${value}`].join('\n')
    : [...kept, `[${section}]`, `${name} = ${value}`].join('\n');
}

it('has defaults for all but the token, the events and the intents', async () => {
  expect(await gatewayFromFile(MINIMAL)).toEqual(DEFAULTS);
  expect((await loadGateway(undefined, MINIMAL_ENVIRONMENT)).config).toEqual(DEFAULTS);
});

testEveryOption(GATEWAY_OPTIONS, EVERY_OPTION, {
  fromFile: (key, toml) => gatewayFromFile(withKey(key, toml)),
  fromEnvironment: async (variable, text) =>
    (await loadGateway(undefined, { ...MINIMAL_ENVIRONMENT, [variable]: text })).config,
});
