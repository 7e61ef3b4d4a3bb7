/**
 * Programs as people run them: a child process with its own folder and environment, whose output is
 * kept. Each one is killed when the test that started it ends, and when the test process does.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { until } from './broker-bench.ts';

export type ProgramOptions = {
  /** All of its environment but PATH. */
  readonly environment?: Readonly<Record<string, string>>;
  /** What stands in its working folder, unless it is given one. */
  readonly files?: Readonly<Record<string, string>>;
  readonly folder?: string;
};

/** A line of the log: what pino writes. */
export type ProgramLog = {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
};

export type ProgramEnd = {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
};

/** Longer than any start or stop takes on a machine that is busy with other tests. */
const PATIENCE_MS = 60_000;
const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const SPECTACLES = join(PROJECT, 'dist/src/main.js');

const running = new Set<Program>();
process.on('exit', () => {
  for (const program of running) program.signal('SIGKILL');
});

export class Program {
  stderr = '';
  /** Resolves when the process is over and all of its output is here. */
  readonly ended: Promise<ProgramEnd>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #output: Buffer[] = [];
  #isOver = false;

  constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child;
    child.stdout.on('data', (chunk: Buffer) => {
      this.#output.push(chunk);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    // A program that is over reads no more; that is the reader's business.
    child.stdin.on('error', () => undefined);
    running.add(this);
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (status, signal) => {
        this.#isOver = true;
        running.delete(this);
        resolve({ status, signal });
      });
    });
    // Whoever waits for the end is told of a program that could not be started.
    this.ended.catch(() => running.delete(this));
  }

  get stdoutBytes(): Buffer {
    // What has been put together once stays so.
    if (this.#output.length > 1) this.#output.splice(0, Infinity, Buffer.concat(this.#output));
    return this.#output[0] ?? Buffer.alloc(0);
  }

  get stdout(): string {
    return this.stdoutBytes.toString('utf8');
  }

  get stdoutLines(): readonly string[] {
    return wholeLines(this.stdout);
  }

  get stderrLines(): readonly string[] {
    return wholeLines(this.stderr);
  }

  /** The lines of stderr that are log lines. */
  get logs(): readonly ProgramLog[] {
    return this.stderrLines.flatMap((line) => {
      const value = parsed(line);
      return isLog(value) ? [value] : [];
    });
  }

  logsOf(message: string): readonly ProgramLog[] {
    return this.logs.filter(({ msg }) => msg.includes(message));
  }

  /** Waits for a log line whose message has `message` in it, the `count`th of them. */
  async log(message: string, count = 1): Promise<ProgramLog> {
    await this.until(
      `logged "${message}" ${count} times`,
      () => this.logsOf(message).length >= count,
    );
    const found = this.logsOf(message)[count - 1];
    if (found === undefined) throw new Error('the log has shrunk');
    return found;
  }

  /**
   * Waits until `condition` holds; fails with what was said on stderr when the program ends first.
   */
  async until(what: string, condition: () => boolean): Promise<void> {
    try {
      await until(
        `the program has ${what}`,
        () => {
          if (condition()) return true;
          if (this.#isOver) throw new Error(`the program ended before it ${what}`);
          return false;
        },
        PATIENCE_MS,
      );
    } catch (error) {
      throw new Error(`${String(error)}; on stderr:\n${this.stderr}`);
    }
  }

  write(data: string | Uint8Array): void {
    this.#child.stdin.write(data);
  }

  endInput(): void {
    this.#child.stdin.end();
  }

  /** As a reader in a pipe does that ends. */
  closeOutput(): void {
    this.#child.stdout.destroy();
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Sends `signal` and waits for the end. */
  end(signal: NodeJS.Signals): Promise<ProgramEnd> {
    this.signal(signal);
    return this.ended;
  }
}

function wholeLines(text: string): readonly string[] {
  return text.split('\n').slice(0, -1);
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    // Not everything on stderr is a log line.
    return undefined;
  }
}

function isLog(value: unknown): value is ProgramLog {
  if (typeof value !== 'object' || value === null) return false;
  return (
    typeof Reflect.get(value, 'level') === 'string' && typeof Reflect.get(value, 'msg') === 'string'
  );
}

/** Starts `node FILE …`, to be called within a test. */
export function startProgram(
  file: string,
  line: readonly string[],
  options: ProgramOptions = {},
): Program {
  return startExecutable(process.execPath, [file, ...line], options);
}

/**
 * Starts a command on a terminal of its own, so that what is written to it is typed: '\x03' is
 * Ctrl-C, which the terminal turns into a SIGINT for every process of the command.
 */
export function startOnTerminal(command: string, options: ProgramOptions = {}): Program {
  return startExecutable('script', ['-qefc', `exec ${command}`, '/dev/null'], options);
}

function startExecutable(
  executable: string,
  line: readonly string[],
  options: ProgramOptions,
): Program {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'spectacles-'));
  for (const [name, text] of Object.entries(options.files ?? {})) {
    writeFileSync(join(folder, name), text);
  }
  const child = spawn(executable, [...line], {
    cwd: folder,
    env: { PATH: process.env.PATH, ...options.environment },
  });
  const program = new Program(child);
  onTestFinished(async () => {
    program.signal('SIGKILL');
    await program.ended;
    if (options.folder === undefined) rmSync(folder, { recursive: true, force: true });
  });
  return program;
}

/** Starts the built `spectacles …`, to be called within a test. */
export function startSpectacles(line: readonly string[], options: ProgramOptions = {}): Program {
  return startProgram(SPECTACLES, line, options);
}

/** The project itself, for a program that runs as in a clone. */
export const PROJECT_FOLDER = PROJECT;
