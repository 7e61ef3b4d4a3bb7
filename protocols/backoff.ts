/**
 * How long to wait before the next try: a pure value that grows with each try and is forgotten
 * after a stable run.
 *
 * Only a stable run resets it. A child that starts well and fails a moment later would otherwise be
 * started again without pause, for ever.
 */
import type { Random } from './ports.ts';

export type BackoffPolicy = {
  /** The first wait, before jitter. */
  readonly initialMs: number;
  /** No wait is longer. */
  readonly maxMs: number;
  /** What each wait is multiplied by to make the next. */
  readonly factor: number;
  /**
   * The part of each wait that is drawn at random, from 0 to 1, so that many do not return at once.
   */
  readonly jitter: number;
  /** A run of at least this length makes the next wait the first again. */
  readonly stableMs: number;
};

export type BackoffState = {
  /** Tries since the last stable run. */
  readonly attempts: number;
  /** The next wait, before jitter; undefined if it is the first. */
  readonly nextMs: number | undefined;
};

export const FRESH_BACKOFF: BackoffState = { attempts: 0, nextMs: undefined };

/** Throws RangeError for a policy that could wait for ever, shrink, or never wait at all. */
export function checkBackoffPolicy(policy: BackoffPolicy): BackoffPolicy {
  const { initialMs, maxMs, factor, jitter, stableMs } = policy;
  const usable =
    initialMs > 0 &&
    initialMs <= maxMs &&
    Number.isFinite(maxMs) &&
    factor >= 1 &&
    Number.isFinite(factor) &&
    jitter >= 0 &&
    jitter <= 1 &&
    stableMs >= 0;
  if (!usable) {
    throw new RangeError(
      `unusable back-off ${JSON.stringify(policy)}: 0 < initialMs <= maxMs, factor >= 1, jitter from 0 to 1, stableMs >= 0`,
    );
  }
  return policy;
}

/** The wait before the next try: between `1 - jitter` of the full wait and the full wait. */
export function nextBackoff(
  state: BackoffState,
  policy: BackoffPolicy,
  random: Random,
): { readonly state: BackoffState; readonly delayMs: number } {
  const fullMs = state.nextMs ?? policy.initialMs;
  return {
    state: {
      attempts: state.attempts + 1,
      nextMs: Math.min(fullMs * policy.factor, policy.maxMs),
    },
    delayMs: fullMs * (1 - policy.jitter * random()),
  };
}

/** The state after a run of `uptimeMs`: fresh if the run was stable, else unchanged. */
export function stable(state: BackoffState, policy: BackoffPolicy, uptimeMs: number): BackoffState {
  return uptimeMs >= policy.stableMs ? FRESH_BACKOFF : state;
}
