/** Says now and then in the log how many events came in, as long as there are any. */
import type { Clock, Log, Timer } from '../../protocols/ports.ts';
import type { GatewayMetrics } from '../metrics/gateway-metrics.ts';

export type EventSummaryOptions = {
  readonly clock: Clock;
  readonly log: Log;
  readonly summaryMs: number;
};

export class EventSummary {
  readonly #metrics: Pick<GatewayMetrics, 'events'>;
  readonly #options: EventSummaryOptions;
  #seen = 0;
  #timer: Timer;

  constructor(metrics: Pick<GatewayMetrics, 'events'>, options: EventSummaryOptions) {
    this.#metrics = metrics;
    this.#options = options;
    this.#timer = this.#next();
  }

  stop(): void {
    this.#timer.cancel();
  }

  #next(): Timer {
    const { clock, summaryMs } = this.#options;
    return clock.setTimer(summaryMs, () => {
      this.#say();
      this.#timer = this.#next();
    });
  }

  #say(): void {
    const total = this.#metrics.events;
    const events = total - this.#seen;
    this.#seen = total;
    const { log, summaryMs } = this.#options;
    if (events > 0) log.info({ events, inMs: summaryMs }, 'events received');
  }
}
