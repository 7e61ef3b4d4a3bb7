/**
 * Bounds of events on their way from a shard's socket to the broker: how they are read and
 * decompressed, how many are under way, and how long a connection waits when the broker is slow.
 */
import { requireRelations } from './relations.ts';

/**
 * Ours: what one read of a gateway's socket brings at most; all sockets read into the same buffer.
 */
export const READ_BUFFER_BYTES = 64 * 1024;
/**
 * Ours: the least time between two writes of events to a broker. A write costs more than all else
 * that is done for an event, and nobody notices a millisecond; after a longer pause an event does
 * not wait. Node's timers keep to whole milliseconds: one of 1 ms ends after one or two, by chance,
 * one of 1.5 after two.
 */
export const EVENT_WRITE_SPACING_MS = 1.5;
/** Ours: what comes to a busy process within this time is read at once, and so written at once. */
export const READ_SPACING_MS = EVENT_WRITE_SPACING_MS;
/**
 * Ours: a process is busy to which all its sockets bring so many messages in that time; for fewer a
 * rest saves next to nothing.
 */
export const READ_BUSY_MESSAGES = 4;

/** The largest gateway message after decompression; a larger one ends the connection as garbled. */
export const GATEWAY_MESSAGE_MAX_BYTES = 64 * 1024 * 1024;
/**
 * The buffer that messages are decompressed into doubles from the first up to that. One for all
 * connections is kept, unless it has become larger than the second: huge messages come in bursts.
 */
export const DECOMPRESSED_INITIAL_BYTES = 64 * 1024;
export const DECOMPRESSED_KEPT_MAX_BYTES = 1024 * 1024;
/**
 * RFC 8878: the window, as a power of two, that every zstd decoder should have room for; above it
 * garbled.
 */
export const ZSTD_WINDOW_MAX_LOG = 23;

/**
 * Event names that Discord adds after this release: each gets an entry of its own up to this many.
 */
export const UNKNOWN_EVENTS_MAX = 256;
/**
 * Ours: the longest of those names; a longer one counts as one too many. Discord's have up to 40
 * bytes.
 */
export const EVENT_NAME_MAX_BYTES = 128;

/**
 * Events of one session that are with the broker and not yet confirmed; a power of two. At the
 * bound the connection is closed resumably, and Discord's own replay buffer holds what comes after.
 */
export const UNCONFIRMED_EVENTS_MAX = 65_536;
/**
 * Ours: events written to a broker and not yet confirmed, over all shards; a power of two. At the
 * bound `write` refuses.
 */
export const WRITER_EVENTS_MAX = 65_536;
/**
 * Ours: their bytes; at the bound `write` refuses. An event larger than this is taken when it is
 * alone.
 */
export const WRITER_MAX_BYTES = 64 * 1024 * 1024;
/** Ours: refused writers are told of room when this share of both bounds is free again. */
export const WRITER_ROOM_SHARE = 0.5;
/** Ours: the buffer in which events wait for their common write; a full one is written at once. */
export const EVENT_BATCH_BYTES = 256 * 1024;
/** Ours: buffers of that size which a sink keeps for reuse. */
export const EVENT_SPARE_BATCHES_MAX = 4;

/**
 * How long a connection waits for room at the broker before it is closed, to be resumed later.
 * Short, since a heartbeat that Discord asks for meanwhile is not seen; while a READY is held,
 * which is waited for longer, a heartbeat is sent this often.
 */
export const HOLD_MAX_MS = 5_000;
/** What may arrive of a socket that is not read any more; beyond it the connection is closed. */
export const HELD_MAX_BYTES = 4 * 1024 * 1024;
/** What each of those messages counts beside its bytes, or empty ones would cost nothing. */
export const HELD_OVERHEAD_BYTES = 256;

const isPowerOfTwo = (value: number): boolean => value > 0 && (value & (value - 1)) === 0;

requireRelations([
  [
    isPowerOfTwo(WRITER_EVENTS_MAX) && isPowerOfTwo(UNCONFIRMED_EVENTS_MAX),
    'WRITER_EVENTS_MAX and UNCONFIRMED_EVENTS_MAX: a ring finds its slots by a mask',
  ],
  [
    WRITER_MAX_BYTES >= GATEWAY_MESSAGE_MAX_BYTES,
    'WRITER_MAX_BYTES: the largest message would never be taken',
  ],
]);
