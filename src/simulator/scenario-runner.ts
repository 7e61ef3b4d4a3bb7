/** Strikes the faults of scenarios when their times come. */
import type { Clock, Timer } from '../../protocols/ports.ts';
import type { FaultInjector } from './gateway/faults.ts';
import type { Fault, Scenario } from './scenario.ts';

export class ScenarioRunner {
  readonly #clock: Clock;
  readonly #faults: FaultInjector;
  readonly #timers = new Set<Timer>();

  constructor(clock: Clock, faults: FaultInjector) {
    this.#clock = clock;
    this.#faults = faults;
  }

  /** Starts a scenario now; several may run at once. */
  run(scenario: Scenario): void {
    for (const fault of scenario) {
      const timer = this.#clock.setTimer(fault.atMs, () => {
        this.#timers.delete(timer);
        this.#faults.strike(fault);
      });
      this.#timers.add(timer);
    }
  }

  /** Strikes at once. */
  strike(fault: Fault): void {
    this.#faults.strike(fault);
  }

  /** Faults that have not struck yet never will. */
  stop(): void {
    for (const timer of this.#timers) timer.cancel();
    this.#timers.clear();
  }
}
