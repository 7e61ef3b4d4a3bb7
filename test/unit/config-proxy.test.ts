import { describe, expect, it } from 'vitest';
import { loadProxyConfig, type ProxyConfig } from '../../src/config/proxy-config.ts';
import { PROXY_OPTIONS } from '../../src/config/proxy-options.ts';
import { AMQP_DEFAULTS, loadText, problemsOf, REDIS_DEFAULTS } from '../support/configuration.ts';
import { type OptionCase, testEveryOption } from '../support/option-cases.ts';

const load = (toml: string | undefined, environment?: Record<string, string>) =>
  loadText(loadProxyConfig, toml, environment);

const DEFAULTS: ProxyConfig = {
  timeoutMs: undefined,
  broker: { type: 'redis', group: 'proxy', subgroup: undefined, event: 'REQUEST' },
  http: { address: undefined },
  redis: {
    endpoint: REDIS_DEFAULTS,
    poolSize: 32,
  },
  amqp: AMQP_DEFAULTS,
  ratelimiter: { type: 'local', prefix: 'proxy', proxies: 1, address: 'default' },
  discord: { token: undefined, version: 10, scheme: 'https', host: 'discord.com' },
  cache: { coalesce: 'waiting', enabled: false, events: [], group: 'gateway' },
  limits: { global: 50, families: new Map([['invites', { count: 200, windowMs: 600_000 }]]) },
  metrics: { address: undefined, path: '/metrics' },
};

it('needs no configuration at all', async () => {
  expect((await load(undefined)).config).toEqual(DEFAULTS);
  expect((await load('timeout = ""')).config).toEqual(DEFAULTS);
});

it.each([
  [{ HTTP_ADDRESS: ':3000', METRICS_PATH: '/metrics' }],
  [{ HTTP_ADDRESS: '127.0.0.1:8080', METRICS_ADDR: '0.0.0.0:8080' }],
])('refuses to serve requests and metrics at one port: %j', async (environment) => {
  expect(await problemsOf(load(undefined, environment))).toEqual([
    expect.stringMatching(/^http\.address and metrics\.addr both have port \d+: give each its own/),
  ]);
});

it('lets two interfaces have one port each, and the system choose for both', async () => {
  const elsewhere = { HTTP_ADDRESS: '127.0.0.1:8080', METRICS_ADDR: '127.0.0.2:8080' };
  expect((await load(undefined, elsewhere)).config.metrics.address?.port).toBe(8080);
  const any = { HTTP_ADDRESS: ':0', METRICS_ADDR: ':0' };
  expect((await load(undefined, any)).config.http.address?.port).toBe(0);
});

