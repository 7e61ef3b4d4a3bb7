/**
 * Bounds of every broker: connections, publishes and calls, and messages with a handler. Those of
 * one kind of broker alone are in `amqp`, `redis` and `stdio`.
 */

/** Ours: how long a broker connection may take to open. */
export const BROKER_CONNECT_TIMEOUT_MS = 10_000;
/** Ours: the waits before a lost broker connection is opened again, before jitter: first, most. */
export const BROKER_BACKOFF_MIN_MS = 100;
export const BROKER_BACKOFF_MAX_MS = 10_000;
/**
 * Ours: a link that stayed open this long was stable; the next wait starts from the least again.
 */
export const BROKER_STABLE_MS = 10_000;
/** Ours: programming errors in a broker channel that are answered by a restart, in this span. */
export const BROKER_CRASHES_MAX = 5;
export const BROKER_CRASH_WINDOW_MS = 60_000;
/**
 * Ours: how long `close` waits for confirms and handlers; less than ACTOR_STOP_HOOK_DEADLINE_MS.
 */
export const BROKER_CLOSE_MS = 3_000;
/**
 * Ours: a check that runs this much late says that the process was too busy to keep its
 * connections.
 */
export const LOOP_LAG_WARN_MS = 2_000;

/** Ours: no confirm at all for this long, with events outstanding, means the link is dead. */
export const CONFIRM_STALL_MS = 10_000;
export const CONFIRM_CHECK_MS = 2_500;
/** Ours: how long a publish may wait for its confirm, reconnections included. */
export const PUBLISH_TIMEOUT_MS = 10_000;
/** Ours: publishes and calls waiting for their confirm or answer; above it they fail at once. */
export const BROKER_OPERATIONS_MAX = 10_000;
/**
 * Ours: the bytes of their bodies, and of answers not yet confirmed; one that is larger may be
 * alone.
 */
export const BROKER_OPERATIONS_MAX_BYTES = 64 * 1024 * 1024;

/**
 * Ours: how long a link may take to begin and to cease consuming an event. One that says nothing
 * for longer is as good as away: what is wanted is known, and its successor does it. The second is
 * part of a stop.
 */
export const BROKER_SUBSCRIBE_MS = 10_000;
export const BROKER_UNSUBSCRIBE_MS = 500;
/**
 * Ours: messages handed to a subscription's handler and not yet acked; above it no more are
 * fetched.
 */
export const CONSUMER_PREFETCH = 1_000;
/** Ours: with so many of them and none settled for so long, a listener seems to ack nothing. */
export const UNSETTLED_WARN_MS = 10_000;
/**
 * Ours: the wait before a message handed back with `retry` is delivered again, against hot loops.
 */
export const RETRY_DELAY_MS = 100;
/** Ours: how often one message may be handed back with `retry` over memory or stdio. */
export const LOCAL_RETRIES_MAX = 20;
/** Ours: messages queued in memory for one subscription; at the bound publishers are refused. */
export const MEMORY_QUEUE_MAX = 10_000;
export const MEMORY_QUEUE_MAX_BYTES = 64 * 1024 * 1024;
