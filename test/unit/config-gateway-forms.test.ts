/**
 * The sources of a gateway’s configuration, which of them wins, and the earlier forms that are
 * read.
 */
import { describe, expect, it } from 'vitest';
import { ALL_INTENTS, INTENTS } from '../../protocols/discord/intents.ts';
import { problemsOf } from '../support/configuration.ts';
import {
  DEFAULTS,
  gatewayFromFile,
  loadGateway,
  MINIMAL,
  MINIMAL_ENVIRONMENT,
} from '../support/gateway-configuration.ts';

describe('sources', () => {
  it('lets the environment win over the file', async () => {
    const loaded = await loadGateway(`${MINIMAL}[broker]\ntype = "redis"`, { BROKER_TYPE: 'amqp' });
    expect(loaded.config.broker.type).toBe('amqp');
    expect(loaded.resolved.origins.get('broker.type')).toEqual({
      kind: 'environment',
      where: 'BROKER_TYPE',
    });
  });

  it('takes an empty variable and an empty text for unset', async () => {
    const toml = `${MINIMAL}[shard_store]\ntype = ""\n[broker]\ngroup = " "`;
    const { config } = await loadGateway(toml, { BROKER_TYPE: '', REDIS_POOL_SIZE: ' ' });
    expect(config).toEqual(DEFAULTS);
  });

  it('takes the zeros of original files for unset', async () => {
    const toml = `raw_intents = 0\n${MINIMAL}[shards]\ncount = 0\nids = []\n[redis]\npool_size = 0`;
    const { config, warnings } = await loadGateway(toml);
    expect([config, warnings]).toEqual([DEFAULTS, []]);
    expect(await gatewayFromFile(`${MINIMAL}[broker]\nmessage_timeout = "0s"`)).toEqual(DEFAULTS);
    const environment = { DISCORD_SHARD_COUNT: '0', BROKER_MESSAGE_TIMEOUT: '0m0s' };
    expect((await loadGateway(MINIMAL, environment)).config).toEqual(DEFAULTS);
    // The one list that may hold nothing but a shard of that number.
    expect((await loadGateway(MINIMAL, { DISCORD_SHARD_IDS: '0' })).config.shards.ids).toEqual([0]);
  });

  it('reports a mistake in the file although the environment overrides it', async () => {
    const loading = loadGateway(`${MINIMAL}[broker]\ntype = "rabbit"`, { BROKER_TYPE: 'amqp' });
    expect(await problemsOf(loading)).toHaveLength(1);
  });

  it('reads keys without regard to case, as the original did', async () => {
    const toml = MINIMAL.replace('token', 'Token').replace('events', 'EVENTS');
    expect(await gatewayFromFile(`${toml}[Redis]\nURLs = ["localhost:6379"]`)).toEqual(DEFAULTS);
  });
});

describe('intents', () => {
  const bare = 'token = "abc.def"\nevents = ["*"]\n';

  it('lets raw_intents win in the same place, and says so when they differ', async () => {
    const { config, warnings } = await loadGateway(
      `${bare}intents = ["GUILDS"]\nraw_intents = 512`,
    );
    expect(config.intents).toBe(512);
    expect(warnings).toEqual(['intents and raw_intents differ; raw_intents is used']);
  });

  it('lets names in the environment win over bits in the file', async () => {
    const { config } = await loadGateway(`${bare}raw_intents = 512`, { DISCORD_INTENTS: 'GUILDS' });
    expect(config.intents).toBe(INTENTS.GUILDS);
  });

  it('takes raw_intents = 0 alone for no intents', async () => {
    expect((await gatewayFromFile(`${bare}raw_intents = 0`)).intents).toBe(0);
  });

  it('knows every current name', async () => {
    const names = JSON.stringify(Object.keys(INTENTS));
    expect((await gatewayFromFile(`${bare}intents = ${names}`)).intents).toBe(ALL_INTENTS);
  });

  it.each([
    ['GUILD', 'GUILDS'],
    ['GUILD_BANS', 'GUILD_MODERATION'],
    ['GUILD_EMOJIS', 'GUILD_EXPRESSIONS'],
    ['GUILD_EMOJIS_AND_STICKERS', 'GUILD_EXPRESSIONS'],
  ] as const)('reads the old name %s with a warning', async (old, current) => {
    const { config, warnings } = await loadGateway(`${bare}intents = ["${old}"]`);
    expect(config.intents).toBe(INTENTS[current]);
    expect(warnings).toEqual([`intent ${old} is now called ${current}`]);
  });

  it.each(['18446744073709551615', '131072', '4294967297', '-1', '1.5'])(
    'refuses the bits %s',
    async (bits) => {
      const loading = loadGateway(bare, { DISCORD_RAW_INTENTS: bits });
      expect(await problemsOf(loading)).toEqual([expect.stringContaining('DISCORD_RAW_INTENTS: ')]);
    },
  );
});

describe('earlier forms', () => {
  it('says that redis.pool_size changes nothing, but only to who has set it', async () => {
    const { warnings } = await loadGateway(`${MINIMAL}[redis]\npool_size = 7`);
    expect(warnings).toEqual([expect.stringMatching(/^redis\.pool_size changes nothing/)]);
    expect((await loadGateway(MINIMAL)).warnings).toEqual([]);
  });

  it('reads broker.url as amqp.url', async () => {
    const { config, warnings } = await loadGateway(`${MINIMAL}[broker]\nurl = "amqp://rabbit"`);
    expect(config.amqp.host).toBe('rabbit');
    expect(warnings).toEqual([expect.stringMatching(/^broker\.url in .*now called amqp\.url$/)]);
  });

  it('reads presence.game as one activity', async () => {
    const toml = `${MINIMAL}[presence]\nstatus = "online"\n[presence.game]\nname = "test"\ntype = 0`;
    const { config, warnings } = await loadGateway(toml);
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
    const { config, warnings } = await loadGateway(undefined, environment);
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
    const { config, warnings } = await loadGateway(toml);
    expect([config.redis.endpoints[0]?.host, config.intents, config.shardStore.type]).toEqual([
      'h',
      1,
      'local',
    ]);
    expect(warnings).toEqual([]);
  });

  it('refuses two names of one key', async () => {
    const toml = `${MINIMAL}[redis]\nurl = "a"\nurls = ["b"]`;
    expect(await problemsOf(loadGateway(toml))).toEqual([
      'redis.urls in some.toml: redis.url in some.toml means the same; keep one of them',
    ]);
  });

  it('warns about the second of two variables that differ', async () => {
    const names = { DISCORD_API_PROTOCOL: 'http', DISCORD_API_SCHEME: 'https' };
    const { config, warnings } = await loadGateway(MINIMAL, names);
    expect(config.api.scheme).toBe('http');
    expect(warnings).toEqual([
      'DISCORD_API_SCHEME is not used: DISCORD_API_PROTOCOL means the same and is set too',
    ]);
  });
});
