/**
 * What a bucket actor knows of its requests, what it is told and what it does: the words of
 * `machine.ts`.
 */
import { type ClassRule, classesBetween } from '../../protocols/discord/request-class.ts';
import type { ByLane, Patience, Priority } from '../../protocols/lanes.ts';
import { ARRIVAL_MAX_MS } from '../../protocols/limits.ts';
import type { RefusalReason } from '../../protocols/proxy.ts';
import type { SiblingEvidence, Siblings } from '../../protocols/siblings.ts';
import type { Heard } from './answers.ts';
import { accountKey, type Charged, type Ledger } from './ledger.ts';
import { keep } from './lists.ts';

/** What the machine needs to know of a request. */
export type Entry = {
  readonly id: number;
  /** `METHOD template`. */
  readonly route: string;
  readonly rule: ClassRule;
  /** Whether the gate must be asked before it is sent. */
  readonly gated: boolean;
  /** When the client stops waiting. */
  readonly deadlineMs: number | null;
  /** When sending it is of no use any more; no later than the deadline. */
  readonly sendByMs: number | null;
  /** Sending it twice does no more than sending it once. */
  readonly repeatable: boolean;
  readonly lane: Priority;
};

export type Waiting = Entry & {
  /** The accounts that it counts against, where these do not change with time. */
  readonly keys: readonly string[] | null;
  /** The place in the line, drawn on arrival. */
  readonly place: number;
  readonly limitedAttempts: number;
  readonly failedAttempts: number;
};

export type Flight = Waiting &
  Charged & {
    readonly permit: number | null;
    /** Its fate is decided already; only its landing is awaited. */
    readonly abandoned: boolean;
  };

/** Those of one route and one lane, in the order of arrival; never empty. */
export type Queue = {
  readonly route: string;
  readonly lane: Priority;
  readonly gated: boolean;
  readonly entries: readonly Waiting[];
  /** The earliest time by which any of it must be sent. */
  readonly hurryMs: number;
};

/** A request that another proxy has in the air, and how long it is believed to be there. */
export type OthersFlight = Charged & { readonly proxy: string; readonly leaseUntilMs: number };

/** What outlives a crash: what is known, and what is in flight on that knowledge. */
export type Knowledge = {
  readonly ledger: Ledger;
  readonly flights: readonly Charged[];
  readonly others: readonly OthersFlight[];
};

export type BucketState = {
  /** One for each route and lane. Whose turn it is comes first. */
  readonly queues: readonly Queue[];
  readonly flights: readonly Flight[];
  /** Requests of other proxies that share the limits; none where nobody does. */
  readonly others: readonly OthersFlight[];
  readonly ledger: Ledger;
  /** Routes that some bucket has seen to be counted together. */
  readonly siblings: Siblings;
  /**
   * The part of each limit that may be used here; less than 1 where others may use the rest unseen.
   */
  readonly share: number;
  /** By account: how many other proxies wait for it that have waited longer. */
  readonly ahead: ReadonlyMap<string, number>;
  /** Whose turn among the lanes it is. */
  readonly patience: Patience;
  /** Permits asked for and not yet given. */
  readonly asked: ByLane<number>;
  readonly gateShutUntilMs: number;
  readonly draining: boolean;
  readonly nextPlace: number;
  readonly activeMs: number;
};

export type BucketInput =
  | { readonly kind: 'enqueue'; readonly entry: Entry }
  | {
      readonly kind: 'permit';
      readonly permit: number;
      readonly lane: Priority;
      /** It is for this lane alone, as long as anybody in it can use it. */
      readonly owed: boolean;
    }
  | { readonly kind: 'gate-shut'; readonly untilMs: number }
  | { readonly kind: 'gate-replaced' }
  | { readonly kind: 'siblings'; readonly siblings: Siblings }
  | { readonly kind: 'answered'; readonly id: number; readonly heard: Heard }
  | { readonly kind: 'failed'; readonly id: number; readonly unsent: boolean }
  /** It must not be sent at all, and was not; what has landed for it says why. */
  | { readonly kind: 'grounded'; readonly id: number }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'drain' }
  | { readonly kind: 'wake' };

export type BucketEffect =
  | { readonly kind: 'ask'; readonly lane: Priority }
  | { readonly kind: 'send'; readonly id: number; readonly permit: number | null }
  | { readonly kind: 'return-permit'; readonly permit: number }
  | { readonly kind: 'settle-permit'; readonly permit: number }
  /** The request's fate is the answer, or the failure, that has just landed for it. */
  | { readonly kind: 'deliver'; readonly id: number }
  /**
   * What has just landed for the request is of no use to anybody; the request may be sent again.
   */
  | { readonly kind: 'discard'; readonly id: number }
  | {
      readonly kind: 'refuse';
      readonly id: number;
      readonly reason: RefusalReason;
      readonly retryAfterMs: number;
    }
  | {
      readonly kind: 'time-out';
      readonly id: number;
      readonly waitMs: number | null;
      readonly failing: boolean;
      readonly sent: boolean;
    }
  | { readonly kind: 'cancelled'; readonly id: number }
  /** What was seen here of routes that share a name holds in other buckets, too. */
  | { readonly kind: 'learned'; readonly evidence: SiblingEvidence }
  | { readonly kind: 'wake-at'; readonly atMs: number }
  /** Nothing waits, nothing flies, and no knowledge of this bucket is worth keeping. */
  | { readonly kind: 'idle' };

export type BucketStep = { readonly state: BucketState; readonly effects: readonly BucketEffect[] };

/** All that is in the air, whoever sent it. */
export const inTheAir = ({ flights, others }: BucketState): readonly Charged[] =>
  others.length === 0 ? flights : [...flights, ...others];

/** Where `one` waits, or would wait. */
export function queueOf({ queues }: BucketState, { route, lane }: Entry): Queue | undefined {
  for (const queue of queues) if (queue.route === route && queue.lane === lane) return queue;
  return undefined;
}

/** Replaces what waits where `one` does; the queue keeps its turn. */
export function withQueue(
  state: BucketState,
  one: Entry,
  entries: readonly Waiting[],
): BucketState['queues'] {
  const { queues } = state;
  const known = queueOf(state, one);
  if (entries.length === 0) return keep(queues, (queue) => queue !== known);
  const { route, lane, gated } = one;
  const beforeMs = known?.hurryMs ?? Number.POSITIVE_INFINITY;
  const hurryMs = Math.min(beforeMs, one.sendByMs ?? beforeMs);
  const queue = { route, lane, gated, entries, hurryMs };
  return known === undefined ? queues.concat(queue) : queues.with(queues.indexOf(known), queue);
}

/** The accounts that a request counts against if it is sent now. */
export function keysOf({ route, rule }: Entry, nowMs: number): readonly string[] {
  const classes = classesBetween(rule, nowMs, nowMs + ARRIVAL_MAX_MS);
  return classes.map((one) => accountKey(route, one));
}
