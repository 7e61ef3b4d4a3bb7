/**
 * A file that several processes read, change and replace as a whole.
 *
 * Each change happens under the lock beside the file. Those of this process follow one another,
 * even when one takes longer than its caller waits for it; one that was given up before its turn is
 * left out.
 *
 * Failure: a change settles within SESSION_STORE_TIMEOUT_MS, and rejects with a `SpectaclesError`.
 */
import { withDeadline } from '../../../actors/deadline.ts';
import { StoreUnavailableError } from '../../../protocols/errors.ts';
import { SESSION_STORE_TIMEOUT_MS } from '../../../protocols/limits.ts';
import type { Clock } from '../../../protocols/ports.ts';
import { fileError } from './file-errors.ts';
import { withLock } from './file-lock.ts';

export class LockedFile {
  readonly path: string;
  readonly #clock: Clock;
  /** Settles when the latest change has; never rejects. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(path: string, clock: Clock) {
    this.path = path;
    this.#clock = clock;
  }

  /** @param make reads the file and replaces it, while nobody else does */
  async change<Value>(make: () => Promise<Value>): Promise<Value> {
    const { path } = this;
    const clock = this.#clock;
    const ending = new AbortController();
    const work = this.#last.then(() => {
      ending.signal.throwIfAborted();
      return withLock(`${path}.lock`, clock, ending.signal, make);
    });
    this.#last = work.catch(() => undefined);
    const late = () =>
      new StoreUnavailableError(`${path} was not written within ${SESSION_STORE_TIMEOUT_MS} ms`);
    try {
      return await withDeadline(clock, SESSION_STORE_TIMEOUT_MS, work, late);
    } catch (error) {
      ending.abort();
      throw fileError(error, path);
    }
  }
}
