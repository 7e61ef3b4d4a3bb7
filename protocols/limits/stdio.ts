/**
 * Bounds of frames over standard input and output, and between processes.
 */

/** Ours: the longest frame read from standard input; a longer one is skipped and reported. */
export const STDIO_FRAME_MAX_BYTES = 16 * 1024 * 1024;
/** Ours: the deepest nesting of a JSON frame; a deeper one is skipped and reported. */
export const FRAME_DEPTH_MAX = 10_000;
/**
 * Ours: the deepest nesting that is written as MessagePack; Go's and Rust's readers stop at 1,024.
 */
export const MESSAGE_PACK_DEPTH_MAX = 1_000;
/**
 * Ours: the buffer that a turn's frames are collected in; a full one is written before the turn
 * ends.
 */
export const STDIO_BATCH_BYTES = 64 * 1024;
/** Ours: how long a reader of frames may take nothing before the gateway is told to hold back. */
export const READER_STALL_MS = 5_000;
/** Ours: how often the log says what was skipped on standard input. */
export const GARBAGE_REPORT_MS = 5_000;

/**
 * Ours: bodies on their way to a child process that has not taken them; above it it gets no more.
 */
export const IPC_UNSENT_MAX_BYTES = 8 * 1024 * 1024;
/** Ours: events that a child process sends to its parent in one message. */
export const IPC_BATCH_EVENTS_MAX = 256;
