/**
 * Bounds of kept sessions: how often their place is saved, how long a record is good for, and how
 * long anybody waits for the store.
 */
import type { BackoffPolicy } from '../backoff.ts';
import { requireRelations } from './relations.ts';

/** How often a live session's place is saved. */
export const SESSION_SAVE_INTERVAL_MS = 5_000;
/** Ours: how often changes are taken to the session store, and the shards of one batch. */
export const SESSION_STORE_INTERVAL_MS = 1_000;
export const SESSION_BATCH_MAX = 1_000;
/**
 * Discord keeps a session without a connection for "a few minutes", and does not say how many.
 * Ours: an older record is not resumed. It is generous, since a RESUME that is refused costs one
 * connection and nothing of the identify budget, while a session that is given up too early costs
 * its events.
 */
export const SESSION_RESUMABLE_MS = 10 * 60_000;
/** Ours: how long a store keeps a record, so that a late start can still say what was lost. */
export const SESSION_KEPT_MS = 24 * 60 * 60_000;

/**
 * Ours: how long one claim or save may take, connecting included; then the store counts as away.
 */
export const SESSION_STORE_TIMEOUT_MS = 5_000;
/** Ours: the wait before a store that is away is tried again. */
export const SESSION_STORE_BACKOFF: BackoffPolicy = {
  initialMs: 250,
  maxMs: 5_000,
  factor: 2,
  jitter: 0.5,
  stableMs: 0,
};
/**
 * Ours: how long a start waits for a session store that is away; then the shards start new
 * sessions. Long enough for a store that starts at the same time, and well within Discord's few
 * minutes.
 */
export const SESSION_LOAD_TIMEOUT_MS = 15_000;
/** Ours: how long a stop waits until the last words of the shards are saved. */
export const SESSION_FLUSH_MS = 2_000;

/** Ours: the largest file of sessions that is read: SHARDS_MAX of them, and room to spare. */
export const SESSION_FILE_MAX_BYTES = 64 * 1024 * 1024;
/**
 * Ours: a lock on that file which has not changed for this long is of a process that died holding
 * it.
 */
export const SESSION_LOCK_STALE_MS = 2_000;
export const SESSION_LOCK_POLL_MS = 25;

requireRelations([
  [
    SESSION_LOCK_STALE_MS < SESSION_STORE_TIMEOUT_MS &&
      SESSION_STORE_TIMEOUT_MS < SESSION_LOAD_TIMEOUT_MS,
    'SESSION_LOAD_TIMEOUT_MS: a start has to outlive the lock of a process that died, and a slow store',
  ],
]);
