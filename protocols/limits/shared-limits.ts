/**
 * Bounds of limits that several proxies share over a store, all of them ours.
 */
import type { BackoffPolicy } from '../backoff.ts';
import { requireRelations } from './relations.ts';

/**
 * Whoever waits in a shared bucket or gate looks again after this, told or not, since words get
 * lost; and says again what it has in the air.
 */
export const SHARED_POLL_MS = 1_000;
/**
 * A proxy that has said for so long no more that it waits is not waited for: two looks may be late.
 */
export const SHARED_WAIT_KEPT_MS = 2_500;
/** A request of another proxy counts as lost when nothing was said of it for so long. */
export const SHARED_LEASE_MS = 6_000;
/**
 * Routes that a proxy says it waits for in one bucket; for others its turn may come later than its
 * due.
 */
export const SHARED_WAITS_MAX = 32;

/** A store that has not let itself be reached by then is tried again. */
export const SHARED_CONNECT_MS = 5_000;
/** Between two tries to reach the store. */
export const SHARED_BACKOFF: BackoffPolicy = {
  initialMs: 250,
  maxMs: 5_000,
  factor: 2,
  jitter: 0.5,
  stableMs: 10_000,
};
/** The store counts as away when it has not answered by then. */
export const SHARED_ANSWER_MS = 2_000;
/**
 * When the store goes away, a bucket waits for one window before it uses its share, since others
 * may have used this one; but no longer than this, and then takes the risk of one 429.
 */
export const SHARED_GAP_MAX_MS = 10_000;

/** How often a proxy says that it is there. */
export const SHARED_HEARTBEAT_MS = 1_000;
/**
 * A proxy that has said nothing for so long is taken to decide alone: by then its answer is
 * overdue.
 */
export const SHARED_MISSED_MS = 4_000;
/**
 * A proxy that has said nothing for so long is taken to be gone, and its share is used by the
 * others.
 */
export const SHARED_SEEN_MS = 60_000;
/** The most proxies whose shares are reckoned with; it bounds what a heartbeat is answered. */
export const SHARED_PROXIES_MAX = 1_000;
/**
 * What a stopping proxy keeps of its time to tell the store; else its share is idle for a while.
 */
export const SHARED_LEAVE_MS = 500;

/** Of two proxies' times no more than twice this may be wrong, or a bucket would open too early. */
export const SHARED_CLOCK_ERROR_MAX_MS = 25;
/** What is kept in the store of a bucket or a gate goes so long after it has ceased to matter. */
export const SHARED_KEPT_MS = 120_000;
/** No text is kept for longer, however long a window may be. */
export const SHARED_KEPT_MAX_MS = 86_400_000;

requireRelations([
  [
    2 * SHARED_POLL_MS < SHARED_WAIT_KEPT_MS &&
      2 * (SHARED_POLL_MS + SHARED_ANSWER_MS) <= SHARED_LEASE_MS,
    'SHARED_POLL_MS: what a proxy waits for and what it has in the air would be forgotten meanwhile',
  ],
  [
    SHARED_HEARTBEAT_MS + SHARED_ANSWER_MS < SHARED_MISSED_MS,
    'SHARED_MISSED_MS: a proxy would be taken to decide alone while it waits for an answer',
  ],
]);
