/**
 * Which proxies there are, and what part of the limits may be used for it: plain values.
 *
 * A proxy that was seen of late and has said nothing since the store was reached, or for
 * SHARED_MISSED_MS, is taken to decide alone on its share, which the others leave to it. After
 * SHARED_SEEN_MS without a word it is taken to be gone.
 */
import { SHARED_MISSED_MS, SHARED_SEEN_MS } from '../../../protocols/limits.ts';

/** When each proxy was last seen, in our own time; this one is not among them. */
export type Others = ReadonlyMap<string, number>;

export function seen(others: Others, nowMs: number): Others {
  return new Map([...others].filter(([, atMs]) => atMs > nowMs - SHARED_SEEN_MS));
}

/** The share of those who are together, `joinedMs` being when this one has come to the store. */
export function shareTogether(others: Others, joinedMs: number, nowMs: number): number {
  const all = seen(others, nowMs);
  const sinceMs = Math.max(joinedMs, nowMs - SHARED_MISSED_MS);
  const missing = [...all.values()].filter((atMs) => atMs < sinceMs).length;
  return (all.size + 1 - missing) / (all.size + 1);
}

/** The share of one that cannot reach the store; there are at least `proxiesMin` of them. */
export function shareAlone(others: Others, proxiesMin: number, nowMs: number): number {
  return 1 / Math.max(seen(others, nowMs).size + 1, proxiesMin);
}
