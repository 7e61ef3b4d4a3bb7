/**
 * Bounds of what Discord limits: the buckets of routes, the global limit of an identity, and the
 * budgets of answers that it takes for abuse.
 */

/**
 * Bucket actors; at the bound one of those used longest ago makes room, and if none of them is idle
 * the request is refused.
 */
export const BUCKETS_MAX = 131_072;
/** Ours: of the buckets used longest ago, how many are looked at for one to make room. */
export const BUCKET_LOOKS_MAX = 64;
/** A bucket with nothing to do and nothing left to wait for is forgotten after this. */
export const BUCKET_IDLE_MS = 60_000;
/**
 * Queues of a bucket actor, one a lane of a route; at the bound a request that needs another is
 * refused with a time.
 */
export const BUCKET_QUEUES_MAX = 1_000;
/**
 * Permits a bucket may have asked of its gate and not yet used; more would let it crowd out others.
 */
export const BUCKET_ASKS_MAX = 8;
/**
 * Gates, one an identity; at the bound the one without buckets that was used longest ago makes
 * room.
 */
export const GATES_MAX = 1_000;
/**
 * Classes of routes that are known to share a counter with others; at the bound the oldest is
 * forgotten.
 */
export const SIBLINGS_MAX = 1_000;
/**
 * The longest body that is read for what it changes; a longer one is taken for the tighter limit.
 */
export const CLASS_BODY_MAX_BYTES = 64 * 1024;
/** The most of a 429's body that is read to find out what was limited. */
export const LIMITED_BODY_MAX_BYTES = 64 * 1024;

/**
 * Ours: added to every reset and Retry-After, since what counts is when Discord receives the
 * request.
 */
export const RESET_MARGIN_MS = 50;
/**
 * Windows with a larger limit than this are not followed send by send, only by Discord's headers.
 */
export const SLIDING_LOG_MAX = 256;
/**
 * The wait for a lost or uncounted request when the length of the bucket's window is not known yet.
 */
export const WINDOW_GUESS_MS = 5_000;
/**
 * How long everything stays away from a server in front of Discord that blocks us and gives no
 * time.
 */
export const EDGE_BLOCK_MIN_MS = 60_000;

/** Discord: requests a second of one identity, or of one address without credentials. */
export const GLOBAL_REQUESTS_PER_WINDOW = 50;
export const GLOBAL_WINDOW_MS = 1_000;
/** Ours: the largest global limit that can be configured. */
export const GLOBAL_LIMIT_MAX = 10_000;
/** Ours: the window is kept this much longer, against the jitter of timers. */
export const GLOBAL_MARGIN_MS = 10;
/** A request has reached Discord's counter when it is answered, or this long after it was sent. */
export const ARRIVAL_MAX_MS = 250;

/**
 * Discord: answers 401, 403 and 429 (but for shared limits) to one address in this span; then a
 * ban.
 */
export const INVALID_REQUESTS_PER_WINDOW = 10_000;
export const INVALID_REQUEST_WINDOW_MS = 600_000;
/** Ours: of these, when the log is told, when the bulk lane is refused, and when everything is. */
export const INVALID_REQUESTS_WARN = 0.5 * INVALID_REQUESTS_PER_WINDOW;
export const INVALID_REQUESTS_SHED = 0.8 * INVALID_REQUESTS_PER_WINDOW;
export const INVALID_REQUESTS_STOP = 0.95 * INVALID_REQUESTS_PER_WINDOW;
/** Ours: how exactly their times are kept; each counts for up to this much longer. */
export const INVALID_REQUEST_SLOT_MS = 5_000;
/**
 * Ours: 429s of shared limits in a minute. Discord counts none of them, yet bots that had thousands
 * were banned. At the second the bulk lane is refused, at the third all but the high lane.
 */
export const SHARED_LIMITED_WINDOW_MS = 60_000;
export const SHARED_LIMITED_SLOT_MS = 1_000;
export const SHARED_LIMITED_WARN = 150;
export const SHARED_LIMITED_SHED = 240;
export const SHARED_LIMITED_STOP = 300;
/** What a request is told to wait while all that is in the air could overdraw a budget. */
export const BUDGET_MOMENT_MS = 1_000;

/**
 * Ours: families of routes that may have a limit of their own, and slots that its window is kept
 * in.
 */
export const FAMILY_LIMITS_MAX = 32;
export const FAMILY_WINDOW_SLOTS = 120;
export const FAMILY_WINDOW_MAX_MS = 24 * 60 * 60_000;
