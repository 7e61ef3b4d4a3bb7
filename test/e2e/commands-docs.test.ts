/** The examples of docs/commands.md, run as they stand against a gateway on a real Redis. */
import { readFileSync } from 'node:fs';
import { Redis as IORedis } from 'ioredis';
import { Registry } from 'prom-client';
import { expect, it, onTestFinished } from 'vitest';
import { createActorSystem } from '../../actors/runtime.ts';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import { Redis } from '../../src/client/redis.ts';
import { requestMembers } from '../../src/client/request-members.ts';
import { loadGatewayConfig } from '../../src/config/gateway-config.ts';
import { createRandom } from '../../src/random.ts';
import { openGatewayBroker } from '../../src/services/broker.ts';
import { startGatewayOn } from '../../src/services/gateway.ts';
import { SIMULATED_TOKEN, startSimulator } from '../../src/simulator/index.ts';
import { systemClock } from '../../src/system-clock.ts';
import { until } from '../support/broker-bench.ts';
import { loadText } from '../support/configuration.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { startServer } from '../support/servers.ts';
import { simulatedApi } from '../support/simulated-api.ts';

const PAGE = readFileSync(new URL('../../docs/commands.md', import.meta.url), 'utf8');

/** The examples without their imports, which a function cannot have. */
function examples(): readonly string[] {
  return [...PAGE.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code = '']) => {
    const body = code.replaceAll(/^import \{ [\w, ]+ \} from '(?:spectacles|ioredis)';\n/gm, '');
    expect(body).not.toBe(code);
    return body;
  });
}

/** Of the page; in its place stands one of the simulated world. */
const GUILD = '41771983423143937';

it('docs/commands.md shows examples that work, and names the answer', async () => {
  const redis = await startServer('redis');
  onTestFinished(() => redis.stop());
  const simulator = await startSimulator({ seed: 3, guildCount: 1 });
  onTestFinished(() => simulator.close());
  const { config } = await loadText(loadGatewayConfig, undefined, {
    DISCORD_TOKEN: SIMULATED_TOKEN,
    DISCORD_EVENTS: 'GUILD_MEMBERS_CHUNK,RATE_LIMITED',
    DISCORD_INTENTS: 'GUILDS,GUILD_MEMBERS',
    ...simulatedApi(simulator.port),
    BROKER_TYPE: 'redis',
    REDIS_URL: redis.url,
  });
  const clock = systemClock;
  const log = new RecordingLog();
  const random = createRandom(3);
  const system = createActorSystem({ name: 'docs', clock, random, log });
  onTestFinished(() => system.stop());
  const registry = new Registry();
  const shared = { system, clock, log, registry };
  const broker = await openGatewayBroker(config, { ...shared, onFailure: () => undefined });
  onTestFinished(() => broker.close());
  const { signal } = new AbortController();
  const host = { ...shared, broker, random, signal, summaryMs: 60_000 };
  const gateway = await startGatewayOn(config, host);
  onTestFinished(() => gateway.stop());
  await until('its shard is ready', () =>
    log.lines.some((line) => line.message === 'shard is ready'),
  );

  class TestRedis extends IORedis {
    constructor() {
      super(redis.url);
    }
  }
  const [guildId = ''] = simulator.discord.world.guildIds;
  const printed: unknown[] = [];
  const AsyncFunction = Object.getPrototypeOf(async () => undefined).constructor;
  for (const example of examples()) {
    const run = new AsyncFunction(
      ...['Redis', 'IORedis', 'requestMembers', 'console'],
      example.replace(GUILD, guildId),
    );
    await run(Redis, TestRedis, requestMembers, { log: (value: unknown) => printed.push(value) });
  }
  const { member_count: members } = simulator.discord.world.guildCreate(guildId, ALL_INTENTS);
  expect(printed).toEqual([{ status: 'sent', shard: 0 }, members]);
  expect(PAGE).toContain(GUILD);
  expect(PAGE).toContain("`{ status: 'sent', shard: 0 }`");
  const metrics = await registry.metrics();
  expect(metrics).toContain('gateway_commands_total{fate="sent"} 2');
  expect(metrics).toContain('gateway_packets_sent{t="",op="3",shard="0"} 1');
});
