/**
 * The ports between a channel and a broker's driver.
 *
 * A driver opens links. A link is one connection generation to the broker, with whatever sockets
 * that takes; it never reconnects. When it is gone it says so once, by `lost`, and is then worth
 * nothing: the channel that holds it ends, and a new channel opens a new link.
 */
import type { CallOptions, Delivery, EventOrigin, PublishOptions } from '../../protocols/broker.ts';

/** Where the writer hands events while a link is open. */
export interface EventSink {
  /** Prepares the route with this number; called for every known route before the first `send`. */
  prepare(route: number, event: string): void;
  /**
   * Takes one event over; false when it cannot now. The arguments are those of `EventWriter.write`.
   * Its confirm never comes before this has returned.
   */
  send(
    route: number,
    source: Uint8Array,
    start: number,
    end: number,
    origin: EventOrigin,
    sequence: number,
  ): boolean;
}

/** What a link reports about the events it was given. */
export interface Confirms {
  settleOldest(confirmed: boolean): void;
  settle(tag: number, confirmed: boolean): void;
  settleThrough(tag: number, confirmed: boolean): void;
}

export interface LinkHooks {
  readonly confirms: Confirms;
  /** The link is gone, or of no more use. Only the first word counts. */
  lost(reason: unknown): void;
  /** The broker takes no publishes for now, or takes them again. */
  blocked(isBlocked: boolean): void;
  /** The sink has refused an event and has room again. */
  room(): void;
  delivery(delivery: Delivery): void;
}

export interface Link {
  readonly sink: EventSink;
  /** Makes what must exist for `event` to be consumed, and consumes it. */
  consume(event: string): Promise<void>;
  cancel(event: string): Promise<void>;
  /** `id` stays the same when a publish is repeated on another link. */
  publish(event: string, body: Uint8Array, id: string, options: PublishOptions): Promise<void>;
  /** The answer; `signal` says that nobody waits for it any more. */
  call(
    event: string,
    body: Uint8Array,
    id: string,
    options: CallOptions,
    signal: AbortSignal,
  ): Promise<Uint8Array>;
  /**
   * Fetches nothing more, waits for what is under way until `deadlineMs` has passed, disconnects.
   */
  close(deadlineMs: number): Promise<void>;
  /** Disconnects at once. */
  destroy(): void;
}

export interface LinkDriver {
  /** What a person calls this broker in a log line, without its password. */
  readonly label: string;
  /**
   * Connects and makes the topology. Rejects with a `FatalError` when trying again cannot help and
   * with anything else when it may. After `signal` whatever comes of it is destroyed.
   */
  open(hooks: LinkHooks, signal: AbortSignal): Promise<Link>;
}
