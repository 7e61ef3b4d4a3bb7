/**
 * The stage of the tests that break a real Redis: the server, the way to it through a proxy that
 * loses, holds and cuts, and for each test a group and an event of its own.
 */
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { type Bench, createBench } from './broker-bench.ts';
import { Counts, LinkBench, type LinkBenchOptions, placeOf, portOf } from './redis-bench.ts';
import { startServer, type TestServer } from './servers.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

const START_MAX_MS = 120_000;

export let server: TestServer;
export let admin: Redis;
export let proxy: TcpProxy;
export let bench: Bench;
export let counts: Counts;
export let event: string;
export let group: string;
let links: LinkBench[];

/** Sets the stage for the tests of the file that calls it. */
export function setRedisFaultStage(): void {
  beforeAll(async () => {
    server = await startServer('redis');
    admin = new Redis(server.url);
    admin.on('error', () => undefined);
    proxy = await startTcpProxy(portOf(server.url));
  }, START_MAX_MS);

  afterAll(async () => {
    admin.disconnect();
    await proxy.close();
    await server.stop();
  });

  beforeEach(() => {
    bench = createBench();
    links = [];
    counts = new Counts();
    group = `group-${randomUUID()}`;
    event = `EVENT_${randomUUID()}`;
  });

  afterEach(async () => {
    proxy.resume();
    proxy.delay(0);
    for (const made of links) made.stop();
    await bench.stop();
  });
}

export const throughProxy = () => `redis://127.0.0.1:${proxy.port}`;

export function linkBench(options: Partial<LinkBenchOptions> = {}): LinkBench {
  const made = new LinkBench({ place: placeOf(server.url), group, ...options });
  links.push(made);
  return made;
}