const EVERY_OPTION: readonly OptionCase<typeof PROXY_OPTIONS, ProxyConfig>[] = [
  ['timeout', '"2min"', 'TIMEOUT', '2 minutes', (c) => c.timeoutMs, 120_000],
  ['broker.type', '"amqp"', 'BROKER_TYPE', 'amqp', (c) => c.broker.type, 'amqp'],
  ['broker.group', '"rest"', 'BROKER_GROUP', 'rest', (c) => c.broker.group, 'rest'],
  ['broker.group', '"rest"', 'AMQP_GROUP', 'rest', (c) => c.broker.group, 'rest'],
  ['broker.event', '"CALL"', 'BROKER_EVENT', 'CALL', (c) => c.broker.event, 'CALL'],
  ['broker.event', '"CALL"', 'AMQP_EVENT', 'CALL', (c) => c.broker.event, 'CALL'],
  ['http.address', '":8081"', 'HTTP_ADDRESS', ':8081', (c) => c.http.address?.port, 8081],
  ['redis.url', '"h:1"', 'REDIS_URL', 'redis://h:1', (c) => c.redis.endpoint.port, 1],
  ['redis.pool_size', '4', 'REDIS_POOL_SIZE', '4', (c) => c.redis.poolSize, 4],
  ['amqp.url', '"amqp://h"', 'AMQP_URL', 'amqp://h/%2f', (c) => c.amqp.host, 'h'],
  ['amqp.subgroup', '"a"', 'AMQP_SUBGROUP', 'a', (c) => c.broker.subgroup, 'a'],
  [
    'amqp.cancellation_event',
    '"CANCEL"',
    'AMQP_CANCELLATION_EVENT',
    'CANCEL',
    (c) => c.broker.event,
    'REQUEST',
  ],
  ['ratelimiter.type', '"redis"', 'RATELIMITER_TYPE', 'redis', (c) => c.ratelimiter.type, 'redis'],
  ['ratelimiter.prefix', '"bot"', 'RATELIMITER_PREFIX', 'bot', (c) => c.ratelimiter.prefix, 'bot'],
  ['ratelimiter.address', '"a"', 'RATELIMITER_ADDRESS', 'a', (c) => c.ratelimiter.address, 'a'],
  ['ratelimiter.proxies', '3', 'RATELIMITER_PROXIES', '3', (c) => c.ratelimiter.proxies, 3],
  ['discord.token', '"t.t"', 'DISCORD_TOKEN', 'Bot t.t', (c) => c.discord.token, 't.t'],
  ['discord.api_version', '9', 'DISCORD_API_VERSION', '9', (c) => c.discord.version, 9],
  ['discord.scheme', '"http"', 'DISCORD_API_SCHEME', 'http', (c) => c.discord.scheme, 'http'],
  ['discord.scheme', '"http"', 'DISCORD_API_PROTOCOL', 'http', (c) => c.discord.scheme, 'http'],
  ['discord.host', '"[::1]:1"', 'DISCORD_API_HOST', '[::1]:1', (c) => c.discord.host, '[::1]:1'],
  ['discord.http_version', '"2"', 'DISCORD_HTTP_VERSION', '2', (c) => c.discord.http2, true],
  ['discord.global_limit', '1200', 'DISCORD_GLOBAL_LIMIT', '1200', (c) => c.limits.global, 1200],
  [
    'discord.family_limits',
    '["invites=20/1m", "users=5/2h"]',
    'DISCORD_FAMILY_LIMITS',
    'invites=20/1m, users = 5 / 2h',
    (c) => [...c.limits.families],
    [
      ['invites', { count: 20, windowMs: 60_000 }],
      ['users', { count: 5, windowMs: 7_200_000 }],
    ],
  ],
  ['cache.coalesce', '"flying"', 'CACHE_COALESCE', 'flying', (c) => c.cache.coalesce, 'flying'],
  ['cache.enabled', 'true', 'CACHE_ENABLED', '1', (c) => c.cache.enabled, true],
  [
    'cache.events',
    '["CHANNEL_UPDATE", "TYPING_START"]',
    'CACHE_EVENTS',
    'CHANNEL_UPDATE,TYPING_START',
    (c) => c.cache.events,
    ['CHANNEL_UPDATE'],
  ],
  ['cache.group', '"events"', 'CACHE_GROUP', 'events', (c) => c.cache.group, 'events'],
  [
    'metrics.addr',
    '"0.0.0.0:3000"',
    'METRICS_ADDR',
    '0.0.0.0:3000',
    (c) => c.metrics.address,
    { host: '0.0.0.0', port: 3000 },
  ],
  ['metrics.path', '"/stats"', 'METRICS_PATH', 'stats', (c) => c.metrics.path, '/stats'],
];

/** What an option cannot do without. */
const COMPANIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  CACHE_EVENTS: { CACHE_ENABLED: 'true', DISCORD_TOKEN: 't.t' },
};

testEveryOption(PROXY_OPTIONS, EVERY_OPTION, {
  fromFile: async (key, toml, variable) => {
    const [section, name] = key.split('.');
    const text = name === undefined ? `${key} = ${toml}` : `[${section}]\n${name} = ${toml}`;
    return (await load(text, COMPANIONS[variable])).config;
  },
  fromEnvironment: async (variable, text) =>
    (await load(undefined, { ...COMPANIONS[variable], [variable]: text })).config,
});

describe('the broker', () => {
  it('is RabbitMQ when only its URL is set', async () => {
    expect((await load(undefined, { AMQP_URL: 'amqp://h' })).config.broker.type).toBe('amqp');
    expect((await load('[amqp]\nurl = "amqp://h"')).config.broker.type).toBe('amqp');
  });

  it('is what broker.type says, whatever URLs are set', async () => {
    const { config } = await load('[broker]\ntype = "redis"', { AMQP_URL: 'amqp://h' });
    expect(config.broker.type).toBe('redis');
  });

  it('may be none when requests come in by HTTP, and only then', async () => {
    const { config } = await load('[broker]\ntype = "none"\n[http]\naddress = ":0"');
    expect(config.broker.type).toBe('none');
    expect(await problemsOf(load('[broker]\ntype = "none"'))).toEqual([
      expect.stringMatching(/^broker\.type is none and http\.address is not set/),
    ]);
  });

  it('cannot be stdio', async () => {
    expect(await problemsOf(load(undefined, { BROKER_TYPE: 'stdio' }))).toEqual([
      'BROKER_TYPE: "stdio" is not one of redis, amqp, none',
    ]);
  });

  it('is found in files of the first releases, with a warning', async () => {
    const { config, warnings } = await load(`[amqp]
url = "amqp://localhost:5672/%2f"
group = "rest"
subgroup = "foo"
event = "CALL"
cancellation_event = "CANCEL"`);
    expect(config.broker).toEqual({ type: 'amqp', group: 'rest', subgroup: 'foo', event: 'CALL' });
    expect(warnings.map((line) => line.replace(/ in .*:/, ':'))).toEqual([
      'amqp.group: the key is now called broker.group',
      'amqp.event: the key is now called broker.event',
      expect.stringMatching(/^amqp\.cancellation_event changes nothing/),
    ]);
  });
});

