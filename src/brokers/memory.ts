/**
 * The broker inside one process: gateway, proxy and handler talk through a hub in memory.
 *
 * A hub has a queue for each group and event, as AMQP does: a message goes to every group that ever
 * subscribed to its event, and within a group to one consumer. What nobody subscribed to is dropped.
 * Queues are bounded by MEMORY_QUEUE_MAX messages and MEMORY_QUEUE_MAX_BYTES: at either bound an event
 * is refused, which holds the gateway back, and a publish fails. Nothing outlives the process.
 *
 * A message that was handed out and not acked goes back to its queue when its consumer's link ends.
 */
import type { EventSink, Link, LinkDriver, LinkHooks } from '../../actors/channel/link.ts';
import type { CallOptions, EventOrigin } from '../../protocols/broker.ts';
import {
  BrokerUnavailableError,
  PublishRefusedError,
  UnroutableError,
} from '../../protocols/errors.ts';
import {
  CONSUMER_PREFETCH,
  LOCAL_RETRIES_MAX,
  MEMORY_QUEUE_MAX,
  MEMORY_QUEUE_MAX_BYTES,
  RETRY_DELAY_MS,
} from '../../protocols/limits.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import type { PayloadEncoder } from '../../protocols/wire/payload.ts';
import { InFlight } from './in-flight.ts';

type Message = {
  readonly event: string;
  readonly body: Uint8Array;
  /** Where the answer goes; absent when nobody waits for one. */
  readonly answer: ((body: Uint8Array) => void) | undefined;
  readonly expiresMs: number;
  retries: number;
};

type Consumer = {
  /** Whether it can take one more now. */
  hasRoom(): boolean;
  take(message: Message): void;
};

export type MemoryQueueBounds = { readonly maxMessages: number; readonly maxBytes: number };

const DEFAULT_BOUNDS: MemoryQueueBounds = {
  maxMessages: MEMORY_QUEUE_MAX,
  maxBytes: MEMORY_QUEUE_MAX_BYTES,
};

/** One group's messages of one event, and the consumers that compete for them. */
class MemoryQueue {
  readonly #bounds: MemoryQueueBounds;
  readonly #clock: Clock;
  readonly #onRoom: () => void;
  readonly #consumers: Consumer[] = [];
  #messages: Message[] = [];
  #bytes = 0;
  #turn = 0;
  #isDue = false;

  constructor(bounds: MemoryQueueBounds, clock: Clock, onRoom: () => void) {
    this.#bounds = bounds;
    this.#clock = clock;
    this.#onRoom = onRoom;
  }

  fits(size: number): boolean {
    const isEmpty = this.#messages.length === 0;
    return (
      this.#messages.length < this.#bounds.maxMessages &&
      (isEmpty || this.#bytes + size <= this.#bounds.maxBytes)
    );
  }

  add(message: Message): void {
    this.#messages.push(message);
    this.#bytes += message.body.length;
    this.dispatchSoon();
  }

  /** A message that comes back is the next one, and is taken whatever the bounds say. */
  putBack(message: Message): void {
    this.#messages.unshift(message);
    this.#bytes += message.body.length;
    this.dispatchSoon();
  }

  join(consumer: Consumer): void {
    this.#consumers.push(consumer);
    this.dispatchSoon();
  }

  leave(consumer: Consumer): void {
    const index = this.#consumers.indexOf(consumer);
    if (index >= 0) this.#consumers.splice(index, 1);
  }

  /** Messages are handed out in a later turn, never within the publisher's call. */
  dispatchSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    setImmediate(() => {
      this.#isDue = false;
      this.#dispatch();
    });
  }

  #dispatch(): void {
    let handedOut = 0;
    while (handedOut < this.#messages.length) {
      const consumer = this.#nextConsumer();
      if (consumer === undefined) break;
      const message = this.#messages[handedOut] as Message;
      handedOut++;
      this.#bytes -= message.body.length;
      if (message.expiresMs > this.#clock.nowMs()) consumer.take(message);
    }
    if (handedOut === 0) return;
    this.#messages = this.#messages.slice(handedOut);
    this.#onRoom();
  }

  /** Round robin among those with room. */
  #nextConsumer(): Consumer | undefined {
    const { length } = this.#consumers;
    for (let step = 0; step < length; step++) {
      const consumer = this.#consumers[(this.#turn + step) % length];
      if (consumer?.hasRoom()) {
        this.#turn = (this.#turn + step + 1) % length;
        return consumer;
      }
    }
    return undefined;
  }
}

/** What the brokers of one process share. */
export class MemoryHub {
  readonly #queues = new Map<string, Map<string, MemoryQueue>>();
  readonly #roomListeners = new Set<() => void>();
  readonly #clock: Clock;
  readonly #bounds: MemoryQueueBounds;

  constructor(clock: Clock, bounds: MemoryQueueBounds = DEFAULT_BOUNDS) {
    this.#clock = clock;
    this.#bounds = bounds;
  }

  /** The queues that a message of `event` goes to. */
  queuesOf(event: string): readonly MemoryQueue[] {
    const groups = this.#queues.get(event);
    return groups === undefined ? [] : [...groups.values()];
  }

