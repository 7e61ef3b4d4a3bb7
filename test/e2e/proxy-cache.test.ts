/**
 * The proxy's cache with everything real: `spectacles gateway` and `spectacles proxy` as processes,
 * a broker's own server between them, and the simulated Discord, which counts what it is asked.
 *
 * What somebody changes at Discord reaches the proxy as an event only; the next read shows it.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import { CACHE_CHANGING_MS } from '../../protocols/limits.ts';
import { readGroups } from '../../protocols/wire/redis-stream.ts';
import { CACHE_HEADER } from '../../src/proxy/cache/rest-cache.ts';
import { SIMULATED_TOKEN, type Simulator, startSimulator } from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';
import { type Program, startSpectacles } from '../support/process.ts';
import { freePort, type ServerKind, startServer, type TestServer } from '../support/servers.ts';
import { simulatedApi } from '../support/simulated-api.ts';

/** Where the proxy is asked, and where it is asked about itself. */
type Doors = { readonly http: string; readonly metrics: string };

type Stage = Doors & {
  readonly server: TestServer;
  readonly simulator: Simulator;
  readonly gateway: Program;
  readonly proxy: Program;
  /** What the simulated Discord shows where its world knows no changes; tests change it. */
  readonly roles: { name: string }[];
  readonly member: { nick: string };
};

async function start(kind: ServerKind): Promise<Stage> {
  const server = await startServer(kind);
  onTestFinished(() => server.stop());
  const roles = [{ name: 'first' }];
  const member = { nick: 'first' };
  const simulator = await startSimulator({
    seed: 6,
    guildCount: 1,
    rest: {
      stubs: {
        'GET /guilds/:guild/roles': { status: 200, body: roles },
        'GET /guilds/:guild/members/:user': { status: 200, body: member },
      },
    },
  });
  onTestFinished(() => simulator.close());
  const [httpPort, metricsPort] = [await freePort(), await freePort()];
  const shared = {
    DISCORD_TOKEN: SIMULATED_TOKEN,
    ...simulatedApi(simulator.port),
    BROKER_TYPE: kind === 'redis' ? 'redis' : 'amqp',
    ...(kind === 'redis' ? { REDIS_URL: server.url } : { AMQP_URL: server.url }),
  };
  // The cache first: it hears of what happens from then on.
  const proxy = startSpectacles(['proxy'], {
    environment: {
      ...shared,
      HTTP_ADDRESS: `127.0.0.1:${httpPort}`,
      METRICS_ADDR: `127.0.0.1:${metricsPort}`,
      CACHE_ENABLED: 'true',
      CACHE_EVENTS: '*',
      CACHE_GROUP: 'events-of-the-bot',
    },
  });
  await proxy.log('the proxy takes requests');
  const http = `http://127.0.0.1:${httpPort}/api/v10`;
  const metrics = `http://127.0.0.1:${metricsPort}/metrics`;
  const doors = { http, metrics };
  await untilHit(doors, `/channels/${placesOf(simulator).channel}`);
  const gateway = startSpectacles(['gateway'], {
    environment: {
      ...shared,
      BROKER_GROUP: 'events-of-the-bot',
      DISCORD_EVENTS: '*',
      DISCORD_INTENTS: 'GUILDS,GUILD_MEMBERS',
    },
  });
  await gateway.log('shard is ready');
  // With a guild comes an event that changes all that is kept of it. It is there before anything
  // is counted.
  await until('the guild has come', async () => (await metric(doors, DROPPED)) > 0);
  return { server, simulator, gateway, proxy, ...doors, roles, member };
}

type Got = { readonly status: number; readonly lookup: string | null; readonly text: string };

async function get({ http }: Doors, path: string): Promise<Got & { readonly headers: Headers }> {
  const { headers, status, ...answer } = await fetch(`${http}${path}`).then(async (response) => ({
    headers: response.headers,
    status: response.status,
    text: await response.text(),
  }));
  return { status, lookup: headers.get(CACHE_HEADER), headers, text: answer.text };
}

async function metric({ metrics }: Doors, start: string): Promise<number> {
  const text = await (await fetch(metrics)).text();
  const line = text.split('\n').find((one) => one.startsWith(start));
  return line === undefined ? 0 : Number(line.split(' ').at(-1));
}

/** Reads until the answer is a kept one. */
async function untilHit(doors: Doors, path: string): Promise<Got> {
  let last: Got = { status: 0, lookup: null, text: '' };
  await until(`${path} is kept`, async () => {
    last = await get(doors, path);
    return last.lookup === 'hit';
  });
  return last;
}

/** After the event of a change has come, the very first answer is the new one. */
async function afterEvent(stage: Stage, path: string, change: () => Promise<void> | void) {
  await untilHit(stage, path);
  const before = await metric(stage, DROPPED);
  await change();
  await until('the event has come', async () => (await metric(stage, DROPPED)) > before);
  const first = await get(stage, path);
  expect(first.lookup).toBe('miss');
  return first.text;
}