it('serves metrics where the original did when only their path is set', async () => {
  const usual = { host: '0.0.0.0', port: 3000 };
  for (const path of ['metrics', 'stats']) {
    const { config } = await load(undefined, { METRICS_PATH: path });
    expect(config.metrics).toEqual({ address: usual, path: `/${path}` });
  }
  expect((await load('[metrics]\npath = "stats"')).config.metrics.address).toEqual(usual);
  const both = { METRICS_PATH: 'stats', METRICS_ADDR: '[::1]:1' };
  expect((await load(undefined, both)).config.metrics.address).toEqual({ host: '::1', port: 1 });
});

it('takes `none` for no limits of our own', async () => {
  const { config } = await load(undefined, { DISCORD_FAMILY_LIMITS: 'none' });
  expect(config.limits.families.size).toBe(0);
});

it('says that redis.pool_size changes nothing, but only to who has set it', async () => {
  const { warnings } = await load(undefined, { REDIS_POOL_SIZE: '7' });
  expect(warnings).toEqual([expect.stringMatching(/^redis\.pool_size changes nothing/)]);
  expect((await load(undefined)).warnings).toEqual([]);
});

it.each([
  [
    { TIMEOUT: '0s' },
    'TIMEOUT: "0s" is not a duration from 1ms to 365d, such as 500ms, 2m or 1h30m',
  ],
  [{ TIMEOUT: '30' }, 'TIMEOUT: "30" needs a unit: write "30s" for seconds'],
  [
    { RATELIMITER_TYPE: 'rediss' },
    'RATELIMITER_TYPE: "rediss" is not one of local, redis; did you mean redis?',
  ],
  [
    { METRICS_PATH: '/readyz' },
    'METRICS_PATH: "/readyz" is taken: /healthz and /readyz tell whether we are well',
  ],
  [
    { REDIS_URL: 'redis://:hunter2hunter2@a,redis://:hunter2hunter2@b' },
    expect.stringMatching(/^REDIS_URL: "redis:\/\/:\*\*\*@b" is not a Redis URL/),
  ],
  [
    { DISCORD_FAMILY_LIMITS: 'invite=200/10m' },
    'DISCORD_FAMILY_LIMITS: "invite=200/10m" holds "invite=200/10m", which names no family of routes; did you mean invites?',
  ],
  [
    { DISCORD_FAMILY_LIMITS: 'invites=0/10m' },
    'DISCORD_FAMILY_LIMITS: "invites=0/10m" holds "invites=0/10m", whose count is not at least 1',
  ],
  [
    { DISCORD_FAMILY_LIMITS: 'invites=5/2d' },
    'DISCORD_FAMILY_LIMITS: "invites=5/2d" holds "invites=5/2d", whose duration is not from 1s to 1d',
  ],
  [
    { DISCORD_GLOBAL_LIMIT: '20000' },
    'DISCORD_GLOBAL_LIMIT: "20000" is not a whole number from 1 to 10000',
  ],
])('%j is refused', async (environment, problem) => {
  expect(await problemsOf(load(undefined, environment))).toEqual([problem]);
});

describe('cache.events', () => {
  const whole = {
    CACHE_EVENTS: '*',
    CACHE_ENABLED: 'true',
    DISCORD_TOKEN: 't.t',
    BROKER_TYPE: 'redis',
  };

  it('is what the cache goes by, of all that is published', async () => {
    const { cache } = (await load(undefined, whole)).config;
    expect(cache.events).toContain('GUILD_MEMBER_UPDATE');
    expect(cache.events).not.toContain('TYPING_START');
  });

  it.each([
    ['a cache', { CACHE_ENABLED: 'false' }, /cache\.enabled is not/],
    ['the bot whose events they are', { DISCORD_TOKEN: '' }, /discord\.token is not/],
    ['a broker', { BROKER_TYPE: 'none', HTTP_ADDRESS: ':0' }, /broker\.type is none/],
  ])('needs %s', async (_what, change, message) => {
    await expect(load(undefined, { ...whole, ...change })).rejects.toThrow(message);
  });
});