  queue(event: string, group: string): MemoryQueue {
    let groups = this.#queues.get(event);
    if (groups === undefined) {
      groups = new Map();
      this.#queues.set(event, groups);
    }
    let queue = groups.get(group);
    if (queue === undefined) {
      queue = new MemoryQueue(this.#bounds, this.#clock, () => this.#tellRoom());
      groups.set(group, queue);
    }
    return queue;
  }

  onRoom(listener: () => void): () => void {
    this.#roomListeners.add(listener);
    return () => this.#roomListeners.delete(listener);
  }

  #tellRoom(): void {
    for (const listener of [...this.#roomListeners]) listener();
  }
}

export type MemoryDriverOptions = {
  readonly hub: MemoryHub;
  readonly group: string;
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
    const queues = this.#options.hub.queuesOf(event);
    if (queues.some((queue) => !queue.fits(end - start))) return false;
    if (queues.length > 0) {
      const body = this.#encode(event, source, start, end, origin, sequence);
      for (const queue of queues) queue.add(newMessage(event, body));
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
    const target = new Uint8Array(encoder.maxBytes(end - start));
    return target.subarray(0, encoder.write(source, start, end, target, 0, facts));
  }
}

function newMessage(
  event: string,
  body: Uint8Array,
  expiresMs = Number.POSITIVE_INFINITY,
  answer?: (body: Uint8Array) => void,
): Message {
  return { event, body, answer, expiresMs, retries: 0 };
}

class MemoryLink implements Link {
  readonly sink: EventSink;
  readonly #options: MemoryDriverOptions;
  readonly #hooks: LinkHooks;
  readonly #consumers = new Map<string, Consumer>();
  readonly #held = new Map<Message, MemoryQueue>();
  readonly #inFlight: InFlight;
  readonly #stopListening: () => void;
  #isOver = false;

  constructor(options: MemoryDriverOptions, hooks: LinkHooks) {
    this.#options = options;
    this.#hooks = hooks;
    this.sink = new MemorySink(options, hooks);
    this.#inFlight = new InFlight(() => {
      for (const event of this.#consumers.keys()) this.#queue(event).dispatchSoon();
    });
    this.#stopListening = options.hub.onRoom(() => hooks.room());
  }

  async consume(event: string): Promise<void> {
    if (this.#consumers.has(event)) return;
    const queue = this.#queue(event);
    const consumer: Consumer = {
      hasRoom: () => this.#inFlight.count < CONSUMER_PREFETCH,
      take: (message) => this.#deliver(queue, message),
    };
    this.#consumers.set(event, consumer);
    queue.join(consumer);
  }

  async cancel(event: string): Promise<void> {
    const consumer = this.#consumers.get(event);
    if (consumer === undefined) return;
    this.#consumers.delete(event);
    this.#queue(event).leave(consumer);
  }

  async publish(
    event: string,
    body: Uint8Array,
    _id: string,
    options: { readonly expirationMs?: number },
  ): Promise<void> {
    const expiresMs =
      this.#options.clock.nowMs() + (options.expirationMs ?? Number.POSITIVE_INFINITY);
    this.#send(event, body, (copy) => newMessage(event, copy, expiresMs));
  }

  call(
    event: string,
    body: Uint8Array,
    _id: string,
    options: CallOptions,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const expiresMs = this.#options.clock.nowMs() + options.timeoutMs;
    return new Promise((resolve, reject) => {
      if (this.#options.hub.queuesOf(event).length === 0) throw new UnroutableError(event);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      this.#send(event, body, (copy) => newMessage(event, copy, expiresMs, resolve));
    });
  }

  async close(): Promise<void> {
    for (const event of [...this.#consumers.keys()]) await this.cancel(event);
    await this.#inFlight.idle();
  }

  destroy(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopListening();
    for (const [event, consumer] of this.#consumers) this.#queue(event).leave(consumer);
    for (const [message, queue] of [...this.#held].reverse()) queue.putBack(message);
    this.#held.clear();
  }

  #queue(event: string): MemoryQueue {
    return this.#options.hub.queue(event, this.#options.group);
  }

  #send(event: string, body: Uint8Array, make: (body: Uint8Array) => Message): void {
    const queues = this.#options.hub.queuesOf(event);
    if (queues.some((queue) => !queue.fits(body.length))) {
      throw new PublishRefusedError(`a queue of ${event} is full; ${event} was not taken`);
    }
    // The sender may go on to use its buffer.
    const copy = body.slice();
    for (const queue of queues) queue.add(make(copy));
  }

  #deliver(queue: MemoryQueue, message: Message): void {
    const { log, clock } = this.#options;
    const { event, body, answer } = message;
    this.#held.set(message, queue);
    /** False when the message went back to its queue with the end of this link. */
    const release = () => this.#held.delete(message);
    const delivery = this.#inFlight.enter({
      event,
      body,
      wantsReply: answer !== undefined,
      ack: release,
      reject: (reason) => {
        if (release()) log.warn({ event, reason }, 'a message was rejected');
      },
      retry: () => {
        if (!release()) return;
        if (++message.retries > LOCAL_RETRIES_MAX) {
          log.warn(
            { event },
            `a message was handed back ${LOCAL_RETRIES_MAX} times; it is dropped`,
          );
          return;
        }
        clock.setTimer(RETRY_DELAY_MS, () => queue.putBack(message));
      },
      reply: async (reply) => answer?.(reply.slice()),
    });
    this.#hooks.delivery(delivery);
  }
}

export function memoryDriver(options: MemoryDriverOptions): LinkDriver {
  return {
    label: 'the memory broker',
    async open(hooks, signal) {
      if (signal.aborted) throw new BrokerUnavailableError('the memory broker was given up');
      return new MemoryLink(options, hooks);
    },
  };
}
