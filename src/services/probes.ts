/** What `spectacles check` tries: each connection that a configuration names, changing nothing. */
import { Registry } from 'prom-client';
import type { Compression } from '../../actors/connection/ports.ts';
import { createActorSystem } from '../../actors/runtime.ts';
import type { Broker } from '../../protocols/broker.ts';
import { PROBE_TIMEOUT_MS } from '../../protocols/limits.ts';
import { redisPlace } from '../brokers/create-broker.ts';
import type { RedisPlace } from '../brokers/redis-connection.ts';
import type { Probe } from '../cli/services.ts';
import { showAmqpEndpoint, showRedisEndpoint } from '../config/broker-urls.ts';
import type { DiscordApi, GatewayConfig } from '../config/gateway-config.ts';
import type { ProxyConfig } from '../config/proxy-config.ts';
import { loadDecoder } from '../gateway/decompression/decoders.ts';
import { askGatewayBot } from '../gateway/gateway-bot.ts';
import { RedisDoor } from '../gateway/stores/redis-door.ts';
import { probeSessionFile } from '../gateway/stores/session-file.ts';
import { processRandom } from '../random.ts';
import { SILENT_LOG } from '../silent-log.ts';
import { systemClock } from '../system-clock.ts';
import { type BrokerHost, gatewayRedis, openGatewayBroker, openProxyBroker } from './broker.ts';

export function gatewayProbes(config: GatewayConfig): readonly Probe[] {
  const probes = [discordProbe(config.api, config.token), decoderProbe(config.compression)];
  const { type } = config.broker;
  if (type !== 'stdio' && type !== 'memory') {
    const place = type === 'amqp' ? showAmqpEndpoint(config.amqp) : gatewayRedis(config).label;
    probes.push(brokerProbe(type, place, (host) => openGatewayBroker(config, host)));
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
      return [redisProbe('the session store in Redis', gatewayRedis(config))];
  }
}

/** Nothing can fail here; it shows whether a native decoder is at hand. */
function decoderProbe(compression: Compression): Probe {
  return {
    name: `compression ${compression}`,
    run: async () => `decoder ${(await loadDecoder(compression)).library}`,
  };
}

function redisProbe(name: string, place: RedisPlace): Probe {
  return {
    name,
    place: place.label,
    async run() {
      const door = new RedisDoor(place, systemClock);
      try {
        await door.reach();
        return 'connected';
      } finally {
        door.close();
      }
    },
  };
}

export function proxyProbes(config: ProxyConfig): readonly Probe[] {
  const { token } = config.discord;
  const discord = token === undefined ? [] : [discordProbe(config.discord, token)];
  const probes = [...discord, ...sharedLimitsProbes(config)];
  const { type } = config.broker;
  if (type === 'none' || type === 'memory') return probes;
  const place =
    type === 'amqp' ? showAmqpEndpoint(config.amqp) : showRedisEndpoint(config.redis.endpoint);
  return [...probes, brokerProbe(type, place, (host) => openProxyBroker(config, host))];
}

function sharedLimitsProbes({ ratelimiter, redis }: ProxyConfig): readonly Probe[] {
  if (ratelimiter.type === 'local') return [];
  return [redisProbe('the shared limits in Redis', redisPlace(redis.endpoint))];
}

function discordProbe(api: DiscordApi, token: string): Probe {
  const apiUrl = `${api.scheme}://${api.host}/api/v${api.version}`;
  return {
    name: `Discord at ${apiUrl}`,
    place: api.host,
    async run() {
      const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
      const bot = await askGatewayBot({ apiUrl, token, signal });
      const { remaining, total } = bot.session_start_limit;
      return `${bot.shards} shards recommended, ${remaining} of ${total} session starts left`;
    },
  };
}

function brokerProbe(
  type: string,
  place: string,
  open: (host: BrokerHost) => Promise<Broker | undefined>,
): Probe {
  return {
    name: `the ${type} broker`,
    place,
    async run() {
      const clock = systemClock;
      const system = createActorSystem({
        name: 'check',
        clock,
        random: processRandom(),
        log: SILENT_LOG,
      });
      try {
        const broker = await open({
          system,
          clock,
          log: SILENT_LOG,
          registry: new Registry(),
          onFailure: () => {},
          triesAgain: false,
        });
        await broker?.close();
        return 'connected';
      } finally {
        await system.stop();
      }
    },
  };
}
