/**
 * A budget of bad answers: how many Discord may give us in a window before we hold back, and how
 * much.
 *
 * Purpose: Discord bans an address for what it answered badly too often, and says so to nobody
 * before. The budget hears of each bad answer and says who may still send.
 *
 * Inner workings: a sliding count and three marks in it. At the first the log is told; from the
 * second on the bulk lane is refused; from the third on everything is, but for the lanes the budget
 * spares. Requests in the air may all come back badly, so where a limit must never be reached they
 * count as if they had: `flying` is what is out, and what could overdraw the limit is refused for a
 * moment.
 *
 * Failure modes: an answer that never arrived may have been a bad one. It is not counted, since an
 * outage would then stop us for another ten minutes; what is left above the last mark is for these.
 */

import type { Priority } from '../../protocols/lanes.ts';
import { BUDGET_MOMENT_MS } from '../../protocols/limits.ts';
import {
  belowAtMs,
  countedAt,
  countOne,
  NOTHING_COUNTED,
  type SlidingCount,
  sumOf,
  type WindowShape,
} from './sliding-count.ts';

export type BudgetRules = WindowShape & {
  /**
   * Never reached, not even if all that is in the air comes back badly; infinite for a soft budget.
   */
  readonly limit: number;
  readonly warnAt: number;
  readonly shedAt: number;
  readonly stopAt: number;
  /** The lane that even a spent budget lets pass; null for none. */
  readonly spares: Priority | null;
};

export type Budget = {
  readonly spent: SlidingCount;
  /** By others, against the same budget. */
  readonly elsewhere: SlidingCount;
  readonly flying: number;
};

/** How a budget stands, from the best to the worst. */
export type BudgetLevel = 'well' | 'warned' | 'shedding' | 'stopped';

export const UNSPENT: Budget = {
  spent: NOTHING_COUNTED,
  elsewhere: NOTHING_COUNTED,
  flying: 0,
};

export function spend(budget: Budget, rules: BudgetRules, nowMs: number): Budget {
  return { ...budget, spent: countOne(budget.spent, rules, nowMs) };
}

export function sent(budget: Budget): Budget {
  return { ...budget, flying: budget.flying + 1 };
}

export function landed(budget: Budget): Budget {
  return { ...budget, flying: budget.flying - 1 };
}

export function levelOf(budget: Budget, rules: BudgetRules, nowMs: number): BudgetLevel {
  const count = countedAt(allOf(budget), rules, nowMs);
  if (count >= rules.stopAt) return 'stopped';
  if (count >= rules.shedAt) return 'shedding';
  return count >= rules.warnAt ? 'warned' : 'well';
}

/** How long a request of this lane has to stay away; 0 when it may be sent. */
export function waitOf(budget: Budget, rules: BudgetRules, lane: Priority, nowMs: number): number {
  const mark = lane === 'bulk' ? rules.shedAt : rules.stopAt;
  const waitMs = belowAtMs(allOf(budget), rules, mark, nowMs) - nowMs;
  if (waitMs > 0 && lane !== rules.spares) return waitMs;
  const couldSpend = countedAt(allOf(budget), rules, nowMs) + budget.flying + 1;
  return couldSpend < rules.limit ? 0 : BUDGET_MOMENT_MS;
}

/** What anybody has spent. */
export function allOf({ spent, elsewhere }: Budget): SlidingCount {
  return elsewhere.length === 0 ? spent : sumOf([spent, elsewhere]);
}
