/**
 * Stands between a gateway and the world, lets everything pass, and remembers what a judge has to
 * know.
 *
 * The watched broker: which events each session handed over and in which order, which of them the
 * broker gave up, and how much was ever with the broker unconfirmed. The watched sockets: how much
 * arrived on a socket that its connection no longer read. What is wrong in itself is a line in
 * `problems`.
 */
import type { Socket, SocketFactory } from '../../actors/connection/ports.ts';
import type { Broker, EventOrigin, EventWriter } from '../../protocols/broker.ts';

type Outstanding = { readonly size: number; count: number };

/** What one session handed to the broker, over all its connections. */
class WatchedSession {
  readonly shard: number;
  readonly outstanding = new Map<number, Outstanding>();
  /** What the broker gave up at least once. */
  readonly lost = new Set<number>();
  /** The number that follows what was handed over last. */
  next = 1;
  highest = 0;

  constructor(shard: number) {
    this.shard = shard;
  }
}

/** The origin that the broker sees instead of the session's cursor. */
class WatchedOrigin implements EventOrigin {
  readonly shard: number;
  readonly session: string;
  readonly #origin: EventOrigin;
  readonly #settle: (sequence: number, isLost: boolean) => void;

  constructor(origin: EventOrigin, settle: (sequence: number, isLost: boolean) => void) {
    this.shard = origin.shard;
    this.session = origin.session;
    this.#origin = origin;
    this.#settle = settle;
  }

  confirmed(sequence: number): void {
    this.#settle(sequence, false);
    this.#origin.confirmed(sequence);
  }

  lost(sequence: number): void {
    this.#settle(sequence, true);
    this.#origin.lost(sequence);
  }
}

export class WatchedWriter implements EventWriter {
  readonly problems: string[] = [];
  /** The most that was ever unconfirmed. */
  maxEvents = 0;
  maxBytes = 0;
  largestEvent = 0;
  /** Different events that were handed over. */
  distinct = 0;
  /** How often a session went back to a number that it had handed over before. */
  rewinds = 0;
  readonly #writer: EventWriter;
  readonly #origins = new WeakMap<EventOrigin, WatchedOrigin>();
  readonly #sessions = new Map<string, WatchedSession>();
  #events = 0;
  #bytes = 0;

  constructor(writer: EventWriter) {
    this.#writer = writer;
  }

  /** Whether the broker once gave up that event of that session. */
  wasLost(session: string, sequence: number): boolean {
    return this.#sessions.get(session)?.lost.has(sequence) ?? false;
  }

  route(event: string): number {
    return this.#writer.route(event);
  }

  onceRoom(listener: () => void): void {
    this.#writer.onceRoom(listener);
  }

  write(
    route: number,
    source: Uint8Array,
    start: number,
    end: number,
    origin: EventOrigin,
    sequence: number,
  ): boolean {
    const watched = this.#watched(origin);
    if (!this.#writer.write(route, source, start, end, watched, sequence)) return false;
    this.#take(this.#session(watched), origin.session, sequence, end - start);
    return true;
  }

  #take(session: WatchedSession, id: string, sequence: number, size: number): void {
    if (sequence > session.next) {
      this.problems.push(`${id}:${sequence} left where ${session.next} was due`);
    }
    if (sequence < session.next) this.rewinds++;
    session.next = sequence + 1;
    if (sequence > session.highest) this.distinct++;
    session.highest = Math.max(session.highest, sequence);
    const known = session.outstanding.get(sequence);
    if (known === undefined) session.outstanding.set(sequence, { size, count: 1 });
    else known.count++;
    this.#events++;
    this.#bytes += size;
    this.maxEvents = Math.max(this.maxEvents, this.#events);
    this.maxBytes = Math.max(this.maxBytes, this.#bytes);
    this.largestEvent = Math.max(this.largestEvent, size);
  }

  #settle(origin: WatchedOrigin, sequence: number, isLost: boolean): void {
    const session = this.#session(origin);
    if (isLost) session.lost.add(sequence);
    const known = session.outstanding.get(sequence);
    if (known === undefined) {
      this.problems.push(`${origin.session}:${sequence} was settled more often than it was taken`);
      return;
    }
    known.count--;
    if (known.count === 0) session.outstanding.delete(sequence);
    this.#events--;
    this.#bytes -= known.size;
  }

  #watched(origin: EventOrigin): WatchedOrigin {
    const known = this.#origins.get(origin);
    if (known !== undefined) return known;
    const watched = new WatchedOrigin(origin, (sequence, isLost) =>
      this.#settle(watched, sequence, isLost),
    );
    this.#origins.set(origin, watched);
    return watched;
  }

  #session({ session, shard }: EventOrigin): WatchedSession {
    let known = this.#sessions.get(session);
    if (known === undefined) {
      known = new WatchedSession(shard);
      this.#sessions.set(session, known);
    }
    return known;
  }
}

/** The same broker, its writer watched. */
export function watchBroker(broker: Broker): {
  readonly broker: Broker;
  readonly writer: WatchedWriter;
} {
  const writer = new WatchedWriter(broker.writer);
  // What the broker has besides its writer is reached through its prototype, `state` always anew.
  const watched: Broker = Object.create(broker, { writer: { value: writer } });
  return { broker: watched, writer };
}

/** Counts what arrives on a socket between its being paused and its being read again. */
export class WatchedSockets implements SocketFactory {
  maxHeldBytes = 0;
  pauses = 0;
  readonly #factory: SocketFactory;

  constructor(factory: SocketFactory) {
    this.#factory = factory;
  }

  open(...[url, events]: Parameters<SocketFactory['open']>): Socket {
    let heldBytes: number | undefined;
    const socket = this.#factory.open(url, {
      ...events,
      message: (data) => {
        if (heldBytes !== undefined) {
          heldBytes += data.length;
          this.maxHeldBytes = Math.max(this.maxHeldBytes, heldBytes);
        }
        events.message(data);
      },
    });
    return {
      send: (text, written) => socket.send(text, written),
      close: (code, reason) => socket.close(code, reason),
      terminate: () => socket.terminate(),
      pause: () => {
        this.pauses++;
        heldBytes = 0;
        socket.pause();
      },
      resume: () => {
        heldBytes = undefined;
        socket.resume();
      },
    };
  }
}
