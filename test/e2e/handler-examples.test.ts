/**
 * The handlers in `examples/` as they stand, beside `spectacles gateway` and `spectacles proxy`,
 * each a process of its own: the many processes of the README.
 */
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { SIMULATED_TOKEN, startSimulator } from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';
import { PROJECT_FOLDER, startProgram, startSpectacles } from '../support/process.ts';
import { type ServerKind, startServer } from '../support/servers.ts';
import { simulatedApi } from '../support/simulated-api.ts';

async function serverUrl(kind: ServerKind): Promise<string> {
  const server = await startServer(kind);
  onTestFinished(() => server.stop());
  return server.url;
}

it.each([
  ['redis', 'examples/redis-handler.mjs'],
  ['amqp', 'examples/amqp-handler.mjs'],
])('a bot with its events over %s answers ping', async (broker, example) => {
  const traffic = { pingShare: 0.5 };
  const simulator = await startSimulator({ seed: 9, guildCount: 4, rate: 20, traffic });
  onTestFinished(() => simulator.close());
  const environment = {
    DISCORD_TOKEN: SIMULATED_TOKEN,
    REDIS_URL: (await serverUrl('redis')).replace('redis://', ''),
    ...(broker === 'amqp' && { AMQP_URL: await serverUrl('rabbitmq') }),
  };
  const api = simulatedApi(simulator.port);
  const handler = startProgram(join(PROJECT_FOLDER, example), [], { environment });
  const proxy = startSpectacles(['proxy'], {
    environment: { ...environment, ...api, BROKER_TYPE: 'redis' },
  });
  await proxy.log('the proxy takes requests');
  startSpectacles(['gateway'], {
    environment: {
      ...environment,
      ...api,
      BROKER_TYPE: broker,
      DISCORD_EVENTS: 'MESSAGE_CREATE',
      DISCORD_INTENTS: 'GUILDS,GUILD_MESSAGES,MESSAGE_CONTENT',
    },
  });
  const { audit } = simulator.discord.rest;
  await until('it has answered', () => audit.posted.length > 0);
  expect(audit.posted[0]?.content).toBe('pong');
  expect(audit.breaches).toEqual([]);
  expect(handler.stderr).toBe('');
});
