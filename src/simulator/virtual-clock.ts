/**
 * A clock that stands still until it is told to move: a test runs a day in a second, and the same
 * way each time.
 *
 * Timers wait in a binary heap ordered by due time and, for equal times, by the order in which they
 * were set. Time moves only in `advance`, `advanceSettled` and `runNext`, and stands exactly at a
 * timer's due time while its callback runs. A callback may set and cancel timers, also ones due at
 * the same instant.
 *
 * With actors, time may only move when they have nothing left to do:
 *
 *     await clock.advanceSettled(60_000, () => system.idle());
 *
 * A callback that throws does so out of the call that moved the time; its timer is gone and the
 * others are untouched, so the caller may go on.
 */
import type { Clock, Timer } from '../../protocols/ports.ts';

type Entry = {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
  /** Place in the heap; -1 when the timer has fired or was cancelled. */
  index: number;
};

const GONE = -1;

export class VirtualClock implements Clock {
  #nowMs = 0;
  #epochMinusNowMs: number;
  #order = 0;
  readonly #heap: Entry[] = [];

  /** `epochMs` is what the wall clock shows at the start. */
  constructor(epochMs = 1_700_000_000_000) {
    this.#epochMinusNowMs = epochMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  epochMs(): number {
    return this.#epochMinusNowMs + this.#nowMs;
  }

  /**
   * Steps the wall clock, as a time server may; the monotonic time and the timers do not notice.
   */
  stepEpoch(deltaMs: number): void {
    this.#epochMinusNowMs += deltaMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    if (!Number.isFinite(delayMs)) {
      throw new RangeError(`a timer's delay must be a finite number of ms, not ${delayMs}`);
    }
    const entry: Entry = {
      dueMs: this.#nowMs + Math.max(0, delayMs),
      order: this.#order++,
      callback,
      index: this.#heap.length,
    };
    this.#heap.push(entry);
    this.#rise(entry);
    return { cancel: () => this.#remove(entry) };
  }

  /** How many timers are waiting: zero when nobody leaks one. */
  get pendingTimers(): number {
    return this.#heap.length;
  }

  /** When the next timer is due on this clock, or undefined if there is none. */
  get nextDueMs(): number | undefined {
    return this.#heap[0]?.dueMs;
  }

  /** Moves to the next timer and runs it alone; false if there is none. */
  runNext(): boolean {
    const next = this.#heap[0];
    if (next === undefined) return false;
    this.#remove(next);
    this.#nowMs = next.dueMs;
    next.callback();
    return true;
  }

  /** Moves by `ms` and runs all that falls due on the way, what is newly set included. */
  advance(ms: number): void {
    const untilMs = this.#nowMs + ms;
    while (this.#isDue(untilMs)) this.runNext();
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  /** As `advance`, but lets the world settle before each timer and at the end. */
  async advanceSettled(ms: number, settle: () => Promise<void>): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settle();
    while (this.#isDue(untilMs)) {
      this.runNext();
      await settle();
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  #isDue(untilMs: number): boolean {
    const next = this.#heap[0];
    return next !== undefined && next.dueMs <= untilMs;
  }

  #remove(entry: Entry): void {
    const index = entry.index;
    if (index === GONE) return;
    entry.index = GONE;
    const last = this.#heap.pop();
    if (last === undefined || last === entry) return;
    this.#put(last, index);
    this.#rise(last);
    this.#sink(last);
  }

  #rise(entry: Entry): void {
    for (;;) {
      const parentIndex = (entry.index - 1) >> 1;
      const parent = this.#heap[parentIndex];
      if (entry.index === 0 || parent === undefined || !isBefore(entry, parent)) return;
      this.#put(parent, entry.index);
      this.#put(entry, parentIndex);
    }
  }

  #sink(entry: Entry): void {
    for (;;) {
      const left = this.#heap[2 * entry.index + 1];
      const right = this.#heap[2 * entry.index + 2];
      const child = left && right && isBefore(right, left) ? right : left;
      if (child === undefined || !isBefore(child, entry)) return;
      const childIndex = child.index;
      this.#put(child, entry.index);
      this.#put(entry, childIndex);
    }
  }

  #put(entry: Entry, index: number): void {
    this.#heap[index] = entry;
    entry.index = index;
  }
}

function isBefore(left: Entry, right: Entry): boolean {
  return left.dueMs < right.dueMs || (left.dueMs === right.dueMs && left.order < right.order);
}
