/**
 * What the parts of the proxy say to each other: a door, the buckets, the global gates, the
 * upstream.
 *
 * A door turns what a client sent into a `RestRequest` and gets exactly one `RestOutcome` for it.
 * In between, a request is a `Ticket`: it waits in the mailbox order of one bucket, the bucket asks
 * the gate of the request's identity for a permit just before it sends, and the upstream port
 * carries it to Discord. All times called `…Ms` without another word are monotonic, of the one
 * `Clock`.
 */
import type { ActorRef } from './actor.ts';
import type { Route } from './discord/routes.ts';
import type { SpectaclesError } from './errors.ts';
import type { Priority } from './lanes.ts';
import type { Answer } from './shared-limits.ts';
import type { Siblings } from './siblings.ts';

export const REST_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
export type RestMethod = (typeof REST_METHODS)[number];

/** Headers as they stand on the wire: in order, repeats kept, names in lower case. */
export type HeaderList = readonly (readonly [name: string, value: string])[];

/**
 * The body of a request. It may have to be sent more than once, and is the same bytes each time.
 */
export interface RequestBody {
  readonly bytes: number;
  /** How much memory it takes; what is kept in a file takes none. */
  readonly heldBytes: number;
  /** The content from its beginning; may be asked for again. */
  read(): Uint8Array | AsyncIterable<Uint8Array>;
}

/** A body that is there already. */
export function bodyOfBytes(content: Uint8Array): RequestBody {
  return { bytes: content.length, heldBytes: content.length, read: () => content };
}

/** One request for Discord, checked and cleaned by a door. */
export type RestRequest = {
  readonly method: RestMethod;
  /** Path and query exactly as they go upstream: `/api/v10/channels/1/messages?limit=5`. */
  readonly target: string;
  /** Whose limit it counts against. */
  readonly route: Route;
  readonly headers: HeaderList;
  readonly body: RequestBody | null;
  /** Stands for the credentials: equal for equal ones, and useless to anybody who reads it. */
  readonly identity: string;
  /** The longest the client will wait, waiting for a turn included; null when it did not say. */
  readonly timeoutMs: number | null;
  /** How long Discord would take it, counted from its arrival; null where that does not matter. */
  readonly sendWithinMs: number | null;
  /** The lane it travels in. */
  readonly priority: Priority;
  /** Whether doing it twice comes to the same as doing it once. */
  readonly repeatable: boolean;
};

/** GET and HEAD change nothing; PUT and DELETE change nothing more when they are repeated. */
export const REPEATABLE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'DELETE']);

/** The identity of every request that carries no credentials. Discord limits these by address. */
export const ANONYMOUS = 'anonymous';

/** The body of an answer, which may still be on its way. It may be read once, in one way. */
export interface AnswerBody extends AsyncIterable<Uint8Array> {
  /** All of it, where it has arrived; null, or no such function, where it is to be iterated. */
  arrived?(): Uint8Array | null;
}

/** Discord's answer, at the moment its headers are in. */
export type RestAnswer = {
  readonly status: number;
  readonly headers: HeaderList;
  readonly url: string;
  /** Whoever gets an answer either reads it or calls `discard`. */
  readonly body: AnswerBody;
  /** Gives up the body unread, so that its connection is free again. */
  discard(): void;
};

export type RefusalReason =
  /** The wait that is already known is longer than anybody should be made to wait. */
  | 'long-wait'
  /** More requests wait than the proxy keeps. */
  | 'full'
  /** The proxy is stopping; the request has not been sent. */
  | 'stopping'
  /** Discord refused so much of what this address sent that it is about to ban it. */
  | 'invalid-requests'
  /** Limits that all bots share refused so much that it could be taken for abuse. */
  | 'shared-limits'
  /** The family of routes has had as many requests as it is configured to get. */
  | 'family-limit'
  /** Discord does not know the token, and it is too early to ask again. */
  | 'unauthorized'
  /** Discord said that the webhook is gone. */
  | 'unknown-webhook';

/** Not sent. The same request may be tried again after `retryAfterMs`. */
export type Refused = {
  readonly kind: 'refused';
  readonly reason: RefusalReason;
  readonly retryAfterMs: number;
};

/** What became of a request. Exactly one of these for each. */
export type RestOutcome =
  | { readonly kind: 'answered'; readonly answer: RestAnswer }
  | Refused
  /**
   * Its time was up. `waitMs` is the known wait that made it hopeless, null when it simply passed;
   * with `failing` it is for no limit: it is the pause after errors of Discord's. `sent` says
   * whether Discord may have seen it.
   */
  | {
      readonly kind: 'timed-out';
      readonly waitMs: number | null;
      readonly failing: boolean;
      readonly sent: boolean;
    }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'failed'; readonly error: SpectaclesError };

/** How an attempt to reach Discord ended without an answer. */
export type UpstreamFailure = {
  readonly error: SpectaclesError;
  /** True only when it is certain that no byte of the request reached Discord. */
  readonly unsent: boolean;
};

export type UpstreamResult =
  | { readonly kind: 'answer'; readonly answer: RestAnswer }
  | { readonly kind: 'failure'; readonly failure: UpstreamFailure };

/** One request on its way to Discord. */
export interface Sending {
  /** Resolves when the answer's headers are in; never rejects. */
  readonly result: Promise<UpstreamResult>;
  /** Breaks it off, if there is no result yet; there is one then. */
  abort(): void;
}

