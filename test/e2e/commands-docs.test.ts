/** The example of docs/commands.md, run as it stands against a gateway on a broker in memory. */
import { readFileSync } from 'node:fs';
import { Registry } from 'prom-client';
import { expect, it, onTestFinished } from 'vitest';
import { createActorSystem } from '../../actors/runtime.ts';
import { MemoryHub } from '../../src/brokers/memory.ts';
import { Memory } from '../../src/client/local.ts';
import { type GatewayConfig, loadGatewayConfig } from '../../src/config/gateway-config.ts';
import { createRandom } from '../../src/random.ts';
import { openGatewayBroker } from '../../src/services/broker.ts';
import { startGatewayOn } from '../../src/services/gateway.ts';
import { SIMULATED_TOKEN, startSimulator } from '../../src/simulator/index.ts';
import { systemClock } from '../../src/system-clock.ts';
import { until } from '../support/broker-bench.ts';
import { loadText } from '../support/configuration.ts';
import { RecordingLog } from '../support/recording-log.ts';

const PAGE = readFileSync(new URL('../../docs/commands.md', import.meta.url), 'utf8');

/** The example without its import, which a function cannot have. */
function example(): string {
  const [, code = ''] = /```js\n([\s\S]*?)```/.exec(PAGE) ?? [];
  const body = code.replace("import { Memory } from 'spectacles';\n", '');
  expect(body).not.toBe(code);
  return body;
}

it('docs/commands.md shows an example that works, and names its answer', async () => {
  const simulator = await startSimulator({ seed: 3, guildCount: 1 });
  onTestFinished(() => simulator.close());
  const loaded = await loadText(loadGatewayConfig, undefined, {
    DISCORD_TOKEN: SIMULATED_TOKEN,
    DISCORD_EVENTS: 'MESSAGE_CREATE',
    DISCORD_INTENTS: 'GUILDS,GUILD_MESSAGES',
    DISCORD_API_SCHEME: 'http',
    DISCORD_API_HOST: `127.0.0.1:${simulator.port}`,
  });
  const config: GatewayConfig = {
    ...loaded.config,
    broker: { ...loaded.config.broker, type: 'memory' },
  };
  const clock = systemClock;
  const log = new RecordingLog();
  const random = createRandom(3);
  const system = createActorSystem({ name: 'docs', clock, random, log });
  onTestFinished(() => system.stop());
  const hub = new MemoryHub(clock);
  const registry = new Registry();
  const shared = { system, clock, log, registry };
  const broker = await openGatewayBroker(config, { ...shared, hub, onFailure: () => undefined });
  const { signal } = new AbortController();
  const host = { ...shared, broker, random, signal, summaryMs: 60_000 };
  const gateway = await startGatewayOn(config, host);
  onTestFinished(() => gateway.stop());
  await until('its commands are consumed', () => hub.isWanted('0'));

  class HubMemory extends Memory {
    constructor(group: string) {
      super(group, { hub });
    }
  }
  const printed: unknown[] = [];
  const AsyncFunction = Object.getPrototypeOf(async () => undefined).constructor;
  await new AsyncFunction('Memory', 'console', example())(HubMemory, {
    log: (value: unknown) => printed.push(value),
  });
  expect(printed).toEqual([{ status: 'sent', shard: 0 }]);
  expect(PAGE).toContain("`{ status: 'sent', shard: 0 }`");
  const metrics = await registry.metrics();
  expect(metrics).toContain('gateway_commands_total{fate="sent"} 1');
  expect(metrics).toContain('gateway_packets_sent{t="",op="3",shard="0"} 1');
});
