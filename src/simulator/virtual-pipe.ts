/**
 * One direction of a virtual connection: things arrive in the order in which they were sent, each
 * after a delay of its own, and not while the receiver has stopped reading.
 */
import type { Clock, Timer } from '../../protocols/ports.ts';

type Item = { readonly dueMs: number; readonly bytes: number; readonly deliver: () => void };

export class VirtualPipe {
  readonly #clock: Clock;
  readonly #latencyMs: () => number;
  #items: Item[] = [];
  #bytes = 0;
  #timer: Timer | undefined;
  #isPaused = false;
  #isCut = false;

  constructor(clock: Clock, latencyMs: () => number) {
    this.#clock = clock;
    this.#latencyMs = latencyMs;
  }

  /** Bytes that were sent and have not arrived. */
  get pendingBytes(): number {
    return this.#bytes;
  }

  send(bytes: number, deliver: () => void): void {
    if (this.#isCut) return;
    const dueMs = this.#clock.nowMs() + this.#latencyMs();
    this.#items.push({ dueMs, bytes, deliver });
    this.#bytes += bytes;
    this.#arm();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#arm();
  }

  /** Loses what is on its way. What is sent later arrives. */
  lose(): void {
    this.#items = [];
    this.#bytes = 0;
  }

  /** Loses what is on its way and all that is sent later. */
  cut(): void {
    this.lose();
    this.#isCut = true;
    this.#timer?.cancel();
  }

  /**
   * Only the first item is waited for: a later one that was faster stands behind it all the same.
   */
  #arm(): void {
    const next = this.#items[0];
    if (this.#timer !== undefined || next === undefined || this.#isPaused) return;
    const delayMs = Math.max(0, next.dueMs - this.#clock.nowMs());
    this.#timer = this.#clock.setTimer(delayMs, () => {
      this.#timer = undefined;
      this.#deliverDue();
    });
  }

  /** One item a turn, so that what a delivery sets off comes before the next delivery. */
  #deliverDue(): void {
    const next = this.#items[0];
    if (next === undefined || this.#isPaused) return;
    if (next.dueMs <= this.#clock.nowMs()) {
      this.#items.shift();
      this.#bytes -= next.bytes;
      next.deliver();
    }
    this.#arm();
  }
}
