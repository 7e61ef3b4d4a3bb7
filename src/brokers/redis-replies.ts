/**
 * Answers to calls over Redis: Pub/Sub messages on `event:id`, where `id` is the call's stream entry.
 *
 * The id is known only when XADD has answered, and a fast responder may have replied by then. So a
 * pattern subscription to all answers of the event stands before the first call of it is sent, and an
 * answer that comes before its id is known is parked, up to REDIS_PARKED_REPLIES_MAX. The price is to
 * see the answers to other callers of the same event, which are dropped.
 */
import type { Redis } from 'ioredis';
import { REDIS_PARKED_REPLIES_MAX } from '../../protocols/limits.ts';

/** Event names are taken literally, whatever glob characters they hold. */
function pattern(event: string): string {
  return `${event.replace(/[\\*?[\]]/g, '\\$&')}:*`;
}

export class RedisReplies {
  readonly #open: () => Promise<Redis>;
  readonly #subscribed = new Map<string, Promise<unknown>>();
  readonly #waiting = new Map<string, (body: Uint8Array) => void>();
  readonly #parked = new Map<string, Uint8Array>();
  #redis: Promise<Redis> | undefined;
  #sending = 0;

  /** `open` connects; it is called with the first call and not before. */
  constructor(open: () => Promise<Redis>) {
    this.#open = open;
  }

  /** Sends a call by `send`, which returns its id, and waits for the answer until `signal`. */
  async await(
    event: string,
    send: () => Promise<string>,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    await this.#subscribe(event);
    this.#sending++;
    let channel: string;
    let early: Uint8Array | undefined;
    try {
      channel = `${event}:${await send()}`;
      early = this.#parked.get(channel);
      if (early) return early;
    } finally {
      this.#sending--;
      if (this.#sending === 0) this.#parked.clear();
    }
    return new Promise((resolve, reject) => {
      const abandon = () => {
        this.#waiting.delete(channel);
        reject(signal.reason);
      };
      if (signal.aborted) {
        abandon();
        return;
      }
      signal.addEventListener('abort', abandon, { once: true });
      this.#waiting.set(channel, (body) => {
        this.#waiting.delete(channel);
        signal.removeEventListener('abort', abandon);
        resolve(body);
      });
    });
  }

  async #subscribe(event: string): Promise<void> {
    this.#redis ??= this.#connect();
    const redis = await this.#redis;
    let subscribed = this.#subscribed.get(event);
    if (subscribed === undefined) {
      subscribed = redis.psubscribe(pattern(event));
      this.#subscribed.set(event, subscribed);
    }
    await subscribed;
  }

  async #connect(): Promise<Redis> {
    const redis = await this.#open();
    redis.on('pmessageBuffer', (_pattern: Buffer, channel: Buffer, body: Buffer) => {
      this.#receive(channel.toString(), body);
    });
    return redis;
  }

  #receive(channel: string, body: Uint8Array): void {
    const waiting = this.#waiting.get(channel);
    if (waiting) {
      waiting(body);
      return;
    }
    if (this.#sending === 0) return;
    this.#parked.set(channel, body);
    if (this.#parked.size <= REDIS_PARKED_REPLIES_MAX) return;
    const oldest = this.#parked.keys().next().value;
    if (oldest !== undefined) this.#parked.delete(oldest);
  }
}
