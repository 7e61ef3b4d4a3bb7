import { describe, expect, it } from 'vitest';
import { ALL_INTENTS, INTENTS } from '../../protocols/discord/intents.ts';
import { type GatewayConfig, loadGatewayConfig } from '../../src/config/gateway-config.ts';
import { GATEWAY_OPTIONS } from '../../src/config/gateway-options.ts';
import { loadText, problemsOf } from '../support/configuration.ts';

const MINIMAL = 'token = "abc.def"\nevents = ["MESSAGE_CREATE"]\nintents = ["GUILDS"]\n';
const MINIMAL_ENVIRONMENT = {
  DISCORD_TOKEN: 'abc.def',
  DISCORD_EVENTS: 'MESSAGE_CREATE',
  DISCORD_INTENTS: 'GUILDS',
};

const load = (toml: string | undefined, environment?: Record<string, string>) =>
  loadText(loadGatewayConfig, toml, environment);

const fromFile = async (toml: string) => (await load(toml)).config;

const DEFAULTS: GatewayConfig = {
  token: 'abc.def',
  events: ['MESSAGE_CREATE'],
  intents: INTENTS.GUILDS,
  gatewayVersion: 10,
  compression: 'zstd-stream',
  largeThreshold: undefined,
  shards: { count: undefined, ids: undefined },
  broker: {
    type: 'stdio',
    group: 'gateway',
    messageTimeoutMs: 120_000,
    retentionMs: 3_600_000,
    payload: 'json',
  },
  api: { version: 10, scheme: 'https', host: 'discord.com' },
  prometheus: { address: undefined, endpoint: '/metrics' },
  shardStore: { type: 'local', prefix: 'gateway', path: 'spectacles-sessions.json' },
  identify: { floor: 20 },
  presence: undefined,
  amqp: {
    host: 'localhost',
    port: 5672,
    tls: false,
    username: 'guest',
    password: 'guest',
    vhost: '/',
    heartbeatSeconds: undefined,
    frameMaxBytes: undefined,
    channelMax: undefined,
  },
  redis: {
    endpoints: [
      {
        host: 'localhost',
        port: 6379,
        tls: false,
        username: undefined,
        password: undefined,
        database: 0,
      },
    ],
    poolSize: 5,
  },
};

it('has defaults for all but the token, the events and the intents', async () => {
  expect(await fromFile(MINIMAL)).toEqual(DEFAULTS);
  expect((await load(undefined, MINIMAL_ENVIRONMENT)).config).toEqual(DEFAULTS);
});

