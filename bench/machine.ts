/** What the results depend on: the machine, the versions, the state of the sources. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';
import { connect } from 'amqplib';
import { Redis } from 'ioredis';
import type { Addresses } from './row.ts';

/** The working tree, three folders above what is built of this file. */
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

const PACKAGES = [
  'ws',
  'ioredis',
  'amqplib',
  'nact',
  'fzstd',
  'fflate',
  'zstd-napi',
  'undici',
  'msgpackr',
  '@discordjs/ws',
  '@discordjs/brokers',
  '@discordjs/rest',
  '@discordjs/proxy',
  '@spectacles/brokers',
] as const;

export type Fact = readonly [name: string, value: string];

export async function describeMachine(addresses: Addresses): Promise<readonly Fact[]> {
  const processors = cpus();
  const gibibytes = Math.round(totalmem() / 2 ** 30);
  const [load = 0] = loadavg();
  return [
    ['date', new Date().toISOString().slice(0, 10)],
    ['sources', sources()],
    ['processor', `${processors.length} × ${processors[0]?.model.trim() ?? 'unknown'}`],
    ['memory', `${gibibytes} GiB`],
    ['system', `${type()} ${release()}, load ${load.toFixed(2)} at the start`],
    ['Node', `${process.version}, V8 ${process.versions.v8}`],
    ['packages', PACKAGES.map(packageVersion).join(', ')],
    ['servers', await servers(addresses)],
  ];
}

function sources(): string {
  try {
    const git = (...words: string[]): string =>
      execFileSync('git', words, { cwd: ROOT, encoding: 'utf8' }).trim();
    const folders = ['protocols', 'actors', 'supervisors', 'src', 'bench'];
    const isChanged =
      git(
        'status',
        '--porcelain',
        '--',
        ...folders,
        ':!bench/RESULTS.md',
        ':!bench/results.svg',
      ) !== '';
    return git('rev-parse', '--short', 'HEAD') + (isChanged ? ' with changes' : '');
  } catch {
    return 'no git checkout';
  }
}

function packageVersion(name: string): string {
  try {
    const manifest: { version: string } = JSON.parse(
      readFileSync(`${ROOT}/node_modules/${name}/package.json`, 'utf8'),
    );
    return `${name} ${manifest.version}`;
  } catch {
    return `${name} is not installed`;
  }
}

async function servers({ redis, amqp }: Addresses): Promise<string> {
  const names: string[] = [];
  if (redis !== undefined) {
    const client = new Redis(redis, { retryStrategy: null });
    const version = /redis_version:(\S+)/.exec(await client.info('server'))?.[1];
    client.disconnect();
    names.push(`Redis ${version ?? 'of an unknown version'}`);
  }
  if (amqp !== undefined) {
    const client = await connect(amqp);
    // The types leave out what the server says of itself.
    const { connection } = client as unknown as {
      connection: { serverProperties: { version?: unknown } };
    };
    names.push(`RabbitMQ ${String(connection.serverProperties.version)}`);
    await client.close();
  }
  return names.length === 0 ? 'none' : names.join(', ');
}
