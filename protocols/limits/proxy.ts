/**
 * Bounds of the proxy's requests: how many may be under way, how often one is tried and how long it
 * waits, and what is left to the higher lanes.
 */

/**
 * Requests that may wait in one lane of a route's bucket, and be under way for one identity and in
 * all; at each bound a new request is refused with a time. Each is a few messages to its bucket and
 * to its identity's gate, and must find room in their mailboxes.
 */
export const BUCKET_REQUESTS_MAX = 2_000;
export const IDENTITY_REQUESTS_MAX = 4_000;
export const PROXY_REQUESTS_MAX = 40_000;
/** What a request that is refused for want of room is told to wait. */
export const REFUSED_RETRY_AFTER_MS = 1_000;
/**
 * Bytes of bodies that waiting requests may hold; at the bound a new request is refused with a
 * time.
 */
export const PROXY_BODIES_MAX_BYTES = 256 * 1024 * 1024;

/** Attempts at one request that Discord answered with 429; then the last 429 is the answer. */
export const LIMITED_ATTEMPTS_MAX = 5;
/** Attempts at one request that failed on the way, where repeating it is safe. */
export const FAILED_ATTEMPTS_MAX = 3;
/** Times a request may live through the crash of its bucket before it is failed. */
export const BUCKET_CRASHES_MAX = 3;
/**
 * The wait before a repeat, and between pioneers of a bucket that answers with errors: doubling,
 * jittered.
 */
export const REPEAT_BACKOFF_MIN_MS = 250;
export const REPEAT_BACKOFF_MAX_MS = 10_000;
/** A known wait longer than this is not waited out: the request is refused with the time. */
export const PROXY_WAIT_MAX_MS = 15 * 60_000;
/** Discord: an interaction's token is void unless it is answered within this. */
export const INTERACTION_ANSWER_MS = 3_000;

/**
 * Ours: turns that others may take before a lane with somebody in it; each gets about a tenth at
 * least.
 */
export const LANE_PATIENCE = 9;
/** Ours: of the global limit, what the bulk lane leaves free for whoever comes in a higher one. */
export const GLOBAL_RESERVED_SHARE = 0.1;
/**
 * Ours: the part of each of the three bounds on requests that a lower lane may fill; the rest is
 * left to the higher ones.
 */
export const BULK_SHARE = 0.5;
export const NORMAL_SHARE = 0.9;

/**
 * The longest path that is resolved to a route; a longer one is refused. Node's own limit is near.
 */
export const ROUTE_PATH_MAX_CHARACTERS = 16_384;
/**
 * Undocumented segments that a route's template shows; the rest is one star, so labels stay few.
 */
export const ROUTE_UNKNOWN_SEGMENTS_MAX = 4;

/** Ours: after a 401 a token may be tried again after the first, and doubling up to the second. */
export const TOKEN_PROBE_MIN_MS = 1_000;
export const TOKEN_PROBE_MAX_MS = 5 * 60_000;
/**
 * Locked tokens; at the bound the one locked first is tried again. One nobody uses is forgotten.
 */
export const TOKEN_LOCKS_MAX = 1_000;
export const TOKEN_LOCK_UNUSED_MS = 60 * 60_000;
/**
 * Ours: how long a webhook that is gone is answered for, and how many; the oldest is asked for
 * again.
 */
export const DEAD_WEBHOOK_MS = 60 * 60_000;
export const DEAD_WEBHOOKS_MAX = 10_000;

/** The largest answer that the RPC door carries; Discord's own are far smaller. */
export const ANSWER_BODY_MAX_BYTES = 64 * 1024 * 1024;
/**
 * Answers that the RPC door remembers for repeats of their message, and their bytes; the oldest go
 * first.
 */
export const RPC_ANSWERS_MAX = 1_000;
export const RPC_ANSWERS_MAX_BYTES = 16 * 1024 * 1024;

/** How long a stopping proxy waits for requests in flight; the broker has to close after that. */
export const PROXY_DRAIN_MS = 6_000;
