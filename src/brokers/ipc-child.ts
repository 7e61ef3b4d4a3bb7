/**
 * A child process' way to its parent, and through it to the parent's other children.
 *
 * The parent has the queues (`ipc-host.ts`); this link asks it for everything and says what became
 * of what it was given. Events are sent once a turn and confirmed when the parent's queues have
 * taken them. A parent that is gone does not come back: that is fatal, and calls under way fail
 * with a `PeerGoneError`.
 *
 * A parent that answers the hello with a plain message, as `@spectacles/brokers` sends them, is
 * spoken to plainly from then on, as a peer at the other end of a pipe is (`peer-link.ts`).
 */
import type { EventSink, Link, LinkDriver, LinkHooks } from '../../actors/channel/link.ts';
import type { CallOptions, EventOrigin, PublishOptions } from '../../protocols/broker.ts';
import {
  BrokerUnavailableError,
  FatalError,
  PeerGoneError,
  PublishRefusedError,
  UnroutableError,
} from '../../protocols/errors.ts';
import { IPC_BATCH_EVENTS_MAX } from '../../protocols/limits.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import type { Frame } from '../../protocols/wire/frame.ts';
import {
  BYTES_SAMPLE,
  type ChildMessage,
  carriesBytes,
  isOurs,
  marked,
  type ParentMessage,
  readIpcBody,
  readParentMessage,
  readPlainMessage,
  type Unmarked,
  writeIpcBody,
} from '../../protocols/wire/ipc.ts';
import type { PayloadEncoder } from '../../protocols/wire/payload.ts';
import { IdleCount } from './idle-count.ts';
import { InFlight } from './in-flight.ts';
import { plainReader, plainWriter } from './ipc-plain.ts';
import type { IpcPort } from './ipc-port.ts';
import { inboxOf, PeerInbox } from './peer-inbox.ts';
import { PeerLink } from './peer-link.ts';

export type IpcChildOptions = {
  readonly port: IpcPort;
  readonly group: string;
  /** The parent is known to speak plainly. */
  readonly isPlain: boolean;
  readonly prefetch: number;
  readonly encoder: PayloadEncoder;
  readonly clock: Clock;
  readonly log: Log;
  readonly makeId: () => string;
};

type Outgoing = Unmarked<ChildMessage>;
type Of<Op extends ParentMessage['op']> = Extract<ParentMessage, { op: Op }>;

type Request = {
  readonly event: string;
  /** What it is told when the parent is gone. */
  readonly whenGone: () => Error;
  resolve(answer: Uint8Array): void;
  reject(error: unknown): void;
};

const NOTHING = new Uint8Array();

function goneError(): FatalError {
  return new FatalError('the parent process is gone, and with it the way to everybody else');
}

function refusal({ code, message }: Of<'failed'>, event: string): Error {
  if (code === 'UNROUTABLE') return new UnroutableError(event);
  if (code === 'PEER_GONE') return new PeerGoneError(event);
  if (code === 'PUBLISH_REFUSED') return new PublishRefusedError(message);
  return new BrokerUnavailableError(message);
}

/** Collects a turn's events and sends them to the parent. */
class IpcSink implements EventSink {
  readonly #encoder: PayloadEncoder;
  readonly #send: (message: Outgoing) => void;
  readonly #asBytes: boolean;
  readonly #names: string[] = [];
  readonly #facts = { event: '', shard: 0, sequence: 0 };
  #batch: Extract<ChildMessage, { op: 'events' }>['events'] = [];
  #isDue = false;

  constructor(encoder: PayloadEncoder, asBytes: boolean, send: (message: Outgoing) => void) {
    this.#encoder = encoder;
    this.#asBytes = asBytes;
    this.#send = send;
  }

  prepare(route: number, event: string): void {
    this.#names[route] = event;
  }

