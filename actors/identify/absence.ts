/**
 * The governor without its ledger. Pure.
 *
 * After a window of silence, since others may have sent a moment ago, it goes on with what it knows
 * itself: with its process's share of what was left of the budget, and as much slower as that share
 * is smaller than the whole, since other processes may do the same. The ledger is asked again with
 * back-off, whether or not anybody waits for a permit.
 *
 * Failure: several processes without their ledger cannot see each other, so two may meet in one
 * window.
 */
import { FRESH_BACKOFF, nextBackoff } from '../../protocols/backoff.ts';
import {
  IDENTIFY_BUDGET_PERIOD_MS,
  IDENTIFY_LEASE_MS,
  IDENTIFY_LEDGER_BACKOFF,
  IDENTIFY_RETURNS_MAX,
} from '../../protocols/limits.ts';
import { LEDGER_SPANS } from './book.ts';
import { leaveFloor, reachFloor } from './budget.ts';
import { type Effects, lineOf, permit, setLine, type Work } from './lines.ts';
import type { Standing } from './order.ts';
import type { IdentifyFacts, IdentifyState } from './state.ts';
import { isEmpty } from './table.ts';

const WINDOW_MS = LEDGER_SPANS.windowMs;
/** Nothing has to be done by itself. */
export const FOR_EVER = Number.POSITIVE_INFINITY;

/** What is done on the way to a permit, and when to look again. */
export type Seek = { readonly effects: Effects; readonly dueAtMs: number };

/** Between two IDENTIFYs of a key: without the ledger others may use it too. */
export function spacingMs({ absence, rules }: Work): number {
  return absence === undefined ? WINDOW_MS : WINDOW_MS * Math.ceil(1 / rules.share);
}

/**
 * A ledger that is away is asked again though nobody wants a permit, so that it is known when it is
 * back.
 */
export function lookForLedger(work: Work, nowMs: number): Seek {
  const { absence } = work;
  if (absence === undefined || isAskingLedger(work)) return { effects: [], dueAtMs: FOR_EVER };
  if (nowMs < absence.retryAtMs) return { effects: [], dueAtMs: absence.retryAtMs };
  work.absence = { ...absence, looking: true };
  return { effects: [{ type: 'reach' }], dueAtMs: FOR_EVER };
}

export function isAskingLedger({ absence, attempts }: IdentifyState): boolean {
  return absence?.looking === true || !isEmpty(attempts);
}

export function reached(work: Work, isThere: boolean, facts: IdentifyFacts): Effects {
  if (work.absence?.looking !== true) return [];
  return isThere ? regain(work, facts.nowMs) : lose(work, facts);
}

/**
 * The ledger has failed: others may have sent a moment ago, so all keys begin with a window of
 * silence.
 */
export function lose(work: Work, { nowMs, random }: IdentifyFacts): Effects {
  const { absence } = work;
  const { state, delayMs } = nextBackoff(
    absence?.backoff ?? FRESH_BACKOFF,
    IDENTIFY_LEDGER_BACKOFF,
    () => random,
  );
  const retry = { backoff: state, retryAtMs: nowMs + delayMs, looking: false };
  if (absence !== undefined) {
    work.absence = { ...absence, ...retry };
    return [];
  }
  work.absence = { ...retry, sinceMs: nowMs, allowance: allowance(work) };
  // Not at the same moment in every process.
  const silenceMs = WINDOW_MS + (spacingMs(work) - WINDOW_MS) * random;
  for (let key = 0; key < work.maxConcurrency; key++) {
    const { openAtMs } = lineOf(work, key);
    setLine(work, key, { openAtMs: Math.max(openAtMs, nowMs + silenceMs) });
  }
  return [{ type: 'notice', notice: { kind: 'ledger-away' } }];
}

export function regain(work: Work, nowMs: number): Effects {
  const { absence } = work;
  if (absence === undefined) return [];
  work.absence = undefined;
  // It has missed what Discord said meanwhile.
  const sinceAttempt = work.nextAttempt;
  work.word = { ...work.word, returns: IDENTIFY_RETURNS_MAX, sinceAttempt };
  const awayMs = nowMs - absence.sinceMs;
  return [{ type: 'notice', notice: { kind: 'ledger-back', awayMs } }];
}

/** Discord's word may leave less than was thought. */
export function lowerAllowance(work: Work): void {
  const { absence } = work;
  if (absence === undefined) return;
  work.absence = { ...absence, allowance: Math.min(absence.allowance, allowance(work)) };
}

function allowance({ budget, rules }: Work): number {
  return Math.floor(Math.max(0, budget.remaining - rules.floor) * rules.share);
}

/** Without the ledger: from what this process may spend of the budget that was last known. */
export function goAlone(work: Work, holder: Standing, nowMs: number): Seek {
  const { absence } = work;
  if (absence === undefined) return { effects: [], dueAtMs: nowMs };
  if (nowMs >= work.budget.resetAtMs) {
    work.budget = { ...work.budget, remaining: work.budget.total, begun: false };
    work.absence = { ...absence, allowance: allowance(work) };
  }
  const { remaining, begun, resetAtMs } = work.budget;
  const left = work.absence?.allowance ?? 0;
  if (left <= 0) {
    const effects = reachFloor(work, remaining, Math.max(0, resetAtMs - nowMs));
    return { effects, dueAtMs: absence.retryAtMs };
  }
  work.budget = {
    ...work.budget,
    remaining: remaining - 1,
    // As in the ledger: a day begins with its first IDENTIFY.
    resetAtMs: begun ? resetAtMs : nowMs + IDENTIFY_LEASE_MS + IDENTIFY_BUDGET_PERIOD_MS,
  };
  work.absence = { ...absence, allowance: left - 1 };
  work.owed++;
  return { effects: [...leaveFloor(work), ...permit(work, holder)], dueAtMs: FOR_EVER };
}
