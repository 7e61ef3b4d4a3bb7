/**
 * The hub in which the brokers of one process meet, and through which a process serves its
 * children.
 *
 * A hub has a queue for each group and event, as AMQP does: a message goes to every group that ever
 * subscribed to its event, and within a group to one consumer. What nobody subscribed to is
 * dropped. A group's queue stays when its consumers leave, unless it was a single consumer's own.
 * Queues are bounded by MEMORY_QUEUE_MAX messages and MEMORY_QUEUE_MAX_BYTES: at either bound an
 * event is refused, which holds the gateway back, and a publish fails. Nothing outlives the
 * process.
 */
import { PublishRefusedError } from '../../protocols/errors.ts';
import { MEMORY_QUEUE_MAX, MEMORY_QUEUE_MAX_BYTES } from '../../protocols/limits.ts';
import type { Clock } from '../../protocols/ports.ts';

/** Where the answer to a call goes, once. */
export class PendingAnswer {
  readonly #settle: (answer: Uint8Array | Error) => void;
  #isSettled = false;
  /** Called when nobody waits any more; set by whoever owes the answer. */
  onSettled: () => void = () => undefined;

  constructor(settle: (answer: Uint8Array | Error) => void) {
    this.#settle = settle;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** The first answer counts, whoever gives it. */
  settle(answer: Uint8Array | Error): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#settle(answer);
    this.onSettled();
  }
}

export type MemoryMessage = {
  readonly event: string;
  readonly id: string | undefined;
  /** The shard of an event of the gateway. */
  readonly shard: number | undefined;
  readonly body: Uint8Array;
  /** Absent when nobody waits for an answer. */
  readonly answer: PendingAnswer | undefined;
  readonly expiresMs: number;
  retries: number;
};

export type MessageFacts = {
  readonly id?: string | undefined;
  readonly shard?: number | undefined;
  readonly expiresMs?: number;
  readonly answer?: PendingAnswer;
  /** Not for those who take everything. */
  readonly onlySubscribed?: boolean;
};

export type MemoryConsumer = {
  /** Whether it can take one more now. */
  hasRoom(): boolean;
  take(message: MemoryMessage): void;
};

export type MemoryQueueBounds = { readonly maxMessages: number; readonly maxBytes: number };

const DEFAULT_BOUNDS: MemoryQueueBounds = {
  maxMessages: MEMORY_QUEUE_MAX,
  maxBytes: MEMORY_QUEUE_MAX_BYTES,
};

/** One group's messages of one event, and the consumers that compete for them. */
export class MemoryQueue {
  readonly #bounds: MemoryQueueBounds;
  readonly #clock: Clock;
  readonly #onRoom: () => void;
  readonly #consumers: MemoryConsumer[] = [];
  #messages: MemoryMessage[] = [];
  #bytes = 0;
  #turn = 0;
  #isDue = false;

  constructor(bounds: MemoryQueueBounds, clock: Clock, onRoom: () => void) {
    this.#bounds = bounds;
    this.#clock = clock;
    this.#onRoom = onRoom;
  }

  get hasConsumers(): boolean {
    return this.#consumers.length > 0;
  }

  /** Messages that wait to be handed out. */
  get length(): number {
    return this.#messages.length;
  }

