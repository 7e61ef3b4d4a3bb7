/**
 * A child's link at its parent's hub: it consumes there what the child subscribed to, and publishes
 * there what the child sends.
 *
 * The child has as many messages in hand as its prefetch and IPC_UNSENT_MAX_BYTES allow. Its events
 * are confirmed as the hub takes them; those that the hub has no room for wait, and the child's own
 * bounds fill. When the child goes, what it held goes to others, and whoever waits for an answer
 * that it owed is told.
 */
import { SpectaclesError, UnroutableError } from '../../protocols/errors.ts';
import { BROKER_OPERATIONS_MAX, IPC_UNSENT_MAX_BYTES } from '../../protocols/limits.ts';
import { messageOf } from '../../protocols/message-of.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import {
  BYTES_SAMPLE,
  type ChildMessage,
  carriesBytes,
  marked,
  type ParentMessage,
  readIpcBody,
  type Unmarked,
  writeIpcBody,
} from '../../protocols/wire/ipc.ts';
import type { DeliveryParts } from './in-flight.ts';
import type { IpcPort } from './ipc-port.ts';
import { type MemoryHub, PendingAnswer } from './memory.ts';
import { MemoryConsumption } from './memory-consumption.ts';

/** Where the sessions of all children meet. */
export type Surroundings = { readonly hub: MemoryHub; readonly clock: Clock; readonly log: Log };

type Of<Op extends ChildMessage['op']> = Extract<ChildMessage, { op: Op }>;

/** One link of one child. */
export class ChildSession {
  readonly #port: IpcPort;
  readonly #link: string;
  readonly #asBytes: boolean;
  readonly #surroundings: Surroundings;
  readonly #consumption: MemoryConsumption;
  /** What is in the child's hands. */
  readonly #handed = new Map<number, DeliveryParts>();
  /** What it may still answer. */
  readonly #answerable = new Map<number, DeliveryParts>();
  /** What it waits for. */
  readonly #calls = new Map<number, PendingAnswer>();
  readonly #stopListening: () => void;
  /** Events that the hub has no room for yet, in order. */
  #waiting: Of<'events'>['events'] = [];
  #tag = 0;
  #unsentBytes = 0;
  #isOver = false;

  constructor(port: IpcPort, hello: Of<'hello'>, surroundings: Surroundings) {
    this.#port = port;
    this.#link = hello.link;
    this.#asBytes = carriesBytes(hello.sample);
    this.#surroundings = surroundings;
    const { hub, clock, log } = surroundings;
    this.#consumption = new MemoryConsumption({
      hub,
      group: hello.group,
      clock,
      log,
      hasRoom: () => this.#handed.size < hello.prefetch && this.#unsentBytes < IPC_UNSENT_MAX_BYTES,
      deliver: (parts) => this.#deliver(parts),
    });
    this.#stopListening = hub.onRoom(() => this.#publishWaiting());
    this.#send({ op: 'welcome', sample: BYTES_SAMPLE });
  }

  receive(message: Exclude<ChildMessage, { op: 'hello' | 'bye' }>): void {
    switch (message.op) {
      case 'subscribe':
        this.#consumption.consume(message.event);
        this.#send({ op: 'done', ref: message.ref });
        break;
      case 'unsubscribe':
        this.#consumption.cancel(message.event);
        this.#send({ op: 'done', ref: message.ref });
        break;
      case 'publish':
        this.#attempt(message.ref, () => this.#publish(message));
        break;
      case 'call':
        this.#attempt(message.ref, () => this.#call(message));
        break;
      case 'abandon':
        this.#calls.get(message.ref)?.settle(new Error('nobody waits for the answer any more'));
        break;
      case 'events':
        for (const event of message.events) this.#waiting.push(event);
        this.#publishWaiting();
        break;
      case 'settle':
        this.#settle(message);
        break;
      case 'reply':
        void this.#answerable.get(message.tag)?.reply(readIpcBody(message.body));
        this.#answerable.delete(message.tag);
        break;
    }
  }

  /** The child, or its link, is gone. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stopListening();
    this.#consumption.end();
    for (const call of [...this.#calls.values()]) call.settle(new Error('who asked is gone'));
  }

  #publish({ ref, event, body, id, expirationMs, mandatory }: Of<'publish'>): void {
    const { hub, clock } = this.#surroundings;
    if (mandatory && !hub.isWanted(event)) throw new UnroutableError(event);
    const expiresMs = clock.nowMs() + (expirationMs ?? Number.POSITIVE_INFINITY);
    hub.publish(event, readIpcBody(body), { id, expiresMs });
    this.#send({ op: 'done', ref });
  }

  #call({ ref, event, body, id, timeoutMs }: Of<'call'>): void {
    const { hub, clock } = this.#surroundings;
    if (hub.queuesOf(event).length === 0) throw new UnroutableError(event);
    const answer = new PendingAnswer((given) => {
      this.#calls.delete(ref);
      if (given instanceof Error) this.#fail(ref, given);
      else this.#send({ op: 'answer', ref, body: writeIpcBody(given, this.#asBytes) });
    });
    const expiresMs = clock.nowMs() + timeoutMs;
    hub.publish(event, readIpcBody(body), { id, expiresMs, answer });
    this.#calls.set(ref, answer);
  }

  /** Publishes what waits until the hub is full, and confirms it. */
  #publishWaiting(): void {
    const { hub } = this.#surroundings;
    let count = 0;
    for (const { event, body, id, shard } of this.#waiting) {
      const bytes = readIpcBody(body);
      if (!hub.fits(event, bytes.length)) break;
      hub.publish(event, bytes, { id, shard });
      count++;
    }
    if (count === 0) return;
    this.#waiting = this.#waiting.slice(count);
    this.#send({ op: 'confirmed', count });
  }

  #deliver(parts: DeliveryParts): void {
    const tag = ++this.#tag;
    const { event, id, shard, body, wantsReply, attempt = 1 } = parts;
    this.#handed.set(tag, parts);
    if (wantsReply) this.#mayAnswer(tag, parts);
    const size = body.length;
    this.#unsentBytes += size;
    const given = writeIpcBody(body, this.#asBytes);
    this.#send({ op: 'deliver', tag, event, id, shard, body: given, wantsReply, attempt }, () => {
      this.#unsentBytes -= size;
      this.#consumption.wake();
    });
  }

  #mayAnswer(tag: number, parts: DeliveryParts): void {
    this.#answerable.set(tag, parts);
    if (this.#answerable.size <= BROKER_OPERATIONS_MAX) return;
    const oldest = this.#answerable.keys().next().value;
    if (oldest !== undefined) this.#answerable.delete(oldest);
  }

  #settle({ tag, how, reason }: Of<'settle'>): void {
    const parts = this.#handed.get(tag);
    if (parts === undefined) return;
    this.#handed.delete(tag);
    if (how === 'ack') parts.ack();
    else if (how === 'retry') parts.retry();
    else parts.reject(reason ?? 'its handler refused it');
    this.#consumption.wake();
  }

  #attempt(ref: number, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#fail(ref, error);
    }
  }

  #fail(ref: number, error: unknown): void {
    const code = error instanceof SpectaclesError ? error.code : 'BROKER_UNAVAILABLE';
    const message = messageOf(error);
    this.#send({ op: 'failed', ref, code, message });
  }

  #send(message: Unmarked<ParentMessage>, done: () => void = () => undefined): void {
    if (!this.#isOver) this.#port.send(marked(this.#link, message), done);
  }
}
