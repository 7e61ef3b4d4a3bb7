/**
 * The bucket actors of the proxy's tree: which there are, and what outlives them.
 *
 * Inner workings. One actor has all the buckets of one identity and one major parameter, since
 * Discord lets routes share a counter within these and never beyond; which of them do is known only
 * later. Requests of different channels, guilds, webhooks or bots never meet in one. A record holds
 * the actor's tickets and what it has learned. The map is no actor's state: a bucket is looked up
 * and counted in the same turn in which it is told of a request, so that none can be forgotten
 * while a request is on its way to it.
 *
 * Failure modes: a bucket that crashes is started anew with what was known of its limits; what
 * waits goes to the new one in the old order, what flies is answered as it lands, and what has
 * landed is settled. At BUCKETS_MAX one of those used longest ago makes room; if none of them is
 * idle, no new one is made.
 */
import { BucketActor, type BucketOwner } from '../actors/bucket/actor.ts';
import { quietAtMs } from '../actors/bucket/ledger.ts';
import type { Knowledge } from '../actors/bucket/state.ts';
import type { RestTicket } from '../actors/bucket/ticket.ts';
import type { Behaviour } from '../actors/runtime.ts';
import { SmallMap } from '../actors/small-map.ts';
import type { ActorRef, Exit } from '../protocols/actor.ts';
import { BUCKET_LOOKS_MAX, BUCKETS_MAX } from '../protocols/limits.ts';
import type { Clock, Log } from '../protocols/ports.ts';
import type { BucketMessage, LimitedBy, RestRequest } from '../protocols/proxy.ts';
import type { SharedLimits, SharedPlace } from '../protocols/shared-limits.ts';
import {
  learnSiblings,
  NO_SIBLINGS,
  type SiblingEvidence,
  type Siblings,
} from '../protocols/siblings.ts';
import { NOWHERE, sortOut } from './proxy-aftermath.ts';
import type { Gate } from './proxy-gates.ts';
import { placeOf } from './proxy-places.ts';

/** Told by each of its buckets. */
interface BucketRouter {
  readonly siblings: Siblings;
  learned(evidence: SiblingEvidence): void;
  shut(gate: Gate, by: LimitedBy, untilMs: number): void;
  idle(bucket: Bucket): void;
}

const WATCHES_NOTHING = (): void => {};

export class Bucket implements BucketOwner {
  readonly key: string;
  /** The first segment of its routes' paths, for the log: the key may hold a webhook's token. */
  readonly family: string;
  readonly number: number;
  readonly gate: Gate;
  readonly tickets = new SmallMap<number, RestTicket>();
  /**
   * Where it meets the buckets of other proxies, by a name that tells nothing of whose it is; null
   * where the limits are this proxy's own.
   */
  readonly shared: SharedPlace | null;
  knowledge: Knowledge | null = null;
  ref: ActorRef<BucketMessage> = NOWHERE;
  unwatch = WATCHES_NOTHING;
  incarnation = 0;
  crashes = 0;
  readonly #router: BucketRouter;

  constructor(
    router: BucketRouter,
    parts: Pick<Bucket, 'key' | 'family' | 'number' | 'gate' | 'shared'>,
  ) {
    this.#router = router;
    this.key = parts.key;
    this.family = parts.family;
    this.number = parts.number;
    this.gate = parts.gate;
    this.shared = parts.shared;
  }

  get siblings(): Siblings {
    return this.#router.siblings;
  }

  learned(evidence: SiblingEvidence): void {
    this.#router.learned(evidence);
  }

  shut(by: LimitedBy, untilMs: number): void {
    this.#router.shut(this.gate, by, untilMs);
  }

  idle(): void {
    this.#router.idle(this);
  }
}

export type BucketServices = {
  readonly clock: Clock;
  readonly log: Log;
  /** Null: the limits are this proxy's own. */
  readonly sharedLimits: SharedLimits | null;
  /** Starts the actor of a bucket, whose end is told to `ended`. */
  spawn<State>(
    name: string,
    behaviour: Behaviour<State, BucketMessage>,
    bucket: Bucket,
  ): ActorRef<BucketMessage>;
  /** Discord has shut more than one bucket. */
  shut(gate: Gate, by: LimitedBy, untilMs: number): void;
};

export class ProxyBuckets implements BucketRouter {
  readonly #services: BucketServices;
  readonly #buckets = new Map<string, Bucket>();
  #siblings: Siblings = NO_SIBLINGS;
  #started = 0;
  #draining = false;

  constructor(services: BucketServices) {
    this.#services = services;
  }

  get siblings(): Siblings {
    return this.#siblings;
  }

  get count(): number {
    return this.#buckets.size;
  }

  /** Every request that is under way, with its bucket. */
  tickets(): readonly (readonly [RestTicket, Bucket])[] {
    const all: (readonly [RestTicket, Bucket])[] = [];
    for (const bucket of this.#buckets.values()) {
      for (const ticket of bucket.tickets.values()) all.push([ticket, bucket]);
    }
    return all;
  }

