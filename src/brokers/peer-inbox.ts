/**
 * What another process sends us, waiting for our handlers.
 *
 * There is one inbox for each way in, however many brokers of this process stand at it: each frame
 * is read once, and they compete for it. A frame of an event that was ever subscribed to waits in a
 * queue until a handler has room; another waits for the handler of a catch-all event, and where
 * there is none it is dropped. The inbox outlives the brokers' links, so a link that is made anew
 * loses nothing, not even half a frame.
 *
 * A queue that is full stops the reading, which stops the other process when the pipe is full.
 * Where that is impossible, or nothing would ever make room because the event was unsubscribed, its
 * oldest message is dropped instead.
 */
import { PeerGoneError } from '../../protocols/errors.ts';
import { GARBAGE_REPORT_MS } from '../../protocols/limits.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import type { Frame } from '../../protocols/wire/frame.ts';
import { MemoryHub, type MemoryQueue, PendingAnswer } from './memory.ts';

export type FrameReaderEvents = {
  frame(frame: Frame): void;
  /** Something that is no frame was read. */
  garbage(reason: string): void;
  /** Nothing more will come. */
  ended(): void;
};

/** Where frames come in. */
export interface FrameReader {
  /** What a person calls it. */
  readonly label: string;
  /** Whether `pause` keeps the other end from sending more. */
  readonly canWait: boolean;
  /** Begins to read, until the returned function is called; may be called again after that. */
  read(events: FrameReaderEvents): () => void;
  pause(): void;
  resume(): void;
}

/** A link that stands at the inbox. */
export type Attendant = { answer(frame: Frame): Promise<void> };

/** There are no groups between two processes; the queues of an inbox have one all the same. */
export const PEER_GROUP = 'peer';

export type PeerInboxOptions = {
  readonly reader: FrameReader;
  readonly clock: Clock;
  readonly log: Log;
  /** The event whose handler gets what is of no event that was ever subscribed to. */
  readonly catchAll?: string | undefined;
};

type Call = { readonly event: string; settle(answer: Uint8Array | Error): void };

export class PeerInbox {
  readonly hub: MemoryHub;
  readonly #reader: FrameReader;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #attendants = new Set<Attendant>();
  readonly #calls = new Map<string, Call>();
  /** The queues that made the reading stop. */
  readonly #full = new Set<MemoryQueue>();
  #stopReading: () => void = () => undefined;
  #garbage = 0;
  #garbageReportMs = Number.NEGATIVE_INFINITY;
  readonly #catchAll: MemoryQueue | undefined;
  #isEnded = false;

  constructor({ reader, clock, log, catchAll }: PeerInboxOptions) {
    this.hub = new MemoryHub(clock);
    this.#reader = reader;
    this.#clock = clock;
    this.#log = log;
    // It is there before its handler is, so that what comes before that waits.
    this.#catchAll = catchAll === undefined ? undefined : this.queue(catchAll);
    this.hub.onRoom(() => this.resumeIfRoom());
  }

  /** Reads for as long as somebody attends. */
  attend(attendant: Attendant): void {
    this.#attendants.add(attendant);
    if (this.#attendants.size > 1) return;
    this.#stopReading = this.#reader.read({
      frame: (frame) => this.receive(frame),
      garbage: (reason) => this.#reportGarbage(reason),
      ended: () => this.#end(),
    });
  }

  leave(attendant: Attendant): void {
    if (!this.#attendants.delete(attendant) || this.#attendants.size > 0) return;
    this.#stopReading();
    this.#full.clear();
  }

  /** Stops reading unless somebody else attends who does not stop. */
  pauseFor(attendant: Attendant): void {
    if (this.#attendants.size === 1 && this.#attendants.has(attendant)) this.#reader.pause();
  }

  queue(event: string): MemoryQueue {
    return this.hub.queue(event, PEER_GROUP);
  }

  /** Waits for the frame with `key`. The returned function ends the wait with an error. */
  expect(
    event: string,
    key: string,
    settle: (answer: Uint8Array | Error) => void,
  ): (reason: Error) => void {
    const end = (answer: Uint8Array | Error) => {
      if (this.#calls.delete(key)) settle(answer);
    };
    this.#calls.set(key, { event, settle: end });
    if (this.#isEnded) end(new PeerGoneError(event));
    return end;
  }

  resumeIfRoom(): void {
    if (this.#full.size === 0) return;
    for (const queue of this.#full) {
      if (queue.fits(0) || !queue.hasConsumers) this.#full.delete(queue);
    }
    if (this.#full.size === 0) this.#reader.resume();
  }

  /** Takes a frame that came in, by whatever way. */
  receive({ event, body, key, id }: Frame): void {
    const call = key === undefined ? undefined : this.#calls.get(key);
    if (call) {
      call.settle(body);
      return;
    }
    const queue = this.hub.queuesOf(event).length > 0 ? this.queue(event) : this.#catchAll;
    if (queue === undefined) {
      this.#log.debug({ event }, 'a message that nobody subscribed to was dropped');
      return;
    }
    if (!queue.fits(body.length)) this.#makeRoom(queue, event);
    queue.add({
      event,
      id,
      shard: undefined,
      body,
      answer: key === undefined ? undefined : this.#answerTo(event, key),
      expiresMs: Number.POSITIVE_INFINITY,
      retries: 0,
    });
  }

  /** A queue that stops the reading may still get what was read already, a chunk at most. */
  #makeRoom(queue: MemoryQueue, event: string): void {
    if (queue.hasConsumers && this.#reader.canWait) {
      this.#full.add(queue);
      this.#reader.pause();
      return;
    }
    queue.dropOldest();
    this.#log.warn({ event }, 'too many messages of an event wait; the oldest was dropped');
  }

  #answerTo(event: string, key: string): PendingAnswer {
    return new PendingAnswer((answer) => {
      const [attendant] = this.#attendants;
      if (answer instanceof Error || attendant === undefined) return;
      attendant.answer({ event, body: answer, key }).catch((error: Error) => {
        this.#log.warn({ event, reason: error.message }, 'an answer was not delivered');
      });
    });
  }

  /** Corrupt input may be endless; what is said of it is not. */
  #reportGarbage(reason: string): void {
    this.#garbage++;
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#garbageReportMs < GARBAGE_REPORT_MS) return;
    this.#garbageReportMs = nowMs;
    const { label } = this.#reader;
    this.#log.warn({ reason, count: this.#garbage }, `something on ${label} is no command`);
    this.#garbage = 0;
  }

  #end(): void {
    this.#isEnded = true;
    this.#log.debug({}, `${this.#reader.label} has ended; no more messages will come`);
    for (const { event, settle } of [...this.#calls.values()]) settle(new PeerGoneError(event));
  }
}

const inboxes = new WeakMap<object, PeerInbox>();

/** The inbox of a way in, made when it is first asked for. */
export function inboxOf(source: object, make: () => PeerInbox): PeerInbox {
  let inbox = inboxes.get(source);
  if (inbox === undefined) {
    inbox = make();
    inboxes.set(source, inbox);
  }
  return inbox;
}
