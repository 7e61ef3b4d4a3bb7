/**
 * The proxy's tree: every bucket, every gate, and every request that is on its way.
 *
 * Purpose: to bring each request to the bucket it counts against, to restart what crashes, and to see
 * to it that each request has exactly one fate, whatever happens to the actors in between.
 *
 * Inner workings. A bucket's key is the identity, the method, the route's template and the major
 * parameter. Buckets to which Discord gives one name are kept apart all the same: the name says that
 * the limits are alike, not that the counter is one, and a counter that two of them share shows in
 * the `remaining` of both. A gate belongs to one identity; requests without credentials share one,
 * since Discord limits them by address. Requests that the global limit leaves alone get no gate.
 *
 * The maps are kept here and not in an actor's state: a bucket is looked up and counted in the same
 * turn in which it is told of a request, so that none can be forgotten while a request is on its way
 * to it. The tree's own actor is the parent of all others and hears of their ends.
 *
 * Failure modes. A bucket that crashes is started anew with what was known of its window; what waits
 * goes to the new one in the old order, what flies is answered as it lands, and what has landed is
 * settled. A gate that crashes is started anew, shut for as long as what its predecessor let through
 * may still count. A request that has lived through BUCKET_CRASHES_MAX crashes is failed, which also
 * bounds the restarts. When the tree itself ends, every request that is left is failed or refused.
 */
import { type BucketMemory, bucketActor } from '../actors/bucket/actor.ts';
import { RestTicket, type TicketServices } from '../actors/bucket/ticket.ts';
import { busyUntilMs } from '../actors/bucket/window.ts';
import { gateActor } from '../actors/global/actor.ts';
import type { ActorContext, ActorSystem, Behaviour } from '../actors/runtime.ts';
import type { ActorRef, Exit } from '../protocols/actor.ts';
import { ProxyCrashError } from '../protocols/errors.ts';
import {
  ARRIVAL_MAX_MS,
  BUCKET_REQUESTS_MAX,
  BUCKETS_MAX,
  GATES_MAX,
  GLOBAL_MARGIN_MS,
  GLOBAL_WINDOW_MS,
  IDENTITY_REQUESTS_MAX,
  PROXY_BODIES_MAX_BYTES,
  PROXY_REQUESTS_MAX,
  REFUSED_RETRY_AFTER_MS,
} from '../protocols/limits.ts';
import type { Clock, Log } from '../protocols/ports.ts';
import type {
  BucketMessage,
  GateMessage,
  LimitedBy,
  ProxyMetrics,
  RestOutcome,
  RestRequest,
  Upstream,
} from '../protocols/proxy.ts';
import { sortOut, surviveCrash } from './proxy-aftermath.ts';

export type ProxyTreeOptions = {
  readonly system: Pick<ActorSystem, 'spawn'>;
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: ProxyMetrics;
  /** Requests a second of an identity; Discord gives some bots more than the usual limit. */
  readonly globalLimit: number;
};

/** A request that the proxy has taken. */
export type Submission = {
  readonly outcome: Promise<RestOutcome>;
  /** The client has gone: nobody waits for the outcome any more. */
  cancel(): void;
};

export interface ProxyTree {
  submit(request: RestRequest): Submission;
  /** Refuses what waits and what comes, and resolves when nothing is in flight, or after `withinMs`. */
  drain(withinMs: number): Promise<void>;
  /** Ends every actor of the tree; what is left is refused or failed. */
  stop(): Promise<void>;
  readonly buckets: number;
  readonly requests: number;
}

type Gate = {
  readonly identity: string;
  ref: ActorRef<GateMessage>;
  shutUntilMs: number;
  crashes: number;
  readonly buckets: Set<Bucket>;
  requests: number;
};

type Bucket = {
  readonly key: string;
  readonly template: string;
  readonly number: number;
  readonly gate: Gate;
  /** Whether the global limit applies to it. */
  readonly gated: boolean;
  readonly memory: BucketMemory;
  readonly tickets: Map<number, RestTicket>;
  ref: ActorRef<BucketMessage>;
  incarnation: number;
  crashes: number;
  usedMs: number;
};

