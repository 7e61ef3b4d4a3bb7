/**
 * The data plane's way into a channel: one object for the life of the broker, whatever becomes of
 * links.
 *
 * It owns the routes, which outlive links, and the ring of unconfirmed events. A link lends it a
 * sink while it is open. Without a sink, or at a bound of the ring, `write` refuses. When a link
 * goes, all that it had not confirmed is reported lost, oldest first, before a new sink is
 * accepted.
 *
 * A throw out of a caller's callback is a programming error. It must not unwind into the broker's
 * client library, whose state it would corrupt, so it is caught and given to `onFault`.
 */
import type { EventOrigin, EventWriter } from '../../protocols/broker.ts';
import { WRITER_EVENTS_MAX, WRITER_MAX_BYTES, WRITER_ROOM_SHARE } from '../../protocols/limits.ts';
import { ConfirmRing, type ConfirmRingBounds } from './confirm-ring.ts';
import type { Confirms, EventSink } from './link.ts';

const DEFAULT_BOUNDS: ConfirmRingBounds = {
  maxEvents: WRITER_EVENTS_MAX,
  maxBytes: WRITER_MAX_BYTES,
};

export class ChannelWriter implements EventWriter, Confirms {
  readonly #ring: ConfirmRing;
  readonly #events: string[] = [];
  readonly #routes = new Map<string, number>();
  readonly #onFault: (error: unknown) => void;
  readonly #roomListeners = new Set<() => void>();
  readonly #idleListeners: (() => void)[] = [];
  #sink: EventSink | undefined;

  constructor(onFault: (error: unknown) => void, bounds: ConfirmRingBounds = DEFAULT_BOUNDS) {
    this.#ring = new ConfirmRing(bounds, onFault);
    this.#onFault = onFault;
  }

  get outstanding(): number {
    return this.#ring.outstanding;
  }

  get settled(): number {
    return this.#ring.settled;
  }

  route(event: string): number {
    const known = this.#routes.get(event);
    if (known !== undefined) return known;
    const route = this.#events.push(event) - 1;
    this.#routes.set(event, route);
    this.#sink?.prepare(route, event);
    return route;
  }

  write(
    route: number,
    source: Uint8Array,
    start: number,
    end: number,
    origin: EventOrigin,
    sequence: number,
  ): boolean {
    const sink = this.#sink;
    if (sink === undefined || !this.#ring.fits(end - start)) return false;
    if (!sink.send(route, source, start, end, origin, sequence)) return false;
    this.#ring.push(origin, sequence, end - start);
    return true;
  }

  onceRoom(listener: () => void): void {
    this.#roomListeners.add(listener);
  }

  /** Accepts events into `sink` from now on. */
  open(sink: EventSink): void {
    this.#events.forEach((event, route) => {
      sink.prepare(route, event);
    });
    this.#sink = sink;
    this.tellRoom();
  }

  /** Refuses events from now on; what is outstanding may still be confirmed. */
  pause(): void {
    this.#sink = undefined;
  }

  /** Refuses events from now on; what is outstanding is lost. */
  lose(): void {
    this.#sink = undefined;
    this.#ring.loseAll();
    this.#afterSettling();
  }

  settleOldest(confirmed: boolean): void {
    this.#ring.settleOldest(confirmed);
    this.#afterSettling();
  }

  settle(tag: number, confirmed: boolean): void {
    this.#ring.settle(tag, confirmed);
    this.#afterSettling();
  }

  settleThrough(tag: number, confirmed: boolean): void {
    this.#ring.settleThrough(tag, confirmed);
    this.#afterSettling();
  }

  /** Tells those who were refused, once each, that there is room. */
  tellRoom(): void {
    if (this.#sink === undefined || this.#roomListeners.size === 0) return;
    const listeners = [...this.#roomListeners];
    this.#roomListeners.clear();
    for (const listener of listeners) {
      try {
        listener();
      } catch (error) {
        this.#onFault(error);
      }
    }
  }

  /** Resolves when nothing is outstanding. */
  idle(): Promise<void> {
    if (this.#ring.outstanding === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idleListeners.push(resolve);
    });
  }

  #afterSettling(): void {
    if (this.#idleListeners.length > 0 && this.#ring.outstanding === 0) {
      for (const listener of this.#idleListeners.splice(0)) listener();
    }
    if (this.#roomListeners.size > 0 && this.#ring.hasRoom(WRITER_ROOM_SHARE)) this.tellRoom();
  }
}
