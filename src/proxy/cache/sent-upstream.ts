/**
 * The way to Discord, which also tells when a request sets out.
 *
 * Until that moment its answer cannot be older than whatever has happened, so that anybody who asks
 * for the same may still wait for it.
 */
import type { RestRequest, Sending, Upstream } from '../../../protocols/proxy.ts';

export class SentUpstream implements Upstream {
  readonly #upstream: Upstream;
  readonly #listeners = new WeakMap<RestRequest, () => void>();

  constructor(upstream: Upstream) {
    this.#upstream = upstream;
  }

  /** Calls `listener` each time that this very request is sent. */
  whenSent(request: RestRequest, listener: () => void): void {
    this.#listeners.set(request, listener);
  }

  send(request: RestRequest): Sending {
    this.#listeners.get(request)?.();
    return this.#upstream.send(request);
  }

  close(): Promise<void> {
    return this.#upstream.close();
  }
}
