/**
 * What the rest of the project asks of a message broker, whichever one it is.
 *
 * Two ways in. The data plane writes dispatch events through an `EventWriter`: prepared routes,
 * byte ranges, no object and no promise per event. Everything rarer goes through `Broker`, with
 * promises.
 */

/**
 * Where a run of events comes from: one shard's session. It lives as long as the session does and
 * is told what became of each event, so that the session's resume point can follow the confirms.
 */
export interface EventOrigin {
  readonly shard: number;
  /** Discord's session id; with the sequence it makes the stable id `session:seq`. */
  readonly session: string;
  /** The broker has taken responsibility for the event. Calls may come out of order. */
  confirmed(sequence: number): void;
  /** The event was taken but will not be delivered; Discord must be asked for it again. */
  lost(sequence: number): void;
}

export interface EventWriter {
  /** Prepares the destination of events named `event`; once, before the first write to it. */
  route(event: string): number;
  /**
   * Takes over one event: `source[start, end)` holds Discord's JSON bytes of `d` and may be reused
   * as soon as this returns. Returns false, having taken nothing, when the writer is full or the
   * broker is away; otherwise `origin.confirmed` or `origin.lost` follows exactly once.
   */
  write(
    route: number,
    source: Uint8Array,
    start: number,
    end: number,
    origin: EventOrigin,
    sequence: number,
  ): boolean;
  /**
   * Calls `listener` once, when a writer that was refused may try again: there is room, or the
   * broker is back. The same function asked for twice is called once.
   */
  onceRoom(listener: () => void): void;
}

/** One message on its way to a handler. Exactly one of ack, retry and reject counts: the first. */
export interface Delivery {
  readonly event: string;
  /** The event whose subscriber gets it, where that is not its own. */
  readonly subscription?: string | undefined;
  /**
   * The sender's name for the message, where it has one; a repeat carries the same, so it can be
   * told.
   */
  readonly id?: string | undefined;
  /** The shard that an event of a gateway comes from, where the transport tells. */
  readonly shard?: number | undefined;
  readonly body: Uint8Array;
  /** Whether the sender waits for an answer. */
  readonly wantsReply: boolean;
  /** Which delivery of this message this is, as far as the broker tells: 1 is the first. */
  readonly attempt: number;
  ack(): void;
  /** Hands the message back to be delivered again. */
  retry(): void;
  /**
   * Refuses the message for good; it goes to the dead letters where there are any. Whoever refuses
   * a message tells of it: the broker itself logs only what it refused itself.
   */
  reject(reason: string): void;
  reply(body: Uint8Array): Promise<void>;
}

export interface PublishOptions {
  /** After this the message may be dropped unread. */
  readonly expirationMs?: number;
  /**
   * Fails with an `UnroutableError` if nobody has ever subscribed, where the transport can tell.
   */
  readonly mandatory?: boolean;
  /**
   * Whether it should live through a restart of the broker, where the transport lets one choose.
   */
  readonly persistent?: boolean;
}

export interface CallOptions {
  /** The whole wait for the answer. */
  readonly timeoutMs: number;
  /** As for a publish; RabbitMQ and brokers without a server are always asked. */
  readonly mandatory?: boolean;
}

/** Whether events can be written now. */
export type BrokerState = 'open' | 'away';

export interface Broker {
  readonly writer: EventWriter;
  readonly state: BrokerState;
  /** Tells `listener` of each change of `state`, until the returned function is called. */
  watch(listener: (state: BrokerState) => void): () => void;
  /** Resolves when the broker has confirmed the message. */
  publish(event: string, body: Uint8Array, options?: PublishOptions): Promise<void>;
  /** Publishes and waits for the answer. */
  call(event: string, body: Uint8Array, options: CallOptions): Promise<Uint8Array>;
  /** Starts consuming `event`, competing with every consumer of the same group. */
  subscribe(event: string, handler: (delivery: Delivery) => void): Promise<void>;
  unsubscribe(event: string): Promise<void>;
  /**
   * Takes nothing more, waits for confirms and for handlers within its deadline, and disconnects.
   */
  close(): Promise<void>;
}
