/** Lets the world's events flow at a steady rate, on whatever clock. */
import { SIMULATOR_TRAFFIC_BATCH_MAX } from '../../protocols/limits.ts';
import type { Clock, Timer } from '../../protocols/ports.ts';
import type { SimulatedEvent } from './events/event.ts';
import type { Traffic } from './events/traffic.ts';

/** A turn is not shorter than this, however high the rate: then it makes several events. */
const TURN_MIN_MS = 10;

export class TrafficPump {
  readonly #clock: Clock;
  readonly #traffic: Traffic;
  readonly #publish: (event: SimulatedEvent) => void;
  #timer: Timer | undefined;
  #startedMs = 0;
  #made = 0;

  constructor(clock: Clock, traffic: Traffic, publish: (event: SimulatedEvent) => void) {
    this.#clock = clock;
    this.#traffic = traffic;
    this.#publish = publish;
  }

  /** Events a second from now on; zero stops. */
  setRate(rate: number): void {
    this.#timer?.cancel();
    this.#startedMs = this.#clock.nowMs();
    this.#made = 0;
    if (rate > 0) this.#arm(rate);
  }

  burst(events: number): void {
    for (let left = events; left > 0; left--) {
      this.#publish(this.#traffic.next(this.#clock.epochMs()));
    }
  }

  #arm(rate: number): void {
    const delayMs = Math.max(TURN_MIN_MS, 1000 / rate);
    this.#timer = this.#clock.setTimer(delayMs, () => {
      const owed = Math.floor((rate * (this.#clock.nowMs() - this.#startedMs)) / 1000) - this.#made;
      const events = Math.min(owed, SIMULATOR_TRAFFIC_BATCH_MAX);
      this.#made += events;
      // Armed first: an event may lead to a call that stops the traffic.
      this.#arm(rate);
      this.burst(events);
    });
  }
}
