/**
 * How long to wait before trying again: a pure value.
 *
 * Waits double from `minMs` to `maxMs`. Each is drawn from the upper half of its span, so that many
 * which failed together do not come back together, and none comes back at once. Nothing here resets by
 * itself: its owner starts over with FRESH_BACKOFF when things have been stable for a while, not when a
 * connection merely opens (GP-06).
 */

export type Backoff = {
  /** Waits handed out since the last fresh start. */
  readonly attempts: number;
};

export type BackoffPolicy = {
  /** The longest first wait. */
  readonly minMs: number;
  /** The longest wait of all. */
  readonly maxMs: number;
};

export const FRESH_BACKOFF: Backoff = { attempts: 0 };

/**
 * @param random uniform in [0, 1)
 * @returns the wait, in [span / 2, span) where span = min(maxMs, minMs * 2 ^ attempts), and what follows
 */
export function nextBackoff(
  backoff: Backoff,
  policy: BackoffPolicy,
  random: number,
): { readonly backoff: Backoff; readonly delayMs: number } {
  const spanMs = Math.min(policy.maxMs, policy.minMs * 2 ** backoff.attempts);
  // The exponent stops growing at the cap, so that the power never overflows.
  const attempts = spanMs < policy.maxMs ? backoff.attempts + 1 : backoff.attempts;
  return { backoff: { attempts }, delayMs: spanMs * (0.5 + random / 2) };
}
