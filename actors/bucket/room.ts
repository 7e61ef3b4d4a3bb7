/** Who of those that wait could be sent now: one look at the ledger for each account. */
import type { Ledger, Load } from './ledger.ts';
import * as ledgers from './ledger.ts';
import { type BucketState, inTheAir, keysOf, type Queue, type Waiting } from './state.ts';

/**
 * How much room there is now, account by account: each is looked up once, and opened if it is new.
 */
export class Room {
  ledger: Ledger;
  readonly #state: BucketState;
  /** Counted when it is first asked for: where nobody waits it never is. */
  #load: Load | null = null;
  readonly #nowMs: number;
  /** Made when it is first needed, like the load. */
  #byKey: Map<string, number> | null = null;

  constructor(state: BucketState, nowMs: number) {
    this.ledger = state.ledger;
    this.#state = state;
    this.#nowMs = nowMs;
  }

  for(one: Waiting): number {
    let least = Number.POSITIVE_INFINITY;
    for (const key of one.keys ?? keysOf(one, this.#nowMs)) {
      least = Math.min(least, this.#of(one.route, key));
    }
    return least;
  }

  #of(route: string, key: string): number {
    const known = this.#byKey?.get(key);
    if (known !== undefined) return known;
    this.ledger = ledgers.open(this.ledger, route, key, this.#nowMs, this.#state.siblings);
    this.#load ??= ledgers.loadOf(this.#state.ledger, inTheAir(this.#state));
    const { share, ahead } = this.#state;
    const most = ledgers.room(this.ledger, key, this.#load, this.#nowMs, share);
    // One for each proxy that has waited longer, or the nearest to the store would always be first.
    const room = most - (ahead.get(key) ?? 0);
    this.#byKey ??= new Map();
    this.#byKey.set(key, room);
    return room;
  }

  /** The first of a queue that could be sent now. */
  firstOf({ entries }: Queue): Waiting | null {
    const [first] = entries;
    if (first === undefined) return null;
    // Without classes all of a queue have the same room.
    if (first.rule.by === 'route') return this.for(first) >= 1 ? first : null;
    return entries.find((one) => this.for(one) >= 1) ?? null;
  }

  /** Whether all of a queue could be sent now, if nobody else is. */
  isEnoughFor(queue: Queue): boolean {
    const { length } = queue.entries;
    return this.usefulIn(queue, length) === length;
  }

  /** How many of a queue could be sent now, if nobody else is, up to `most`. */
  usefulIn({ entries }: Queue, most: number): number {
    const [first] = entries;
    if (first === undefined) return 0;
    if (first.rule.by === 'route') return Math.min(entries.length, this.for(first), most);
    const left = new Map<string, number>();
    let useful = 0;
    for (const one of entries) {
      if (useful >= most) break;
      const keys = one.keys ?? keysOf(one, this.#nowMs);
      const room = Math.min(...keys.map((key) => left.get(key) ?? this.#of(one.route, key)));
      if (room < 1) continue;
      for (const key of keys) left.set(key, (left.get(key) ?? this.#of(one.route, key)) - 1);
      useful += 1;
    }
    return useful;
  }
}
