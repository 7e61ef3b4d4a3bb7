/**
 * Starts that do not come to their end: what they leave alone, what they say, and that a signal
 * ends them.
 */
import { createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SIMULATED_TOKEN } from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';
import { startSpectacles } from '../support/process.ts';
import { freePort } from '../support/servers.ts';
import { simulatedApi } from '../support/simulated-api.ts';
import { expectKept, SHARDS, setStopStage, startGateway } from '../support/stop-stage.ts';

const STOPPED = { status: 0, signal: null };

/** It takes connections, and says nothing. */
async function startSilentServer() {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => {
    socket.on('error', () => undefined);
    sockets.add(socket);
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });
  const port = await freePort();
  await new Promise<void>((resolve) => {
    silent.listen(port, '127.0.0.1', resolve);
  });
  return { port, sockets };
}

async function ask(port: number, path: string): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`);
  return `${response.status} ${await response.text()}`;
}

describe('a gateway whose port is taken', () => {
  it('ends without having taken the shards of the one that runs', async () => {
    const stage = await setStopStage();
    const environment = {
      BROKER_TYPE: 'stdio',
      PROMETHEUS_ADDRESS: `127.0.0.1:${await freePort()}`,
    };
    const first = startGateway(stage, environment);
    await first.log('shard is ready', SHARDS);
    const second = startGateway(stage, environment);
    expect(await second.ended).toEqual({ status: 2, signal: null });
    expect(second.stderr).toMatch(/another program .*port|in use/);
    const askedAtEpochMs = Date.now();
    expect(await first.end('SIGTERM')).toEqual(STOPPED);
    expect(first.logsOf('was started later')).toEqual([]);
    await expectKept(stage, askedAtEpochMs);
  });
});

describe('a gateway that starts', () => {
  it('answers for its health, and says what it waits for', async () => {
    const stage = await setStopStage();
    const port = await freePort();
    const gateway = startGateway(stage, {
      BROKER_TYPE: 'stdio',
      DISCORD_API_HOST: `127.0.0.1:${await freePort()}`,
      PROMETHEUS_ADDRESS: `127.0.0.1:${port}`,
    });
    await gateway.log('GET /gateway/bot failed; trying again');
    expect(await ask(port, '/healthz')).toBe('200 ok\n');
    expect(await ask(port, '/readyz')).toBe(
      "503 the gateway waits for Discord's answer about its shards\n",
    );
    expect(await gateway.end('SIGTERM')).toEqual(STOPPED);
  });

  it('stops when it is asked to while its broker says nothing', async () => {
    const { port, sockets } = await startSilentServer();
    const gateway = startGateway(await setStopStage(), {
      BROKER_TYPE: 'amqp',
      AMQP_URL: `amqp://127.0.0.1:${port}`,
    });
    await until('it has connected', () => sockets.size > 0);
    expect(await gateway.end('SIGTERM')).toEqual(STOPPED);
    // It did not wait until the attempt was given up.
    expect(gateway.logsOf('cannot be reached')).toEqual([]);
  });
});

describe('a proxy that starts', () => {
  it('says what it waits for, and stops when it is asked to while its Redis says nothing', async () => {
    const redis = await startSilentServer();
    const metricsPort = await freePort();
    const proxy = startSpectacles(['proxy'], {
      environment: {
        BROKER_TYPE: 'none',
        HTTP_ADDRESS: `127.0.0.1:${await freePort()}`,
        METRICS_ADDR: `127.0.0.1:${metricsPort}`,
        RATELIMITER_TYPE: 'redis',
        REDIS_URL: `redis://127.0.0.1:${redis.port}`,
      },
    });
    await until('it has connected', () => redis.sockets.size > 0);
    expect(await ask(metricsPort, '/healthz')).toBe('200 ok\n');
    expect(await ask(metricsPort, '/readyz')).toBe('503 the proxy waits for its shared limits\n');
    expect(await proxy.end('SIGTERM')).toEqual(STOPPED);
    // It neither waited until the attempt was given up, nor went on without.
    expect(proxy.logsOf('limits are not shared')).toEqual([]);
    expect(proxy.logsOf('the proxy takes requests')).toEqual([]);
  });

  it('ends without having touched its broker if its health port is taken', async () => {
    const [taken, broker] = [await startSilentServer(), await startSilentServer()];
    const proxy = startSpectacles(['proxy'], {
      environment: {
        METRICS_ADDR: `127.0.0.1:${taken.port}`,
        AMQP_URL: `amqp://127.0.0.1:${broker.port}`,
      },
    });
    expect(await proxy.ended).toEqual({ status: 2, signal: null });
    expect(broker.sockets.size).toBe(0);
  });
});

describe('spectacles run', () => {
  it.each([
    [
      'loading',
      "console.error('it begins'); await new Promise(() => {});\nexport default () => {};",
    ],
    [
      'start',
      "export default () => { console.error('it begins'); return new Promise(() => {}); };",
    ],
  ])('stops when it is asked to while the %s of its handler has no end', async (_what, text) => {
    const { simulator } = await setStopStage();
    const run = startSpectacles(['run', 'bot.mjs'], {
      files: { 'bot.mjs': text },
      environment: {
        DISCORD_TOKEN: SIMULATED_TOKEN,
        DISCORD_EVENTS: '*',
        DISCORD_INTENTS: 'GUILDS',
        ...simulatedApi(simulator.port),
      },
    });
    await run.until('begun', () => run.stderr.includes('it begins'));
    expect(await run.end('SIGTERM')).toEqual(STOPPED);
  });
});
