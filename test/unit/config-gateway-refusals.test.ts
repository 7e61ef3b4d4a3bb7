/** What a gateway’s configuration is refused for, and what is said of it. */
import { describe, expect, it } from 'vitest';
import { loadGatewayConfig } from '../../src/config/gateway-config.ts';
import { problemsOf } from '../support/configuration.ts';
import { loadGateway, MINIMAL, MINIMAL_ENVIRONMENT } from '../support/gateway-configuration.ts';

describe('GP-90: what cannot be used is refused, with the key, the value and what is allowed', () => {
  it('says all that is missing at once', async () => {
    expect(await problemsOf(loadGateway(''))).toEqual([
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
    expect(await problemsOf(loadGateway(`${MINIMAL}${toml}`))).toEqual([problem]);
  });

  it('names every unknown event and intent, with a near name', async () => {
    const toml =
      'token = "t"\nevents = ["MESSAGE_CREAT", "Q", "READY"]\nintents = ["GUILD_MESAGES"]';
    const problems = await problemsOf(loadGateway(toml));
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
    const problems = await problemsOf(loadGateway(toml));
    expect(problems).toEqual([expect.stringMatching(/^some\.toml line 2, column \d+: /)]);
    expect(problems.join()).not.toContain('very-secret');
  });

  it('hides the token and passwords wherever they are shown', async () => {
    const secret = 'hunter2hunter2';
    const problems = await problemsOf(
      loadGateway(undefined, {
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
    const loading = loadGateway(`${character}${MINIMAL}`).then(
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
  const { config } = await loadGateway(undefined, { ...MINIMAL_ENVIRONMENT, REDIS_URL: text });
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
