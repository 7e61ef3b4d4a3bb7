/**
 * Three `spectacles proxy` processes that share their limits over a real Redis, in front of one
 * simulated Discord, under load: one is killed with requests in the air, and Redis dies and comes
 * back empty.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';
import { SIMULATED_TOKEN, type Simulator, startSimulator } from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';
import { type Program, startSpectacles } from '../support/process.ts';
import { freePort, startServer, type TestServer } from '../support/servers.ts';
import { simulatedApi } from '../support/simulated-api.ts';

const TIMEOUT_MS = 240_000;
const GET = 'GET /channels/:channel/messages';
const WINDOW = { kind: 'fixed', limit: 6, windowMs: 1_500 } as const;
const CHANNELS = 6;
const PROXIES = 3;

async function startDiscord(): Promise<Simulator> {
  const bucket = {
    name: 'b',
    window: WINDOW,
    scope: 'user',
    shown: true,
    counter: 'split',
  } as const;
  const simulator = await startSimulator({
    seed: 1,
    rest: { buckets: { [GET]: [bucket] }, stubs: { [GET]: { status: 200, body: [] } } },
  });
  onTestFinished(() => simulator.close());
  return simulator;
}

type Running = { readonly program: Program; readonly url: string; readonly metrics: string };

async function startProxies(simulator: Simulator, redisUrl: string): Promise<readonly Running[]> {
  const all = await Promise.all(
    Array.from({ length: PROXIES }, async (): Promise<Running> => {
      const [port, metricsPort] = [await freePort(), await freePort()];
      const program = startSpectacles(['proxy'], {
        environment: {
          BROKER_TYPE: 'none',
          HTTP_ADDRESS: `127.0.0.1:${port}`,
          METRICS_ADDR: `127.0.0.1:${metricsPort}`,
          REDIS_URL: redisUrl,
          RATELIMITER_TYPE: 'redis',
          RATELIMITER_PROXIES: String(PROXIES),
          ...simulatedApi(simulator.port),
        },
      });
      const [url, metrics] = [port, metricsPort].map((one) => `http://127.0.0.1:${one}`);
      return { program, url: String(url), metrics: String(metrics) };
    }),
  );
  for (const { program } of all) await program.log('the proxy takes requests');
  return all;
}

const metric = async ({ metrics }: Running, name: string): Promise<number> => {
  const text = await (await fetch(`${metrics}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return Number(line?.split(' ')[1]);
};

const isTogether = async (proxy: Running): Promise<boolean> =>
  (await metric(proxy, 'proxy_shared_limits_up')) === 1 &&
  (await metric(proxy, 'proxy_shared_limits_share')) === 1;

/** Asks one request after the other until it is told to stop; each has an outcome. */
class Client {
  readonly outcomes: (number | 'broken')[] = [];
  readonly done: Promise<void>;
  isStopped = false;

  constructor(proxy: Running, channel: number) {
    this.done = this.#run(`${proxy.url}/api/v10/channels/${channel}/messages`);
  }

  async #run(url: string): Promise<void> {
    const headers = { authorization: `Bot ${SIMULATED_TOKEN}` };
    while (!this.isStopped) {
      const answer = await fetch(url, { headers }).catch(() => undefined);
      await answer?.arrayBuffer();
      this.outcomes.push(answer?.status ?? 'broken');
      if (answer === undefined) return;
    }
  }
}

function startLoad(proxies: readonly Running[]): readonly (readonly Client[])[] {
  return proxies.map((proxy) =>
    Array.from({ length: 4 * CHANNELS }, (_, index) => {
      // The first channel is the hot one: half of all clients want it.
      const channel = index % 2 === 0 ? 1 : 1 + (index % CHANNELS);
      return new Client(proxy, channel);
    }),
  );
}

const refusals = ({ discord }: Simulator) => discord.rest.audit.breaches;

async function keysWithoutExpiry(redis: TestServer): Promise<readonly string[]> {
  const client = new Redis(redis.url);
  try {
    const keys = await client.keys('*');
    const ages = await Promise.all(keys.map((key) => client.pttl(key)));
    return keys.filter((_, index) => ages[index] === -1);
  } finally {
    client.disconnect();
  }
}

it('P75 P80: one is killed, Redis dies and forgets: no 429, no silence, and all goes on', {
  timeout: TIMEOUT_MS,
}, async () => {
  const simulator = await startDiscord();
  const redis = await startServer('redis');
  onTestFinished(() => redis.stop());
  const proxies = await startProxies(simulator, redis.url);
  const [first, second, third] = proxies;
  if (first === undefined || second === undefined || third === undefined) throw new Error('three');
  for (const proxy of proxies) await until('all are together', () => isTogether(proxy));

  const clients = startLoad(proxies);
  await sleep(5_000);
  expect(await keysWithoutExpiry(redis)).toEqual([]);
  await third.program.end('SIGKILL');
  await sleep(5_000);
  await redis.kill();
  await first.program.log('limits are not shared');
  await second.program.log('limits are not shared');
  const ready = await fetch(`${first.metrics}/readyz`);
  expect([ready.status, await ready.text()]).toEqual([200, expect.stringContaining('33 %')]);
  const before = simulator.discord.rest.audit.requestCount;
  await until(
    'they go on alone',
    () => simulator.discord.rest.audit.requestCount > before + 4 * CHANNELS,
  );
  await redis.restart();
  await first.program.log('limits are shared again');
  await second.program.log('limits are shared again');
  await sleep(5_000);

  const live = clients.slice(0, 2).flat();
  for (const client of clients.flat()) client.isStopped = true;
  await Promise.all(clients.flat().map(({ done }) => done));
  expect(refusals(simulator)).toEqual([]);
  expect(new Set(live.flatMap(({ outcomes }) => outcomes))).toEqual(new Set([200]));
  expect(live.every(({ outcomes }) => outcomes.length > 2)).toBe(true);
  expect(first.program.logsOf('limits are not shared')).toHaveLength(1);
  expect(await metric(first, 'proxy_shared_limits_away_total')).toBe(1);
  expect(await keysWithoutExpiry(redis)).toEqual([]);
});

it('spectacles check tries the Redis, and changes nothing in it', {
  timeout: TIMEOUT_MS,
}, async () => {
  const server = await startServer('redis');
  onTestFinished(() => server.stop());
  const check = async (url: string) => {
    const program = startSpectacles(['check', 'proxy'], {
      environment: {
        BROKER_TYPE: 'none',
        HTTP_ADDRESS: `127.0.0.1:${await freePort()}`,
        RATELIMITER_TYPE: 'redis',
        REDIS_URL: url,
      },
    });
    const { status } = await program.ended;
    return { status, last: program.stdoutLines.at(-1) };
  };
  const line = 'the shared limits in Redis: connected';
  expect(await check(server.url)).toEqual({ status: 0, last: `  ok      ${line}` });
  const client = new Redis(server.url);
  expect(await client.keys('*')).toEqual([]);
  client.disconnect();
  const away = await check(`redis://127.0.0.1:${await freePort()}`);
  expect(away).toEqual({
    status: 1,
    last: expect.stringContaining('failed  the shared limits in Redis'),
  });
});
