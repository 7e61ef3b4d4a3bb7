/**
 * Bounds of the proxy's connections to Discord.
 */

/** How long a connection to Discord may take to open. */
export const UPSTREAM_CONNECT_TIMEOUT_MS = 10_000;
/** Silence of Discord after a request was sent, and between parts of an answer's body. */
export const UPSTREAM_HEADERS_TIMEOUT_MS = 30_000;
export const UPSTREAM_BODY_TIMEOUT_MS = 30_000;
/** What is taken of an answer's body before somebody reads it, and of one that nobody will read. */
export const UPSTREAM_BODY_HELD_BYTES = 64 * 1024;
export const UPSTREAM_BODY_DRAINED_BYTES = 128 * 1024;

/** Connections of the high lane, and of the others; requests above that wait inside the driver. */
export const UPSTREAM_CONNECTIONS_MAX = 256;
/** HTTP/2: the same, and requests that may be under way on each of them. */
export const UPSTREAM_HTTP2_CONNECTIONS_MAX = 4;
export const UPSTREAM_STREAMS_MAX = 100;
