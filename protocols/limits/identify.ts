/**
 * Bounds of IDENTIFY: Discord's windows and its budget of a day, the ledger that keeps count of
 * them, and the questions to GET /gateway/bot that correct it.
 */
import type { BackoffPolicy } from '../backoff.ts';
import { HELLO_TIMEOUT_MS } from './gateway.ts';
import { SESSION_STORE_TIMEOUT_MS } from './sessions.ts';

/** Discord: one IDENTIFY per `shard_id % max_concurrency` in this span; above it op 9. */
export const IDENTIFY_WINDOW_MS = 5_000;
/**
 * Ours: added to the window, since what counts is when Discord receives the frame, not when we send
 * it.
 */
export const IDENTIFY_MARGIN_MS = 250;
/**
 * Discord: IDENTIFYs of one application in 24 h; the next one ends all sessions and resets the
 * token.
 */
export const IDENTIFIES_PER_DAY = 1_000;
/** Discord: a bot in more guilds than this gets more IDENTIFYs a day: one for so many guilds. */
export const LARGE_BOT_GUILDS = 150_000;
export const LARGE_BOT_GUILDS_PER_IDENTIFY = 200;
/** Discord: and so many at the least. */
export const LARGE_BOT_IDENTIFIES_PER_DAY = 2_000;
/** Discord: the span of the identify budget. */
export const IDENTIFY_BUDGET_PERIOD_MS = 24 * 60 * 60 * 1000;
/** Discord: the values that `large_threshold` of IDENTIFY may have; the smallest is its default. */
export const LARGE_THRESHOLD_MIN = 50;
export const LARGE_THRESHOLD_MAX = 250;

/** A permit holder that has not said HELLO by then goes to the end of the line. */
export const IDENTIFY_PREPARE_TIMEOUT_MS = HELLO_TIMEOUT_MS + 5_000;
/** Ours: the longest an identify ledger may take to answer; then it counts as away. */
export const IDENTIFY_LEDGER_TIMEOUT_MS = SESSION_STORE_TIMEOUT_MS + 1_000;
/**
 * Ours: a permit holds its key this long at most, for a process that dies with it: the answer's
 * way, the time in which the frame has to be sent, and the window after it.
 */
export const IDENTIFY_LEASE_MS =
  IDENTIFY_LEDGER_TIMEOUT_MS +
  IDENTIFY_PREPARE_TIMEOUT_MS +
  IDENTIFY_WINDOW_MS +
  IDENTIFY_MARGIN_MS;
/**
 * Ours: how long a ledger outlives its last use. A gateway may run for weeks without an IDENTIFY,
 * and a book that it finds missing then counts as lost.
 */
export const IDENTIFY_LEDGER_KEPT_MS = 30 * IDENTIFY_BUDGET_PERIOD_MS;
/** Ours: the largest file of identify ledgers that is read. */
export const IDENTIFY_LEDGER_FILE_MAX_BYTES = 4 * 1024 * 1024;
/** Ours: the wait before a ledger that is away is asked again. */
export const IDENTIFY_LEDGER_BACKOFF: BackoffPolicy = {
  initialMs: 1_000,
  maxMs: 30_000,
  factor: 2,
  jitter: 0.5,
  stableMs: 0,
};

/**
 * Ours: how often Discord is asked whether there is budget again, while it is down to its floor.
 */
export const IDENTIFY_FLOOR_RECHECK_MS = 15 * 60_000;
/** Ours: the largest floor that can be configured; Discord's largest known budgets are below it. */
export const IDENTIFY_FLOOR_MAX = 100_000;

/** Ours: the largest max_concurrency that is believed; Discord's largest bots have 16 and above. */
export const MAX_CONCURRENCY_MAX = 4_096;
/** How long GET /gateway/bot may wait for Discord's headers, and for the body. */
export const GATEWAY_BOT_TIMEOUT_MS = 15_000;
/**
 * Ours: the longest that a Retry-After of GET /gateway/bot is waited out before it is asked again.
 */
export const GATEWAY_BOT_WAIT_MAX_MS = 60 * 60_000;
/** The wait before it is sent again. */
export const GATEWAY_BOT_BACKOFF: BackoffPolicy = {
  initialMs: 1_000,
  maxMs: 60_000,
  factor: 2,
  jitter: 0.5,
  stableMs: 0,
};
/** Ours: before an IDENTIFY, /gateway/bot is asked again if its last answer is older than this. */
export const GATEWAY_BOT_FRESH_MS = 10 * 60_000;
/**
 * Ours: and if it is older than this, once so many sessions have ended soon after their IDENTIFY.
 */
export const GATEWAY_BOT_SUSPECT_MS = 60_000;
export const IDENTIFY_RETURNS_MAX = 3;
/**
 * Ours: an IDENTIFY by the same shard this soon after its last one says that the last was refused.
 */
export const IDENTIFY_RETURN_MS = 60_000;
/**
 * Ours: the wait after a question of that kind that failed; meanwhile what was known goes on to
 * count.
 */
export const GATEWAY_BOT_REFRESH_BACKOFF: BackoffPolicy = {
  initialMs: 30_000,
  maxMs: 15 * 60_000,
  factor: 2,
  jitter: 0.5,
  stableMs: 0,
};
