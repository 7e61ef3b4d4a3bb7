/**
 * `new Ipc()`: the library's broker between a process and its children, with no server.
 *
 * The parent forks its children through `fork` and then uses the broker like any other; a child
 * just uses it. Messages wait in the parent: children of one group compete for them, a child that
 * dies hands back what it held, and each answer goes to the one who asked. Programs that use the
 * `Ipc` of `@spectacles/brokers` may stand at either end.
 */
import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import { ConfigurationError } from '../../protocols/errors.ts';
import { IpcHost } from '../brokers/ipc-host.ts';
import { childPort, parentPort } from '../brokers/ipc-port.ts';
import { systemClock } from '../system-clock.ts';
import { BrokerClient, type Running } from './broker-client.ts';
import type { BrokerClientOptions } from './broker-types.ts';

const DEFAULT_GROUP = 'default';

export type IpcOptions = BrokerClientOptions & {
  /** Which end this is; a process that was itself forked is a child unless it has called `fork`. */
  readonly role?: 'parent' | 'child';
  /**
   * In a child: its parent speaks plainly, as `@spectacles/brokers` does, and will say no welcome.
   */
  readonly plain?: boolean;
};

export type IpcForkOptions = ForkOptions & {
  /** The child speaks plainly, and takes its turn at every event. */
  readonly plain?: boolean;
};

export class Ipc extends BrokerClient {
  readonly group: string;
  readonly #isPlain: boolean;
  #role: 'parent' | 'child' | undefined;
  #host: IpcHost | undefined;
  #isOpen = false;

  constructor(group = DEFAULT_GROUP, options: IpcOptions = {}) {
    super(options);
    this.group = group;
    this.#role = options.role;
    this.#isPlain = options.plain ?? false;
  }

  /** Starts a child, or takes one that was forked, and serves it. */
  fork(
    child: string | URL | ChildProcess,
    args: readonly string[] = [],
    { plain = false, ...options }: IpcForkOptions = {},
  ): ChildProcess {
    if (this.#role === 'child' || (this.#isOpen && this.#host === undefined)) {
      throw new ConfigurationError(
        "this Ipc speaks to its own parent; fork before it is used, or give it { role: 'parent' }",
      );
    }
    const started =
      typeof child === 'string' || child instanceof URL
        ? fork(child, args, { serialization: 'advanced', ...options })
        : child;
    this.#hostOf().serve(childPort(started), { isPlain: plain });
    return started;
  }

  async connect(): Promise<void> {
    await this.start();
  }

  protected override async open(signal: AbortSignal): Promise<Running> {
    this.#role ??= this.#host !== undefined || process.send === undefined ? 'parent' : 'child';
    this.#isOpen = true;
    const shared = { type: 'ipc', group: this.group, payload: 'map' } as const;
    if (this.#role === 'child') {
      const child = { ...shared, port: parentPort(), isPlain: this.#isPlain };
      return this.openOwn(child, signal);
    }
    const host = this.#hostOf();
    const running = await this.openOwn({ ...shared, host }, signal);
    return {
      broker: running.broker,
      close: async () => {
        await running.close();
        await host.close();
        this.#host = undefined;
      },
    };
  }

  #hostOf(): IpcHost {
    this.#host ??= new IpcHost({ clock: systemClock, log: this.log });
    return this.#host;
  }
}
