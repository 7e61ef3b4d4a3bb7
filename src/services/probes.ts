/** What `spectacles check` tries: each connection that a configuration names, changing nothing. */
import { Registry } from 'prom-client';
import type { Compression } from '../../actors/connection/ports.ts';
import { createActorSystem } from '../../actors/runtime.ts';
import type { Broker } from '../../protocols/broker.ts';
import { BrokerUnavailableError } from '../../protocols/errors.ts';
import { PROBE_TIMEOUT_MS } from '../../protocols/limits.ts';
import type { Log } from '../../protocols/ports.ts';
import { redisPlace } from '../brokers/create-broker.ts';
import type { RedisPlace } from '../brokers/redis-connection.ts';
import type { Probe } from '../cli/services.ts';
import type { DiscordApi, GatewayConfig } from '../config/gateway-config.ts';
import type { ProxyConfig } from '../config/proxy-config.ts';
import { loadDecoder } from '../gateway/decompression/decoders.ts';
import { fetchGatewayBot } from '../gateway/gateway-bot.ts';
import { RedisDoor } from '../gateway/stores/redis-door.ts';
import { probeSessionFile } from '../gateway/stores/session-file.ts';
import { processRandom } from '../random.ts';
import { systemClock } from '../system-clock.ts';
import { type BrokerHost, gatewayRedis, openGatewayBroker, openProxyBroker } from './broker.ts';

const SILENT: Log = {
  error: () => {},
  warn: () => {},
  info: () => {},
  debug: () => {},
};

export function gatewayProbes(config: GatewayConfig): readonly Probe[] {
  const probes = [discordProbe(config.api, config.token), decoderProbe(config.compression)];
  const { type } = config.broker;
  if (type !== 'stdio' && type !== 'memory') {
    probes.push(brokerProbe(type, (host) => openGatewayBroker(config, host)));
  }
  return [...probes, ...storeProbes(config)];
}

function storeProbes(config: GatewayConfig): readonly Probe[] {
  const { type, path } = config.shardStore;
  switch (type) {
    case 'local':
      return [];
    case 'file':
      return [{ name: `the session file ${path}`, run: () => probeSessionFile(path) }];
    case 'redis':
      return [{ name: 'the session store in Redis', run: () => probeRedis(gatewayRedis(config)) }];
  }
}

/** Nothing can fail here; it shows whether a native decoder is at hand. */
function decoderProbe(compression: Compression): Probe {
  return {
    name: `compression ${compression}`,
    run: async () => `decoder ${(await loadDecoder(compression)).library}`,
  };
}

async function probeRedis(place: RedisPlace): Promise<string> {
  const door = new RedisDoor(place, systemClock);
  try {
    await door.reach();
    return 'connected';
  } finally {
    door.close();
  }
}

export function proxyProbes(config: ProxyConfig): readonly Probe[] {
  const { token } = config.discord;
  const discord = token === undefined ? [] : [discordProbe(config.discord, token)];
  const probes = [...discord, ...sharedLimitsProbes(config)];
  const { type } = config.broker;
  if (type === 'none' || type === 'memory') return probes;
  return [...probes, brokerProbe(type, (host) => openProxyBroker(config, host))];
}

function sharedLimitsProbes({ ratelimiter, redis }: ProxyConfig): readonly Probe[] {
  if (ratelimiter.type === 'local') return [];
  const run = () => probeRedis(redisPlace(redis.endpoint));
  return [{ name: 'the shared limits in Redis', run }];
}

function discordProbe(api: DiscordApi, token: string): Probe {
  const apiUrl = `${api.scheme}://${api.host}/api/v${api.version}`;
  return {
    name: `Discord at ${apiUrl}`,
    async run() {
      const bot = await fetchGatewayBot({
        apiUrl,
        token,
        log: SILENT,
        random: processRandom(),
        signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
      });
      const { remaining, total } = bot.session_start_limit;
      return `${bot.shards} shards recommended, ${remaining} of ${total} session starts left`;
    },
  };
}

function brokerProbe(type: string, open: (host: BrokerHost) => Promise<Broker | undefined>): Probe {
  return {
    name: `the ${type} broker`,
    async run() {
      const clock = systemClock;
      const system = createActorSystem({
        name: 'check',
        clock,
        random: processRandom(),
        log: SILENT,
      });
      try {
        const broker = await open({
          system,
          clock,
          log: SILENT,
          registry: new Registry(),
          onFailure: () => {},
        });
        const state = broker?.state;
        await broker?.close();
        if (state !== 'open') throw new BrokerUnavailableError('it cannot be reached');
        return 'connected';
      } finally {
        await system.stop();
      }
    },
  };
}
