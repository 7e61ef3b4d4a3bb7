/**
 * The way to Discord, which also tells when a request sets out.
 *
 * Until that moment its answer cannot be older than whatever has happened, so that anybody who asks
 * for the same may still wait for it.
 *
 * Who is to be told goes with the request, and not in a map of those under way: what V8 leaves
 * behind of a map that grows and shrinks all the time keeps requests alive, with their answers,
 * until the next slow collection.
 */
import type { RestRequest, Sending, Upstream } from '../../../protocols/proxy.ts';

const TELL = Symbol('tells that it is sent');

type Telling = RestRequest & { readonly [TELL]?: () => void };

/** The same request, which calls `listener` each time that it is sent. */
export function whenSent(request: RestRequest, listener: () => void): RestRequest {
  const telling: Telling = { ...request, [TELL]: listener };
  return telling;
}

export class SentUpstream implements Upstream {
  readonly #upstream: Upstream;

  constructor(upstream: Upstream) {
    this.#upstream = upstream;
  }

  send(request: Telling, written: () => void): Sending {
    request[TELL]?.();
    return this.#upstream.send(request, written);
  }

  close(): Promise<void> {
    return this.#upstream.close();
  }
}
