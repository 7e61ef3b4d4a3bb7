/**
 * The proxy's tree: every bucket, every gate, and every request that is on its way.
 *
 * Purpose: to bring each request to the bucket it counts against, to restart what crashes, and to
 * see to it that each request has exactly one fate, whatever happens to the actors in between.
 *
 * Inner workings. A bucket actor has all requests of one identity and one major parameter; what of
 * that shares a counter it finds out by itself (`actors/bucket/ledger.ts`). A gate belongs to one
 * identity; requests without credentials share one, since Discord limits them by address. Requests
 * that the global limit leaves alone pass no gate.
 *
 * Who is there is kept in `proxy-buckets.ts` and `proxy-gates.ts`; here are the requests themselves
 * and how many of them are taken. The tree's own actor is the parent of all others and hears of
 * their ends.
 *
 * Failure modes. Actors that crash are started anew, see the two. A request that has lived through
 * BUCKET_CRASHES_MAX crashes is failed, which also bounds the restarts. When the tree itself ends,
 * every request that is left is failed or refused.
 */
import { RestTicket, type TicketServices } from '../actors/bucket/ticket.ts';
import type { ActorContext, ActorSystem, Behaviour } from '../actors/runtime.ts';
import type { ActorRef, Exit } from '../protocols/actor.ts';
import { ProxyCrashError } from '../protocols/errors.ts';
import { SHARE } from '../protocols/lanes.ts';
import {
  IDENTITY_REQUESTS_MAX,
  PROXY_BODIES_MAX_BYTES,
  PROXY_REQUESTS_MAX,
  REFUSED_RETRY_AFTER_MS,
} from '../protocols/limits.ts';
import type { Clock, Log } from '../protocols/ports.ts';
import type {
  ProxyMetrics,
  Refused,
  RestOutcome,
  RestRequest,
  Upstream,
} from '../protocols/proxy.ts';
import type { SharedLimits } from '../protocols/shared-limits.ts';
import { AddressCount } from './proxy-address.ts';
import { NOWHERE } from './proxy-aftermath.ts';
import { type Bucket, ProxyBuckets } from './proxy-buckets.ts';
import { type Gate, ProxyGates } from './proxy-gates.ts';
import { type FamilyLimits, type GuardStanding, INVALID, ProxyGuard } from './proxy-guard.ts';

export type ProxyTreeOptions = {
  readonly system: Pick<ActorSystem, 'spawn'>;
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: ProxyMetrics;
  /** Requests a second of an identity; Discord gives some bots more than the usual limit. */
  readonly globalLimit: number;
  /** Families of routes that get no more than so many requests; none unless given. */
  readonly familyLimits?: FamilyLimits;
  /** Where the limits are shared with other proxies; they are this one's own unless given. */
  readonly sharedLimits?: SharedLimits;
};

/** A request that the proxy has taken. */
export type Submission = {
  readonly outcome: Promise<RestOutcome>;
  /** The client has gone: nobody waits for the outcome any more. */
  cancel(): void;
};

export interface ProxyTree {
  submit(request: RestRequest): Submission;
  /**
   * Refuses what waits and what comes, and resolves when nothing is in flight, or after `withinMs`.
   */
  drain(withinMs: number): Promise<void>;
  /** Ends every actor of the tree; what is left is refused or failed. */
  stop(): Promise<void>;
  readonly buckets: number;
  readonly requests: number;
  readonly standing: GuardStanding;
}

/** The tree's own messages: the ends of its children. */
type TreeMessage =
  | { readonly kind: 'bucket-ended'; readonly bucket: Bucket; readonly exit: Exit }
  | { readonly kind: 'gate-ended'; readonly gate: Gate; readonly exit: Exit }
  | { readonly kind: 'retire' };

const STOPPING: Refused = { kind: 'refused', reason: 'stopping', retryAfterMs: 0 };
const FULL: Refused = { kind: 'refused', reason: 'full', retryAfterMs: REFUSED_RETRY_AFTER_MS };

export function startProxyTree(options: ProxyTreeOptions): ProxyTree {
  return new Tree(options);
}

class Tree implements ProxyTree {
  readonly #options: ProxyTreeOptions;
  readonly #services: TicketServices;
  readonly #buckets: ProxyBuckets;
  readonly #gates: ProxyGates;
  readonly #guard: ProxyGuard;
  /** Where limits are shared. */
  readonly #address: AddressCount | null;
  readonly #stopped: Promise<void>;
  #self: ActorRef<TreeMessage> = NOWHERE;
  #context: ActorContext<TreeMessage> | null = null;
  #tickets: number;
  /** Requests under way; each stands with its bucket. */
  #requests = 0;
  #bodyBytes = 0;
  #draining = false;
  #emptied: (() => void) | null = null;

