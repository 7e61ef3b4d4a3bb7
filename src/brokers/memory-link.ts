/**
 * The broker inside one process: gateway, proxy and handler talk through a hub in memory.
 *
 * Events and publishes are confirmed when the hub has taken them. A message that was handed out and
 * not acked goes back to its queue when its consumer's link ends.
 */
import type { EventSink, Link, LinkDriver, LinkHooks } from '../../actors/channel/link.ts';
import type { CallOptions, EventOrigin, PublishOptions } from '../../protocols/broker.ts';
import { BrokerUnavailableError, UnroutableError } from '../../protocols/errors.ts';
import { EVENT_BATCH_BYTES } from '../../protocols/limits.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import type { PayloadEncoder } from '../../protocols/wire/payload.ts';
import { InFlight } from './in-flight.ts';
import { type MemoryHub, PendingAnswer } from './memory.ts';
import { MemoryConsumption } from './memory-consumption.ts';

export type MemoryDriverOptions = {
  /** What a person calls this broker. */
  readonly label: string;
  readonly hub: MemoryHub;
  readonly group: string;
  /** Whether the group is this broker's alone, and goes with it; not unless told. */
  readonly isOwnGroup?: boolean;
  readonly prefetch: number;
  readonly encoder: PayloadEncoder;
  readonly clock: Clock;
  readonly log: Log;
};

class MemorySink implements EventSink {
  readonly #options: MemoryDriverOptions;
  readonly #hooks: LinkHooks;
  readonly #events: string[] = [];
  readonly #facts = { event: '', shard: 0, sequence: 0 };
  #unsettled = 0;
  /** Where bodies are encoded; as large as the largest needed. */
  #scratch = new Uint8Array(EVENT_BATCH_BYTES);

  constructor(options: MemoryDriverOptions, hooks: LinkHooks) {
    this.#options = options;
    this.#hooks = hooks;
  }

  prepare(route: number, event: string): void {
    this.#events[route] = event;
  }

  send(
    route: number,
    source: Uint8Array,
    start: number,
    end: number,
    origin: EventOrigin,
    sequence: number,
  ): boolean {
    const event = this.#events[route];
    if (event === undefined) return false;
    const { hub } = this.#options;
    if (!hub.fits(event, end - start)) return false;
    if (hub.isWanted(event)) {
      const body = this.#encode(event, source, start, end, origin, sequence);
      if (!hub.fits(event, body.length)) return false;
      const { shard, session } = origin;
      hub.publish(event, body, { id: `${session}:${sequence}`, shard });
    }
    if (this.#unsettled++ === 0) setImmediate(this.#confirmTurn);
    return true;
  }

  readonly #confirmTurn = (): void => {
    const count = this.#unsettled;
    this.#unsettled = 0;
    for (let index = 0; index < count; index++) this.#hooks.confirms.settleOldest(true);
  };

  #encode(
    event: string,
    source: Uint8Array,
    start: number,
    end: number,
    origin: EventOrigin,
    sequence: number,
  ): Uint8Array {
    const { encoder } = this.#options;
    const facts = this.#facts;
    facts.event = event;
    facts.shard = origin.shard;
    facts.sequence = sequence;
    const bytes = encoder.maxBytes(end - start);
    if (bytes > this.#scratch.length) this.#scratch = new Uint8Array(bytes);
    // A message waits in a queue: it keeps the bytes that it has, and not those it might have had.
    return this.#scratch.slice(0, encoder.write(source, start, end, this.#scratch, 0, facts));
  }
}

class MemoryLink implements Link {
  readonly sink: EventSink;
  readonly #options: MemoryDriverOptions;
  readonly #consumption: MemoryConsumption;
  readonly #inFlight: InFlight;
  readonly #stopListening: () => void;

  constructor(options: MemoryDriverOptions, hooks: LinkHooks) {
    this.#options = options;
    this.sink = new MemorySink(options, hooks);
    const { hub, group, isOwnGroup = false, prefetch, clock, log } = options;
    this.#inFlight = new InFlight(() => this.#consumption.wake());
    this.#consumption = new MemoryConsumption({
      hub,
      group,
      isOwnGroup,
      clock,
      log,
      hasRoom: () => this.#inFlight.count < prefetch,
      deliver: (parts) => hooks.delivery(this.#inFlight.enter(parts)),
    });
    this.#stopListening = hub.onRoom(() => hooks.room());
  }

  async consume(event: string): Promise<void> {
    this.#consumption.consume(event);
  }

  async cancel(event: string): Promise<void> {
    this.#consumption.cancel(event);
  }

  async publish(
    event: string,
    body: Uint8Array,
    id: string,
    options: PublishOptions,
  ): Promise<void> {
    const { clock, hub } = this.#options;
    if (options.mandatory && !hub.isWanted(event)) throw new UnroutableError(event);
    const expiresMs = clock.nowMs() + (options.expirationMs ?? Number.POSITIVE_INFINITY);
    // The sender may go on to use its buffer.
    hub.publish(event, new Uint8Array(body), { id, expiresMs });
  }

  call(
    event: string,
    body: Uint8Array,
    id: string,
    options: CallOptions,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const { clock, hub } = this.#options;
    const expiresMs = clock.nowMs() + options.timeoutMs;
    return new Promise((resolve, reject) => {
      const answer = new PendingAnswer((given) => {
        if (given instanceof Error) reject(given);
        else resolve(given);
      });
      if (hub.queuesOf(event).length === 0) throw new UnroutableError(event);
      signal.addEventListener('abort', () => answer.settle(signal.reason), { once: true });
      hub.publish(event, new Uint8Array(body), { id, expiresMs, answer });
    });
  }

  async close(): Promise<void> {
    this.#consumption.cancelAll();
    await this.#inFlight.idle();
  }

  destroy(): void {
    this.#stopListening();
    this.#consumption.end();
  }
}

export function memoryDriver(options: MemoryDriverOptions): LinkDriver {
  const { label } = options;
  return {
    label,
    async open(hooks, signal) {
      if (signal.aborted) throw new BrokerUnavailableError(`${label} was given up as it opened`);
      return new MemoryLink(options, hooks);
    },
  };
}
