/**
 * A Redis that is asked now and then, for what the gateway stores there: one connection to a
 * server, or one to each master of a cluster.
 *
 * It connects when it is asked, and stays connected. Whatever goes wrong ends the connection, and
 * the next question opens another: there is nothing to be repeated behind the back of whoever asks.
 * An answer that does not come in time ends it too, so that no later question waits behind it.
 */
import { withDeadline } from '../../../actors/deadline.ts';
import {
  FatalError,
  type SpectaclesError,
  StoreUnavailableError,
} from '../../../protocols/errors.ts';
import { SESSION_STORE_TIMEOUT_MS } from '../../../protocols/limits.ts';
import type { Clock } from '../../../protocols/ports.ts';
import { isReplyError, type RedisPlace, redisError } from '../../brokers/redis-connection.ts';
import { RedisTopologies } from '../../brokers/redis-topologies.ts';
import type { RedisTopology } from '../../brokers/redis-topology.ts';

type Attempt = { readonly topology: Promise<RedisTopology>; readonly end: AbortController };

export class RedisDoor {
  readonly label: string;
  readonly #topologies: RedisTopologies;
  readonly #clock: Clock;
  #attempt: Attempt | undefined;

  constructor(place: RedisPlace, clock: Clock) {
    this.label = place.label;
    this.#topologies = new RedisTopologies(place, clock, { carriesEvents: false });
    this.#clock = clock;
  }

  /** Connects, if it is not connected. */
  async reach(): Promise<void> {
    await this.#ask(async () => undefined);
  }

  /**
   * Runs a script whose only key is `key`. Settles within SESSION_STORE_TIMEOUT_MS; rejects with a
   * `FatalError` when only a person can heal what is wrong.
   */
  async run(script: string, key: string, values: readonly string[]): Promise<unknown> {
    try {
      return await this.#ask((topology) => topology.nodeOf(key).run(script, [key], values));
    } catch (error) {
      throw this.#readable(error, key);
    }
  }

  close(): void {
    if (this.#attempt !== undefined) this.#drop(this.#attempt);
  }

  async #ask<Value>(question: (topology: RedisTopology) => Promise<Value>): Promise<Value> {
    this.#attempt ??= this.#connect();
    const attempt = this.#attempt;
    const late = () =>
      new StoreUnavailableError(`${this.label} gave no answer for ${SESSION_STORE_TIMEOUT_MS} ms`);
    try {
      const answer = attempt.topology.then(question);
      return await withDeadline(this.#clock, SESSION_STORE_TIMEOUT_MS, answer, late);
    } catch (error) {
      this.#drop(attempt);
      throw error;
    }
  }

  #connect(): Attempt {
    const end = new AbortController();
    const attempt: Attempt = {
      end,
      topology: this.#topologies.open(end.signal, () => this.#drop(attempt)),
    };
    return attempt;
  }

  #drop(attempt: Attempt): void {
    if (this.#attempt === attempt) this.#attempt = undefined;
    attempt.end.abort();
    attempt.topology.then(
      (topology) => topology.destroy(),
      () => undefined,
    );
  }

  #readable(error: unknown, key: string): SpectaclesError {
    if (isReplyError(error) && error.message.includes('WRONGTYPE')) {
      return new FatalError(
        `${this.label}: the key ${key} is of another kind: delete it, or choose another shard_store.prefix`,
        { cause: error },
      );
    }
    return redisError(error, this.label);
  }
}
