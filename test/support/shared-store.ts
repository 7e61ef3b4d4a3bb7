/**
 * A store of shared limits in memory, on virtual time: what an exchange does as a plain function, which
 * the script for Redis is held to, and a `SharedLimits` over it with a network that takes its time.
 */
import {
  SHARED_ANSWER_MS,
  SHARED_HEARTBEAT_MS,
  SHARED_WAIT_KEPT_MS,
} from '../../protocols/limits.ts';
import type { Clock, Random, Timer } from '../../protocols/ports.ts';
import type { Answer, Offer, SharedLimits, SharedStanding } from '../../protocols/shared-limits.ts';
import { shareAlone, shareTogether } from '../../src/proxy/limits/fleet.ts';

type Waiting = { readonly sinceMs: number; readonly keptMs: number; readonly what: string };

export type StoredPlace = {
  readonly version: string;
  readonly text: string | null;
  readonly waiting: ReadonlyMap<string, Waiting>;
};

export const NOTHING_STORED: StoredPlace = { version: '', text: null, waiting: new Map() };

/** Returns what is stored then, the answer, and whom to tell. */
export function exchangeIn(
  place: StoredPlace,
  proxy: string,
  offer: Offer,
  nowMs: number,
): readonly [StoredPlace, Answer, readonly string[]] {
  const kept = place.version === offer.expected;
  const waiting = new Map([...place.waiting].filter(([, one]) => one.keptMs > nowMs));
  const before = place.waiting.get(proxy);
  waiting.delete(proxy);
  const others = [...waiting];
  let sinceMs = Number.POSITIVE_INFINITY;
  if (offer.waitsFor !== null) {
    sinceMs = before === undefined || (kept && offer.hadTurn) ? nowMs : before.sinceMs;
    const keptMs = nowMs + SHARED_WAIT_KEPT_MS;
    waiting.set(proxy, { sinceMs, keptMs, what: offer.waitsFor });
  }
  const ahead = others
    .filter(([other, one]) => one.sinceMs < sinceMs || (one.sinceMs === sinceMs && other < proxy))
    .map(([, { what }]) => what);
  if (!kept || offer.next === null) {
    const text = kept ? null : place.text;
    return [{ ...place, waiting }, { kept, version: place.version, text, ahead }, []];
  }
  const { version, text } = offer.next;
  const told = others.map(([other]) => other);
  return [{ version, text, waiting }, { kept, version, text: null, ahead }, told];
}

export class MemoryStore {
  readonly clock: Clock;
  readonly places = new Map<string, StoredPlace>();
  readonly limits: MemoryLimits[] = [];
  /** When each proxy was last heard of. */
  readonly seen = new Map<string, number>();
  exchanges = 0;
  conflicts = 0;
  memory = 1;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  exchange(name: string, proxy: string, offer: Offer): Answer {
    const place = this.places.get(name) ?? NOTHING_STORED;
    const [next, answer, told] = exchangeIn(place, proxy, offer, this.clock.nowMs());
    this.exchanges += 1;
    if (!answer.kept) this.conflicts += 1;
    this.places.set(name, next);
    for (const limits of this.limits) if (told.includes(limits.proxy)) limits.hear(name);
    return answer;
  }

  /** As a server that is started anew without what it had. */
  lose(): void {
    this.places.clear();
    this.seen.clear();
    this.memory += 1;
  }
}

export type MemoryLimitsOptions = {
  readonly proxy: string;
  readonly firstRequest: number;
  readonly random: Random;
  /** The longest way to the store. */
  readonly wayMs: number;
  /** The store's time less that of this proxy. */
  readonly skewMs: number;
  /** The part of the store's words that never arrive. */
  readonly wordLoss: number;
};

export class MemoryLimits implements SharedLimits {
  readonly proxy: string;
  readonly firstRequest: number;
  readonly offsetMs: number;
  readonly errorMs = 1;
  standing: SharedStanding = { together: true, share: 1, joined: 1, forgotten: 0, proxies: 1 };
  readonly #store: MemoryStore;
  readonly #options: MemoryLimitsOptions;
  readonly #watchers = new Map<string, Set<() => void>>();
  #others = new Map<string, number>();
  #joinedMs: number;
  #memory: number;
  #beat: Timer | undefined;

  constructor(store: MemoryStore, options: MemoryLimitsOptions) {
    this.#store = store;
    this.#options = options;
    this.proxy = options.proxy;
    this.firstRequest = options.firstRequest;
    this.offsetMs = options.skewMs;
    this.#joinedMs = store.clock.nowMs();
    this.#memory = store.memory;
    store.limits.push(this);
    this.#greet();
  }

  exchange(place: string, offer: Offer): Promise<Answer | null> {
    const { clock } = this.#store;
    if (!this.standing.together) return Promise.resolve(null);
    const { joined } = this.standing;
    return new Promise((resolve) => {
      clock.setTimer(this.#wayMs(), () => {
        if (!this.standing.together) {
          resolve(null);
          return;
        }
        const answer = this.#store.exchange(place, this.proxy, offer);
        clock.setTimer(this.#wayMs(), () => {
          resolve(this.standing.joined === joined && this.standing.together ? answer : null);
        });
      });
    });
  }

  watch(place: string, news: () => void): () => void {
    const watchers = this.#watchers.get(place) ?? new Set();
    this.#watchers.set(place, watchers.add(news));
    return () => watchers.delete(news);
  }

  /** A word of the store, which may be lost. */
  hear(place: string): void {
    if (!this.standing.together || this.#options.random() < this.#options.wordLoss) return;
    this.#store.clock.setTimer(this.#wayMs(), () => {
      for (const news of this.#watchers.get(place) ?? []) news();
    });
  }

  /** The store cannot be reached from here any more. */
  cut(): void {
    this.#beat?.cancel();
    const share = shareAlone(this.#others, 1, this.#store.clock.nowMs());
    this.#stand({ ...this.standing, together: false, share });
  }

  /** It can be reached again. */
  mend(): void {
    this.#joinedMs = this.#store.clock.nowMs();
    const joined = this.standing.joined + 1;
    this.standing = { ...this.standing, together: true, joined };
    this.#greet();
    this.#stand({ ...this.standing });
  }

  /** Ends as a process that is killed: nobody hears of it. */
  die(): void {
    this.cut();
    this.#watchers.clear();
  }

  #greet(): void {
    const { clock, seen, memory } = this.#store;
    const nowMs = clock.nowMs();
    for (const [other, atMs] of this.#others) seen.set(other, seen.get(other) ?? atMs);
    seen.set(this.proxy, nowMs);
    this.#others = new Map([...seen].filter(([other]) => other !== this.proxy));
    const share = shareTogether(this.#others, this.#joinedMs, nowMs);
    const forgotten = this.standing.forgotten + (memory === this.#memory ? 0 : 1);
    this.#memory = memory;
    const isNew = share !== this.standing.share || forgotten !== this.standing.forgotten;
    const standing = { ...this.standing, share, forgotten, proxies: this.#others.size + 1 };
    if (isNew) this.#stand(standing);
    else this.standing = standing;
    this.#beat = clock.setTimer(SHARED_HEARTBEAT_MS, () => this.#greet());
  }

  #stand(standing: SharedStanding): void {
    this.standing = standing;
    for (const watchers of [...this.#watchers.values()]) for (const news of watchers) news();
  }

  #wayMs(): number {
    return Math.min(this.#options.random() * this.#options.wayMs, SHARED_ANSWER_MS / 2);
  }
}
