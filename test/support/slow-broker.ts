/**
 * A broker as bad as one may be: it confirms late and out of order, is full now and then, and loses
 * an event when it is told to. It remembers what was written and what it has confirmed.
 */
import type { Broker, EventOrigin, EventWriter } from '../../protocols/broker.ts';
import { UnsupportedByBrokerError } from '../../protocols/errors.ts';
import type { Random } from '../../protocols/ports.ts';
import { systemClock } from '../../src/system-clock.ts';

export type TakenEvent = {
  readonly session: string;
  readonly sequence: number;
  readonly event: string;
  readonly json: string;
};

export type ConfirmedEvent = TakenEvent & { readonly atMs: number };

const CONFIRM_MAX_MS = 40;
const FULL_SHARE = 0.002;
const FULL_MS = 15;

export class SlowBroker implements Broker {
  /** In the order in which they were written. */
  readonly taken: TakenEvent[] = [];
  /** In the order in which they were confirmed. */
  readonly confirmed: ConfirmedEvent[] = [];
  refused = 0;
  /** Whether the next event that is taken will be lost. */
  losesNext = false;
  readonly writer: EventWriter;
  readonly state = 'open';

  constructor(random: Random) {
    this.writer = new SlowWriter(this, random);
  }

  watch(): () => void {
    return () => undefined;
  }

  async publish(): Promise<void> {}

  async call(event: string): Promise<Uint8Array> {
    throw new UnsupportedByBrokerError(`nobody answers ${event} here`);
  }

  async subscribe(): Promise<void> {}

  async unsubscribe(): Promise<void> {}

  async close(): Promise<void> {}
}

class SlowWriter implements EventWriter {
  readonly #broker: SlowBroker;
  readonly #random: Random;
  readonly #routes: string[] = [];
  readonly #waiting = new Set<() => void>();
  #isFull = false;

  constructor(broker: SlowBroker, random: Random) {
    this.#broker = broker;
    this.#random = random;
  }

  route(event: string): number {
    return this.#routes.push(event) - 1;
  }

  write(
    route: number,
    source: Uint8Array,
    start: number,
    end: number,
    origin: EventOrigin,
    sequence: number,
  ): boolean {
    if (!this.#isFull && this.#random() < FULL_SHARE) this.#fill();
    if (this.#isFull) {
      this.#broker.refused++;
      return false;
    }
    const { session } = origin;
    const json = new TextDecoder('utf-8', { fatal: true }).decode(source.subarray(start, end));
    const taken = { session, sequence, event: this.#routes[route] ?? '', json };
    this.#broker.taken.push(taken);
    const isLost = this.#broker.losesNext;
    this.#broker.losesNext = false;
    setTimeout(() => {
      if (isLost) origin.lost(sequence);
      else {
        this.#broker.confirmed.push({ ...taken, atMs: systemClock.nowMs() });
        origin.confirmed(sequence);
      }
    }, this.#random() * CONFIRM_MAX_MS);
    return true;
  }

  onceRoom(listener: () => void): void {
    this.#waiting.add(listener);
  }

  #fill(): void {
    this.#isFull = true;
    setTimeout(() => {
      this.#isFull = false;
      const listeners = [...this.#waiting];
      this.#waiting.clear();
      for (const listener of listeners) listener();
    }, FULL_MS);
  }
}