  /** The bucket that a request counts against; null if there are too many. */
  for(request: RestRequest, gate: Gate): Bucket | null {
    const { major, family } = request.route;
    // A concatenation would keep its parts alive, of which one is cut from the request's target.
    const key = [request.identity, major].join('|');
    const known = this.#buckets.get(key);
    if (known !== undefined) {
      if (this.#buckets.size > BUCKETS_MAX / 2) this.#moveBehind(known);
      return known;
    }
    if (this.#buckets.size >= BUCKETS_MAX && !this.#makeRoom()) return null;
    const number = ++this.#started;
    const { sharedLimits: limits } = this.#services;
    const shared = limits && { limits, place: placeOf('bucket', key) };
    const bucket = new Bucket(this, { key, family, number, gate, shared });
    if (shared !== null) {
      const news = (): void => bucket.ref.tell({ kind: 'news' });
      bucket.unwatch = shared.limits.watch(shared.place, news);
    }
    this.#start(bucket);
    this.#buckets.set(key, bucket);
    gate.buckets.add(bucket);
    return bucket;
  }

  drain(): void {
    this.#draining = true;
    for (const bucket of this.#buckets.values()) bucket.ref.tell({ kind: 'drain' });
  }

  /** Forgets the buckets of a gate, if nothing is to be known of any of them; whether it did. */
  forgetAllOf(gate: Gate): boolean {
    const nowMs = this.#services.clock.nowMs();
    const buckets = [...this.#buckets.values()].filter((bucket) => bucket.gate === gate);
    if (!buckets.every((bucket) => isForgettable(bucket, nowMs))) return false;
    for (const bucket of buckets) this.#forget(bucket);
    return true;
  }

  /** The actor of a bucket has ended by itself. */
  ended(bucket: Bucket, exit: Exit): void {
    if (this.#buckets.get(bucket.key) !== bucket) return;
    bucket.crashes += 1;
    const error = exit.kind === 'crashed' ? exit.error : exit;
    this.#services.log.error({ family: bucket.family, error }, 'a bucket is started anew');
    bucket.gate.ref.tell({ kind: 'withdraw', asker: bucket.ref });
    // What was known may be what it crashed of; the second time it starts from nothing.
    if (bucket.crashes > 1) bucket.knowledge = null;
    const { waiting, flying } = sortOut([...bucket.tickets.values()]);
    if (waiting.length + flying === 0) {
      // With nothing to do it is not started anew, so that one which cannot start ends here.
      this.#drop(bucket);
      return;
    }
    this.#start(bucket);
    for (const ticket of waiting) bucket.ref.tell({ kind: 'enqueue', ticket });
    // Where nothing waits it has to find out all the same when it may be forgotten.
    bucket.ref.tell({ kind: 'wake' });
    if (this.#draining) bucket.ref.tell({ kind: 'drain' });
  }

  #start(bucket: Bucket): void {
    bucket.incarnation += 1;
    // The number stands for the key, which may hold a webhook's token.
    const name = `bucket-${bucket.number}.${bucket.incarnation}`;
    bucket.ref = this.#services.spawn(name, new BucketActor(bucket), bucket);
  }

  /**
   * Tells every bucket what one has learned; that happens once for each few routes of Discord's.
   */
  learned(evidence: SiblingEvidence): void {
    const siblings = learnSiblings(this.#siblings, evidence);
    if (siblings === this.#siblings) return;
    this.#siblings = siblings;
    for (const bucket of this.#buckets.values()) bucket.ref.tell({ kind: 'siblings', siblings });
  }

  shut(gate: Gate, by: LimitedBy, untilMs: number): void {
    this.#services.shut(gate, by, untilMs);
  }

  idle(bucket: Bucket): void {
    if (bucket.tickets.size === 0) this.#retire(bucket);
  }

  #drop(bucket: Bucket): void {
    bucket.unwatch();
    this.#buckets.delete(bucket.key);
    bucket.gate.buckets.delete(bucket);
  }

  #retire(bucket: Bucket): void {
    this.#drop(bucket);
    bucket.ref.tell({ kind: 'retire' });
  }

  /** Retires one that has not said itself that it is idle: it may have asked for a permit. */
  #forget(bucket: Bucket): void {
    bucket.gate.ref.tell({ kind: 'withdraw', asker: bucket.ref });
    this.#retire(bucket);
  }

  /**
   * Forgets a bucket that nothing is to be known of, the one used longest ago first. It looks at a
   * few only, and puts those that must stay behind all others, so that they are not looked at every
   * time.
   */
  #makeRoom(): boolean {
    const nowMs = this.#services.clock.nowMs();
    let looks = 0;
    for (const bucket of this.#buckets.values()) {
      if (isForgettable(bucket, nowMs)) {
        this.#forget(bucket);
        return true;
      }
      if (++looks >= BUCKET_LOOKS_MAX) return false;
      this.#moveBehind(bucket);
    }
    return false;
  }

  /**
   * The map is in the order of use once it is half full, and in the order of creation before: long
   * before anybody has to go, those in use have moved behind. Each move leaves a hole in the map,
   * which is closed by copying all of it; that would be done every so many requests.
   */
  #moveBehind(bucket: Bucket): void {
    this.#buckets.delete(bucket.key);
    this.#buckets.set(bucket.key, bucket);
  }
}

/** Nothing waits or flies, and nothing that is known of its limits matters any more. */
function isForgettable({ tickets, knowledge }: Bucket, nowMs: number): boolean {
  return tickets.size === 0 && (knowledge === null || quietAtMs(knowledge.ledger) <= nowMs);
}
