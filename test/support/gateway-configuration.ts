/** The least configuration of a gateway, and how tests load one. */
import { INTENTS } from '../../protocols/discord/intents.ts';
import { type GatewayConfig, loadGatewayConfig } from '../../src/config/gateway-config.ts';
import { AMQP_DEFAULTS, loadText, REDIS_DEFAULTS } from './configuration.ts';

export const MINIMAL = 'token = "abc.def"\nevents = ["MESSAGE_CREATE"]\nintents = ["GUILDS"]\n';
export const MINIMAL_ENVIRONMENT = {
  DISCORD_TOKEN: 'abc.def',
  DISCORD_EVENTS: 'MESSAGE_CREATE',
  DISCORD_INTENTS: 'GUILDS',
};

export const loadGateway = (toml: string | undefined, environment?: Record<string, string>) =>
  loadText(loadGatewayConfig, toml, environment);

export const gatewayFromFile = async (toml: string) => (await loadGateway(toml)).config;

export const DEFAULTS: GatewayConfig = {
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
  amqp: AMQP_DEFAULTS,
  redis: {
    endpoints: [REDIS_DEFAULTS],
    poolSize: 5,
  },
};
