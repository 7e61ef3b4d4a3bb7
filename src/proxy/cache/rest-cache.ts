/**
 * The cache between the doors and the tree: takes requests as the tree does, and brings it fewer.
 *
 * Purpose: identical GETs share one request, and an answer that is known to be true still is given
 * again. A read that begins after a change was seen here, a write's answer or an event, never gets
 * what was before it.
 *
 * Inner workings: a `Flight` is one request in the tree and all who wait for it. Until it is sent
 * anybody may join: Discord reads later than they ask. One that has been sent is joined only where
 * an answer of that age would be given anyway. A change drops the kept answers that show it, and
 * makes those flights stale that were sent before: nobody joins them any more, and their answers
 * are not kept. A write changes its things twice, when it sets out and before its answer is given
 * out, so that what was read in between is not kept either.
 *
 * Failure modes: the end of one waiter (its deadline, its cancel) is no end for the others; when it
 * was the one whose request went out and that ended with it, the next goes in its place. Refusals
 * and failures are shared. A body too large to be shared goes to one, and the others ask on their
 * own. Without the events, what they vouch for is dropped at once.
 */
import {
  type Changed,
  changedByWrite,
  type Lifetime,
  UNLISTED,
} from '../../../protocols/discord/cached-routes.ts';
import {
  CACHE_CHANGING_MS,
  CACHE_ENTRIES_MAX,
  CACHE_ENTRY_MAX_BYTES,
  CACHE_FIXED_MS,
  CACHE_MAX_BYTES,
  CACHE_SLOW_MS,
  CACHE_TOLD_MS,
  COLLECTING_MAX_BYTES,
  JOINED_MAX,
  SHARED_BODY_MAX_BYTES,
} from '../../../protocols/limits.ts';
import type { Clock } from '../../../protocols/ports.ts';
import type {
  HeaderList,
  ProxyMetrics,
  RestAnswer,
  RestOutcome,
  RestRequest,
} from '../../../protocols/proxy.ts';
import type { ProxyTree, Submission } from '../../../supervisors/proxy.ts';
import { AnswerTable, type DropReason, type KeptAnswer } from './answer-table.ts';
import { type Collected, CollectingRoom, collect, replica } from './collected.ts';
import { Flight, Waiter } from './flight.ts';
import { type Reading, readingOf } from './reading.ts';
import { whenSent } from './sent-upstream.ts';
import { ShownIndex } from './shown-index.ts';

/** By which an answer says where it comes from. */
export const CACHE_HEADER = 'x-spectacles-cache';

/**
 * Which identical GETs share a request: those that wait for their turn, all that are under way, or
 * none.
 */
export type Coalescing = 'waiting' | 'flying' | 'off';

export type CacheRules = {
  readonly coalesce: Coalescing;
  /** Whether answers are kept. */
  readonly keep: boolean;
  /** The events that are listened to, and of whom they tell. */
  readonly told?: { readonly identity: string; readonly events: ReadonlySet<string> };
};

/**
 * `hit`: kept; `joined`: another's; `miss`: could have been kept and was not; `passed`: was asked
 * for anew.
 */
export type Lookup = 'hit' | 'joined' | 'miss' | 'passed';

export interface CacheMetrics {
  /** `path` is the route's template. */
  looked(path: string, lookup: Lookup): void;
  dropped(reason: DropReason, count: number): void;
}

export type CacheBounds = {
  readonly entries: number;
  readonly bytes: number;
  readonly entryBytes: number;
  readonly sharedBytes: number;
  readonly collectingBytes: number;
  readonly joined: number;
};

const BOUNDS: CacheBounds = {
  entries: CACHE_ENTRIES_MAX,
  bytes: CACHE_MAX_BYTES,
  entryBytes: CACHE_ENTRY_MAX_BYTES,
  sharedBytes: SHARED_BODY_MAX_BYTES,
  collectingBytes: COLLECTING_MAX_BYTES,
  joined: JOINED_MAX,
};

const LIFETIMES_MS: Readonly<Record<Lifetime, number>> = {
  fixed: CACHE_FIXED_MS,
  slow: CACHE_SLOW_MS,
  changing: CACHE_CHANGING_MS,
};

