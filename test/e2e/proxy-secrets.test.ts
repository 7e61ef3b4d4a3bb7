/**
 * The proxy and its secrets: tokens of bots, of webhooks and of interactions go through it all day,
 * and stand in none of what it says of itself, whatever becomes of the requests.
 */
import { inspect } from 'node:util';
import { Registry } from 'prom-client';
import { expect, it, onTestFinished } from 'vitest';
import { createActorSystem } from '../../actors/runtime.ts';
import {
  decodeProxyAnswer,
  encodeProxyRequest,
  type ProxyRequest,
} from '../../protocols/wire/proxy.ts';
import { createBroker } from '../../src/brokers/create-broker.ts';
import { MemoryHub } from '../../src/brokers/memory.ts';
import { loadProxyConfig } from '../../src/config/proxy-config.ts';
import { createRandom } from '../../src/random.ts';
import { openProxyHealth, startProxyOn } from '../../src/services/proxy.ts';
import { StopList } from '../../src/services/stop-list.ts';
import { startSimulator } from '../../src/simulator/index.ts';
import { systemClock } from '../../src/system-clock.ts';
import { loadText } from '../support/configuration.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { freePort } from '../support/servers.ts';

const BOT = 'MTIzNDU2Nzg5MDEyMzQ1Njc4.GSeeded.seeded-token-of-a-bot-nobody-has';
const WEBHOOK = 'seeded-webhook-token-seeded-webhook-token-seeded-webhook-token-0123';
const INTERACTION = 'aW50ZXJhY3Rpb246c2VlZGVkLXNlZWRlZC1zZWVkZWQ';
const SECRETS = [BOT, WEBHOOK, INTERACTION, 'seeded', 'GSeeded'];

/** Requests with secrets wherever one can stand, and wherever none should. */
const REQUESTS: readonly ProxyRequest[] = [
  { method: 'GET', path: '/users/@me' },
  { method: 'POST', path: `/webhooks/1/${WEBHOOK}?wait=true`, body: Buffer.from('{}') },
  { method: 'PATCH', path: `/webhooks/1/${WEBHOOK}/messages/2` },
  { method: 'POST', path: `/webhooks/1/${WEBHOOK}/slack` },
  { method: 'POST', path: `/webhooks/1/${INTERACTION}` },
  {
    method: 'POST',
    path: `/interactions/1/${INTERACTION}/callback`,
    body: Buffer.from('{"type":1}'),
  },
  { method: 'GET', path: `/nowhere/${BOT}/${WEBHOOK}` },
  { method: 'GET', path: `/a/../${WEBHOOK}` },
  { method: 'GET', path: `/a/%2e%2e/${WEBHOOK}`, query: { token: BOT } },
  { method: `${BOT}`, path: '/users/@me' },
  { method: 'GET', path: '/users/@me', headers: { 'x-bad': `${BOT}\n` } },
  { method: 'GET', path: '/users/@me', headers: { authorization: `Bot ${BOT}` }, timeoutMs: 0 },
];

async function start(discordHost: string) {
  const log = new RecordingLog();
  const random = createRandom(1);
  const system = createActorSystem({ name: 'test', clock: systemClock, random, log });
  onTestFinished(() => system.stop());
  const hub = new MemoryHub(systemClock);
  const surroundings = { system, clock: systemClock, log };
  const memory = { type: 'memory', group: 'proxy', hub, payload: 'raw' } as const;
  const broker = await createBroker(memory, { ...surroundings, name: 'served' });
  const caller = await createBroker(memory, { ...surroundings, name: 'caller' });
  const [httpPort, metricsPort] = [await freePort(), await freePort()];
  const { config } = await loadText(loadProxyConfig, undefined, {
    HTTP_ADDRESS: `127.0.0.1:${httpPort}`,
    METRICS_ADDR: `127.0.0.1:${metricsPort}`,
    DISCORD_TOKEN: BOT,
    DISCORD_API_SCHEME: 'http',
    DISCORD_API_HOST: discordHost,
    DISCORD_GLOBAL_LIMIT: '10000',
    TIMEOUT: '2s',
  });
  const registry = new Registry();
  const { signal } = new AbortController();
  const health = await openProxyHealth(config, { registry, signal });
  onTestFinished(() => health.close());
  const stops = new StopList(systemClock, log);
  await startProxyOn(config, { ...surroundings, broker, registry, health, signal, stops });
  const { stop } = stops;
  const door = `http://127.0.0.1:${httpPort}`;
  const healthUrl = `http://127.0.0.1:${metricsPort}`;
  return { log, caller, door, healthUrl, stop };
}

type Started = Awaited<ReturnType<typeof start>>;

/** Sends every request through both doors; resolves to what the proxy itself said to clients. */
async function sendAll({ caller, door }: Started): Promise<string> {
  const said = REQUESTS.map(async (one) => {
    const { method, path } = one;
    const headers = { authorization: `Bot ${BOT}`, ...one.headers };
    const bytes = encodeProxyRequest({ ...one, headers });
    const called = caller.call('REQUEST', bytes, { timeoutMs: 20_000 });
    const body = one.body === undefined ? null : Buffer.from(one.body);
    const sent = { method, body, headers: { authorization: `Bot ${BOT}` } };
    const got = await fetch(`${door}/api/v10${path}`, sent).catch(() => undefined);
    const answer = decodeProxyAnswer(await called);
    const refusal = got?.headers.has('x-spectacles-proxy') ? await got.text() : '';
    return [answer.status === 0 ? '' : answer.body, refusal].join('\n');
  });
  return (await Promise.all(said)).join('\n');
}

it.each(['there', 'away'])(
  'P86: no secret in logs, metrics and errors, with a Discord that is %s, and few labels',
  async (where) => {
    const simulator = await startSimulator({ seed: 1, guildCount: 1 });
    onTestFinished(() => simulator.close());
    const host = where === 'there' ? `127.0.0.1:${simulator.port}` : '127.0.0.1:9';
    const started = await start(host);
    const said = await sendAll(started);
    const paths = Array.from({ length: 600 }, (_, index) => {
      const id = 10n ** 17n + BigInt(index);
      return [`/channels/${id}/messages/${id}x/${index}`, `/webhooks/${id}/${WEBHOOK}${index}`];
    }).flat();
    // None of these is sent: their time is over. They are counted all the same.
    const sent = { method: 'GET', timeoutMs: 0 };
    const calls = paths.map((path) =>
      started.caller.call('REQUEST', encodeProxyRequest({ ...sent, path }), { timeoutMs: 20_000 }),
    );
    await Promise.all(calls);
    const metrics = await (await fetch(`${started.healthUrl}/metrics`)).text();
    const ready = await (await fetch(`${started.healthUrl}/readyz`)).text();
    await started.stop();
    expect(metrics).toContain('/webhooks/:webhook/:token');
    const text = [metrics, ready, inspect(started.log.lines, { depth: 20 })].join('\n');
    for (const secret of SECRETS) expect(text).not.toContain(secret);
    for (const secret of SECRETS) expect(said).not.toContain(secret);
    expect(said).toMatch(/dot segment/);
    const labelled = metrics.split('\n').filter((line) => line.startsWith('proxy_requests_total{'));
    expect(labelled.length).toBeLessThan(30);
  },
);
