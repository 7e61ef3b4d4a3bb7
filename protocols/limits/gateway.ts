/**
 * Bounds of a connection to Discord's gateway, and of the shard that holds it: frames, heartbeats,
 * waits for an answer, reconnections and the stop.
 */
import type { BackoffPolicy } from '../backoff.ts';
import { requireRelations } from './relations.ts';

/**
 * Discord: gateway frames a connection may send in any 60 s, heartbeats included; then close 4008.
 */
export const GATEWAY_FRAMES_PER_WINDOW = 120;
export const GATEWAY_FRAME_WINDOW_MS = 60_000;
/**
 * Ours: added to that window, since what counts is when Discord receives a frame, not when we send
 * it.
 */
export const GATEWAY_FRAME_MARGIN_MS = 250;
/**
 * Ours: of those frames, kept for IDENTIFY, RESUME and our own heartbeats; those that Discord asks
 * for stop before them, and commands before as many again.
 */
export const GATEWAY_FRAMES_RESERVED = 10;
/** Discord: the largest frame a client may send, in UTF-8 bytes; above it close 4002. */
export const GATEWAY_FRAME_MAX_BYTES = 4096;

/**
 * Ours: the heartbeat intervals that are taken from a HELLO; Discord's are about 41 s. A shorter
 * one would spin a timer, and of a longer one a dead connection would be found out when its session
 * is gone already.
 */
export const HEARTBEAT_INTERVAL_MIN_MS = 100;
export const HEARTBEAT_INTERVAL_MAX_MS = 10 * 60_000;

/** Handshake and HELLO together; after it the host counts as unreachable. */
export const HELLO_TIMEOUT_MS = 20_000;
/** From RESUME to RESUMED with no event in between. */
export const RESUMED_TIMEOUT_MS = 60_000;
/** The longest replay; after it RESUMED counts as lost. */
export const RESUMED_TIMEOUT_MAX_MS = 10 * RESUMED_TIMEOUT_MS;
/**
 * From IDENTIFY to READY. In an outage READY is late, and each new IDENTIFY is taken from the day's
 * budget.
 */
export const READY_TIMEOUT_MS = 5 * 60_000;
/** How long a closing handshake may take before the socket is destroyed. */
export const CLOSE_TIMEOUT_MS = 2_000;

/** Resumes of one session that may fail in a row before it is given up and a new one started. */
export const RESUME_ATTEMPTS_MAX = 3;
/** A shard that has been ready this long has recovered: its back-off starts over. */
export const SHARD_STABLE_MS = 30_000;
/**
 * The wait before a shard connects again: doubling from the first, with jitter, up to the second.
 */
export const SHARD_BACKOFF: BackoffPolicy = {
  initialMs: 500,
  maxMs: 120_000,
  factor: 2,
  jitter: 0.5,
  stableMs: SHARD_STABLE_MS,
};
/** The random wait before the IDENTIFY that follows an invalidated session. */
export const INVALID_SESSION_WAIT_MIN_MS = 1_000;
export const INVALID_SESSION_WAIT_MAX_MS = 5_000;
/**
 * Ours: the longest address of a session's host that is used; Discord's have some fifty characters.
 */
export const RESUME_URL_MAX_CHARACTERS = 1_024;

/** Discord: guilds one session may handle; above it close 4011. */
export const GUILDS_PER_SHARD = 2_500;
/** Ours: shards that a configuration may name; the largest known bots have a quarter of it. */
export const SHARDS_MAX = 65_536;
/** Ours: shards of one process: each may have two messages in the governor's mailbox at a time. */
export const PROCESS_SHARDS_MAX = 5_000;

/**
 * Ours: how long a shard that stops waits, when its connection is closed, for the confirms of what
 * it handed to the broker last. What is not confirmed by then comes again at the next start.
 */
export const STOP_CONFIRM_MS = 1_000;
/**
 * How long a shard may take to close its connection and save its session when the gateway stops.
 */
export const GATEWAY_SHUTDOWN_MS = CLOSE_TIMEOUT_MS + STOP_CONFIRM_MS + 500;

requireRelations([
  [
    GATEWAY_FRAMES_RESERVED < GATEWAY_FRAMES_PER_WINDOW,
    'GATEWAY_FRAMES_RESERVED: no frame but heartbeats could be sent',
  ],
  [
    GATEWAY_SHUTDOWN_MS > CLOSE_TIMEOUT_MS + STOP_CONFIRM_MS,
    'GATEWAY_SHUTDOWN_MS: a closing handshake has to fit into it, and the wait for the last confirms',
  ],
]);
