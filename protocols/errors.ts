/**
 * Every error the project throws or reports: one base class, one class a condition, a stable `code`.
 *
 * Whether an operation may be tried again is decided by `RETRYABLE_CODES` alone. An error that is
 * not in that closed list is final, and one that is no `SpectaclesError` is a programming error.
 *
 * Messages are read by people: they name the key, the value and what is allowed. They never carry a
 * token or a password.
 */

const RETRYABLE_CODES: ReadonlySet<string> = new Set([
  'ASK_TIMEOUT',
  'ACTOR_STOPPED',
  'BROKER_UNAVAILABLE',
  'PUBLISH_TIMEOUT',
]);

export abstract class SpectaclesError extends Error {
  abstract readonly code: string;

  override get name(): string {
    return this.constructor.name;
  }

  /** Whether the same operation may succeed when it is tried again unchanged. */
  get retryable(): boolean {
    return RETRYABLE_CODES.has(this.code);
  }
}

/** A message asked for an answer and none came within its deadline. */
export class AskTimeoutError extends SpectaclesError {
  readonly code = 'ASK_TIMEOUT';
  constructor(path: string, timeoutMs: number) {
    super(`${path} did not answer within ${timeoutMs} ms`);
  }
}

/** The actor that was asked is gone, or went before it answered. */
export class ActorStoppedError extends SpectaclesError {
  readonly code = 'ACTOR_STOPPED';
  constructor(path: string) {
    super(`${path} stopped before it answered`);
  }
}

/** A configuration key or command-line option has a value that cannot be used. Exit status 2. */
export class ConfigurationError extends SpectaclesError {
  readonly code = 'CONFIGURATION';
}

/** The service cannot go on, and trying again will not help. Exit status 1. */
export class FatalError extends SpectaclesError {
  readonly code = 'FATAL';
}

/** The broker is away; what was to be published was not confirmed. */
export class BrokerUnavailableError extends SpectaclesError {
  readonly code = 'BROKER_UNAVAILABLE';
}

/** The broker did not confirm a publish within its deadline. */
export class PublishTimeoutError extends SpectaclesError {
  readonly code = 'PUBLISH_TIMEOUT';
  constructor(event: string, timeoutMs: number) {
    super(`the broker did not confirm ${event} within ${timeoutMs} ms`);
  }
}