const DROPPED = 'proxy_cache_dropped_total{why="changed"}';

const asked = ({ simulator }: Stage, route: string): number =>
  simulator.discord.rest.audit.requests.filter((request) => request.route === route).length;

function placesOf({ discord }: Simulator) {
  const { world } = discord;
  const guildId = world.guildIds[0] ?? '';
  const channel = world.guild(guildId)?.channels.find(({ type }) => type === 0)?.id ?? '';
  const user = world.guildCreate(guildId, ALL_INTENTS).members[1]?.user.id ?? '';
  return { guildId, channel, user };
}

describe.each(['redis', 'rabbitmq'] as const)(
  'the cache by the events of a gateway, over %s',
  (kind) => {
    it('shows what has changed, and asks Discord for nothing else', async () => {
      const stage = await start(kind);
      const { simulator, proxy, gateway, roles, member } = stage;
      const { guildId, channel, user } = placesOf(simulator);
      const paths = {
        channel: `/channels/${channel}`,
        roles: `/guilds/${guildId}/roles`,
        member: `/guilds/${guildId}/members/${user}`,
      };
      for (const path of Object.values(paths)) await untilHit(stage, path);

      const before = simulator.discord.rest.audit.requestCount;
      const hit = await get(stage, paths.channel);
      for (let round = 0; round < 20; round++) await get(stage, paths.member);
      expect(simulator.discord.rest.audit.requestCount).toBe(before);
      expect([...hit.headers.keys()].filter((name) => name.startsWith('x-ratelimit-'))).toEqual([]);
      expect(await metric(stage, lookups('/guilds/:guild/members/:user', 'hit'))).toBeGreaterThan(
        20,
      );

      // Longer than it would be kept if nobody told of changes.
      await sleep(CACHE_CHANGING_MS + 100);
      expect((await get(stage, paths.channel)).lookup).toBe('hit');

      // By somebody who does not go through the proxy.
      const edit = async (): Promise<void> => {
        const edited = await fetch(`${simulator.url}/api/v10${paths.channel}`, {
          method: 'PATCH',
          headers: { authorization: `Bot ${SIMULATED_TOKEN}`, 'content-type': 'application/json' },
          body: JSON.stringify({ topic: 'a new topic' }),
        });
        expect(edited.status).toBe(200);
      };
      expect(await afterEvent(stage, paths.channel, edit)).toContain('a new topic');

      const publish = (t: string, d: object): void => {
        simulator.discord.publish({ t, d, guildId, intents: ALL_INTENTS });
      };
      const renamed = await afterEvent(stage, paths.roles, () => {
        roles[0] = { name: 'second' };
        publish('GUILD_ROLE_UPDATE', { guild_id: guildId, role: { id: '1' } });
      });
      expect(renamed).toContain('second');
      const nicked = await afterEvent(stage, paths.member, () => {
        member.nick = 'second';
        publish('GUILD_MEMBER_UPDATE', { guild_id: guildId, user: { id: user }, roles: [] });
      });
      expect(nicked).toContain('second');
      expect(asked(stage, 'GET /channels/:channel')).toBeLessThan(10);
      expect(simulator.discord.rest.audit.breaches).toEqual([]);

      expect((await gateway.end('SIGTERM')).status).toBe(0);
      expect((await proxy.end('SIGTERM')).status).toBe(0);
      if (kind === 'redis') expect(await groupsLeft(stage)).toEqual([]);
    });

    it('drops what lived by them when the broker goes away', async () => {
      const stage = await start(kind);
      const { channel } = placesOf(stage.simulator);
      await untilHit(stage, `/channels/${channel}`);
      await stage.server.kill();
      await until(
        'nothing is kept',
        async () => (await metric(stage, 'proxy_cache_entries')) === 0,
      );
      expect(await metric(stage, 'proxy_cache_told')).toBe(0);
      expect((await get(stage, `/channels/${channel}`)).lookup).toBe('miss');
      await Promise.all([stage.gateway.end('SIGTERM'), stage.proxy.end('SIGTERM')]);
    });
  },
);

const lookups = (path: string, result: string): string =>
  `proxy_cache_lookups_total{path="${path}",result="${result}"}`;

/** Groups that a proxy had for itself, and that it should have taken along. */
async function groupsLeft({ server }: Stage): Promise<readonly string[]> {
  const redis = new Redis(server.url);
  const groups = readGroups(await redis.callBuffer('XINFO', 'GROUPS', 'CHANNEL_UPDATE'));
  redis.disconnect();
  return groups.filter(({ name }) => name.includes(':own:')).map(({ name }) => name);
}
