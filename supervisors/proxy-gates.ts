/**
 * The gates of the proxy's tree: one for each identity, made when it is first asked for.
 *
 * Inner workings: a gate's record outlives its actor. It knows the buckets that ask the gate, how
 * many requests of the identity are under way, and until when Discord has shut it, so that a gate
 * which is started anew opens no earlier than its predecessor would have.
 *
 * Failure modes: a gate that crashes is started anew, shut for as long as what its predecessor let
 * through may still count; its buckets ask again. At GATES_MAX the identity that nothing is to be
 * known of makes room; if there is none, no new identity is taken.
 */
import type { RestTicket } from '../actors/bucket/ticket.ts';
import { gateActor } from '../actors/global/actor.ts';
import type { Behaviour } from '../actors/runtime.ts';
import type { SmallMap } from '../actors/small-map.ts';
import type { ActorRef, Exit } from '../protocols/actor.ts';
import {
  ARRIVAL_MAX_MS,
  GATES_MAX,
  GLOBAL_MARGIN_MS,
  GLOBAL_REQUESTS_PER_WINDOW,
  GLOBAL_WINDOW_MS,
} from '../protocols/limits.ts';
import type { Clock, Log } from '../protocols/ports.ts';
import {
  ANONYMOUS,
  type BucketMessage,
  type GateMessage,
  type LimitedBy,
} from '../protocols/proxy.ts';
import type { SharedLimits } from '../protocols/shared-limits.ts';
import { NOWHERE, surviveCrash } from './proxy-aftermath.ts';
import { placeOf } from './proxy-places.ts';

/** What a gate needs to know of a bucket that asks it. */
export type GateUser = {
  readonly ref: ActorRef<BucketMessage>;
  readonly tickets: Pick<SmallMap<number, RestTicket>, 'values'>;
};

export type Gate = {
  readonly identity: string;
  ref: ActorRef<GateMessage>;
  unwatch: () => void;
  shutUntilMs: number;
  crashes: number;
  readonly buckets: Set<GateUser>;
  requests: number;
};

export type GateServices = {
  readonly clock: Clock;
  readonly log: Log;
  /** Requests a second of an identity. */
  readonly globalLimit: number;
  /** Null: the limits are this proxy's own. */
  readonly sharedLimits: SharedLimits | null;
  /** Starts the actor of a gate, whose end is told to `ended`. */
  spawn<State>(
    name: string,
    behaviour: Behaviour<State, GateMessage>,
    gate: Gate,
  ): ActorRef<GateMessage>;
  /** Forgets the buckets of a gate, if nothing is to be known of any of them; whether it did. */
  forgetBuckets(gate: Gate): boolean;
};

export class ProxyGates {
  readonly #services: GateServices;
  readonly #gates = new Map<string, Gate>();
  #started = 0;
  #edgeShutUntilMs = 0;

  constructor(services: GateServices) {
    this.#services = services;
  }

  /** The gate of an identity; null if there are too many. */
  of(identity: string): Gate | null {
    const known = this.#gates.get(identity);
    if (known !== undefined) return known;
    if (this.#gates.size >= GATES_MAX && !this.#makeRoom()) return null;
    const parts = { identity, shutUntilMs: this.#edgeShutUntilMs, crashes: 0, requests: 0 };
    const gate: Gate = { ...parts, ref: NOWHERE, unwatch: () => {}, buckets: new Set() };
    const news = (): void => gate.ref.tell({ kind: 'news' });
    const place = placeOf('gate', identity);
    gate.unwatch = this.#services.sharedLimits?.watch(place, news) ?? gate.unwatch;
    this.#start(gate);
    this.#gates.set(identity, gate);
    return gate;
  }

  /** Shuts one gate, or, when a server in front of Discord blocks us, all of them. */
  shut(gate: Gate, by: LimitedBy, untilMs: number): void {
    if (by === 'edge') this.#edgeShutUntilMs = Math.max(this.#edgeShutUntilMs, untilMs);
    for (const one of by === 'edge' ? this.#gates.values() : [gate]) {
      one.shutUntilMs = Math.max(one.shutUntilMs, untilMs);
      one.ref.tell({ kind: 'shut', untilMs });
    }
  }

  /** The actor of a gate has ended by itself. */
  ended(gate: Gate, exit: Exit): void {
    if (this.#gates.get(gate.identity) !== gate) return;
    const { log, clock } = this.#services;
    gate.crashes += 1;
    const error = exit.kind === 'crashed' ? exit.error : exit;
    log.error({ error }, 'the gate of an identity is started anew');
    const countedMs = ARRIVAL_MAX_MS + GLOBAL_WINDOW_MS + GLOBAL_MARGIN_MS;
    gate.shutUntilMs = Math.max(gate.shutUntilMs, clock.nowMs() + countedMs);
    for (const bucket of gate.buckets) {
      for (const ticket of [...bucket.tickets.values()]) {
        if (!surviveCrash(ticket)) bucket.ref.tell({ kind: 'cancel', id: ticket.id });
      }
    }
    this.#start(gate);
    for (const bucket of gate.buckets) bucket.ref.tell({ kind: 'gate', gate: gate.ref });
  }

  #start(gate: Gate): void {
    const { globalLimit, sharedLimits: limits, spawn } = this.#services;
    // What is raised is the limit of a bot, never that of an address.
    const most = gate.identity === ANONYMOUS ? GLOBAL_REQUESTS_PER_WINDOW : globalLimit;
    const limit = Math.min(globalLimit, most);
    const behaviour = gateActor({
      limit,
      shutUntilMs: gate.shutUntilMs,
      shared: limits && { limits, place: placeOf('gate', gate.identity) },
    });
    gate.ref = spawn(`global-${++this.#started}`, behaviour, gate);
  }

  #makeRoom(): boolean {
    const nowMs = this.#services.clock.nowMs();
    for (const gate of this.#gates.values()) {
      if (gate.shutUntilMs > nowMs || !this.#services.forgetBuckets(gate)) continue;
      gate.unwatch();
      this.#gates.delete(gate.identity);
      gate.ref.tell({ kind: 'retire' });
      return true;
    }
    return false;
  }
}
