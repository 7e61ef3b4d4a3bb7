/**
 * Bounds of what can be configured, and of what a message says about it.
 */

/** Ours: the largest configuration file that is read; a larger one is some other file. */
export const CONFIGURATION_FILE_MAX_BYTES = 1024 * 1024;
/** Ours: the longest wait or age that can be configured. */
export const CONFIGURED_DURATION_MAX_MS = 365 * 24 * 60 * 60_000;
/** Ours: connections of one pool. */
export const POOL_SIZE_MAX = 1_024;
/** Ours: characters of a configured value that a message shows; the rest is cut off. */
export const SHOWN_VALUE_MAX_LENGTH = 60;