export type CacheOptions = {
  /** It sends through a `SentUpstream`. */
  readonly tree: Pick<ProxyTree, 'submit'>;
  readonly rules: CacheRules;
  readonly clock: Clock;
  readonly metrics: ProxyMetrics;
  readonly cacheMetrics: CacheMetrics;
  /** Smaller for tests. */
  readonly bounds?: CacheBounds;
};

export class RestCache {
  readonly #options: CacheOptions;
  readonly #bounds: CacheBounds;
  readonly #table: AnswerTable;
  readonly #room: CollectingRoom;
  readonly #sentFlights = new ShownIndex<Flight>();
  readonly #joinable = new Map<string, Flight>();
  #guests = 0;
  #isTold = false;

  constructor(options: CacheOptions) {
    this.#options = options;
    const { cacheMetrics, bounds = BOUNDS } = options;
    this.#bounds = bounds;
    const table = { maxEntries: bounds.entries, maxBytes: bounds.bytes };
    this.#table = new AnswerTable(table, (reason, count) => cacheMetrics.dropped(reason, count));
    this.#room = new CollectingRoom(bounds.collectingBytes);
  }

  get standing() {
    return {
      entries: this.#table.entries,
      bytes: this.#table.bytes,
      collectingBytes: this.#room.bytes,
      flights: this.#sentFlights.size,
      guests: this.#guests,
      isTold: this.#isTold,
    };
  }

  submit(request: RestRequest): Submission {
    if (request.method !== 'GET' && request.method !== 'HEAD') return this.#write(request);
    const reading = readingOf(request, this.#options.rules.keep);
    if (reading === undefined) return this.#options.tree.submit(request);
    if (!reading.mayReuse) {
      this.#count(request, 'passed');
      return this.#begin(reading, request);
    }
    const nowMs = this.#options.clock.nowMs();
    const kept = this.#table.find(reading.key, nowMs);
    if (kept !== undefined) return this.#hit(kept, request, nowMs);
    const flight = this.#flightFor(reading, request);
    if (flight !== undefined) return this.#join(flight, request);
    if (reading.cacheable !== undefined) this.#count(request, 'miss');
    return this.#begin(reading, request);
  }

  /** Something has changed: whoever asks from now on gets what is true since. */
  change(changed: Changed): void {
    this.#table.change(changed);
    const all = changed === 'everything' ? changed : [...changed, UNLISTED];
    for (const flight of this.#sentFlights.showing(all)) this.#outdate(flight);
  }

  /** Whether each change is told of from now on; until then, some may have been missed. */
  tell(isTold: boolean): void {
    this.#isTold = isTold;
    this.missed();
  }

  /** Events may have been missed. */
  missed(): void {
    this.#table.dropTold();
    for (const flight of this.#sentFlights.showing('everything')) this.#outdate(flight);
  }

  #write(request: RestRequest): Submission {
    // From then on Discord may have done it, whatever comes of its answer.
    const telling = whenSent(request, () => this.#changeBy(request));
    const submission = this.#options.tree.submit(telling);
    const outcome = submission.outcome.then((settled) => {
      this.#changeBy(request);
      return settled;
    });
    return { outcome, cancel: () => submission.cancel() };
  }

  #changeBy({ route, target }: RestRequest): void {
    // Nothing is kept or on its way that the write could change.
    if (this.#table.entries === 0 && this.#sentFlights.size === 0) return;
    this.change(changedByWrite(route, target));
  }

  #outdate(flight: Flight): void {
    flight.isStale = true;
    this.#unlist(flight);
  }

  #unlist(flight: Flight): void {
    if (this.#joinable.get(flight.key) === flight) this.#joinable.delete(flight.key);
  }

  #hit({ answer, sinceMs }: KeptAnswer, request: RestRequest, nowMs: number): Submission {
    this.#count(request, 'hit');
    const { metrics } = this.#options;
    const { method, template } = request.route;
    metrics.requested(method, template);
    metrics.responded(method, template, answer.status);
    const ageSeconds = Math.floor((nowMs - sinceMs) / 1_000);
    const headers = [
      ...answer.headers,
      ['age', String(ageSeconds)],
      [CACHE_HEADER, 'hit'],
    ] as const;
    const copy = replica(answer, headers, { kind: 'whole', body: answer.body });
    return { outcome: Promise.resolve({ kind: 'answered', answer: copy }), cancel: () => {} };
  }

  #flightFor(reading: Reading, request: RestRequest): Flight | undefined {
    if (this.#guests >= this.#bounds.joined) return undefined;
    return this.#joinable.get(keyOfFlight(reading, request));
  }

  #join(flight: Flight, request: RestRequest): Submission {
    this.#count(request, 'joined');
    const waiter = new Waiter(request, flight, true, this.#options.clock.nowMs());
    this.#guests += 1;
    flight.waiters.add(waiter);
    waiter.keepDeadline(this.#options.clock, () => this.#timeOut(waiter));
    return this.#submissionOf(waiter);
  }

  #begin(reading: Reading, request: RestRequest): Submission {
    const flight = new Flight(reading, keyOfFlight(reading, request), false);
    const waiter = new Waiter(request, flight, false, this.#options.clock.nowMs());
    flight.waiters.add(waiter);
    this.#fly(flight, waiter, request);
    return this.#submissionOf(waiter);
  }

  #submissionOf(waiter: Waiter): Submission {
    return { outcome: waiter.outcome, cancel: () => this.#leave(waiter, { kind: 'cancelled' }) };
  }

  #timeOut(waiter: Waiter): void {
    const sent = waiter.flight.sentMs !== null;
    this.#leave(waiter, { kind: 'timed-out', waitMs: null, failing: false, sent });
  }

  /** One who waits goes; the request goes with the last. */
  #leave(waiter: Waiter, outcome: RestOutcome): void {
    const { flight } = waiter;
    flight.waiters.delete(waiter);
    this.#settle(waiter, outcome);
    if (flight.waiters.size > 0) return;
    this.#unlist(flight);
    flight.submission?.cancel();
  }

