import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { describeValues, helpOnOptions, markdownTable } from '../../src/config/describe.ts';
import { loadGatewayConfig } from '../../src/config/gateway-config.ts';
import { GATEWAY_OPTIONS } from '../../src/config/gateway-options.ts';
import { misspeltVariables } from '../../src/config/misspelt-variables.ts';
import { loadProxyConfig } from '../../src/config/proxy-config.ts';
import { PROXY_OPTIONS } from '../../src/config/proxy-options.ts';
import { loadText } from '../support/configuration.ts';

const documentation = await readFile(
  new URL('../../docs/configuration.md', import.meta.url),
  'utf8',
);

it.each([
  ['gateway.toml', GATEWAY_OPTIONS],
  ['proxy.toml', PROXY_OPTIONS],
])('docs/configuration.md has the options of %s as they are declared', (_file, table) => {
  expect(documentation).toContain(markdownTable(table));
});

it('the files that docs/configuration.md shows are accepted', async () => {
  const [gateway, proxy] = [...documentation.matchAll(/```toml\n(.*?)```/gs)].map(
    ([, text]) => text,
  );
  expect((await loadText(loadGatewayConfig, gateway)).config.broker.type).toBe('redis');
  expect((await loadText(loadProxyConfig, proxy)).config.http.address?.port).toBe(8081);
});

it.each([
  ['gateway', GATEWAY_OPTIONS],
  ['proxy', PROXY_OPTIONS],
])('the help on the %s names every key, variable and default', (_name, table) => {
  const help = helpOnOptions(table).join('\n');
  for (const [key, { environment, fallback }] of Object.entries(table)) {
    expect(help).toContain(`  ${key} `);
    for (const name of environment) expect(help).toContain(name);
    expect(help).toContain(fallback ?? '');
  }
});

it('says what every value is and where it came from, without secrets', async () => {
  const environment = {
    DISCORD_TOKEN: 'hunter2hunter2',
    DISCORD_EVENTS: '*',
    DISCORD_INTENTS: 'GUILD',
    REDIS_URL: 'redis://me:hunter2hunter2@h/1,b',
  };
  const { resolved } = await loadText(loadGatewayConfig, '[shards]\nids = "0-2"', environment);
  const lines = describeValues(GATEWAY_OPTIONS, resolved).map((line) =>
    line.replaceAll(/ +/g, ' '),
  );
  expect(lines).toContain('token set, not shown (DISCORD_TOKEN)');
  expect(lines).toContain('events all (DISCORD_EVENTS)');
  expect(lines).toContain('intents GUILDS (DISCORD_INTENTS)');
  expect(lines).toContain('raw_intents not set (default)');
  expect(lines).toContainEqual(expect.stringMatching(/^shards\.ids 0-2 \(in .*some\.toml\)$/));
  expect(lines).toContain("shards.count Discord's recommendation (default)");
  expect(lines).toContain('broker.message_timeout 2m (default)');
  expect(lines).toContain('redis.urls redis://me:***@h:6379/1, redis://b:6379 (REDIS_URL)');
  expect(lines).toHaveLength(Object.keys(GATEWAY_OPTIONS).length);
  expect(lines.join()).not.toContain('hunter2');
});

it('warns about variables that are nearly ours, and leaves the others alone', () => {
  const environment = {
    DISCORD_TOKN: 'x',
    BROKER_TIPE: 'x',
    SHARDSTORE_TYPE: 'x',
    METRICS_ADDRESS: ':80',
    DISCORD_TOKEN: 'x',
    DISCORD_WEBHOOK_SECRET: 'x',
    REDIS_PORT: '6379',
    PATH: 'x',
  };
  expect(misspeltVariables(environment)).toEqual([
    'DISCORD_TOKN is not read; did you mean DISCORD_TOKEN?',
    'BROKER_TIPE is not read; did you mean BROKER_TYPE?',
    'SHARDSTORE_TYPE is not read; did you mean SHARD_STORE_TYPE of the gateway?',
    'METRICS_ADDRESS is not read; did you mean METRICS_ADDR of the proxy?',
  ]);
});
