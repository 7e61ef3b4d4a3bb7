/**
 * A proxy between callers and an upstream that answers as Discord does: ours, that of discord.js,
 * one that keeps no limits, and none.
 *
 * Each is set up as its users would, but for the global limit: ours gets the most that can be
 * configured, for each of several bots, and theirs none, so that no limit is ever what is measured.
 */
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { proxyRequests } from '@discordjs/proxy';
import { REST } from '@discordjs/rest';
import { Registry } from 'prom-client';
import { Pool } from 'undici';
import { createActorSystem } from '../../actors/runtime.ts';
import {
  GLOBAL_LIMIT_MAX,
  HTTP_KEEP_ALIVE_MS,
  UPSTREAM_CONNECTIONS_MAX,
} from '../../protocols/limits.ts';
import { loadProxyConfig } from '../../src/config/proxy-config.ts';
import { createProxyMetrics } from '../../src/metrics/proxy-metrics.ts';
import { startProxy } from '../../src/proxy/proxy.ts';
import { processRandom } from '../../src/random.ts';
import { createRedactor } from '../../src/secrets.ts';
import { systemClock } from '../../src/system-clock.ts';
import type { Place, RequestFeed, Row, Work } from '../row.ts';
import { StrictLog } from '../strict-log.ts';

type Running = { readonly address: string; stop(): Promise<void> };

/** Of a channel in half a second; one that our proxy follows send by send. */
const USUAL_LIMIT = 256;
/** So much that ten channels can take all that a proxy sends. */
const MANY_LIMIT = 10_000;
const CHANNELS = 200;

type Method = RequestFeed['method'];
type Start = (upstream: string) => Promise<Running>;

function proxy(name: string, about: string, method: Method, start: Start): Row {
  return {
    name: method === 'POST' ? name : `${name} ${method}`,
    about: method === 'POST' ? `${about}, messages created` : `${about}, channels read`,
    topic: 'proxy',
    feed: { kind: 'requests', channels: CHANNELS, limit: USUAL_LIMIT, method },
    figures: ['full', 'steady', 'half'],
    ...(method === 'GET' && { rounds: 'few' as const }),
    setup: (place) => setup(place, start),
  };
}

function buckets(channels: number): Row {
  return {
    name: `buckets ${channels}`,
    about: 'our proxy, as many channels in turn',
    topic: 'buckets',
    feed: { kind: 'requests', channels, limit: MANY_LIMIT, method: 'POST' },
    figures: ['full'],
    rounds: 'few',
    setup: (place) => setup(place, startOurs),
  };
}

async function setup(place: Place, start: Start): Promise<Work> {
  const { upstream } = place.addresses;
  if (upstream === undefined) throw new Error('there is no upstream');
  const { address, stop } = await start(upstream);
  return { address, run: (requests, perSecond) => place.play(requests, perSecond), stop };
}

async function startOurs(upstream: string): Promise<Running> {
  const log = new StrictLog();
  const clock = systemClock;
  const { config } = await loadProxyConfig({
    file: undefined,
    redactor: createRedactor(),
    environment: {
      BROKER_TYPE: 'none',
      HTTP_ADDRESS: '127.0.0.1:0',
      DISCORD_API_SCHEME: 'http',
      DISCORD_API_HOST: upstream,
      DISCORD_GLOBAL_LIMIT: String(GLOBAL_LIMIT_MAX),
    },
  });
  const system = createActorSystem({ name: 'bench', clock, random: processRandom(), log });
  const metrics = createProxyMetrics(new Registry());
  const running = await startProxy({ config, system, clock, log, metrics });
  return {
    address: `127.0.0.1:${running.http?.port}`,
    async stop() {
      await running.stop();
      await system.stop();
      log.check();
    },
  };
}

async function startTheirs(upstream: string): Promise<Running> {
  const rest = new REST({
    api: `http://${upstream}/api`,
    globalRequestsPerSecond: Number.POSITIVE_INFINITY,
  });
  return startServer(proxyRequests(rest));
}

/**
 * The floor: a request is read, sent on, and its answer sent back. No proxy in Node can cost less.
 */
async function startPlain(upstream: string): Promise<Running> {
  const pool = new Pool(`http://${upstream}`, { connections: UPSTREAM_CONNECTIONS_MAX });
  const { address, stop } = await startServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const { host: _, connection: __, ...headers } = request.headers;
    const answer = await pool.request({
      path: request.url ?? '/',
      method: request.method as Method,
      headers,
      body: parts.length === 0 ? null : Buffer.concat(parts),
    });
    response.writeHead(answer.statusCode, answer.headers);
    answer.body.pipe(response);
  });
  return {
    address,
    async stop() {
      await stop();
      await pool.destroy();
    },
  };
}

async function startServer(listener: RequestListener): Promise<Running> {
  const server = createServer({ keepAliveTimeout: HTTP_KEEP_ALIVE_MS }, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}

async function startNone(upstream: string): Promise<Running> {
  return { address: upstream, stop: async () => undefined };
}

function both(name: string, about: string, start: Start): readonly Row[] {
  return [proxy(name, about, 'POST', start), proxy(name, about, 'GET', start)];
}

export const rows: readonly Row[] = [
  ...both('direct', 'no proxy', startNone),
  ...both('plain forwarder', 'node:http to undici and back, without limits', startPlain),
  ...both('proxy http', 'our proxy, HTTP door', startOurs),
  ...both('@discordjs/proxy', '@discordjs/proxy with @discordjs/rest', startTheirs),
  buckets(10),
  buckets(1_000),
  buckets(100_000),
];
