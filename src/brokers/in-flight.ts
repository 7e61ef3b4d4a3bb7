/**
 * Deliveries that a handler has and has not settled.
 *
 * A delivery is settled by the first of ack, retry and reject; what comes after does nothing. A
 * broker's client is never called twice for one message, and a link that closes can wait until
 * nothing is in flight.
 */
import type { Delivery } from '../../protocols/broker.ts';
import { IdleCount } from './idle-count.ts';

export type DeliveryParts = {
  readonly event: string;
  readonly subscription?: string | undefined;
  readonly id?: string | undefined;
  readonly shard?: number | undefined;
  readonly body: Uint8Array;
  readonly wantsReply: boolean;
  /** Which delivery of the message this is; the first, unless the broker tells otherwise. */
  readonly attempt?: number;
  ack(): void;
  retry(): void;
  reject(reason: string): void;
  reply(body: Uint8Array): Promise<void>;
};

export class InFlight {
  readonly #open = new IdleCount();
  readonly #onSettled: () => void;

  /** `onSettled` is told of each delivery that is settled, when it no longer counts. */
  constructor(onSettled: () => void = () => undefined) {
    this.#onSettled = onSettled;
  }

  get count(): number {
    return this.#open.count;
  }

  /** Counts a delivery until it is settled. */
  enter(parts: DeliveryParts): Delivery {
    this.#open.enter();
    let isSettled = false;
    const once = (settle: () => void) => {
      if (isSettled) return;
      isSettled = true;
      settle();
      this.#open.leave();
      this.#onSettled();
    };
    return {
      event: parts.event,
      subscription: parts.subscription,
      id: parts.id,
      shard: parts.shard,
      body: parts.body,
      wantsReply: parts.wantsReply,
      attempt: parts.attempt ?? 1,
      ack: () => once(() => parts.ack()),
      retry: () => once(() => parts.retry()),
      reject: (reason) => once(() => parts.reject(reason)),
      reply: (body) => parts.reply(body),
    };
  }

  idle(): Promise<void> {
    return this.#open.idle();
  }
}
