/**
 * Bounds of the client library: requests for members, calls of the proxy, and repeats of a message.
 */
import { COMMAND_WAIT_MAX_MS } from './commands.ts';

/**
 * Ours: how long a client waits for all members that it asked for: a gateway may have to wait as
 * long, too.
 */
export const MEMBER_REQUEST_TIMEOUT_MS = COMMAND_WAIT_MAX_MS + 30_000;
/** Ours: requests for members of one client without an answer; above it refused. */
export const MEMBER_REQUESTS_MAX = 1_000;
/** Ours: chunks of one answer: ten million members. A longer answer is refused. */
export const MEMBER_CHUNKS_MAX = 10_000;

/**
 * How long `Rest` waits for an answer unless it is told: long enough for a turn in a busy bucket.
 */
export const REST_CALL_TIMEOUT_MS = 60_000;
/**
 * How much longer than the proxy a caller waits, so that it hears from the proxy that time is up.
 */
export const REST_CALL_GRACE_MS = 2_000;

/**
 * Ours: messages that a client remembers to have handled, to drop their repeats; the oldest is
 * forgotten.
 */
export const REPEATS_MAX = 65_536;
