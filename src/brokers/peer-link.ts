/**
 * A broker between two processes without anything in between: what one publishes, the other gets.
 *
 * Nobody at the other end says what it consumes or acks what it got, so an event is confirmed when
 * the operating system has taken it, and everything else that a broker does happens on our side of
 * the way in (`peer-inbox.ts`): messages wait there for handlers, are delivered again on retry, and
 * go back when the link of their handler ends.
 *
 * A call is a frame with a key, the answer a frame with the same key. When no more can be read,
 * calls under way fail with a `PeerGoneError`: nobody will answer them.
 */
import type { EventSink, Link, LinkHooks } from '../../actors/channel/link.ts';
import type { CallOptions } from '../../protocols/broker.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import type { Frame } from '../../protocols/wire/frame.ts';
import { InFlight } from './in-flight.ts';
import { MemoryConsumption } from './memory-consumption.ts';
import { PEER_GROUP, type PeerInbox } from './peer-inbox.ts';

/** Where frames go out. */
export interface FrameWriter {
  readonly sink: EventSink;
  /** Sends one frame after all events so far; resolves when the operating system has taken it. */
  send(frame: Frame): Promise<void>;
  /** Sends what was collected. */
  flush(): void;
  /** Says, once, that nothing can be sent any more. */
  watch(lost: (reason: Error) => void): void;
  stop(): void;
}

export type PeerOptions = {
  readonly inbox: PeerInbox;
  readonly prefetch: number;
  /** Whether frames carry the id of their message. */
  readonly ids: boolean;
  readonly clock: Clock;
  readonly log: Log;
};

export class PeerLink implements Link {
  readonly sink: EventSink;
  readonly #writer: FrameWriter;
  readonly #inbox: PeerInbox;
  readonly #log: Log;
  readonly #ids: boolean;
  readonly #events = new Set<string>();
  readonly #inFlight: InFlight;
  readonly #consumption: MemoryConsumption;
  readonly #attendant = { answer: (frame: Frame) => this.#writer.send(frame) };
  #isOver = false;

  constructor(writer: FrameWriter, options: PeerOptions, hooks: LinkHooks) {
    const { inbox, prefetch, ids, clock, log } = options;
    this.#writer = writer;
    this.#inbox = inbox;
    this.#log = log;
    this.#ids = ids;
    this.sink = writer.sink;
    this.#inFlight = new InFlight(() => this.#consumption.wake());
    this.#consumption = new MemoryConsumption({
      hub: inbox.hub,
      group: PEER_GROUP,
      clock,
      log,
      hasRoom: () => this.#inFlight.count < prefetch,
      deliver: (parts) => hooks.delivery(this.#inFlight.enter(parts)),
    });
    writer.watch((reason) => {
      if (!this.#isOver) hooks.lost(reason);
    });
    inbox.attend(this.#attendant);
  }

  async consume(event: string): Promise<void> {
    this.#events.add(event);
    this.#consumption.consume(event);
  }

  async cancel(event: string): Promise<void> {
    this.#consumption.cancel(event);
    this.#inbox.resumeIfRoom();
  }

  publish(event: string, body: Uint8Array, id: string): Promise<void> {
    return this.#writer.send(this.#ids ? { event, body, id } : { event, body });
  }

  call(
    event: string,
    body: Uint8Array,
    key: string,
    _options: CallOptions,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const end = this.#inbox.expect(event, key, (answer) => {
        if (answer instanceof Error) reject(answer);
        else resolve(answer);
      });
      signal.addEventListener('abort', () => end(signal.reason), { once: true });
      this.#writer.send({ event, body, key }).catch(end);
    });
  }

  async close(): Promise<void> {
    this.#writer.flush();
    this.#inbox.pauseFor(this.#attendant);
    this.#consumption.cancelAll();
    await this.#inFlight.idle();
    const unheard = [...this.#events].map((event) => this.#inbox.queue(event));
    const messages = unheard
      .filter((queue) => !queue.hasConsumers)
      .reduce((sum, { length }) => sum + length, 0);
    if (messages > 0) this.#log.warn({ messages }, 'messages were read and wait for a handler');
  }

  destroy(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#inbox.leave(this.#attendant);
    this.#writer.stop();
    this.#consumption.end();
  }
}
