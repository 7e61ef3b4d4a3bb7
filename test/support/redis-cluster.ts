/** A Redis cluster of masters on this machine, for one test. */
import { type AddressInfo, createServer } from 'node:net';
import { Redis } from 'ioredis';
import { redisPlace } from '../../src/brokers/create-broker.ts';
import type { RedisPlace } from '../../src/brokers/redis-connection.ts';
import { parseRedisUrl } from '../../src/config/broker-urls.ts';
import { until } from './broker-bench.ts';
import { portOf } from './redis-bench.ts';
import { startServer, type TestServer } from './servers.ts';

const MASTERS = 3;
const SLOTS = 16_384;

export type TestCluster = {
  readonly servers: readonly TestServer[];
  readonly place: RedisPlace;
  stop(): Promise<void>;
};

/** Several addresses of one cluster, as a configuration names them. */
export function clusterPlace([first = '', ...others]: readonly string[]): RedisPlace {
  const endpoint = (url: string) => {
    const parsed = parseRedisUrl(url);
    if ('problem' in parsed) throw new Error(parsed.problem);
    return parsed.value;
  };
  return redisPlace(endpoint(first), ...others.map(endpoint));
}

export async function freePort(): Promise<number> {
  const listener = createServer();
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  const { port } = listener.address() as AddressInfo;
  await new Promise((resolve) => listener.close(resolve));
  return port;
}

/** The slots of one of the masters: an equal share, the last one also what is left over. */
function slotsOf(index: number): number[] {
  const share = Math.floor(SLOTS / MASTERS);
  const first = index * share;
  const length = index === MASTERS - 1 ? SLOTS - first : share;
  return Array.from({ length }, (_, offset) => first + offset);
}

async function isWhole(redis: Redis): Promise<boolean> {
  const info = String(await redis.cluster('INFO'));
  return info.includes('cluster_state:ok') && info.includes(`cluster_slots_ok:${SLOTS}`);
}

export async function startCluster(): Promise<TestCluster> {
  const buses: number[] = [];
  const servers: TestServer[] = [];
  const admins: Redis[] = [];
  try {
    for (let index = 0; index < MASTERS; index++) {
      const bus = await freePort();
      const cluster = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000'];
      const server = await startServer('redis', {
        arguments: [...cluster, '--cluster-port', String(bus)],
      });
      buses.push(bus);
      servers.push(server);
      admins.push(new Redis(server.url));
    }
    for (const [index, admin] of admins.entries()) {
      await admin.cluster('ADDSLOTS', slotsOf(index));
      const next = (index + 1) % MASTERS;
      const port = portOf(servers[next]?.url ?? '');
      await admin.call('CLUSTER', 'MEET', '127.0.0.1', port, buses[next] ?? 0);
    }
    for (const admin of admins) await until('the cluster is whole', () => isWhole(admin), 30_000);
  } finally {
    for (const admin of admins) admin.disconnect();
  }
  return {
    servers,
    place: clusterPlace(servers.map(({ url }) => url)),
    async stop() {
      for (const server of servers) await server.stop();
    },
  };
}
