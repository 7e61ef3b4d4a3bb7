/**
 * Which children are stopped and started when one of them ends, and when to give up: pure values
 * and functions, after the supervisors of Erlang/OTP.
 *
 * Children are listed in the order in which they depend on each other, the most basic first. They
 * are started in that order and stopped in the reverse.
 */

export type ChildSpec = {
  readonly id: string;
  /**
   * `permanent`: restarted whenever it ends. `transient`: only when it ended abnormally.
   * `temporary`: never.
   */
  readonly restart: 'permanent' | 'transient' | 'temporary';
  /** How long its end, descendants included, is waited for. */
  readonly shutdownMs: number;
};

/**
 * Who else is restarted with a child: nobody, those that were listed after it and may depend on it,
 * or all.
 */
export type Strategy = 'one-for-one' | 'rest-for-one' | 'one-for-all';

export type RestartPlan = {
  /** Whom to stop first, in this order: the last of the list first. */
  readonly stop: readonly string[];
  /** Whom to start when all have stopped, in this order. */
  readonly start: readonly string[];
};

const NOBODY: RestartPlan = { stop: [], start: [] };

/** Whether a child that ended by itself is to be started again. */
export function mustRestart(spec: ChildSpec, abnormal: boolean): boolean {
  return spec.restart === 'permanent' || (spec.restart === 'transient' && abnormal);
}

/**
 * What to do about the end of `failedId`. `live` has the ids of the children that run; one that
 * ended for good is not woken by the trouble of another. Children that do not depend on
 * each other (one-for-one), and the end of a child that is not restarted, touch nobody else.
 */
export function planRestart(
  strategy: Strategy,
  specs: readonly ChildSpec[],
  live: ReadonlySet<string>,
  failedId: string,
  abnormal: boolean,
): RestartPlan {
  const failedIndex = specs.findIndex((spec) => spec.id === failedId);
  const failed = specs[failedIndex];
  if (failed === undefined || !mustRestart(failed, abnormal)) return NOBODY;
  const isConcerned = (index: number): boolean => {
    if (strategy === 'one-for-all') return true;
    return strategy === 'rest-for-one' && index > failedIndex;
  };
  const stopped = specs.filter((spec, index) => {
    return spec !== failed && live.has(spec.id) && isConcerned(index);
  });
  const started = specs.filter((spec) => {
    return spec === failed || (stopped.includes(spec) && spec.restart !== 'temporary');
  });
  return {
    stop: stopped.map((spec) => spec.id).reverse(),
    start: started.map((spec) => spec.id),
  };
}

/** How often one child may be restarted: each child has a budget of its own. */
export type Intensity = {
  readonly maxRestarts: number;
  readonly windowMs: number;
};

/**
 * When a child's counted restarts took place, the oldest first; never more than the budget holds.
 */
export type RestartHistory = readonly number[];

/**
 * Charges a restart at `nowMs`: the history with it, or `exceeded` if the budget does not allow it.
 */
export function chargeRestart(
  history: RestartHistory,
  intensity: Intensity,
  nowMs: number,
): { readonly history: RestartHistory; readonly exceeded: boolean } {
  const recent = history.filter((atMs) => nowMs - atMs < intensity.windowMs);
  if (recent.length >= intensity.maxRestarts) return { history: recent, exceeded: true };
  return { history: [...recent, nowMs], exceeded: false };
}
