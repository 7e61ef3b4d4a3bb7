/**
 * Child processes that answer questions: the source, the receiver, and whatever is measured.
 *
 * Each question has a number, an answer and a deadline; beside answers a child may send notes. A
 * child that dies fails what was asked of it, and all children end with this process.
 */
import { type ChildProcess, fork } from 'node:child_process';

const ANSWER_TIMEOUT_MS = 120_000;
const EXIT_TIMEOUT_MS = 10_000;

type Question = { readonly id: number; readonly order: unknown };
type Answer = { readonly id: number; readonly value?: unknown; readonly error?: string };
type Note = { readonly note: unknown };

type Pending = {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
};

export class Child<Order, ChildNote = never> {
  readonly #label: string;
  readonly #process: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  readonly #exited: Promise<void>;
  #asked = 0;

  constructor(
    label: string,
    script: string,
    options: {
      readonly execArgv?: readonly string[];
      readonly onNote?: (note: ChildNote) => void;
    } = {},
  ) {
    this.#label = label;
    this.#process = fork(script, [], {
      execArgv: [...(options.execArgv ?? [])],
      serialization: 'advanced',
    });
    this.#process.on('message', (message: Answer | Note) => {
      if ('note' in message) options.onNote?.(message.note as ChildNote);
      else this.#answered(message);
    });
    this.#exited = new Promise((resolve) => {
      this.#process.once('exit', (code, signal) => {
        resolve();
        const error = new Error(`${label} ended with ${signal ?? code}`);
        for (const { reject } of this.#pending.values()) reject(error);
      });
    });
    const kill = () => void this.#process.kill('SIGKILL');
    process.once('exit', kill);
    void this.#exited.then(() => process.removeListener('exit', kill));
  }

  ask<Reply>(order: Order, timeoutMs = ANSWER_TIMEOUT_MS): Promise<Reply> {
    const id = ++this.#asked;
    return new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`${this.#label} did not answer ${describe(order)} in ${timeoutMs} ms`));
      }, timeoutMs);
      const settle = () => {
        clearTimeout(timer);
        this.#pending.delete(id);
      };
      this.#pending.set(id, {
        resolve: (value) => {
          settle();
          resolve(value);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      if (!this.#process.connected) {
        this.#pending.get(id)?.reject(new Error(`${this.#label} has ended`));
        return;
      }
      const question: Question = { id, order };
      this.#process.send(question);
    }) as Promise<Reply>;
  }

  /** Lets the child end by itself, and ends it when it does not. */
  async end(): Promise<void> {
    if (this.#process.connected) this.#process.disconnect();
    const timer = setTimeout(() => this.kill(), EXIT_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(timer);
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  #answered({ id, value, error }: Answer): void {
    const pending = this.#pending.get(id);
    if (error === undefined) pending?.resolve(value);
    else pending?.reject(new Error(`${this.#label}: ${error}`));
  }
}

function describe(order: unknown): string {
  return JSON.stringify(order).slice(0, 200);
}

/** In a child: answers every question with what `answer` gives for it. It ends with its parent. */
export function serve<Order>(answer: (order: Order) => unknown): void {
  process.on('message', async ({ id, order }: { id: number; order: Order }) => {
    try {
      reply({ id, value: await answer(order) });
    } catch (error) {
      reply({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  });
  process.on('disconnect', () => process.exit(0));
  // The terminal's Ctrl-C reaches every process; the parent decides when its children end.
  process.on('SIGINT', () => undefined);
}

function reply(answer: Answer): void {
  if (process.connected) process.send?.(answer);
}

/** In a child: tells the parent something that it did not ask. */
export function tellParent(note: unknown): void {
  if (process.connected) process.send?.({ note } satisfies Note);
}