  constructor(options: ProxyTreeOptions) {
    this.#options = options;
    const { upstream, clock, metrics, sharedLimits = null } = options;
    this.#tickets = sharedLimits?.firstRequest ?? 0;
    const guard = new ProxyGuard({
      ...options,
      counted: (spent) => this.#address?.tell(spent),
      closed: (identity) => this.#lookAgain(identity),
    });
    this.#guard = guard;
    this.#services = { upstream, clock, metrics, guard };
    this.#gates = new ProxyGates({
      ...options,
      sharedLimits,
      spawn: (name, behaviour, gate) =>
        this.#parent().spawn(name, behaviour, (exit) => ({ kind: 'gate-ended', gate, exit })),
      forgetBuckets: (gate) => this.#buckets.forgetAllOf(gate),
    });
    this.#buckets = new ProxyBuckets({
      ...options,
      sharedLimits,
      spawn: (name, behaviour, bucket) =>
        this.#parent().spawn(name, behaviour, (exit) => ({ kind: 'bucket-ended', bucket, exit })),
      shut: (gate, by, untilMs) => this.#gates.shut(gate, by, untilMs),
    });
    const behaviour: Behaviour<null, TreeMessage> = {
      start: (context) => {
        this.#context = context;
        return null;
      },
      receive: (_state, message, context) => {
        this.#take(message, context);
        return null;
      },
      stop: () => this.#leave(),
    };
    this.#address =
      sharedLimits &&
      new AddressCount({
        limits: sharedLimits,
        shape: INVALID,
        clock,
        heard: (elsewhere) => guard.noteElsewhere(elsewhere),
      });
    this.#stopped = new Promise((resolve) => {
      this.#self = options.system.spawn('proxy', behaviour, () => resolve());
    });
  }

  stop(): Promise<void> {
    this.#self.tell({ kind: 'retire' });
    return this.#stopped;
  }

  get buckets(): number {
    return this.#buckets.count;
  }

  get requests(): number {
    return this.#requests;
  }

  get standing(): GuardStanding {
    return this.#guard.standing;
  }

  submit(request: RestRequest): Submission {
    const { method, template } = request.route;
    this.#options.metrics.requested(method, template);
    this.#tickets += 1;
    const bucket = this.#admit(request);
    if ('kind' in bucket) {
      const refused = new RestTicket(this.#tickets, request, this.#services, () => {});
      refused.settle(bucket);
      return { outcome: refused.outcome, cancel: () => {} };
    }
    const settled = (): void => this.#settled(ticket, bucket);
    const ticket = new RestTicket(this.#tickets, request, this.#services, settled);
    bucket.tickets.set(ticket.id, ticket);
    bucket.gate.requests += 1;
    this.#requests += 1;
    this.#bodyBytes += request.body?.heldBytes ?? 0;
    bucket.ref.tell({ kind: 'enqueue', ticket });
    return { outcome: ticket.outcome, cancel: () => cancel(ticket, bucket) };
  }

  async drain(withinMs: number): Promise<void> {
    this.#draining = true;
    this.#buckets.drain();
    if (this.#requests === 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.setTimer(withinMs, resolve);
      this.#emptied = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /** The bucket that takes the request, or why none does. */
  #admit(request: RestRequest): Bucket | Refused {
    if (this.#draining || this.#context === null) return STOPPING;
    const refused = this.#guard.look(request);
    if (refused !== null) return refused;
    const share = SHARE[request.priority];
    const bytes = request.body?.heldBytes ?? 0;
    if (this.#requests >= share * PROXY_REQUESTS_MAX) return FULL;
    if (this.#bodyBytes + bytes > share * PROXY_BODIES_MAX_BYTES) return FULL;
    const gate = this.#gates.of(request.identity);
    if (gate === null || gate.requests >= share * IDENTITY_REQUESTS_MAX) return FULL;
    return this.#buckets.for(request, gate) ?? FULL;
  }

  /** Refuses what waits and must not be sent any more. */
  #lookAgain(identity: string | null): void {
    for (const [ticket, bucket] of this.#buckets.tickets()) {
      if (identity !== null && ticket.request.identity !== identity) continue;
      const refused = ticket.phase.kind === 'waiting' ? this.#guard.look(ticket.request) : null;
      if (refused === null) continue;
      ticket.settle(refused);
      bucket.ref.tell({ kind: 'cancel', id: ticket.id });
    }
  }

  #settled({ id, request }: RestTicket, { tickets, gate }: Bucket): void {
    tickets.delete(id);
    gate.requests -= 1;
    this.#requests -= 1;
    this.#bodyBytes -= request.body?.heldBytes ?? 0;
    if (this.#requests === 0) this.#emptied?.();
  }

  #parent(): ActorContext<TreeMessage> {
    if (this.#context === null) throw new Error('the tree of the proxy has ended');
    return this.#context;
  }

  #take(message: TreeMessage, context: ActorContext<TreeMessage>): void {
    if (message.kind === 'retire') context.finish('retired');
    // An end that comes after the tree's own is nobody's loss.
    else if (this.#context === null) return;
    else if (message.kind === 'gate-ended') this.#gates.ended(message.gate, message.exit);
    else this.#buckets.ended(message.bucket, message.exit);
  }

  #leave(): void {
    this.#context = null;
    this.#address?.stop();
    for (const [ticket] of this.#buckets.tickets()) {
      if (ticket.phase.kind === 'waiting') {
        ticket.settle(STOPPING);
      } else {
        ticket.abort();
        ticket.settle({ kind: 'failed', error: new ProxyCrashError() });
      }
    }
  }
}

/** One that is settled is with its bucket no more. */
function cancel({ id }: RestTicket, { tickets, ref }: Bucket): void {
  if (tickets.has(id)) ref.tell({ kind: 'cancel', id });
}
