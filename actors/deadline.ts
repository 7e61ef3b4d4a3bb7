/**
 * Waits for work that is not sure to end.
 *
 * The work goes on, whoever waits no more: what has to be given up is for the caller to end.
 */
import type { Clock } from '../protocols/ports.ts';

/**
 * Resolves when `work` has settled, however, or `timeoutMs` has passed; with whether it has
 * settled.
 */
export function within(clock: Clock, timeoutMs: number, work: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = clock.setTimer(timeoutMs, () => resolve(false));
    const settled = (): void => {
      timer.cancel();
      resolve(true);
    };
    work.then(settled, settled);
  });
}

/** Settles as `work` does; rejects with `late` when that has not happened within `timeoutMs`. */
export function withDeadline<Value>(
  clock: Clock,
  timeoutMs: number,
  work: Promise<Value>,
  late: () => Error,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimer(timeoutMs, () => reject(late()));
    work.then(resolve, reject).finally(() => timer.cancel());
  });
}
