/**
 * What the gateway sends on one connection, and the faults that strike on the way out: slowness,
 * silence, messages cut into pieces. Order is kept through all of them.
 *
 * `sent` runs when a message really goes onto the link, at once or later; a message that is
 * swallowed never counts as sent. Failure: what waits here when the connection ends is gone.
 */
import type { Clock, Timer } from '../../../protocols/ports.ts';
import type { Framing, Link } from './link.ts';

type Waiting = {
  readonly text: string;
  readonly framing: Framing | undefined;
  readonly sent: (() => void) | undefined;
  readonly dueMs: number;
};

export class Outbox {
  readonly #clock: Clock;
  readonly #link: Link;
  #delayMs = 0;
  #muted = false;
  #stopped = false;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #timer: Timer | undefined;
  #pieces = 1;
  #splitsLeft = 0;

  constructor(clock: Clock, link: Link) {
    this.#clock = clock;
    this.#link = link;
  }

  send(text: string, framing?: Framing, sent?: () => void): void {
    if (this.#stopped || this.#muted) return;
    // Nothing waits when there is no delay: ending a delay lets everything through at once.
    if (this.#delayMs === 0) {
      this.#put(text, framing, sent);
      return;
    }
    const dueMs = this.#clock.nowMs() + this.#delayMs;
    this.#waiting.push({ text, framing, sent, dueMs });
    this.#waitingBytes += text.length;
    this.#arm();
  }

  /** Holds each message back for `delayMs`; zero lets everything through again, in order. */
  slow(delayMs: number): void {
    this.#delayMs = delayMs;
    if (delayMs === 0) this.#flush(Number.POSITIVE_INFINITY);
  }

  /** Swallows everything from now on, or ends that. */
  mute(muted: boolean): void {
    this.#muted = muted;
  }

  /** Whether what is sent now is swallowed. */
  get isMuted(): boolean {
    return this.#muted;
  }

  /** Cuts each of the next `messages` messages into `pieces`. */
  split(pieces: number, messages: number): void {
    this.#pieces = pieces;
    this.#splitsLeft = messages;
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  backlogBytes(): number {
    return this.#waitingBytes + this.#link.backlogBytes();
  }

  #put(text: string, framing: Framing | undefined, sent: (() => void) | undefined): void {
    sent?.();
    if (this.#splitsLeft > 0) {
      this.#splitsLeft--;
      this.#link.send(text, { ...framing, pieces: this.#pieces });
    } else {
      this.#link.send(text, framing);
    }
  }

  #arm(): void {
    const next = this.#waiting[0];
    if (this.#timer !== undefined || next === undefined) return;
    const delayMs = Math.max(0, next.dueMs - this.#clock.nowMs());
    this.#timer = this.#clock.setTimer(delayMs, () => {
      this.#timer = undefined;
      this.#flush(this.#clock.nowMs());
    });
  }

  /**
   * Messages wait in the order in which they were sent, also when a later one had the shorter
   * delay.
   */
  #flush(untilMs: number): void {
    let count = 0;
    for (const waiting of this.#waiting) {
      if (waiting.dueMs > untilMs) break;
      count++;
    }
    for (const { text, framing, sent } of this.#waiting.splice(0, count)) {
      if (this.#stopped) return;
      this.#waitingBytes -= text.length;
      if (!this.#muted) this.#put(text, framing, sent);
    }
    this.#arm();
  }
}
