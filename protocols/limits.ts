/**
 * Every bound of the project, with the policy at the bound, in one place.
 *
 * Numbers that Discord sets are named after the rule; numbers that we chose say why. The relations
 * between them are asserted at the bottom, so that changing one that breaks another fails at start.
 */

/** Discord: gateway frames a connection may send in any 60 s, heartbeats included; then close 4008. */
export const GATEWAY_FRAMES_PER_WINDOW = 120;
export const GATEWAY_FRAME_WINDOW_MS = 60_000;

/** Discord: the largest frame a client may send, in UTF-8 bytes; above it close 4002. */
export const GATEWAY_FRAME_MAX_BYTES = 4096;

/** Discord: one IDENTIFY per `shard_id % max_concurrency` in this span; above it op 9. */
export const IDENTIFY_WINDOW_MS = 5_000;

/** Ours: added to the window, since what counts is when Discord receives the frame, not when we send it. */
export const IDENTIFY_MARGIN_MS = 250;

/** Node fires a longer timer at once; a longer wait is armed again when this much of it has passed. */
export const TIMER_MAX_MS = 2 ** 31 - 1;
