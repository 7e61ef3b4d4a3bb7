/**
 * One consumer's part in the queues of a hub: what it consumes, what it holds, what it owes.
 *
 * Messages that were handed out and not settled are held; those of a consumer that ends go back to
 * their queues, where the next one finds them first and in order. A call is different: if it was
 * acked, or if nobody else is there to take it, its caller is told that the one who would have
 * answered is gone, since nobody can know how far it came.
 */
import { PeerGoneError } from '../../protocols/errors.ts';
import { LOCAL_RETRIES_MAX, RETRY_DELAY_MS } from '../../protocols/limits.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import type { DeliveryParts } from './in-flight.ts';
import type { MemoryConsumer, MemoryHub, MemoryMessage, MemoryQueue } from './memory.ts';

export type MemoryConsumptionOptions = {
  readonly hub: MemoryHub;
  readonly group: string;
  /**
   * Whether nobody else is of the group, whose queues then go with their consumer; not unless told.
   */
  readonly isOwnGroup?: boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** Whether one more message can be taken now. */
  readonly hasRoom: () => boolean;
  readonly deliver: (parts: DeliveryParts) => void;
};

export class MemoryConsumption {
  readonly #options: MemoryConsumptionOptions;
  readonly #consumers = new Map<string, MemoryConsumer>();
  readonly #held = new Map<MemoryMessage, MemoryQueue>();
  /** Calls that were handed out and not answered; a caller who stops waiting is forgotten. */
  readonly #owed = new Set<MemoryMessage>();
  #isOver = false;

  constructor(options: MemoryConsumptionOptions) {
    this.#options = options;
  }

  /** Messages that were handed out and are not settled. */
  get held(): number {
    return this.#held.size;
  }

  consume(event: string): void {
    if (this.#consumers.has(event) || this.#isOver) return;
    const queue = this.#queue(event);
    const consumer: MemoryConsumer = {
      hasRoom: this.#options.hasRoom,
      take: (message) => this.#deliver(event, queue, message),
    };
    this.#consumers.set(event, consumer);
    queue.join(consumer);
  }

  cancel(event: string): void {
    const consumer = this.#consumers.get(event);
    if (consumer === undefined) return;
    const { hub, group, isOwnGroup } = this.#options;
    this.#consumers.delete(event);
    this.#queue(event).leave(consumer);
    if (isOwnGroup) hub.forget(event, group);
  }

  cancelAll(): void {
    for (const event of [...this.#consumers.keys()]) this.cancel(event);
  }

  /** There is room again. */
  wake(): void {
    for (const event of this.#consumers.keys()) this.#queue(event).dispatchSoon();
  }

  /** Hands back what is held and excuses what is owed. What is settled later changes nothing. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.cancelAll();
    for (const [message, queue] of [...this.#held].reverse()) {
      if (message.answer === undefined || queue.hasConsumers) {
        this.#owed.delete(message);
        queue.putBack(message);
      }
    }
    this.#held.clear();
    for (const message of [...this.#owed]) message.answer?.settle(new PeerGoneError(message.event));
    this.#owed.clear();
  }

  #queue(event: string): MemoryQueue {
    return this.#options.hub.queue(event, this.#options.group);
  }

  #deliver(subscription: string, queue: MemoryQueue, message: MemoryMessage): void {
    const { log } = this.#options;
    const { event, id, shard, body, answer } = message;
    this.#held.set(message, queue);
    if (answer) this.#owe(message, answer);
    /** False when the message went back to its queue with the end of this consumer. */
    const release = () => this.#held.delete(message);
    this.#options.deliver({
      event,
      subscription,
      id,
      shard,
      body,
      wantsReply: answer !== undefined,
      attempt: message.retries + 1,
      ack: release,
      reject: (reason) => {
        if (release()) log.debug({ event, reason }, 'a message was rejected');
      },
      retry: () => {
        if (release()) this.#retry(queue, message);
      },
      reply: async (reply) => answer?.settle(new Uint8Array(reply)),
    });
  }

  #owe(message: MemoryMessage, answer: NonNullable<MemoryMessage['answer']>): void {
    if (answer.isSettled) return;
    this.#owed.add(message);
    answer.onSettled = () => this.#owed.delete(message);
  }

  #retry(queue: MemoryQueue, message: MemoryMessage): void {
    const { log, clock } = this.#options;
    this.#owed.delete(message);
    message.retries++;
    if (message.retries > LOCAL_RETRIES_MAX) {
      const { event } = message;
      log.warn({ event }, `a message was handed back ${LOCAL_RETRIES_MAX} times; it is dropped`);
      return;
    }
    clock.setTimer(RETRY_DELAY_MS, () => queue.putBack(message));
  }
}