/** The tree's own messages: the ends of its children. */
type TreeMessage =
  | { readonly kind: 'bucket-ended'; readonly bucket: Bucket; readonly exit: Exit }
  | { readonly kind: 'gate-ended'; readonly gate: Gate; readonly exit: Exit }
  | { readonly kind: 'retire' };

export function startProxyTree(options: ProxyTreeOptions): ProxyTree {
  return new Tree(options);
}

class Tree implements ProxyTree {
  readonly #options: ProxyTreeOptions;
  readonly #services: TicketServices;
  readonly #buckets = new Map<string, Bucket>();
  readonly #gates = new Map<string, Gate>();
  readonly #bucketOf = new Map<RestTicket, Bucket>();
  readonly #stopped: Promise<void>;
  #self: ActorRef<TreeMessage> = NOWHERE;
  #context: ActorContext<TreeMessage> | null = null;
  #children = 0;
  #tickets = 0;
  #bodyBytes = 0;
  #draining = false;
  #edgeShutUntilMs = 0;
  #emptied: (() => void) | null = null;

  constructor(options: ProxyTreeOptions) {
    this.#options = options;
    const { upstream, clock, metrics } = options;
    this.#services = { upstream, clock, metrics, settled: (ticket) => this.#settled(ticket) };
    const behaviour: Behaviour<null, TreeMessage> = {
      start: (context) => {
        this.#context = context;
        return null;
      },
      receive: (_state, message, context) => {
        if (message.kind === 'bucket-ended') this.#bucketEnded(message.bucket, message.exit);
        else if (message.kind === 'gate-ended') this.#gateEnded(message.gate, message.exit);
        else context.finish('retired');
        return null;
      },
      stop: () => this.#leave(),
    };
    this.#stopped = new Promise((resolve) => {
      this.#self = options.system.spawn('proxy', behaviour, () => resolve());
    });
  }

  stop(): Promise<void> {
    this.#self.tell({ kind: 'retire' });
    return this.#stopped;
  }

  get buckets(): number {
    return this.#buckets.size;
  }

  get requests(): number {
    return this.#bucketOf.size;
  }

  submit(request: RestRequest): Submission {
    const { method, template } = request.route;
    this.#options.metrics.requested(method, template);
    this.#tickets += 1;
    const ticket = new RestTicket(this.#tickets, request, this.#services);
    const submission = { outcome: ticket.outcome, cancel: () => this.#cancel(ticket) };
    const bucket = this.#admit(request);
    if (typeof bucket === 'string') {
      const retryAfterMs = bucket === 'stopping' ? 0 : REFUSED_RETRY_AFTER_MS;
      ticket.settle({ kind: 'refused', reason: bucket, retryAfterMs });
      return submission;
    }
    bucket.tickets.set(ticket.id, ticket);
    bucket.gate.requests += 1;
    bucket.usedMs = this.#options.clock.nowMs();
    this.#bucketOf.set(ticket, bucket);
    this.#bodyBytes += request.body?.length ?? 0;
    bucket.ref.tell({ kind: 'enqueue', ticket });
    return submission;
  }

  async drain(withinMs: number): Promise<void> {
    this.#draining = true;
    for (const bucket of this.#buckets.values()) bucket.ref.tell({ kind: 'drain' });
    if (this.#bucketOf.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.setTimer(withinMs, resolve);
      this.#emptied = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /** The bucket that takes the request, or why none does. */
  #admit(request: RestRequest): Bucket | 'full' | 'stopping' {
    if (this.#draining || this.#context === null) return 'stopping';
    const bytes = request.body?.length ?? 0;
    if (this.#bucketOf.size >= PROXY_REQUESTS_MAX) return 'full';
    if (this.#bodyBytes + bytes > PROXY_BODIES_MAX_BYTES) return 'full';
    const gate = this.#gateOf(request.identity);
    if (gate === null || gate.requests >= IDENTITY_REQUESTS_MAX) return 'full';
    const bucket = this.#bucketFor(request, gate);
    if (bucket === null || bucket.tickets.size >= BUCKET_REQUESTS_MAX) return 'full';
    return bucket;
  }

  #settled(ticket: RestTicket): void {
    const bucket = this.#bucketOf.get(ticket);
    if (bucket === undefined) return;
    this.#bucketOf.delete(ticket);
    bucket.tickets.delete(ticket.id);
    bucket.gate.requests -= 1;
    this.#bodyBytes -= ticket.request.body?.length ?? 0;
    if (this.#bucketOf.size === 0) this.#emptied?.();
  }

  #cancel(ticket: RestTicket): void {
    this.#bucketOf.get(ticket)?.ref.tell({ kind: 'cancel', id: ticket.id });
  }

  // Buckets.

  #bucketFor(request: RestRequest, gate: Gate): Bucket | null {
    const { method, template, major, globalExempt } = request.route;
    const key = `${request.identity}|${method}|${template}|${major}`;
    const known = this.#buckets.get(key);
    if (known !== undefined) return known;
    if (this.#buckets.size >= BUCKETS_MAX && !this.#makeRoom()) return null;
    const number = ++this.#children;
    const memory: BucketMemory = { window: null };
    const gated = !globalExempt;
    const parts = { key, template, number, gate, gated, memory, tickets: new Map() };
    const counters = { incarnation: 0, crashes: 0, usedMs: this.#options.clock.nowMs() };
    const bucket: Bucket = { ...parts, ...counters, ref: NOWHERE };
    this.#startBucket(bucket, 0);
    this.#buckets.set(key, bucket);
    gate.buckets.add(bucket);
    return bucket;
  }

  #startBucket(bucket: Bucket, orphans: number): void {
    const { gate, memory, gated } = bucket;
    bucket.incarnation += 1;
    const behaviour = bucketActor({
      gate: gated ? gate.ref : null,
      memory,
      orphans,
      shut: (by, untilMs) => this.#shut(gate, by, untilMs),
      idle: () => this.#idle(bucket),
    });
    // The number stands for the key, which may hold a webhook's token.
    const name = `bucket-${bucket.number}.${bucket.incarnation}`;
    const ended = (exit: Exit): TreeMessage => ({ kind: 'bucket-ended', bucket, exit });
    bucket.ref = this.#parent().spawn(name, behaviour, ended);
  }

  #parent(): ActorContext<TreeMessage> {
    if (this.#context === null) throw new Error('the tree of the proxy has ended');
    return this.#context;
  }

  #idle(bucket: Bucket): void {
    if (bucket.tickets.size === 0) this.#forget(bucket);
  }

  #forget(bucket: Bucket): void {
    this.#buckets.delete(bucket.key);
    bucket.gate.buckets.delete(bucket);
    if (bucket.gated) bucket.gate.ref.tell({ kind: 'withdraw', asker: bucket.ref });
    bucket.ref.tell({ kind: 'retire' });
  }

  /** Forgets the bucket that was used longest ago among those that nothing is to be known of. */
  #makeRoom(): boolean {
    const nowMs = this.#options.clock.nowMs();
    let oldest: Bucket | null = null;
    for (const bucket of this.#buckets.values()) {
      if (bucket.tickets.size > 0 || !isForgettable(bucket, nowMs)) continue;
      if (oldest === null || bucket.usedMs < oldest.usedMs) oldest = bucket;
    }
    if (oldest === null) return false;
    this.#forget(oldest);
    return true;
  }

  #bucketEnded(bucket: Bucket, exit: Exit): void {
    if (this.#context === null || this.#buckets.get(bucket.key) !== bucket) return;
    bucket.crashes += 1;
    const error = exit.kind === 'crashed' ? exit.error : exit;
    this.#options.log.error({ template: bucket.template, err: error }, 'a bucket is started anew');
    if (bucket.gated) bucket.gate.ref.tell({ kind: 'withdraw', asker: bucket.ref });
    // What was known may be what it crashed of; the second time it starts from nothing.
    if (bucket.crashes > 1) bucket.memory.window = null;
    const { waiting, flying } = sortOut([...bucket.tickets.values()]);
    if (waiting.length + flying === 0) {
      // With nothing to do it is not started anew, so that one which cannot start ends here.
      this.#buckets.delete(bucket.key);
      bucket.gate.buckets.delete(bucket);
      return;
    }
    this.#startBucket(bucket, flying);
    for (const ticket of waiting) bucket.ref.tell({ kind: 'enqueue', ticket });
    if (this.#draining) bucket.ref.tell({ kind: 'drain' });
  }

  // Gates.

  #gateOf(identity: string): Gate | null {
    const known = this.#gates.get(identity);
    if (known !== undefined) return known;
    if (this.#gates.size >= GATES_MAX && !this.#makeRoomForGate()) return null;
    const parts = { identity, shutUntilMs: this.#edgeShutUntilMs, crashes: 0, requests: 0 };
    const gate: Gate = { ...parts, ref: NOWHERE, buckets: new Set() };
    this.#startGate(gate);
    this.#gates.set(identity, gate);
    return gate;
  }

  #startGate(gate: Gate): void {
    const limit = this.#options.globalLimit;
    const behaviour = gateActor({ limit, shutUntilMs: gate.shutUntilMs });
    const ended = (exit: Exit): TreeMessage => ({ kind: 'gate-ended', gate, exit });
    gate.ref = this.#parent().spawn(`global-${++this.#children}`, behaviour, ended);
  }

  #makeRoomForGate(): boolean {
    const nowMs = this.#options.clock.nowMs();
    for (const gate of this.#gates.values()) {
      const buckets = [...gate.buckets];
      const free = buckets.every((one) => one.tickets.size === 0 && isForgettable(one, nowMs));
      if (!free || gate.shutUntilMs > nowMs) continue;
      for (const bucket of buckets) this.#forget(bucket);
      this.#gates.delete(gate.identity);
      gate.ref.tell({ kind: 'retire' });
      return true;
    }
    return false;
  }

  #gateEnded(gate: Gate, exit: Exit): void {
    if (this.#context === null || this.#gates.get(gate.identity) !== gate) return;
    gate.crashes += 1;
    const error = exit.kind === 'crashed' ? exit.error : exit;
    this.#options.log.error({ err: error }, 'the gate of an identity is started anew');
    const countedMs = ARRIVAL_MAX_MS + GLOBAL_WINDOW_MS + GLOBAL_MARGIN_MS;
    gate.shutUntilMs = Math.max(gate.shutUntilMs, this.#options.clock.nowMs() + countedMs);
    for (const bucket of gate.buckets) {
      for (const ticket of [...bucket.tickets.values()]) {
        if (!surviveCrash(ticket)) bucket.ref.tell({ kind: 'cancel', id: ticket.id });
      }
    }
    this.#startGate(gate);
    for (const bucket of gate.buckets) {
      if (bucket.gated) bucket.ref.tell({ kind: 'gate', gate: gate.ref });
    }
  }

  /** Shuts one gate, or, when a server in front of Discord blocks us, all of them. */
  #shut(gate: Gate, by: LimitedBy, untilMs: number): void {
    if (by === 'edge') this.#edgeShutUntilMs = Math.max(this.#edgeShutUntilMs, untilMs);
    for (const one of by === 'edge' ? this.#gates.values() : [gate]) {
      one.shutUntilMs = Math.max(one.shutUntilMs, untilMs);
      one.ref.tell({ kind: 'shut', untilMs });
    }
  }

  // The end.

  #leave(): void {
    this.#context = null;
    for (const ticket of [...this.#bucketOf.keys()]) {
      if (ticket.phase.kind === 'waiting') {
        ticket.settle({ kind: 'refused', reason: 'stopping', retryAfterMs: 0 });
      } else {
        ticket.abort();
        ticket.settle({ kind: 'failed', error: new ProxyCrashError() });
      }
    }
  }
}

/** Stands in for a reference for the moment between a record and its actor. */
const NOWHERE: ActorRef<never> = { path: '', tell: () => {} };

/** Nothing of the bucket's window matters any more. */
function isForgettable(bucket: Bucket, nowMs: number): boolean {
  const { window } = bucket.memory;
  return window === null || busyUntilMs(window) <= nowMs;
}
