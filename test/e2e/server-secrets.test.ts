/**
 * Passwords of the servers that a proxy works with, beside the tokens that go through it: they
 * stand in nothing that its processes say, whether the servers take them, refuse them or are away.
 */
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { decodeProxyAnswer, encodeProxyRequest } from '../../protocols/wire/proxy.ts';
import { SIMULATED_TOKEN, startSimulator } from '../../src/simulator/index.ts';
import { createBench } from '../support/broker-bench.ts';
import { type Program, startSpectacles } from '../support/process.ts';
import { placeOf } from '../support/redis-bench.ts';
import { freePort, startServer } from '../support/servers.ts';
import { amqpUrl, redisUrl } from '../support/shared-servers.ts';
import { simulatedApi } from '../support/simulated-api.ts';

const PASSWORD = 'seeded-password/of:a@server';
const WEBHOOK = 'seeded-webhook-token-seeded-webhook-token-seeded-webhook-token-0123';

function withPassword(url: string, user: string): string {
  const parsed = new URL(url);
  parsed.username = user;
  parsed.password = encodeURIComponent(PASSWORD);
  return parsed.href;
}

/** All that a program has said, on whichever stream. */
const said = (program: Program): string => `${program.stdout}\n${program.stderr}`;

function expectNoSecret(text: string): void {
  // As it is, as it stands in a URL, and in part.
  for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), 'seeded']) {
    expect(text).not.toContain(secret);
  }
}

/** A Redis that asks for the password. */
async function startLockedRedis(): Promise<{ readonly url: string; kill(): Promise<void> }> {
  const server = await startServer('redis');
  onTestFinished(() => server.stop());
  const client = new Redis(server.url);
  await client.config('SET', 'requirepass', PASSWORD);
  client.disconnect();
  return { url: withPassword(server.url, ''), kill: () => server.kill() };
}

describe('a proxy whose Redis asks for a password', () => {
  it('names it nowhere, nor the token of a webhook that goes through either door', async () => {
    const simulator = await startSimulator({ seed: 1, guildCount: 1 });
    onTestFinished(() => simulator.close());
    const redis = await startLockedRedis();
    const [port, metricsPort] = [await freePort(), await freePort()];
    const proxy = startSpectacles(['proxy'], {
      environment: {
        BROKER_TYPE: 'redis',
        REDIS_URL: redis.url,
        RATELIMITER_TYPE: 'redis',
        HTTP_ADDRESS: `127.0.0.1:${port}`,
        METRICS_ADDR: `127.0.0.1:${metricsPort}`,
        DISCORD_TOKEN: SIMULATED_TOKEN,
        ...simulatedApi(simulator.port),
        LOG_LEVEL: 'debug',
      },
    });
    await proxy.log('the proxy takes requests');
    const path = `/webhooks/1/${WEBHOOK}/slack`;
    const answers = await bothDoors(redis.url, port, path);
    const looks = await Promise.all(
      ['/metrics', '/readyz'].map((page) => fetch(`http://127.0.0.1:${metricsPort}${page}`)),
    );
    const pages = await Promise.all(looks.map((look) => look.text()));
    await redis.kill();
    await proxy.log('limits are not shared');
    expect((await proxy.end('SIGTERM')).status).toBe(0);
    expect(pages[0]).toContain('/webhooks/:webhook/:token/slack');
    expectNoSecret([said(proxy), ...answers, ...pages].join('\n'));
  });
});

/** What the two doors answer to a request that has a webhook's token in its path. */
async function bothDoors(url: string, port: number, path: string): Promise<readonly string[]> {
  const sent = { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } };
  const http = await fetch(`http://127.0.0.1:${port}/api/v10${path}`, sent);
  const bench = createBench();
  const place = placeOf(url);
  const broker = await bench.open({
    type: 'redis',
    group: 'proxy',
    payload: 'raw',
    retentionMs: 0,
    place,
    settings: {},
  });
  const request = encodeProxyRequest({ method: 'POST', path, body: Buffer.from('{}') });
  const answer = decodeProxyAnswer(await broker.call('REQUEST', request, { timeoutMs: 20_000 }));
  await broker.close();
  await bench.stop();
  // Discord's own answers are the client's, and have what it asked in them.
  return [await http.text(), answer.status === 0 ? '' : answer.body];
}

const REFUSED = [
  ['redis', () => ({ BROKER_TYPE: 'redis', REDIS_URL: withPassword(redisUrl(), 'nobody') })],
  ['amqp', () => ({ BROKER_TYPE: 'amqp', AMQP_URL: withPassword(amqpUrl(), 'nobody') })],
  [
    'shared limits',
    () => ({
      BROKER_TYPE: 'none',
      HTTP_ADDRESS: '127.0.0.1:0',
      RATELIMITER_TYPE: 'redis',
      REDIS_URL: withPassword(redisUrl(), 'nobody'),
    }),
  ],
] as const;

describe.each(REFUSED)('a password that %s refuses', (_what, environmentOf) => {
  it.each([[['proxy']], [['check', 'proxy']]])(
    'ends spectacles %s with a reason, and is not in it',
    async (line) => {
      const program = startSpectacles(line, {
        environment: { LOG_LEVEL: 'debug', ...environmentOf() },
      });
      expect((await program.ended).status).toBe(1);
      expect(said(program)).toMatch(/password/);
      expectNoSecret(said(program));
    },
  );
});

describe('a server that is away', () => {
  it.each([
    ['redis', { BROKER_TYPE: 'redis', REDIS_URL: withPassword('redis://127.0.0.1:1', '') }],
    ['amqp', { BROKER_TYPE: 'amqp', AMQP_URL: withPassword('amqp://127.0.0.1:1', 'somebody') }],
  ])('the password for %s is not in what check says of it', async (_what, environment) => {
    const program = startSpectacles(['check', 'proxy'], { environment });
    expect((await program.ended).status).toBe(1);
    expect(said(program)).toMatch(/failed/);
    expectNoSecret(said(program));
  });
});
