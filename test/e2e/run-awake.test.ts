/**
 * The thread of a busy gateway sleeps between its reads. In `spectacles run` proxy and handler have
 * the same thread.
 */
import { expect, it, onTestFinished, vi } from 'vitest';
import { loadGatewayConfig } from '../../src/config/gateway-config.ts';
import { loadProxyConfig } from '../../src/config/proxy-config.ts';

import { startRun } from '../../src/services/run.ts';
import type { Bot } from '../../src/services/start-handler.ts';
import { SIMULATED_TOKEN } from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';
import { loadText } from '../support/configuration.ts';
import { RecordingLog } from '../support/recording-log.ts';

/** They come in bursts, each of which would be reason to sleep. */
const EVENTS_PER_SECOND = 1_000;
const ENVIRONMENT = {
  DISCORD_TOKEN: SIMULATED_TOKEN,
  DISCORD_EVENTS: 'MESSAGE_CREATE',
  DISCORD_RAW_INTENTS: '53608447',
};

it('a run whose gateway is busy stays awake for the others', async () => {
  const sleeping = vi.spyOn(Atomics, 'wait');
  onTestFinished(() => sleeping.mockRestore());
  const { config: gateway } = await loadText(loadGatewayConfig, undefined, ENVIRONMENT);
  const { config: proxy } = await loadText(loadProxyConfig, undefined, ENVIRONMENT);
  let events = 0;
  const run = await startRun(
    {
      gateway: { ...gateway, broker: { ...gateway.broker, type: 'memory' } },
      proxy: { ...proxy, broker: { ...proxy.broker, type: 'memory' } },
      simulator: {
        ...{ host: '127.0.0.1', port: 0, shards: 1, maxConcurrency: 1 },
        ...{ eventsPerSecond: EVENTS_PER_SECOND, seed: 5, scenarioFile: undefined },
      },
      handler: {
        path: 'bot.mjs',
        load: async () => ({
          default: ({ broker }: Bot) => {
            broker.on('MESSAGE_CREATE', (_data, { ack }) => {
              events++;
              void ack();
            });
          },
        }),
        failure: async (error) => new Error(String(error)),
        placeOf: () => undefined,
      },
    },
    { log: new RecordingLog(), signal: new AbortController().signal },
  );
  onTestFinished(() => run.stop());
  await until('many have come', () => events > EVENTS_PER_SECOND);
  expect(sleeping).not.toHaveBeenCalled();
});
