/**
 * The lock on a token that Discord does not know: one identity, from its first 401 to its next
 * success.
 *
 * Purpose: each request with a dead token is answered 401 and counts towards a ban of the address,
 * so a bot whose token was reset must not go on asking.
 *
 * Inner workings: no lock is `null`. A 401 closes it. While it is closed nothing is sent, but for
 * one request, the probe, once its time has come; another 401 doubles the wait for the next one. An
 * answer that only a known token gets opens the lock. Requests that were in the air when it closed
 * say nothing new, whatever becomes of them: only the probe does.
 *
 * Failure modes: a probe that is lost, or meets an error of Discord's own, proves nothing; the next
 * may go after the same wait. A 401 out of the blue costs TOKEN_PROBE_MIN_MS.
 */
import { TOKEN_PROBE_MAX_MS, TOKEN_PROBE_MIN_MS } from '../../protocols/limits.ts';

export type TokenLock = {
  readonly waitMs: number;
  readonly probeAtMs: number;
  /** The request that is in the air to find out. */
  readonly probe: number | null;
};

/** What an answer says of the token it was sent with. */
export type TokenEvidence = 'refused' | 'known' | 'nothing';

/** How long a request has to stay away; 0 when it may be sent. */
export function lockedForMs(lock: TokenLock | null, nowMs: number): number {
  if (lock === null) return 0;
  // How long a probe takes is not known; whoever comes back too early is told again.
  return lock.probe === null ? Math.max(0, lock.probeAtMs - nowMs) : lock.waitMs;
}

/** A request is being sent: through a closed lock it is the probe. */
export function passLock(lock: TokenLock | null, request: number): TokenLock | null {
  return lock === null || lock.probe !== null ? lock : { ...lock, probe: request };
}

export function hear(
  lock: TokenLock | null,
  request: number,
  evidence: TokenEvidence,
  nowMs: number,
): TokenLock | null {
  if (lock === null) {
    if (evidence !== 'refused') return null;
    return { waitMs: TOKEN_PROBE_MIN_MS, probeAtMs: nowMs + TOKEN_PROBE_MIN_MS, probe: null };
  }
  if (lock.probe !== request) return lock;
  if (evidence === 'known') return null;
  const doubled = Math.min(2 * lock.waitMs, TOKEN_PROBE_MAX_MS);
  const waitMs = evidence === 'refused' ? doubled : lock.waitMs;
  return { waitMs, probeAtMs: nowMs + waitMs, probe: null };
}