  send(
    route: number,
    source: Uint8Array,
    start: number,
    end: number,
    origin: EventOrigin,
    sequence: number,
  ): boolean {
    const event = this.#names[route];
    if (event === undefined) return false;
    const facts = this.#facts;
    facts.event = event;
    facts.shard = origin.shard;
    facts.sequence = sequence;
    const target = new Uint8Array(this.#encoder.maxBytes(end - start));
    const length = this.#encoder.write(source, start, end, target, 0, facts);
    const body = writeIpcBody(target.subarray(0, length), this.#asBytes);
    const { shard, session } = origin;
    this.#batch.push({ event, body, id: `${session}:${sequence}`, shard });
    if (this.#batch.length >= IPC_BATCH_EVENTS_MAX) this.flush();
    else if (!this.#isDue) {
      this.#isDue = true;
      setImmediate(() => {
        this.#isDue = false;
        this.flush();
      });
    }
    return true;
  }

  flush(): void {
    if (this.#batch.length === 0) return;
    const events = this.#batch;
    this.#batch = [];
    this.#send({ op: 'events', events });
  }
}

class IpcChildLink implements Link {
  readonly sink: IpcSink;
  readonly #options: IpcChildOptions;
  readonly #hooks: LinkHooks;
  readonly #link: string;
  readonly #asBytes: boolean;
  readonly #inFlight = new InFlight();
  readonly #unsent = new IdleCount();
  readonly #requests = new Map<number, Request>();
  readonly #events = new Set<string>();
  readonly #stopListening: () => void;
  #ref = 0;
  #isOver = false;

  constructor(options: IpcChildOptions, hooks: LinkHooks, welcome: Of<'welcome'>) {
    this.#options = options;
    this.#hooks = hooks;
    this.#link = welcome.link;
    this.#asBytes = carriesBytes(welcome.sample);
    this.sink = new IpcSink(options.encoder, this.#asBytes, (message) => this.#send(message));
    this.#stopListening = options.port.listen({
      message: (value) => this.#receive(value),
      gone: () => this.#lose(),
    });
  }

  async consume(event: string): Promise<void> {
    this.#events.add(event);
    await this.#request(event, (ref) => ({ op: 'subscribe', ref, event }));
  }

  async cancel(event: string): Promise<void> {
    this.#events.delete(event);
    await this.#request(event, (ref) => ({ op: 'unsubscribe', ref, event }));
  }

  async publish(
    event: string,
    bytes: Uint8Array,
    id: string,
    { expirationMs, mandatory }: PublishOptions,
  ): Promise<void> {
    this.sink.flush();
    const body = writeIpcBody(bytes, this.#asBytes);
    const options = { expirationMs, mandatory };
    await this.#request(event, (ref) => ({ op: 'publish', ref, event, body, id, ...options }));
  }

  call(
    event: string,
    bytes: Uint8Array,
    id: string,
    { timeoutMs }: CallOptions,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    this.sink.flush();
    const body = writeIpcBody(bytes, this.#asBytes);
    const message = (ref: number): Outgoing => {
      const abandon = () => {
        if (!this.#requests.delete(ref)) return;
        this.#send({ op: 'abandon', ref });
      };
      signal.addEventListener('abort', abandon, { once: true });
      return { op: 'call', ref, event, body, id, timeoutMs };
    };
    return this.#request(event, message, () => new PeerGoneError(event));
  }

  async close(): Promise<void> {
    this.sink.flush();
    for (const event of [...this.#events]) await this.cancel(event);
    await this.#inFlight.idle();
    await this.#unsent.idle();
  }

  destroy(): void {
    if (this.#isOver) return;
    this.#send({ op: 'bye' });
    this.#isOver = true;
    this.#stopListening();
  }

  #request(
    event: string,
    message: (ref: number) => Outgoing,
    whenGone: () => Error = goneError,
  ): Promise<Uint8Array> {
    const ref = ++this.#ref;
    return new Promise((resolve, reject) => {
      this.#requests.set(ref, { event, whenGone, resolve, reject });
      this.#send(message(ref));
    });
  }

  #receive(value: unknown): void {
    const message = isOurs(value) ? readParentMessage(value) : undefined;
    if (message === undefined || message.link !== this.#link) return;
    switch (message.op) {
      case 'done':
        this.#take(message.ref)?.resolve(NOTHING);
        break;
      case 'answer':
        this.#take(message.ref)?.resolve(readIpcBody(message.body));
        break;
      case 'failed': {
        const request = this.#take(message.ref);
        request?.reject(refusal(message, request.event));
        break;
      }
      case 'confirmed':
        for (let index = 0; index < message.count; index++) {
          this.#hooks.confirms.settleOldest(true);
        }
        break;
      case 'deliver':
        this.#deliver(message);
        break;
      case 'welcome':
        break;
    }
  }

  #take(ref: number): Request | undefined {
    const request = this.#requests.get(ref);
    this.#requests.delete(ref);
    return request;
  }

  #deliver({ tag, event, id, shard, body, wantsReply, attempt }: Of<'deliver'>): void {
    const settle = (how: 'ack' | 'retry' | 'reject', reason?: string) =>
      this.#send({ op: 'settle', tag, how, ...(reason !== undefined && { reason }) });
    const delivery = this.#inFlight.enter({
      event,
      id,
      shard,
      body: readIpcBody(body),
      wantsReply,
      attempt,
      ack: () => settle('ack'),
      retry: () => settle('retry'),
      reject: (reason) => settle('reject', reason),
      reply: async (answer) => {
        if (!wantsReply) return;
        this.#send({ op: 'reply', tag, body: writeIpcBody(answer, this.#asBytes) });
      },
    });
    this.#hooks.delivery(delivery);
  }

  #send(message: Outgoing): void {
    if (this.#isOver) return;
    this.#unsent.enter();
    this.#options.port.send(marked(this.#link, message), () => this.#unsent.leave());
  }

  #lose(): void {
    if (this.#isOver) return;
    for (const { reject, whenGone } of this.#requests.values()) reject(whenGone());
    this.#requests.clear();
    this.#hooks.lost(goneError());
  }
}

/** How the parent has answered the hello. */
type Greeting = { readonly welcome: Of<'welcome'> } | { readonly plain: Frame };

function greet(options: IpcChildOptions, link: string, signal: AbortSignal): Promise<Greeting> {
  const { port, group, prefetch } = options;
  return new Promise((resolve, reject) => {
    const stopListening = port.listen({
      message(value) {
        const message = isOurs(value) ? readParentMessage(value) : undefined;
        const plain = isOurs(value) ? undefined : readPlainMessage(value);
        if (message?.op === 'welcome' && message.link === link) resolve({ welcome: message });
        else if (plain) resolve({ plain });
        else return;
        stopListening();
      },
      gone: () => reject(goneError()),
    });
    signal.addEventListener('abort', () => {
      stopListening();
      reject(new BrokerUnavailableError('the parent process did not say welcome'));
    });
    port.send(marked(link, { op: 'hello', group, prefetch, sample: BYTES_SAMPLE }), (error) => {
      if (error) reject(goneError());
    });
  });
}

export function ipcChildDriver(options: IpcChildOptions): LinkDriver {
  const { port, prefetch, clock, log, makeId } = options;
  const speakPlainly = (hooks: LinkHooks, first?: Frame) => {
    const inbox = inboxOf(port, () => new PeerInbox({ reader: plainReader(port), clock, log }));
    const writer = plainWriter(port, hooks.confirms);
    const link = new PeerLink(writer, { inbox, prefetch, ids: false, clock, log }, hooks);
    // Whoever subscribes does so in a moment.
    if (first) clock.setTimer(0, () => inbox.receive(first));
    return link;
  };
  return {
    label: 'the parent process',
    async open(hooks, signal) {
      if (!port.isConnected) throw goneError();
      if (options.isPlain) return speakPlainly(hooks);
      const greeting = await greet(options, makeId(), signal);
      return 'plain' in greeting
        ? speakPlainly(hooks, greeting.plain)
        : new IpcChildLink(options, hooks, greeting.welcome);
    },
  };
}