  fits(size: number): boolean {
    const isEmpty = this.#messages.length === 0;
    return (
      this.#messages.length < this.#bounds.maxMessages &&
      (isEmpty || this.#bytes + size <= this.#bounds.maxBytes)
    );
  }

  add(message: MemoryMessage): void {
    this.#messages.push(message);
    this.#bytes += message.body.length;
    this.dispatchSoon();
  }

  /** A message that comes back is the next one, and is taken whatever the bounds say. */
  putBack(message: MemoryMessage): void {
    this.#messages.unshift(message);
    this.#bytes += message.body.length;
    this.dispatchSoon();
  }

  /** Gives up the message that has waited longest. */
  dropOldest(): void {
    const oldest = this.#messages.shift();
    if (oldest) this.#bytes -= oldest.body.length;
  }

  join(consumer: MemoryConsumer): void {
    this.#consumers.push(consumer);
    this.dispatchSoon();
  }

  leave(consumer: MemoryConsumer): void {
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
      const message = this.#messages[handedOut] as MemoryMessage;
      handedOut++;
      this.#bytes -= message.body.length;
      if (message.expiresMs > this.#clock.nowMs()) consumer.take(message);
    }
    if (handedOut === 0) return;
    this.#messages = this.#messages.slice(handedOut);
    this.#onRoom();
  }

  /** Round robin among those with room. */
  #nextConsumer(): MemoryConsumer | undefined {
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

const NO_QUEUES: readonly MemoryQueue[] = [];

/** What the brokers of one process share. */
export class MemoryHub {
  readonly #queues = new Map<string, Map<string, MemoryQueue>>();
  /**
   * The same queues in lists, made when one is added: every event asks for its own more than once.
   */
  readonly #lists = new Map<string, readonly MemoryQueue[]>();
  #everything: MemoryQueue | undefined;
  readonly #roomListeners = new Set<() => void>();
  readonly #clock: Clock;
  readonly #bounds: MemoryQueueBounds;

  constructor(clock: Clock, bounds: MemoryQueueBounds = DEFAULT_BOUNDS) {
    this.#clock = clock;
    this.#bounds = bounds;
  }

  /** The queues of those who subscribed to `event`. */
  queuesOf(event: string): readonly MemoryQueue[] {
    return this.#lists.get(event) ?? NO_QUEUES;
  }

  /** Whether anybody would get a message of `event`. */
  isWanted(event: string): boolean {
    return this.#queues.has(event) || this.#everything !== undefined;
  }

  /** The queue of those who take every event and never say which. Calls do not go there. */
  everything(): MemoryQueue {
    this.#everything ??= this.#newQueue();
    return this.#everything;
  }

  queue(event: string, group: string): MemoryQueue {
    let groups = this.#queues.get(event);
    if (groups === undefined) {
      groups = new Map();
      this.#queues.set(event, groups);
    }
    let queue = groups.get(group);
    if (queue === undefined) {
      queue = this.#newQueue();
      groups.set(group, queue);
      this.#lists.set(event, [...groups.values()]);
    }
    return queue;
  }

  /** Drops a queue with all that waits in it: nobody will consume it any more. */
  forget(event: string, group: string): void {
    const groups = this.#queues.get(event);
    if (groups === undefined || !groups.delete(group)) return;
    this.#lists.set(event, [...groups.values()]);
    if (groups.size === 0) {
      this.#queues.delete(event);
      this.#lists.delete(event);
    }
    // It may have been the one that was full.
    this.#tellRoom();
  }

  /** Whether `publish` would take a message of this size now. */
  fits(event: string, size: number): boolean {
    return (
      this.queuesOf(event).every((queue) => queue.fits(size)) &&
      (this.#everything?.fits(size) ?? true)
    );
  }

  /**
   * Gives a message to every group; the body must not change afterwards. Throws when a queue is
   * full.
   */
  publish(event: string, body: Uint8Array, facts: MessageFacts = {}): void {
    if (!this.fits(event, body.length)) {
      throw new PublishRefusedError(`a queue of ${event} is full; ${event} was not taken`);
    }
    const { id, shard, answer, expiresMs = Number.POSITIVE_INFINITY } = facts;
    const message = () => ({ event, id, shard, body, answer, expiresMs, retries: 0 });
    for (const queue of this.queuesOf(event)) queue.add(message());
    if (answer === undefined && !facts.onlySubscribed) this.#everything?.add(message());
  }

  onRoom(listener: () => void): () => void {
    this.#roomListeners.add(listener);
    return () => this.#roomListeners.delete(listener);
  }

  #newQueue(): MemoryQueue {
    return new MemoryQueue(this.#bounds, this.#clock, () => this.#tellRoom());
  }

  #tellRoom(): void {
    for (const listener of [...this.#roomListeners]) listener();
  }
}
