/**
 * The Redis and RabbitMQ that tests run against.
 *
 * One of each is started for a whole run, by `global-setup.ts`; a test asks for it with what is in
 * `shared-servers.ts`. Tests that kill servers start private ones with `startServer`.
 *
 * Where a server comes from, in this order: REDIS_URL or AMQP_URL for the shared ones; the program
 * on the PATH, started on a free port with a folder of its own; Docker; on Debian as root an apt
 * install, which is announced. If none works the run fails and names the four ways.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'amqplib';
import { Redis } from 'ioredis';
import { dockerServer } from './server-docker.ts';
import { processServer } from './server-process.ts';

export type ServerKind = 'redis' | 'rabbitmq';

/** A server of one test, or of the run. */
export type TestServer = {
  readonly url: string;
  /** As a power cut would: nothing is flushed, no connection is closed. */
  kill(): Promise<void>;
  /** Starts it again on the same port, with what it had on disk. */
  restart(): Promise<void>;
  /** Freezes it: connections stay open and nothing is answered. */
  pause(): void;
  resume(): void;
  /** Runs `rabbitmqctl` against it, for RabbitMQ; resolves with what that wrote. */
  control(...words: readonly string[]): Promise<string>;
  /** Ends it and removes what it had. */
  stop(): Promise<void>;
};

const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 100;

const PROGRAMS: Readonly<Record<ServerKind, string>> = {
  redis: 'redis-server',
  rabbitmq: 'rabbitmq-server',
};
const VARIABLES: Readonly<Record<ServerKind, string>> = {
  redis: 'REDIS_URL',
  rabbitmq: 'AMQP_URL',
};

/** Where Debian puts servers, which is not on everybody's PATH. */
const SYSTEM_FOLDERS = [
  '/usr/local/sbin',
  '/usr/sbin',
  '/opt/homebrew/sbin',
  '/usr/local/opt/rabbitmq/sbin',
];

export function findProgram(kind: ServerKind): string | undefined {
  return [...(process.env.PATH ?? '').split(delimiter), ...SYSTEM_FOLDERS]
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, PROGRAMS[kind]))
    .find((path) => existsSync(path));
}

function hasDocker(): boolean {
  return spawnSync('docker', ['info'], { stdio: 'ignore', timeout: 10_000 }).status === 0;
}

function mayInstall(): boolean {
  return (
    process.getuid?.() === 0 && existsSync('/etc/debian_version') && existsSync('/usr/bin/apt-get')
  );
}

function install(kind: ServerKind): void {
  process.stderr.write(`tests need ${PROGRAMS[kind]}: installing it with apt-get\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  execFileSync('apt-get', ['update', '-qq'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  execFileSync('apt-get', ['install', '-y', '-qq', PROGRAMS[kind]], {
    env,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

function noWay(kind: ServerKind): Error {
  return new Error(
    `the broker tests need ${kind}, and none of the four ways to it works here: ` +
      `(1) set ${VARIABLES[kind]} to a server that tests may write to; ` +
      `(2) put ${PROGRAMS[kind]} on the PATH; (3) run Docker; ` +
      `(4) run the tests on Debian as root, where they install it themselves`,
  );
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port is free');
  return address.port;
}

export function portIsOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function answersRedis(url: string): Promise<void> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: null });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    await redis.ping();
  } finally {
    redis.disconnect();
  }
}

async function answersAmqp(url: string): Promise<void> {
  const connection = await connect(url, { timeout: 2_000 });
  await connection.close();
}

/** Waits until the server answers its own protocol; a port that is open is not yet a server. */
async function untilReady(kind: ServerKind, url: string): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    try {
      await (kind === 'redis' ? answersRedis(url) : answersAmqp(url));
      return;
    } catch (error) {
      if (Date.now() > deadline) throw new Error(`${kind} did not come up`, { cause: error });
      await sleep(READY_POLL_MS);
    }
  }
}

export type PrivateOptions = {
  /** More arguments for the server's own command line; not with Docker. */
  readonly arguments?: readonly string[];
};

/** Starts a server that belongs to the caller. */
export async function startServer(
  kind: ServerKind,
  options: PrivateOptions = {},
): Promise<TestServer> {
  let program = findProgram(kind);
  const ready = (url: string) => untilReady(kind, url);
  if (program === undefined && hasDocker()) return dockerServer(kind, await freePort(), ready);
  if (program === undefined && mayInstall()) {
    install(kind);
    program = findProgram(kind);
  }
  if (program === undefined) throw noWay(kind);
  const ports = { main: await freePort(), distribution: await freePort() };
  return processServer(kind, program, ports, options.arguments ?? [], ready);
}

/** The server of the run: the one that the environment names, or a private one. */
export async function startSharedServer(kind: ServerKind): Promise<TestServer> {
  const url = process.env[VARIABLES[kind]];
  if (url === undefined || url === '') return startServer(kind);
  await untilReady(kind, url);
  const notOurs = async () => {
    throw new Error(`the ${kind} of ${VARIABLES[kind]} is not the tests' to stop`);
  };
  const nothing = () => undefined;
  return {
    url,
    kill: notOurs,
    restart: notOurs,
    pause: nothing,
    resume: nothing,
    control: notOurs,
    stop: async () => undefined,
  };
}