/** Key, TOML, variable, its text, where it goes in the configuration, what it is there. */
const EVERY_OPTION: readonly [
  keyof typeof GATEWAY_OPTIONS,
  string,
  string,
  string,
  (config: GatewayConfig) => unknown,
  unknown,
][] = [
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

describe('every option', () => {
  it.each(EVERY_OPTION)('%s = %s in the file', async (key, toml, _name, _text, pick, expected) => {
    expect(pick(await fromFile(withKey(key, toml)))).toEqual(expected);
  });

  it.each(EVERY_OPTION)('%s (%s): %s=%s', async (_key, _toml, name, text, pick, expected) => {
    const { config } = await load(undefined, { ...MINIMAL_ENVIRONMENT, [name]: text });
    expect(pick(config)).toEqual(expected);
  });

  it('is in the table above, with each of its variables', () => {
    const tested = new Set(EVERY_OPTION.map(([key, , name]) => `${key} ${name}`));
    const declared = Object.entries(GATEWAY_OPTIONS).flatMap(([key, { environment }]) =>
      environment.map((name) => `${key} ${name}`),
    );
    expect([...tested].sort()).toEqual(declared.sort());
  });
});

describe('sources', () => {
  it('lets the environment win over the file', async () => {
    const loaded = await load(`${MINIMAL}[broker]\ntype = "redis"`, { BROKER_TYPE: 'amqp' });
    expect(loaded.config.broker.type).toBe('amqp');
    expect(loaded.resolved.origins.get('broker.type')).toEqual({
      kind: 'environment',
      where: 'BROKER_TYPE',
    });
  });

  it('takes an empty variable and an empty text for unset', async () => {
    const toml = `${MINIMAL}[shard_store]\ntype = ""\n[broker]\ngroup = " "`;
    const { config } = await load(toml, { BROKER_TYPE: '', REDIS_POOL_SIZE: ' ' });
    expect(config).toEqual(DEFAULTS);
  });

  it('takes the zeros of original files for unset', async () => {
    const toml = `raw_intents = 0\n${MINIMAL}[shards]\ncount = 0\nids = []\n[redis]\npool_size = 0`;
    const { config, warnings } = await load(toml);
    expect([config, warnings]).toEqual([DEFAULTS, []]);
    expect(await fromFile(`${MINIMAL}[broker]\nmessage_timeout = "0s"`)).toEqual(DEFAULTS);
    const environment = { DISCORD_SHARD_COUNT: '0', BROKER_MESSAGE_TIMEOUT: '0m0s' };
    expect((await load(MINIMAL, environment)).config).toEqual(DEFAULTS);
    // The one list that may hold nothing but a shard of that number.
    expect((await load(MINIMAL, { DISCORD_SHARD_IDS: '0' })).config.shards.ids).toEqual([0]);
  });

  it('reports a mistake in the file although the environment overrides it', async () => {
    const loading = load(`${MINIMAL}[broker]\ntype = "rabbit"`, { BROKER_TYPE: 'amqp' });
    expect(await problemsOf(loading)).toHaveLength(1);
  });

  it('reads keys without regard to case, as the original did', async () => {
    const toml = MINIMAL.replace('token', 'Token').replace('events', 'EVENTS');
    expect(await fromFile(`${toml}[Redis]\nURLs = ["localhost:6379"]`)).toEqual(DEFAULTS);
  });
});

describe('intents', () => {
  const bare = 'token = "abc.def"\nevents = ["*"]\n';

  it('lets raw_intents win in the same place, and says so when they differ', async () => {
    const { config, warnings } = await load(`${bare}intents = ["GUILDS"]\nraw_intents = 512`);
    expect(config.intents).toBe(512);
    expect(warnings).toEqual(['intents and raw_intents differ; raw_intents is used']);
  });

  it('lets names in the environment win over bits in the file', async () => {
    const { config } = await load(`${bare}raw_intents = 512`, { DISCORD_INTENTS: 'GUILDS' });
    expect(config.intents).toBe(INTENTS.GUILDS);
  });

  it('takes raw_intents = 0 alone for no intents', async () => {
    expect((await fromFile(`${bare}raw_intents = 0`)).intents).toBe(0);
  });

  it('knows every current name', async () => {
    const names = JSON.stringify(Object.keys(INTENTS));
    expect((await fromFile(`${bare}intents = ${names}`)).intents).toBe(ALL_INTENTS);
  });

  it.each([
    ['GUILD', 'GUILDS'],
    ['GUILD_BANS', 'GUILD_MODERATION'],
    ['GUILD_EMOJIS', 'GUILD_EXPRESSIONS'],
    ['GUILD_EMOJIS_AND_STICKERS', 'GUILD_EXPRESSIONS'],
  ] as const)('reads the old name %s with a warning', async (old, current) => {
    const { config, warnings } = await load(`${bare}intents = ["${old}"]`);
    expect(config.intents).toBe(INTENTS[current]);
    expect(warnings).toEqual([`intent ${old} is now called ${current}`]);
  });

  it.each(['18446744073709551615', '131072', '4294967297', '-1', '1.5'])(
    'refuses the bits %s',
    async (bits) => {
      const loading = load(bare, { DISCORD_RAW_INTENTS: bits });
      expect(await problemsOf(loading)).toEqual([expect.stringContaining('DISCORD_RAW_INTENTS: ')]);
    },
  );
});

describe('earlier forms', () => {
  it('says that redis.pool_size changes nothing, but only to who has set it', async () => {
    const { warnings } = await load(`${MINIMAL}[redis]\npool_size = 7`);
    expect(warnings).toEqual([expect.stringMatching(/^redis\.pool_size changes nothing/)]);
    expect((await load(MINIMAL)).warnings).toEqual([]);
  });

  it('reads broker.url as amqp.url', async () => {
    const { config, warnings } = await load(`${MINIMAL}[broker]\nurl = "amqp://rabbit"`);
    expect(config.amqp.host).toBe('rabbit');
    expect(warnings).toEqual([expect.stringMatching(/^broker\.url in .*now called amqp\.url$/)]);
  });

  it('reads presence.game as one activity', async () => {
    const toml = `${MINIMAL}[presence]\nstatus = "online"\n[presence.game]\nname = "test"\ntype = 0`;
    const { config, warnings } = await load(toml);
    expect(config.presence).toEqual({
      status: 'online',
      afk: false,
      since: null,
      activities: [{ name: 'test', type: 0 }],
    });
    expect(warnings).toEqual([expect.stringContaining('game is the old form; write activities')]);
  });

  it('leaves out what Discord takes from people only, and says so', async () => {
    const presence = {
      activities: [
        { name: 'chess', type: 3, details: 'd', emoji: { name: '♟' }, timestamps: { start: 1 } },
        { name: 'go', application_id: '1', details: 'd' },
      ],
      status: 'idle',
    };
    const environment = { ...MINIMAL_ENVIRONMENT, DISCORD_PRESENCE: JSON.stringify(presence) };
    const { config, warnings } = await load(undefined, environment);
    expect(config.presence?.activities).toEqual([
      { name: 'chess', type: 3 },
      { name: 'go', type: 0 },
    ]);
    expect(warnings).toEqual([
      'DISCORD_PRESENCE: Discord takes no application_id, details, emoji, timestamps from a bot; not sent',
    ]);
  });

  it('reads redis.url, rawintents and memory without a word', async () => {
    const toml = `token = "t"\nevents = ["*"]\nrawintents = 1\n[redis]\nurl = "h"\n[shard_store]\ntype = "memory"`;
    const { config, warnings } = await load(toml);
    expect([config.redis.endpoints[0]?.host, config.intents, config.shardStore.type]).toEqual([
      'h',
      1,
      'local',
    ]);
    expect(warnings).toEqual([]);
  });

  it('refuses two names of one key', async () => {
    const toml = `${MINIMAL}[redis]\nurl = "a"\nurls = ["b"]`;
    expect(await problemsOf(load(toml))).toEqual([
      'redis.urls in some.toml: redis.url in some.toml means the same; keep one of them',
    ]);
  });

  it('warns about the second of two variables that differ', async () => {
    const names = { DISCORD_API_PROTOCOL: 'http', DISCORD_API_SCHEME: 'https' };
    const { config, warnings } = await load(MINIMAL, names);
    expect(config.api.scheme).toBe('http');
    expect(warnings).toEqual([
      'DISCORD_API_SCHEME is not used: DISCORD_API_PROTOCOL means the same and is set too',
    ]);
  });
});

describe('GP-90: what cannot be used is refused, with the key, the value and what is allowed', () => {
  it('says all that is missing at once', async () => {
    expect(await problemsOf(load(''))).toEqual([
      expect.stringMatching(/^token \(or DISCORD_TOKEN\) is not set: it must be a bot token/),
      expect.stringMatching(/^events \(or DISCORD_EVENTS\) is not set: .*\["\*"\] for all$/),
      expect.stringMatching(/^intents \(or DISCORD_INTENTS\) or raw_intents .* is not set/),
    ]);
  });

  it.each([
    [
      '[broker]\ntype = "rabbit"',
      'broker.type in some.toml: "rabbit" is not one of stdio, redis, amqp',
    ],
    [
      '[broker]\ntype = "amqpp"',
      'broker.type in some.toml: "amqpp" is not one of stdio, redis, amqp; did you mean amqp?',
    ],
    [
      '[broker]\nmessage_timeout = 120',
      'broker.message_timeout in some.toml: 120 needs a unit: write "120s" for seconds',
    ],
    [
      '[broker]\nmessage_timeout = "60d"',
      'broker.message_timeout in some.toml: "60d" is not a duration from 1ms to 49d17h2m47s295ms, such as 500ms, 2m or 1h30m',
    ],
    [
      '[broker]\nmessage_timeot = "2m"',
      'broker.message_timeot in some.toml: no such key; did you mean broker.message_timeout?',
    ],
    ['[shard]\ncount = 2', 'shard in some.toml: no such key; did you mean shards?'],
    [
      '"broker.type" = "redis"',
      '"broker.type" in some.toml: no such key; did you mean broker.type, without quotes?',
    ],
    [
      'broker = "redis"',
      'broker in some.toml: is a text and must be a table: [broker], and below it type, group, message_timeout, retention, payload',
    ],
    [
      '[shards]\ncount = "many"',
      'shards.count in some.toml: "many" is not a whole number from 1 to 65536',
    ],
    ['[shards]\ncount = -1', 'shards.count in some.toml: -1 is not a whole number from 1 to 65536'],
    [
      '[shards]\ncount = 2\nids = [0, 2]',
      'shards.ids: 2 is not a shard of 2: with shards.count = 2 the ids are 0 to 1',
    ],
    [
      '[shards]\nids = "0-x"',
      'shards.ids in some.toml: "0-x" is not a list of shard ids such as 0-3,8: "0-x" is no id and no range',
    ],
    [
      '[prometheus]\naddress = 8080',
      'prometheus.address in some.toml: 8080 is not an address with a port up to 65535, such as :8080 or 0.0.0.0:3000; write ":8080"',
    ],
    [
      '[prometheus]\nendpoint = "healthz"',
      'prometheus.endpoint in some.toml: "healthz" is taken: /healthz and /readyz tell whether we are well',
    ],
    [
      '[api]\nhost = "https://discord.com"',
      expect.stringContaining('without https:// and without a path'),
    ],
    [
      '[amqp]\nurl = "redis://h"',
      'amqp.url in some.toml: "redis://h" is not an AMQP URL: it must start with amqp:// or amqps://',
    ],
    [
      '[presence]\nstatus = "away"',
      'presence in some.toml: a table has "away" as status, which must be one of online, dnd, idle, invisible, offline',
    ],
    [
      '[presence]\nstats = "idle"',
      expect.stringContaining('has the unknown key stats; did you mean status?'),
    ],
  ])('%j', async (toml, problem) => {
    // A key without a table must stand before the tables of the minimal file; there are none in it.
    expect(await problemsOf(load(`${MINIMAL}${toml}`))).toEqual([problem]);
  });

  it('names every unknown event and intent, with a near name', async () => {
    const toml =
      'token = "t"\nevents = ["MESSAGE_CREAT", "Q", "READY"]\nintents = ["GUILD_MESAGES"]';
    const problems = await problemsOf(load(toml));
    expect(problems).toEqual([
      expect.stringContaining(
        'holds "MESSAGE_CREAT", which is not an event; did you mean MESSAGE_CREATE?',
      ),
      expect.stringContaining('holds "Q", which is not an event; allowed are READY, '),
      expect.stringContaining(
        'holds "GUILD_MESAGES", which is not an intent; did you mean GUILD_MESSAGES?',
      ),
    ]);
  });

  it('says the line of a mistake in TOML, and nothing of what stands there', async () => {
    const toml = 'events = ["*"]\ntoken = "very-secret-token';
    const problems = await problemsOf(load(toml));
    expect(problems).toEqual([expect.stringMatching(/^some\.toml line 2, column \d+: /)]);
    expect(problems.join()).not.toContain('very-secret');
  });

  it('hides the token and passwords wherever they are shown', async () => {
    const secret = 'hunter2hunter2';
    const problems = await problemsOf(
      load(undefined, {
        DISCORD_TOKEN: `${secret} ${secret}`,
        AMQP_URL: `amqp://user:${secret}/@rabbit`,
        REDIS_URL: `redis://:${secret}#x@redis`,
        BROKER_GROUP: `in ${secret} ${secret}`,
      }),
    );
    expect(problems.join('\n')).not.toContain(secret);
    expect(problems).toContainEqual(expect.stringContaining('"amqp://user:***@rabbit"'));
  });

  it.each([
    ['\ufeff', 0],
    ['\u0000', 1],
  ])('takes %j in a file as TOML says', async (character, problems) => {
    const loading = load(`${character}${MINIMAL}`).then(
      () => [],
      (error: unknown) => [error],
    );
    expect(await loading).toHaveLength(problems);
  });
});

it.each([
  ['redis://u:se,cret@h', ['u se,cret h']],
  ['redis://u:a,b,c@h/1,i', ['u a,b,c h', '- - i']],
  ['a,b,redis://:p@c, rediss://d', ['- - a', '- - b', '- p c', '- - d']],
])('REDIS_URL=%s is read as its servers', async (text, expected) => {
  const { config } = await load(undefined, { ...MINIMAL_ENVIRONMENT, REDIS_URL: text });
  const servers = config.redis.endpoints.map(
    ({ username, password, host }) => `${username ?? '-'} ${password ?? '-'} ${host}`,
  );
  expect(servers).toEqual(expected);
});

it('a named file must exist, another need not', async () => {
  const redactor = { add: () => {}, redact: (text: string) => text };
  const path = '/nowhere/gateway.toml';
  const source = { environment: MINIMAL_ENVIRONMENT, redactor };
  await expect(loadGatewayConfig({ ...source, file: { path, named: true } })).rejects.toThrow(
    '--config: there is no file "/nowhere/gateway.toml"',
  );
  const loaded = await loadGatewayConfig({ ...source, file: { path, named: false } });
  expect(loaded.file).toBeUndefined();
  await expect(loadGatewayConfig({ ...source, file: { path: '/', named: true } })).rejects.toThrow(
    '/: is a folder, not a file',
  );
});
