/**
 * The library's brokers that need no server: `Memory` within a process, `Stdio` between two that
 * are joined by a pipe, and `Attached` around a broker that somebody else has started.
 */
import type { Readable, Writable } from 'node:stream';
import type { Broker } from '../../protocols/broker.ts';
import { MemoryHub } from '../brokers/memory.ts';
import { systemClock } from '../system-clock.ts';
import { BrokerClient, type Running } from './broker-client.ts';
import type { AudienceOptions, BrokerClientOptions } from './broker-types.ts';

type MemoryOptions = BrokerClientOptions & AudienceOptions & { readonly hub?: MemoryHub };

/** Where brokers of this process meet unless they are given another hub. */
const processHub = new MemoryHub(systemClock);

export class Memory extends BrokerClient {
  readonly group: string;
  readonly #hub: MemoryHub;

  constructor(group = 'default', options: MemoryOptions = {}) {
    super(options);
    this.group = group;
    this.#hub = options.hub ?? processHub;
  }

  async connect(): Promise<void> {
    await this.start();
  }

  protected override open(signal: AbortSignal): Promise<Running> {
    const shared = { group: this.group, hub: this.#hub, audience: this.audience };
    return this.openOwn({ type: 'memory', ...shared, payload: 'map' }, signal);
  }
}

/** A bot behind a pipe: `spectacles gateway | node bot.mjs`. Events come in, commands go out. */
export class Stdio extends BrokerClient {
  readonly #input: Readable;
  readonly #output: Writable;

  constructor(
    options: BrokerClientOptions & { readonly input?: Readable; readonly output?: Writable } = {},
  ) {
    // Nobody else reads what comes through a pipe.
    super({ ...options, audience: 'each' });
    this.#input = options.input ?? process.stdin;
    this.#output = options.output ?? process.stdout;
  }

  async connect(): Promise<void> {
    await this.start();
  }

  protected override open(signal: AbortSignal): Promise<Running> {
    const streams = { input: this.#input, output: this.#output };
    return this.openOwn({ type: 'stdio', ...streams, payload: 'json' }, signal);
  }
}

/** The library's surface over a broker that is running already, and that is not ours to close. */
export class Attached extends BrokerClient {
  readonly #broker: Broker;

  constructor(broker: Broker, options: BrokerClientOptions & AudienceOptions = {}) {
    super(options);
    this.#broker = broker;
  }

  protected override async open(): Promise<Running> {
    return { broker: this.#broker, close: async () => undefined };
  }
}
