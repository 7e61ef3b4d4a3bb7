/**
 * Bounds of the Redis broker: its connections, streams, answers, and entries that nobody acked.
 */

/** Ours: nodes of a Redis cluster that a configuration may name. */
export const REDIS_NODES_MAX = 64;
/**
 * Redis: how long one of a cluster's addresses may take to connect before the next one is tried.
 */
export const REDIS_SEED_TIMEOUT_MS = 3_000;
/**
 * Redis: how often each connection is asked for a sign of life, and how long it may take to give
 * one.
 */
export const REDIS_PULSE_MS = 5_000;
export const REDIS_PULSE_TIMEOUT_MS = 10_000;
/** Redis: blocking readers of one process, one a slot in a cluster; one more is refused. */
export const REDIS_READERS_MAX = 1_024;

/** Redis: entries asked for in one read, as the existing clients do. */
export const REDIS_READ_COUNT = 10;
/** Redis: how long one blocking read may wait, and how much later it is taken for hung. */
export const REDIS_BLOCK_MS = 5_000;
export const REDIS_BLOCK_GRACE_MS = 5_000;
/** Redis: how often streams are trimmed to their retention. */
export const REDIS_TRIM_INTERVAL_MS = 60_000;
/** Redis: streams a publisher remembers to trim; events beyond it are published and not trimmed. */
export const REDIS_TRIMMED_STREAMS_MAX = 1_024;
/** Ours: of the words in which Redis refuses an event, what is kept. */
export const REDIS_REFUSAL_MAX_BYTES = 512;

/**
 * Redis: how often an answer that nobody heard is sent, and the first wait between; each one
 * doubles.
 */
export const REDIS_ANSWER_ATTEMPTS_MAX = 7;
export const REDIS_ANSWER_RETRY_MS = 10;
/** Redis: how often an answer is sent in a cluster, which does not say whether anybody heard it. */
export const REDIS_CLUSTER_ANSWERS = 3;
/** Redis: an answer this soon after its question was read may come before its caller listens. */
export const REDIS_QUICK_ANSWER_MS = 50;
/** Redis: replies that may arrive before the call they answer knows its id. */
export const REDIS_PARKED_REPLIES_MAX = 256;
/**
 * Redis: events whose answers are listened for; above it the one unused for longest is given up.
 */
export const REDIS_CALLED_EVENTS_MAX = 1_024;

/**
 * Redis: an entry nobody has asked about for this long is taken over, unless configured otherwise.
 */
export const REDIS_CLAIM_IDLE_MS = 120_000;
/**
 * Redis: how often such entries are looked for, how many a look takes, and looks at one stream in a
 * row.
 */
export const REDIS_CLAIM_INTERVAL_MS = 5_000;
export const REDIS_CLAIM_COUNT = 100;
export const REDIS_CLAIM_ROUNDS_MAX = 10;
/** Redis: how long an entry is kept from other consumers for a handler that has not settled it. */
export const REDIS_HANDLER_MAX_MS = 30 * 60_000;
/** Redis: an entry that was delivered this often and never acked goes to the dead letters. */
export const REDIS_DELIVERIES_MAX = 20;
/**
 * Redis: dead letters kept for each event, the oldest goes first; and fields of an entry that are
 * kept.
 */
export const REDIS_DEAD_LETTERS_MAX = 10_000;
export const REDIS_DEAD_FIELDS_MAX = 256;
/** Redis: the wait before a message handed back is delivered again doubles up to this. */
export const REDIS_RETRY_DELAY_MAX_MS = 10_000;
/**
 * Redis: messages handed back that wait for that; those above it stay pending until they are
 * claimed.
 */
export const REDIS_RETRIES_WAITING_MAX = 500;
/**
 * Redis: acks and dead letters kept for the next link; one above it is dropped and delivered again.
 */
export const REDIS_SETTLEMENTS_MAX = 10_000;

/**
 * How long nobody may have read by a group that belongs to one process before the next such process
 * deletes it. Servers before 7.2 do not count reads that find nothing, so this is far above quiet
 * spells.
 */
export const REDIS_OWN_GROUP_IDLE_MS = 24 * 60 * 60_000;
/**
 * Redis: streams whose last entry is remembered, for groups that vanish; and slots that are
 * remembered.
 */
export const REDIS_SEEN_STREAMS_MAX = 4_096;
/**
 * Redis: how often groups are rid of consumers that have nothing and were not heard of for the
 * second.
 */
export const REDIS_REAP_INTERVAL_MS = 10 * 60_000;
export const REDIS_CONSUMER_IDLE_MS = 60 * 60_000;
