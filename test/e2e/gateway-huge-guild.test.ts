/**
 * A guild of eight mebibytes, full of text whose characters take several bytes, on its way from the
 * simulated Discord through a real gateway on real sockets to a broker's consumer: byte for byte.
 */
import { Registry } from 'prom-client';
import { describe, it } from 'vitest';
import { createActorSystem } from '../../actors/runtime.ts';
import { MemoryHub } from '../../src/brokers/memory.ts';
import { loadGatewayConfig } from '../../src/config/gateway-config.ts';
import { createRandom } from '../../src/random.ts';
import { openGatewayBroker } from '../../src/services/broker.ts';
import { startGatewayOn } from '../../src/services/gateway.ts';
import { SIMULATED_TOKEN, startSimulator } from '../../src/simulator/index.ts';
import { systemClock } from '../../src/system-clock.ts';
import { until } from '../support/broker-bench.ts';
import { loadText } from '../support/configuration.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { simulatedApi } from '../support/simulated-api.ts';

const SEED = 31;
const GUILD_BYTES = 8 * 1024 * 1024;
const EVENT = 'GUILD_CREATE';

describe('a huge guild', () => {
  it.for(['zstd-stream', 'zlib-stream', 'none'] as const)(
    'GP-70: arrives whole, with compression %s',
    async (compression, { expect, onTestFinished }) => {
      const simulator = await startSimulator({ seed: SEED, guildCount: 3, rate: 0 });
      onTestFinished(() => simulator.close());
      const { config } = await loadText(loadGatewayConfig, undefined, {
        DISCORD_TOKEN: SIMULATED_TOKEN,
        DISCORD_EVENTS: EVENT,
        DISCORD_RAW_INTENTS: '53608447',
        DISCORD_COMPRESSION: compression,
        BROKER_PAYLOAD: 'raw',
        ...simulatedApi(simulator.port),
      });
      const clock = systemClock;
      const random = createRandom(SEED);
      const log = new RecordingLog();
      const system = createActorSystem({ name: compression, clock, random, log });
      onTestFinished(() => system.stop());
      const registry = new Registry();
      const onFailure = (error: Error) => log.error({ error }, error.message);
      const memory = { ...config, broker: { ...config.broker, type: 'memory' as const } };
      const hub = new MemoryHub(clock);
      const host = { system, clock, log, registry };
      const broker = await openGatewayBroker(memory, { ...host, hub, onFailure });
      onTestFinished(() => broker.close());
      const arrived: Buffer[] = [];
      await broker.subscribe(EVENT, (delivery) => {
        arrived.push(Buffer.from(delivery.body));
        delivery.ack();
      });
      const { signal } = new AbortController();
      const rest = { broker, random, signal, summaryMs: 60_000 };
      const gateway = await startGatewayOn(memory, { ...host, ...rest });
      onTestFinished(() => gateway.stop());
      const { discord } = simulator;
      await until('the shard is ready', () =>
        log.lines.some(({ message }) => message === 'shard is ready'),
      );
      discord.scenario.run([{ fault: 'huge-guild', bytes: GUILD_BYTES, shard: 0, atMs: 0 }]);
      const sent = () =>
        discord.gateway
          .sessions()
          .flatMap((session) => session.missed(0) ?? [])
          .filter(({ event }) => event === EVENT)
          .map(({ json }) => Buffer.from(json));
      await until('the huge guild was sent', () =>
        sent().some((json) => json.length > GUILD_BYTES),
      );
      await until('it has arrived', () => arrived.length >= sent().length);

      const expected = sent();
      const huge = expected.find((json) => json.length > GUILD_BYTES);
      // Characters of several bytes are everywhere in it, on the edges of blocks too.
      expect(huge?.toString().length).toBeLessThan((huge?.length ?? 0) * 0.9);
      expect(arrived.map((json) => json.length)).toEqual(expected.map((json) => json.length));
      expect(arrived.every((json, index) => json.equals(expected[index] ?? Buffer.of()))).toBe(
        true,
      );
      expect(discord.audit.breaches).toEqual([]);
      expect(log.at('warn')).toEqual([]);
      expect(log.at('error')).toEqual([]);
    },
  );
});
