/**
 * What is asked of a broker and outlives its channels: subscriptions, and publishes and calls under
 * way.
 *
 * A channel that ends takes nothing of this with it. Its successor consumes every subscription
 * again and performs what is still waiting: a publish whose confirm never came is sent again under
 * the same id, so a broker or a consumer may see it twice and never not at all; a call that was
 * sent is failed at once instead, since nobody can know whether it was carried out.
 *
 * Every operation has a deadline, and there are at most BROKER_OPERATIONS_MAX of them, with bodies
 * of BROKER_OPERATIONS_MAX_BYTES in all.
 */
import type { CallOptions, Delivery, PublishOptions } from '../../protocols/broker.ts';
import {
  BrokerUnavailableError,
  CallTimeoutError,
  PublishTimeoutError,
  type SpectaclesError,
} from '../../protocols/errors.ts';
import {
  BROKER_OPERATIONS_MAX,
  BROKER_OPERATIONS_MAX_BYTES,
  PUBLISH_TIMEOUT_MS,
} from '../../protocols/limits.ts';
import type { Clock, Timer } from '../../protocols/ports.ts';
import type { Link } from './link.ts';

export type DeliveryHandler = (delivery: Delivery) => void;

type Operation = {
  readonly event: string;
  readonly bytes: number;
  /** Performs it on a link. Settles the promise that its caller waits for. */
  perform(link: Link): Promise<void>;
  fail(error: unknown): void;
  /** Whether it goes to the next link when this one is lost before it has answered. */
  readonly repeatable: boolean;
  sent: boolean;
  readonly timer: Timer;
};

/** What makes a publish differ from a call. */
type Work<Value> = {
  readonly timeoutMs: number;
  readonly repeatable: boolean;
  onDeadline(sent: boolean): SpectaclesError;
  perform(link: Link, id: string, signal: AbortSignal): Promise<Value>;
};

export class Desk {
  readonly subscriptions = new Map<string, DeliveryHandler>();
  readonly #operations = new Map<string, Operation>();
  readonly #clock: Clock;
  readonly #makeId: () => string;
  readonly #label: string;
  readonly #wake: () => void;
  /** What no link has been given yet, in the order in which it was asked for. */
  #unsent = new Set<Operation>();
  #isWoken = false;
  #bytes = 0;
  #closed: SpectaclesError | undefined;
  #waiters: { condition: () => boolean; resolve: () => void }[] = [];

  /** `wake` asks for `performWaiting`; once for however much there is to do. */
  constructor(options: {
    clock: Clock;
    makeId: () => string;
    label: string;
    wake: () => void;
  }) {
    this.#clock = options.clock;
    this.#makeId = options.makeId;
    this.#label = options.label;
    this.#wake = options.wake;
  }

  publish(event: string, body: Uint8Array, options: PublishOptions): Promise<void> {
    return this.#take(event, body.length, {
      timeoutMs: PUBLISH_TIMEOUT_MS,
      repeatable: true,
      onDeadline: (sent) =>
        sent ? new PublishTimeoutError(event, PUBLISH_TIMEOUT_MS) : this.#unavailable(event),
      perform: (link, id) => link.publish(event, body, id, options),
    });
  }

  call(event: string, body: Uint8Array, options: CallOptions): Promise<Uint8Array> {
    return this.#take(event, body.length, {
      timeoutMs: options.timeoutMs,
      repeatable: false,
      onDeadline: (sent) =>
        sent ? new CallTimeoutError(event, options.timeoutMs) : this.#unavailable(event),
      perform: (link, id, signal) => link.call(event, body, id, options, signal),
    });
  }

  /** Performs everything that waits, in the order in which it was asked for. */
  performWaiting(link: Link): void {
    this.#isWoken = false;
    const waiting = this.#unsent;
    this.#unsent = new Set();
    for (const operation of waiting) {
      operation.sent = true;
      void operation.perform(link);
    }
    this.#wakeWaiters();
  }

  /** The link is gone: what can be repeated waits for the next one, the rest fails. */
  linkLost(): void {
    const repeated = [...this.#operations.values()].filter((operation) => operation.sent);
    const waiting = this.#unsent;
    this.#unsent = new Set();
    for (const operation of repeated) {
      operation.sent = false;
      if (operation.repeatable) this.#unsent.add(operation);
      else operation.fail(this.#unavailable(operation.event));
    }
    for (const operation of waiting) this.#unsent.add(operation);
  }

  /** Fails everything with `error`, now and from now on. */
  close(error: SpectaclesError): void {
    this.#closed ??= error;
    for (const operation of this.#operations.values()) operation.fail(error);
  }

  /** Takes nothing on any more; what waits goes on. */
  refuseNew(error: SpectaclesError): void {
    this.#closed ??= error;
  }

  /** Resolves when nothing waits for a link any more. */
  allSent(): Promise<void> {
    return this.#when(() => this.#unsent.size === 0);
  }

  /** Resolves when nothing waits that was sent; what was not sent needs another link. */
  sentIdle(): Promise<void> {
    return this.#when(() => ![...this.#operations.values()].some((operation) => operation.sent));
  }

  #fits(bytes: number): boolean {
    const { size } = this.#operations;
    return (
      size < BROKER_OPERATIONS_MAX &&
      (size === 0 || this.#bytes + bytes <= BROKER_OPERATIONS_MAX_BYTES)
    );
  }

  #when(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiters.push({ condition, resolve });
    });
  }

  #take<Value>(event: string, bytes: number, work: Work<Value>): Promise<Value> {
    if (this.#closed) return Promise.reject(this.#closed);
    if (!this.#fits(bytes)) {
      return Promise.reject(
        new BrokerUnavailableError(
          `${this.#operations.size} messages wait for ${this.#label} already; ${event} was not taken`,
        ),
      );
    }
    const { timeoutMs, repeatable } = work;
    const id = this.#makeId();
    return new Promise<Value>((resolve, reject) => {
      const abort = new AbortController();
      const operation: Operation = {
        event,
        bytes,
        repeatable,
        sent: false,
        timer: this.#clock.setTimer(timeoutMs, () =>
          operation.fail(work.onDeadline(operation.sent)),
        ),
        fail: (error) => {
          if (!this.#drop(id, operation)) return;
          abort.abort();
          reject(error);
        },
        perform: (link) =>
          work.perform(link, id, abort.signal).then(
            (value) => {
              if (this.#drop(id, operation)) resolve(value);
            },
            (error: unknown) => {
              // The loss of the link is decided on in `linkLost`, which follows.
              if (error instanceof BrokerUnavailableError && repeatable) return;
              operation.fail(error);
            },
          ),
      };
      this.#operations.set(id, operation);
      this.#bytes += bytes;
      this.#unsent.add(operation);
      if (this.#isWoken) return;
      this.#isWoken = true;
      this.#wake();
    });
  }

  #drop(id: string, operation: Operation): boolean {
    if (this.#operations.get(id) !== operation) return false;
    this.#operations.delete(id);
    this.#bytes -= operation.bytes;
    this.#unsent.delete(operation);
    operation.timer.cancel();
    this.#wakeWaiters();
    return true;
  }

  #wakeWaiters(): void {
    this.#waiters = this.#waiters.filter(({ condition, resolve }) => {
      if (!condition()) return true;
      resolve();
      return false;
    });
  }

  #unavailable(event: string): BrokerUnavailableError {
    return new BrokerUnavailableError(`${this.#label} is away; ${event} was not delivered`);
  }
}
