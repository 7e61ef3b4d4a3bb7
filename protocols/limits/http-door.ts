/**
 * Bounds of the proxy's HTTP door: connections, the time that a client may take, and bodies in
 * memory and in files.
 */
import { requireRelations } from './relations.ts';

/** Connections to the HTTP door; above it new ones are closed at once. */
export const HTTP_CONNECTIONS_MAX = 10_000;
/** The head of a request to the HTTP door, in bytes; a larger one is answered with 431. */
export const HTTP_HEAD_MAX_BYTES = 32 * 1024;
/** How long a client may take for a request's head, and for the whole request; then it gets 408. */
export const HTTP_HEAD_TIMEOUT_MS = 15_000;
export const HTTP_REQUEST_TIMEOUT_MS = 10 * 60_000;
/**
 * How long a client may neither send more of its body nor read more of its answer; then it is let
 * go.
 */
export const HTTP_STALL_MS = 30_000;
/** How long an idle connection of a client is kept for its next request. */
export const HTTP_KEEP_ALIVE_MS = 60_000;
/** What a client may leave unread of an answer before no more of it is taken from Discord. */
export const HTTP_ANSWER_HELD_MAX_BYTES = 256 * 1024;

/**
 * Discord: the largest file that any boost or subscription lets somebody upload, and room for its
 * form.
 */
export const REQUEST_BODY_MAX_BYTES = 512 * 1024 * 1024;
/**
 * A body that grows beyond this goes on in a file, so that what waits for its turn costs little
 * memory.
 */
export const BODY_HELD_MAX_BYTES = 256 * 1024;
/**
 * Memory for bodies at the HTTP door, all together; at the bound bodies go into files from the
 * start.
 */
export const BODIES_HELD_MAX_BYTES = 64 * 1024 * 1024;
/**
 * Files of bodies, and their bytes; at either bound a request whose body needs one is refused with
 * a time.
 */
export const SPOOLED_BODIES_MAX = 1_024;
export const SPOOLED_BODIES_MAX_BYTES = 8 * 1024 * 1024 * 1024;
/** How much of such a file is read at once. */
export const SPOOL_READ_BYTES = 64 * 1024;

requireRelations([
  [
    REQUEST_BODY_MAX_BYTES <= SPOOLED_BODIES_MAX_BYTES,
    'SPOOLED_BODIES_MAX_BYTES: the largest body would never be taken',
  ],
]);
