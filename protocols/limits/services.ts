/**
 * Bounds of a running process: its stop, its log, and what the commands of `spectacles` wait for.
 */

/** Ours: after a signal the process ends within this, whatever is still open, as exit status 1. */
export const PROCESS_STOP_DEADLINE_MS = 10_000;
/** Ours: how long all parts of a service together have to stop, so that none needs the deadline. */
export const SERVICE_STOP_MS = 9_500;
/** Ours: how long a stop lets a handler's requests land before the proxy takes no more of them. */
export const RUN_DRAIN_MS = 500;
/** Ours: a signal this soon after the first is the same one, passed on by npm or a shell. */
export const SIGNAL_ECHO_MS = 500;

/**
 * Ours: lines of the log that wait for a slow reader of stderr; above it they are dropped, and
 * counted.
 */
export const LOG_BACKLOG_MAX_BYTES = 1024 * 1024;
/** Ours: how long a process that ends waits for its last lines to be read. */
export const LOG_FLUSH_MS = 500;
/** Ours: secrets that are searched for in every log line; the patterns still find those beyond. */
export const KNOWN_SECRETS_MAX = 256;
/** How often a gateway's log says how many events came in; oftener where a person is looking on. */
export const EVENT_SUMMARY_MS = 60_000;
export const RUN_EVENT_SUMMARY_MS = 10_000;

/**
 * Ours: how long Node may take to find the line of a handler that cannot be parsed; else none is
 * told.
 */
export const HANDLER_CHECK_TIMEOUT_MS = 5_000;
/** How long `spectacles check` tries one connection. */
export const PROBE_TIMEOUT_MS = 10_000;
