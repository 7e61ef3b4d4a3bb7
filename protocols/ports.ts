/**
 * The ports every actor may use: time, randomness and the log.
 *
 * A machine never reads a clock or a random source itself; its shell hands both in through these
 * interfaces, so that a test can run a day in a second and reproduce every draw from a seed.
 */

/** A pending timer. Cancelling one that has fired, or was cancelled before, does nothing. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /**
   * Monotonic milliseconds, fractional, from an arbitrary origin: for every wait and every window.
   */
  nowMs(): number;
  /** Milliseconds since the Unix epoch: only for what is stored or shown, since it may step. */
  epochMs(): number;
  /** Runs `callback` once, not before `delayMs` from now. Any non-negative delay is honoured. */
  setTimer(delayMs: number, callback: () => void): Timer;
}

/** A uniform draw from [0, 1). */
export type Random = () => number;

/** What a log line may carry beside its message. Secrets are never put in here. */
export type LogFields = Readonly<Record<string, unknown>>;

/** The part of pino's logger that the project uses. */
export interface Log {
  error(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  debug(fields: LogFields, message: string): void;
}
