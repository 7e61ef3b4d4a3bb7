/**
 * Discord's own word on session starts: when it is asked for, and what it changes. Pure.
 *
 * It is asked for before an IDENTIFY when the last one is old, and sooner when something is wrong:
 * several sessions have ended soon after their IDENTIFY, the budget is down to its floor, or the
 * ledger has missed or forgotten something.
 *
 * Failure: an answer that does not come is asked for again with back-off, and what was known goes
 * on to count.
 */
import { FRESH_BACKOFF, nextBackoff } from '../../protocols/backoff.ts';
import type { SessionStarts } from '../../protocols/gateway/identify.ts';
import {
  GATEWAY_BOT_FRESH_MS,
  GATEWAY_BOT_REFRESH_BACKOFF,
  GATEWAY_BOT_SUSPECT_MS,
  IDENTIFY_LEASE_MS,
  IDENTIFY_RETURN_MS,
  IDENTIFY_RETURNS_MAX,
} from '../../protocols/limits.ts';
import { lowerAllowance } from './absence.ts';
import { keep } from './budget.ts';
import { type Effects, rekey, type Work } from './lines.ts';
import type { IdentifyFacts, IdentifyState } from './state.ts';
import { valueIn, withValue } from './table.ts';

/** Counts a shard that asks again so soon that its last session must have been refused. */
export function noteReturn(work: Work, shard: number, nowMs: number): void {
  const sentAtMs = valueIn(work.sentAtMs, shard);
  if (sentAtMs === undefined || nowMs - sentAtMs >= IDENTIFY_RETURN_MS) return;
  work.word = { ...work.word, returns: work.word.returns + 1 };
  work.sentAtMs = withValue(work.sentAtMs, shard, undefined);
}

export function wordIsDue({ word, atFloor }: IdentifyState, nowMs: number): boolean {
  if (nowMs < word.retryAtMs) return false;
  const isSuspect = atFloor || word.returns >= IDENTIFY_RETURNS_MAX;
  return nowMs - word.atMs >= (isSuspect ? GATEWAY_BOT_SUSPECT_MS : GATEWAY_BOT_FRESH_MS);
}

export function heardWord(
  work: Work,
  starts: SessionStarts | undefined,
  facts: IdentifyFacts,
): Effects {
  const { nowMs, random } = facts;
  const { budget } = work;
  const word = { ...work.word, asking: false };
  if (starts === undefined) {
    const next = nextBackoff(word.backoff, GATEWAY_BOT_REFRESH_BACKOFF, () => random);
    work.word = { ...word, backoff: next.state, retryAtMs: nowMs + next.delayMs };
    return [];
  }
  const sinceAttempt = work.nextAttempt;
  work.word = { ...word, atMs: nowMs, backoff: FRESH_BACKOFF, returns: 0, sinceAttempt };
  const isOver = nowMs >= budget.resetAtMs;
  const isLater = nowMs + starts.resetInMs > budget.resetAtMs + IDENTIFY_LEASE_MS;
  if (isOver || (starts.begun && isLater)) keep(work, starts, nowMs);
  else {
    const { total } = starts;
    const remaining = Math.min(budget.remaining, starts.remaining);
    const resetAtMs = starts.begun ? nowMs + starts.resetInMs : budget.resetAtMs;
    work.budget = { total, remaining, resetAtMs, begun: budget.begun || starts.begun };
  }
  lowerAllowance(work);
  return [{ type: 'learn', word: starts }, ...changeConcurrency(work, starts.maxConcurrency)];
}

/** With its memory went what other processes have spent, which only Discord knows now. */
export function forgotten(work: Work, waitMs: number): Effects {
  work.word = { ...work.word, returns: IDENTIFY_RETURNS_MAX };
  return [{ type: 'notice', notice: { kind: 'ledger-forgot', waitMs } }];
}

export function changeConcurrency(work: Work, to: number): Effects {
  const from = work.maxConcurrency;
  if (from === to) return [];
  return [...rekey(work, to), { type: 'notice', notice: { kind: 'concurrency', from, to } }];
}
