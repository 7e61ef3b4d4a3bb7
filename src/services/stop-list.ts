/**
 * Ends what was started, the latest first, within one deadline that all of it shares.
 *
 * Each step has what is left of the time, but for what later ones have reserved: so a part that
 * hangs costs the others what they can do without, and never what they need. Each step is taken,
 * whatever became of those before. One that is not done in its time is not waited for any more,
 * which the log says; the first error of the others is thrown at the end.
 */
import { within } from '../../actors/deadline.ts';
import { SERVICE_STOP_MS } from '../../protocols/limits.ts';
import type { Clock, Log } from '../../protocols/ports.ts';

type Step = {
  readonly what: string;
  /** Is told how long it is waited for. */
  readonly stop: (withinMs: number) => Promise<unknown>;
  readonly reservedMs: number;
};

export class StopList {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #steps: Step[] = [];

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  /** `what` is named in the log. */
  add(what: string, stop: Step['stop'], reservedMs = 0): void {
    this.#steps.push({ what, stop, reservedMs });
  }

  readonly stop = async (): Promise<void> => {
    const clock = this.#clock;
    const endMs = clock.nowMs() + SERVICE_STOP_MS;
    const steps = this.#steps.splice(0).reverse();
    let reservedMs = steps.reduce((sum, step) => sum + step.reservedMs, 0);
    let failure: unknown;
    for (const step of steps) {
      reservedMs -= step.reservedMs;
      const withinMs = Math.max(0, endMs - reservedMs - clock.nowMs());
      const work = step.stop(withinMs).catch((error: unknown) => {
        failure ??= error;
      });
      if (await within(clock, withinMs, work)) continue;
      const facts = { what: step.what, withinMs };
      this.#log.warn(facts, 'the stop takes too long: this part of it is not awaited');
    }
    if (failure !== undefined) throw failure;
  };

  /** Ends what a start got to that failed, and throws why: what the end comes to the log says. */
  async giveUp(reason: unknown): Promise<never> {
    await this.stop().catch((error: unknown) => {
      this.#log.error({ error }, 'what had been started did not stop as it should');
    });
    throw reason;
  }
}
