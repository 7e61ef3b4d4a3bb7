/**
 * What this process knows of the entries it was given, from one link to the next.
 *
 * Purpose: a lost connection must neither repeat what a handler has at hand nor forget what it has
 * done. Pending entries belong to the consumer and outlive its connections, so this does too.
 *
 * Inner workings: an entry is held from its delivery until it is settled. What settles it is
 * performed by the link there is; without one, or when the link goes before the server has
 * answered, it is kept and performed by the next one. It also remembers the youngest entry seen of
 * each stream, for groups that vanish.
 *
 * Failure modes: above REDIS_SETTLEMENTS_MAX a settlement is dropped and counted, and its entry is
 * delivered again. A handler that has not settled an entry for REDIS_HANDLER_MAX_MS loses it.
 */
import type { Delivery } from '../../protocols/broker.ts';
import { BrokerUnavailableError } from '../../protocols/errors.ts';
import { REDIS_SEEN_STREAMS_MAX, REDIS_SETTLEMENTS_MAX } from '../../protocols/limits.ts';
import { compareIds, type StreamEntry } from '../../protocols/wire/redis-stream.ts';
import { InFlight } from './in-flight.ts';
import type { RedisCounter } from './redis-counts.ts';

/** The end of an entry: acked, or moved to the dead letters for a reason. */
export type Settlement = {
  readonly event: string;
  readonly id: string;
  readonly deliveries: number;
  readonly deadReason: string | undefined;
  /** Whoever handled it refused it, and has told of it. */
  readonly isRefused?: boolean;
};

export type HeldEntry = {
  readonly event: string;
  readonly id: string;
  readonly deliveries: number;
  readonly sinceMs: number;
};

/** What a link does for the ledger while it is there. */
export interface LedgerLink {
  /**
   * Resolves when the server has taken it, or refused it for good; rejects when the link is lost.
   */
  settle(settlement: Settlement): Promise<void>;
  /** Delivers it once more, a little later. False when too many wait for that: it stays pending. */
  retryLater(entry: HeldEntry): boolean;
  answer(entry: HeldEntry, body: Uint8Array): Promise<void>;
  /** There may be room for more deliveries. */
  room(): void;
}

function keyOf(event: string, id: string): string {
  return `${event}\n${id}`;
}

export class RedisLedger {
  readonly #count: RedisCounter;
  readonly #label: string;
  readonly #inFlight: InFlight;
  readonly #held = new Map<string, Map<string, HeldEntry>>();
  readonly #settlements = new Map<string, Settlement>();
  readonly #lastSeen = new Map<string, string>();
  /** Events that have been consumed before, and whose subscribers need no telling any more. */
  readonly consumed = new Set<string>();
  #link: LedgerLink | undefined;

  constructor(label: string, count: RedisCounter) {
    this.#label = label;
    this.#count = count;
    this.#inFlight = new InFlight(() => this.#link?.room());
  }

  /** Deliveries that handlers have and have not settled. */
  get inHand(): number {
    return this.#inFlight.count;
  }

  /** Resolves when handlers have nothing. */
  idle(): Promise<void> {
    return this.#inFlight.idle();
  }

  /** Gives the link what waits for one. Until `detach` it gets everything else at once. */
  attach(link: LedgerLink): void {
    this.#link = link;
    for (const settlement of this.#settlements.values()) this.#perform(link, settlement);
  }

  detach(link: LedgerLink): void {
    if (this.#link === link) this.#link = undefined;
  }

  /**
   * Whether a handler has the entry, or it is about to be settled: then it must not be delivered.
   */
  has(event: string, id: string): boolean {
    return (
      this.#held.get(event)?.has(id) === true || this.#settlements.has(keyOf(event, id)) === true
    );
  }

  get heldEvents(): readonly string[] {
    return [...this.#held.keys()];
  }

  heldOf(event: string): readonly HeldEntry[] {
    return [...(this.#held.get(event)?.values() ?? [])];
  }

  /** It is not ours to keep any more; whoever has it may go on. */
  release(event: string, id: string): void {
    const entries = this.#held.get(event);
    entries?.delete(id);
    if (entries?.size === 0) this.#held.delete(event);
  }

  see(event: string, id: string): void {
    const before = this.#lastSeen.get(event);
    if (before !== undefined && compareIds(id, before) <= 0) return;
    if (before === undefined && this.#lastSeen.size >= REDIS_SEEN_STREAMS_MAX) return;
    this.#lastSeen.set(event, id);
  }

  /** The youngest entry of the stream that was delivered here. */
  lastSeen(event: string): string | undefined {
    return this.#lastSeen.get(event);
  }

  /** Takes an entry in hand, as what a handler is given. */
  hold(entry: StreamEntry, body: Uint8Array, deliveries: number, nowMs: number): Delivery {
    const { event, id } = entry;
    const held: HeldEntry = { event, id, deliveries, sinceMs: nowMs };
    const entries = this.#held.get(event) ?? new Map<string, HeldEntry>();
    this.#held.set(event, entries.set(id, held));
    return this.#inFlight.enter({
      event,
      id: entry.messageId,
      shard: entry.shard,
      body,
      attempt: deliveries,
      // Nothing in an entry says whether its sender waits for an answer.
      wantsReply: true,
      ack: () => this.settle({ event, id, deliveries, deadReason: undefined }),
      retry: () => {
        if (this.#link?.retryLater(held) !== true) this.release(event, id);
      },
      reject: (deadReason) => this.settle({ event, id, deliveries, deadReason, isRefused: true }),
      reply: async (body) => {
        if (this.#link === undefined) {
          throw new BrokerUnavailableError(`${this.#label} is away; the answer was not sent`);
        }
        await this.#link.answer(held, body);
      },
    });
  }

  settle(settlement: Settlement): void {
    const { event, id } = settlement;
    this.release(event, id);
    const key = keyOf(event, id);
    if (this.#settlements.size >= REDIS_SETTLEMENTS_MAX && !this.#settlements.has(key)) {
      this.#count('settlements-dropped', event, 1);
      return;
    }
    this.#settlements.set(key, settlement);
    if (this.#link) this.#perform(this.#link, settlement);
  }

  #perform(link: LedgerLink, settlement: Settlement): void {
    const key = keyOf(settlement.event, settlement.id);
    link.settle(settlement).then(
      () => {
        if (this.#settlements.get(key) === settlement) this.#settlements.delete(key);
      },
      () => {
        // The link is lost, and its successor is given it again.
      },
    );
  }
}
