/**
 * A run lends its signal to all that starts: nobody keeps a listener on it that is not waited for.
 */
import { getEventListeners } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { loadGatewayConfig } from '../../src/config/gateway-config.ts';
import { loadProxyConfig } from '../../src/config/proxy-config.ts';
import { startRun } from '../../src/services/run.ts';
import { SIMULATED_TOKEN } from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';
import { loadText } from '../support/configuration.ts';
import { RecordingLog } from '../support/recording-log.ts';

const SHARDS = 12;

it('keeps no listener of a start that is over, nor of one that was tried again', async () => {
  const warnings: string[] = [];
  const hear = ({ name, message }: Error) => void warnings.push(`${name}: ${message}`);
  process.on('warning', hear);
  onTestFinished(() => void process.off('warning', hear));
  const environment = {
    DISCORD_TOKEN: SIMULATED_TOKEN,
    DISCORD_EVENTS: '*',
    DISCORD_RAW_INTENTS: '53608447',
  };
  const { config: gateway } = await loadText(loadGatewayConfig, undefined, environment);
  const { config: proxy } = await loadText(loadProxyConfig, undefined, environment);
  const log = new RecordingLog();
  const { signal } = new AbortController();
  const run = await startRun(
    {
      gateway: { ...gateway, broker: { ...gateway.broker, type: 'memory' } },
      proxy: { ...proxy, broker: { ...proxy.broker, type: 'memory' } },
      simulator: {
        ...{ host: '127.0.0.1', port: 0, shards: SHARDS, maxConcurrency: SHARDS },
        ...{ eventsPerSecond: 50, seed: 5, scenarioFile: undefined },
      },
      handler: {
        path: 'bot.mjs',
        load: async () => ({ default: () => undefined }),
        failure: async (error) => new Error(String(error)),
        placeOf: () => undefined,
      },
    },
    { log, signal },
  );
  onTestFinished(() => run.stop());
  const ready = () => log.lines.filter(({ message }) => message === 'shard is ready').length;
  await until('all shards are ready', () => ready() === SHARDS);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  expect(warnings).toEqual([]);
});
