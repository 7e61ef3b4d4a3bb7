/**
 * A server program as a child process, in a folder of its own.
 *
 * RabbitMQ started by root drops to the user `rabbitmq`, so its folder must belong to that user,
 * and its Erlang process leaves the group of whoever started it: it is found by its pid file. When
 * the test process ends without stopping its servers they are killed.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ServerKind, TestServer } from './servers.ts';

type Ports = { readonly main: number; readonly distribution: number };

const STOP_TIMEOUT_MS = 20_000;
const POLL_MS = 50;

/** Processes that are still to be killed when this one ends, by folder. */
const running = new Map<string, () => void>();
process.on('exit', () => {
  for (const kill of running.values()) kill();
});

function makeFolder(kind: ServerKind): string {
  const folder = mkdtempSync(join(tmpdir(), `spectacles-${kind}-`));
  chmodSync(folder, 0o755);
  if (kind === 'rabbitmq' && process.getuid?.() === 0) {
    execFileSync('chown', ['rabbitmq', folder]);
  }
  return folder;
}

function startRedis(program: string, folder: string, port: number, more: readonly string[]) {
  const settings = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder];
  return spawn(program, ['--port', String(port), ...settings, ...more], { stdio: 'ignore' });
}

/** Debian's wrapper runs for root and rabbitmq only; behind it is a program that anyone may run. */
function directProgram(program: string): string {
  const behind = join('/usr/lib/rabbitmq/bin', basename(program));
  return process.getuid?.() !== 0 && existsSync(behind) ? behind : program;
}

function rabbitName(ports: Ports): string {
  return `spectacles-${ports.main}@localhost`;
}

function startRabbit(program: string, folder: string, ports: Ports): ChildProcess {
  const direct = directProgram(program);
  const configuration = join(folder, 'rabbitmq');
  writeFileSync(
    `${configuration}.conf`,
    `listeners.tcp.default = 127.0.0.1:${ports.main}\nlog.console.level = error\n`,
    { mode: 0o644 },
  );
  return spawn(direct, [], {
    stdio: 'ignore',
    env: {
      ...process.env,
      HOME: folder,
      RABBITMQ_NODENAME: rabbitName(ports),
      RABBITMQ_NODE_PORT: String(ports.main),
      RABBITMQ_DIST_PORT: String(ports.distribution),
      RABBITMQ_CONFIG_FILE: configuration,
      RABBITMQ_MNESIA_BASE: join(folder, 'data'),
      RABBITMQ_LOG_BASE: join(folder, 'log'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
      RABBITMQ_PID_FILE: join(folder, 'pid'),
    },
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

class ProcessServer {
  readonly #kind: ServerKind;
  readonly #program: string;
  readonly #ports: Ports;
  readonly #more: readonly string[];
  readonly #folder: string;
  #child: ChildProcess | undefined;

  constructor(kind: ServerKind, program: string, ports: Ports, more: readonly string[]) {
    this.#kind = kind;
    this.#program = program;
    this.#ports = ports;
    this.#more = more;
    this.#folder = makeFolder(kind);
  }

  start(): void {
    this.#child =
      this.#kind === 'redis'
        ? startRedis(this.#program, this.#folder, this.#ports.main, this.#more)
        : startRabbit(this.#program, this.#folder, this.#ports);
    running.set(this.#folder, () => this.signal('SIGKILL'));
  }

  signal(signal: NodeJS.Signals): void {
    const pid = this.#pid();
    if (pid === undefined) return;
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended by itself.
    }
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const pid = this.#pid();
    if (pid === undefined) return;
    this.signal(signal);
    const deadline = Date.now() + STOP_TIMEOUT_MS;
    while (isAlive(pid)) {
      if (Date.now() > deadline) this.signal('SIGKILL');
      await sleep(POLL_MS);
    }
    running.delete(this.#folder);
    rmSync(join(this.#folder, 'pid'), { force: true });
    this.#child = undefined;
  }

  async control(words: readonly string[]): Promise<string> {
    if (this.#kind !== 'rabbitmq') throw new Error('rabbitmqctl is for RabbitMQ');
    const program = directProgram(join(dirname(this.#program), 'rabbitmqctl'));
    const line = ['--node', rabbitName(this.#ports), '--quiet', ...words];
    const env = { ...process.env, HOME: this.#folder };
    const { stdout } = await promisify(execFile)(program, line, { env });
    return stdout;
  }

  removeFolder(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #pid(): number | undefined {
    if (this.#kind === 'redis') return this.#child?.pid;
    const file = join(this.#folder, 'pid');
    if (!existsSync(file)) return undefined;
    const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
    return Number.isNaN(pid) ? undefined : pid;
  }
}

export async function processServer(
  kind: ServerKind,
  program: string,
  ports: Ports,
  more: readonly string[],
  untilReady: (url: string) => Promise<void>,
): Promise<TestServer> {
  const scheme = kind === 'redis' ? 'redis' : 'amqp';
  const url = `${scheme}://127.0.0.1:${ports.main}`;
  const server = new ProcessServer(kind, program, ports, more);
  const start = async () => {
    server.start();
    await untilReady(url);
  };
  await start();
  return {
    url,
    kill: () => server.end('SIGKILL'),
    restart: start,
    pause: () => server.signal('SIGSTOP'),
    resume: () => server.signal('SIGCONT'),
    control: (...words) => server.control(words),
    async stop() {
      server.signal('SIGCONT');
      // Nothing in it is worth an orderly end, which takes RabbitMQ seconds.
      await server.end('SIGKILL');
      server.removeFolder();
    },
  };
}
