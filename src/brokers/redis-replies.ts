/**
 * Answers to calls over Redis: Pub/Sub messages on `event:id`, where `id` is the call's stream
 * entry.
 *
 * Purpose: an answer that comes while somebody waits for it is never missed.
 *
 * Inner workings: the id is known only when XADD has answered, and a fast responder may have
 * replied by then. So a pattern subscription to all answers of the event stands before the first
 * call of it is sent, and an answer that comes before its id is known is parked. The price is to
 * see the answers to other callers of the same event, which are dropped. The Go client publishes
 * answers on `eventid`, without the colon; those are heard if `goReplies` asks for it, for one more
 * pattern an event.
 *
 * Failure modes: Pub/Sub keeps nothing, so what is sent while the connection is away is gone: its
 * end is the end of the link, which fails every call at once. REDIS_PARKED_REPLIES_MAX answers are
 * parked, and REDIS_CALLED_EVENTS_MAX events listened for; beyond, the oldest goes. A late answer
 * finds nobody.
 */
import type { Redis } from 'ioredis';
import { REDIS_CALLED_EVENTS_MAX, REDIS_PARKED_REPLIES_MAX } from '../../protocols/limits.ts';

export type RedisRepliesOptions = {
  /** Connects; called with the first call and not before. */
  readonly open: () => Promise<Redis>;
  readonly goReplies: boolean;
};

type CalledEvent = {
  readonly subscribed: Promise<unknown>;
  calls: number;
};

/** Event names are taken literally, whatever glob characters they hold. */
function patterns(event: string, goReplies: boolean): string[] {
  const literal = event.replace(/[\\*?[\]]/g, '\\$&');
  return goReplies ? [`${literal}:*`, `${literal}[0-9]*-*`] : [`${literal}:*`];
}

/**
 * A channel without its colon, as the Go client would write it, since nothing else is told apart.
 */
function withoutColon(channel: string): string {
  const colon = channel.lastIndexOf(':');
  return colon === -1 ? channel : channel.slice(0, colon) + channel.slice(colon + 1);
}

export class RedisReplies {
  readonly #options: RedisRepliesOptions;
  /** By event; the least recently called first. */
  readonly #called = new Map<string, CalledEvent>();
  readonly #waiting = new Map<string, (body: Uint8Array) => void>();
  readonly #parked = new Map<string, Uint8Array>();
  #redis: Promise<Redis> | undefined;
  #sending = 0;

  constructor(options: RedisRepliesOptions) {
    this.#options = options;
  }

  /** What is remembered for calls, which must be nothing when nobody waits. */
  get remembered(): number {
    return this.#waiting.size + this.#parked.size;
  }

  /** Sends a call by `send`, which returns its id, and waits for the answer until `signal`. */
  async await(
    event: string,
    send: () => Promise<string>,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const called = await this.#listen(event);
    called.calls++;
    try {
      await called.subscribed;
      signal.throwIfAborted();
      return await this.#sendAndWait(event, send, signal);
    } finally {
      called.calls--;
    }
  }

  async #sendAndWait(
    event: string,
    send: () => Promise<string>,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    this.#sending++;
    let key: string;
    try {
      key = withoutColon(`${event}:${await send()}`);
      const early = this.#parked.get(key);
      if (early) return early;
    } finally {
      this.#sending--;
      if (this.#sending === 0) this.#parked.clear();
    }
    return new Promise((resolve, reject) => {
      const abandon = () => {
        this.#waiting.delete(key);
        reject(signal.reason);
      };
      if (signal.aborted) {
        abandon();
        return;
      }
      signal.addEventListener('abort', abandon, { once: true });
      this.#waiting.set(key, (body) => {
        this.#waiting.delete(key);
        signal.removeEventListener('abort', abandon);
        resolve(body);
      });
    });
  }

  async #listen(event: string): Promise<CalledEvent> {
    this.#redis ??= this.#connect();
    const redis = await this.#redis;
    const known = this.#called.get(event);
    const called = known ?? {
      subscribed: redis.psubscribe(...patterns(event, this.#options.goReplies)),
      calls: 0,
    };
    // What is put in last is the most recent.
    this.#called.delete(event);
    this.#called.set(event, called);
    if (known === undefined) this.#giveUpOldest(redis);
    return called;
  }

  #giveUpOldest(redis: Redis): void {
    if (this.#called.size <= REDIS_CALLED_EVENTS_MAX) return;
    for (const [event, { calls }] of this.#called) {
      if (calls > 0) continue;
      this.#called.delete(event);
      // If it fails the connection is gone, and the subscription with it.
      redis.punsubscribe(...patterns(event, this.#options.goReplies)).catch(() => undefined);
      return;
    }
  }

  async #connect(): Promise<Redis> {
    const redis = await this.#options.open();
    redis.on('pmessageBuffer', (_pattern: Buffer, channel: Buffer, body: Buffer) => {
      this.#receive(withoutColon(channel.toString()), body);
    });
    return redis;
  }

  #receive(key: string, body: Uint8Array): void {
    const waiting = this.#waiting.get(key);
    if (waiting) {
      waiting(body);
      return;
    }
    if (this.#sending === 0) return;
    this.#parked.set(key, body);
    if (this.#parked.size <= REDIS_PARKED_REPLIES_MAX) return;
    const oldest = this.#parked.keys().next().value;
    if (oldest !== undefined) this.#parked.delete(oldest);
  }
}
