/** One end of an IPC channel between two Node processes, whichever end it is. */
import type { ChildProcess } from 'node:child_process';
import { ConfigurationError } from '../../protocols/errors.ts';

export interface IpcPort {
  /**
   * Sends `message`; `done` is told when the operating system has taken it, or why it has not, and
   * never before this returns.
   */
  send(message: object, done: (error: Error | null) => void): void;
  /** Listens until the returned function is called. */
  listen(events: { message(message: unknown): void; gone(): void }): () => void;
  readonly isConnected: boolean;
  disconnect(): void;
}

type Channel = Pick<ChildProcess, 'send' | 'connected' | 'disconnect'> & {
  on(event: string, listener: (value: unknown) => void): unknown;
  off(event: string, listener: (value: unknown) => void): unknown;
};

class ProcessPort implements IpcPort {
  readonly #channel: Channel;
  /** What the channel emits when there is nobody at its other end any more. */
  readonly #endings: readonly string[];

  constructor(channel: Channel, endings: readonly string[]) {
    this.#channel = channel;
    this.#endings = endings;
  }

  get isConnected(): boolean {
    return this.#channel.connected;
  }

  send(message: object, done: (error: Error | null) => void): void {
    try {
      this.#channel.send(message, done);
    } catch (error) {
      process.nextTick(done, error instanceof Error ? error : new Error(String(error)));
    }
  }

  listen(events: { message(message: unknown): void; gone(): void }): () => void {
    const message = (value: unknown) => events.message(value);
    let isGone = false;
    const gone = () => {
      if (!isGone) events.gone();
      isGone = true;
    };
    this.#channel.on('message', message);
    for (const ending of this.#endings) this.#channel.on(ending, gone);
    return () => {
      this.#channel.off('message', message);
      for (const ending of this.#endings) this.#channel.off(ending, gone);
    };
  }

  disconnect(): void {
    if (this.#channel.connected) this.#channel.disconnect();
  }
}

/** The channel to a child that was started with `fork`, or with `ipc` among its `stdio`. */
export function childPort(child: ChildProcess): IpcPort {
  if (child.send === undefined) {
    throw new ConfigurationError('this child has no IPC channel: start it with fork');
  }
  // A child that could not be started was never connected: it only exits.
  return new ProcessPort(child, ['disconnect', 'exit']);
}

let toParent: IpcPort | undefined;

/** The channel to the process that started this one; there is one, and so it is always the same. */
export function parentPort(): IpcPort {
  if (process.send === undefined) {
    throw new ConfigurationError('this process has no parent to speak to: start it with fork');
  }
  toParent ??= new ProcessPort(process as unknown as Channel, ['disconnect']);
  return toParent;
}
