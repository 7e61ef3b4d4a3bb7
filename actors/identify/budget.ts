/**
 * What is left of the day's session starts, as it was last heard, and the floor that is kept of it.
 * Pure.
 *
 * At the floor nobody is permitted; it is said once, and once more when sessions are started again.
 */
import type { SessionStarts } from '../../protocols/gateway/identify.ts';
import { IDENTIFY_FLOOR_RECHECK_MS } from '../../protocols/limits.ts';
import type { Effects, Work } from './lines.ts';
import type { IdentifyState } from './state.ts';

/** What is known of the session starts now. */
export function startsOf(state: IdentifyState, nowMs: number): SessionStarts {
  const { total, remaining, begun, resetAtMs } = state.budget;
  const resetInMs = Math.max(0, resetAtMs - nowMs);
  return { total, remaining, begun, resetInMs, maxConcurrency: state.maxConcurrency };
}

export function keep(work: Work, starts: SessionStarts, nowMs: number): void {
  const { total, remaining, begun, resetInMs } = starts;
  work.budget = { total, remaining, begun, resetAtMs: nowMs + resetInMs };
}

export function shut(work: Work, { remaining, resetInMs }: SessionStarts, nowMs: number): Effects {
  const waitMs = resetInMs > 0 ? resetInMs : IDENTIFY_FLOOR_RECHECK_MS;
  work.shutUntilMs = nowMs + Math.min(waitMs, IDENTIFY_FLOOR_RECHECK_MS);
  return reachFloor(work, remaining, resetInMs);
}

export function reachFloor(work: Work, remaining: number, resetInMs: number): Effects {
  if (work.atFloor) return [];
  work.atFloor = true;
  return [{ type: 'notice', notice: { kind: 'floor', remaining, resetInMs } }];
}

export function leaveFloor(work: Work): Effects {
  if (!work.atFloor) return [];
  work.atFloor = false;
  const { remaining } = work.budget;
  return [{ type: 'notice', notice: { kind: 'above-floor', remaining } }];
}
