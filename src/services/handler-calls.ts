/**
 * The requests that a handler makes in the process of its proxy, so that a stop does not overtake
 * them.
 *
 * A proxy that stops takes no more requests, and what was on its way to it would have no answer. So
 * `close` comes first: it lets what is under way land, and what follows from it, within
 * RUN_DRAIN_MS. What takes longer has reached the proxy by then, which waits for it. After that
 * nothing is taken: a request is refused at once with a BrokerUnavailableError.
 */
import { within } from '../../actors/deadline.ts';
import { BrokerUnavailableError } from '../../protocols/errors.ts';
import { RUN_DRAIN_MS } from '../../protocols/limits.ts';
import type { Clock } from '../../protocols/ports.ts';
import type { RestBroker } from '../client/rest.ts';

export class HandlerCalls implements RestBroker {
  readonly #broker: RestBroker;
  #open = 0;
  #isClosed = false;
  #tellIdle: () => void = () => undefined;

  constructor(broker: RestBroker) {
    this.#broker = broker;
  }

  async call(
    event: string,
    data: unknown,
    options?: { readonly timeout?: number },
  ): Promise<unknown> {
    if (this.#isClosed) {
      throw new BrokerUnavailableError('the process is stopping; the request was not sent');
    }
    this.#open++;
    try {
      return await this.#broker.call(event, data, options);
    } finally {
      this.#open--;
      this.#lookAround();
    }
  }

  async close(clock: Clock): Promise<void> {
    const idle = new Promise<void>((resolve) => {
      this.#tellIdle = resolve;
    });
    this.#lookAround();
    await within(clock, RUN_DRAIN_MS, idle);
    this.#isClosed = true;
  }

  /** A turn later, since whoever has its answer may have one more request to make. */
  #lookAround(): void {
    setImmediate(() => {
      if (this.#open === 0) this.#tellIdle();
    });
  }
}