  #settle(waiter: Waiter, outcome: RestOutcome): void {
    if (!waiter.settle(outcome) || !waiter.isGuest) return;
    this.#guests -= 1;
    const { metrics } = this.#options;
    const { method, template } = waiter.request.route;
    metrics.requested(method, template);
    if (outcome.kind !== 'answered') metrics.unanswered(method, template, outcome.kind);
    else metrics.responded(method, template, outcome.answer.status);
  }

  /** Sends the request of `leader` for all who wait. */
  #fly(flight: Flight, leader: Waiter, request: RestRequest): void {
    const { tree, rules } = this.#options;
    if (rules.coalesce !== 'off' && !flight.isAlone) this.#joinable.set(flight.key, flight);
    flight.submission = tree.submit(whenSent(request, () => this.#sent(flight)));
    void flight.submission.outcome.then((outcome) => this.#land(flight, leader, outcome));
  }

  #sent(flight: Flight): void {
    // Sent once more, after a 429: what it is told then is no older than what it was sent for
    // first.
    if (flight.sentMs !== null) return;
    flight.sentMs = this.#options.clock.nowMs();
    const { cacheable } = flight.reading;
    const isJoinedInFlight = this.#options.rules.coalesce === 'flying';
    // One that nobody may join from now on, and whose answer is not kept, cannot become stale.
    if (!isJoinedInFlight && cacheable === undefined) this.#unlist(flight);
    else this.#sentFlights.add(flight, cacheable?.shows ?? [UNLISTED]);
  }

  async #land(flight: Flight, leader: Waiter, outcome: RestOutcome): Promise<void> {
    if (outcome.kind === 'answered') {
      await this.#deliver(flight, leader, outcome.answer);
      return;
    }
    this.#end(flight);
    if (outcome.kind === 'timed-out' || outcome.kind === 'cancelled') {
      flight.waiters.delete(leader);
      this.#settle(leader, outcome);
      this.#flyAgain(flight.reading, [...flight.waiters], false);
    } else {
      for (const waiter of flight.waiters) this.#settle(waiter, outcome);
    }
  }

  #end(flight: Flight): void {
    this.#unlist(flight);
    this.#sentFlights.remove(flight);
  }

  /** The first of those who are left asks for all, as if it had been the first all along. */
  #flyAgain(reading: Reading, waiters: readonly Waiter[], isAlone: boolean): void {
    const [leader] = waiters;
    if (leader === undefined) return;
    const flight = new Flight(reading, keyOfFlight(reading, leader.request), isAlone);
    for (const waiter of waiters) {
      waiter.flight = flight;
      flight.waiters.add(waiter);
    }
    // From here on the tree counts it.
    if (leader.isGuest) this.#guests -= 1;
    leader.isGuest = false;
    this.#fly(flight, leader, leader.requestAt(this.#options.clock.nowMs()));
  }

  async #deliver(flight: Flight, leader: Waiter, answer: RestAnswer): Promise<void> {
    const { cacheable } = flight.reading;
    const keeps = !flight.isAlone && cacheable !== undefined && answer.status === 200;
    if (!keeps && flight.waiters.size <= 1) {
      this.#end(flight);
      const [only] = flight.waiters;
      if (only === undefined) answer.discard();
      else this.#settle(only, answeredWith(this.#labelled(answer, flight, only === leader)));
      return;
    }
    const { clock } = this.#options;
    leader.keepDeadline(clock, () => this.#timeOut(leader));
    const collected = await collect(answer, this.#room, this.#bounds.sharedBytes);
    this.#end(flight);
    if (collected.kind === 'large') {
      this.#deliverLarge(flight, leader, collected.answer);
      return;
    }
    if (keeps) this.#keep(flight, answer, collected);
    for (const waiter of flight.waiters) {
      const { headers } = this.#labelled(answer, flight, waiter === leader);
      this.#settle(waiter, answeredWith(replica(answer, headers, collected)));
    }
  }

  /** To one of them; the others ask on their own. */
  #deliverLarge(flight: Flight, leader: Waiter, answer: RestAnswer): void {
    const [first, ...others] = flight.waiters;
    if (first === undefined) answer.discard();
    else this.#settle(first, answeredWith(this.#labelled(answer, flight, first === leader)));
    for (const other of others) this.#flyAgain(flight.reading, [other], true);
  }

  #labelled(answer: RestAnswer, flight: Flight, isLeader: boolean): RestAnswer {
    if (isLeader && flight.reading.cacheable === undefined) return answer;
    const label = isLeader ? 'miss' : 'joined';
    return { ...answer, headers: [...answer.headers, [CACHE_HEADER, label]] };
  }

  #keep({ reading, isStale, sentMs }: Flight, answer: RestAnswer, collected: Collected): void {
    const { cacheable, key } = reading;
    if (isStale || sentMs === null || cacheable === undefined || collected.kind !== 'whole') return;
    if (collected.body.length > this.#bounds.entryBytes) return;
    const isTold = this.#isToldOf(reading);
    const lifetimeMs = isTold ? CACHE_TOLD_MS : LIFETIMES_MS[cacheable.line.lifetime];
    const { status, url } = answer;
    this.#table.keep({
      key,
      answer: { status, url, headers: keptHeaders(answer.headers), body: collected.body },
      shows: cacheable.shows,
      sinceMs: sentMs,
      untilMs: sentMs + lifetimeMs,
      isTold,
    });
  }

  /** Whether events tell of every change to what the answer shows. */
  #isToldOf({ cacheable, isPlain, identity }: Reading): boolean {
    const { told } = this.#options.rules;
    if (!this.#isTold || told === undefined || told.identity !== identity || !isPlain) return false;
    const events = cacheable?.line.toldBy ?? [];
    return events.length > 0 && events.every((event) => told.events.has(event));
  }

  #count({ route }: RestRequest, lookup: Lookup): void {
    this.#options.cacheMetrics.looked(route.template, lookup);
  }
}

const answeredWith = (answer: RestAnswer): RestOutcome => ({ kind: 'answered', answer });

/** A lane of its own for each priority: nobody waits in a lower one than they asked for. */
const keyOfFlight = ({ key }: Reading, { priority }: RestRequest): string => `${priority} ${key}`;

/** What was true of one moment, or of one connection, and is of no use later. */
function keptHeaders(headers: HeaderList): HeaderList {
  return headers.filter(([name]) => !name.startsWith('x-ratelimit-') && !PASSING.has(name));
}

const PASSING: ReadonlySet<string> = new Set(['age', 'cf-ray', 'retry-after', 'set-cookie']);