/** The way to Discord. */
export interface Upstream {
  /** Sends one request once; `written` is told when it has a connection and goes onto it. */
  send(request: RestRequest, written: () => void): Sending;
  close(): Promise<void>;
}

/** Counters and timings; `path` is always the route's template, so that labels stay few. */
export interface ProxyMetrics {
  requested(method: string, path: string): void;
  responded(method: string, path: string, status: number): void;
  /** From the send to the answer's headers. */
  requestLatency(method: string, path: string, seconds: number): void;
  /** A request ended without an answer of Discord. */
  unanswered(method: string, path: string, why: Exclude<RestOutcome['kind'], 'answered'>): void;
  /** All the time that an answered request spent waiting for its turn. */
  ratelimitLatency(method: string, path: string, seconds: number): void;
  /** Discord refused a request for its rate. */
  limited(method: string, path: string, by: LimitedBy): void;
  /**
   * Discord answered a request with what it counts towards a ban: 401, 403, or 429 unless shared.
   */
  invalid(status: number): void;
  /** The proxy itself refused a request. */
  refused(method: string, path: string, reason: RefusalReason): void;
}

/**
 * Decides, in the moment of sending, whether a request may be sent at all, and hears what became of
 * it.
 */
export interface SendGuard {
  /** Why the request must not be sent; null if it may, and then it is taken to be in the air. */
  launch(id: number, request: RestRequest): Refused | null;
  /** Called once for each request that was let through. */
  landed(id: number, request: RestRequest, landing: Landed): void;
}

/**
 * Who was behind a 429: `user` this bucket's own limit, `shared` the resource's limit for
 * everybody, `global` the identity's limit over all routes, `edge` a server in front of Discord
 * that blocks us.
 */
export type LimitedBy = 'user' | 'shared' | 'global' | 'edge';

/** A request on its way through the proxy, and the only hand that may decide its fate. */
export interface Ticket {
  readonly id: number;
  readonly request: RestRequest;
  /** When the client stops waiting; null when it does not. */
  readonly deadlineMs: number | null;
  /**
   * When sending it is of no use any more, to the client or to Discord; null when that is never.
   */
  readonly sendByMs: number | null;
  /**
   * Sends the request; `landed` is told once how that ended. `written` is told when it goes onto a
   * connection, which it may have to wait for. Not again before it has landed.
   */
  launch(landed: (landing: Landing) => void, written: () => void): void;
  /** Discards what has landed: the request may be launched again. */
  waitAgain(): void;
  /** Decides the fate. The first call counts; an answer that comes second is discarded. */
  settle(outcome: RestOutcome): void;
}

/** What a bucket actor may be told. */
export type BucketMessage =
  | { readonly kind: 'enqueue'; readonly ticket: Ticket }
  /** The gate lets one request pass, as was asked in this lane. */
  | {
      readonly kind: 'permit';
      readonly permit: number;
      readonly lane: Priority;
      /** Higher lanes, of whatever bucket, let it go first: it is not for them. */
      readonly owed: boolean;
    }
  /** The gate is shut for a known time: nothing that cannot wait that long should queue for it. */
  | { readonly kind: 'gate-shut'; readonly untilMs: number }
  /** The gate actor was replaced: what was asked of the old one is forgotten. */
  | { readonly kind: 'gate'; readonly gate: ActorRef<GateMessage> }
  /** Some bucket has learned which routes are counted together. */
  | { readonly kind: 'siblings'; readonly siblings: Siblings }
  | { readonly kind: 'landed'; readonly id: number; readonly landing: Landing }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'wake' }
  | StoreMessage
  /** Nobody will send anything more: refuse what waits, let what is in flight land. */
  | { readonly kind: 'drain' }
  /** Sent by the router once it has forgotten the bucket. */
  | { readonly kind: 'retire' };

/** How a flight ended, after what its answer's body says of limits and locks has been read. */
export type Landed = UpstreamResult & {
  /** Of a 429. */
  readonly limited?: Limited;
  /** Discord's own code for the error, of an answer that may lock something. */
  readonly code?: number;
};

/** How a flight ended, and when that was heard; one that was refused never took off. */
export type Landing = (Landed & { readonly landedMs: number }) | Refused;

/** A 429, understood. */
export type Limited = {
  readonly by: LimitedBy;
  /** How long to stay away; never shorter than Discord asked. */
  readonly waitMs: number;
};

/** What the gate of one identity may be told. */
export type GateMessage =
  /** One permit, please; `asker` is told when it may send. */
  | { readonly kind: 'ask'; readonly asker: ActorRef<BucketMessage>; readonly lane: Priority }
  /** The request of this permit has just gone onto a connection. */
  | { readonly kind: 'sent'; readonly permit: number }
  /** Discord has certainly counted the request of this permit by now. */
  | { readonly kind: 'settled'; readonly permit: number }
  /** Nothing was sent with this permit. */
  | { readonly kind: 'returned'; readonly permit: number }
  /** The asker is gone. */
  | { readonly kind: 'withdraw'; readonly asker: ActorRef<BucketMessage> }
  /** Discord refused everything of this identity: nothing passes until then. */
  | { readonly kind: 'shut'; readonly untilMs: number }
  | { readonly kind: 'wake' }
  | StoreMessage
  | { readonly kind: 'retire' };

/** What the store of shared limits tells a bucket or a gate. */
type StoreMessage =
  /** Null: it is away. */
  | { readonly kind: 'exchanged'; readonly answer: Answer | null }
  /** There may be something new. */
  | { readonly kind: 'news' };
