/**
 * The runtime's way to the log: it adds who speaks, keeps the contents of messages out, and never
 * fails. A log that throws must not change how an actor ends.
 */
import type { Log, LogFields } from '../../protocols/ports.ts';

/** A log with the actor's path in every line. */
export class ActorLog implements Log {
  readonly #log: Log;
  readonly #path: string;

  constructor(log: Log, path: string) {
    this.#log = log;
    this.#path = path;
  }

  error(fields: LogFields, message: string): void {
    this.#log.error({ actor: this.#path, ...fields }, message);
  }

  warn(fields: LogFields, message: string): void {
    this.#log.warn({ actor: this.#path, ...fields }, message);
  }

  info(fields: LogFields, message: string): void {
    this.#log.info({ actor: this.#path, ...fields }, message);
  }

  debug(fields: LogFields, message: string): void {
    this.#log.debug({ actor: this.#path, ...fields }, message);
  }
}

/** `log` without its failures. */
export function quietLog(log: Log): Log {
  const quietly = (write: (fields: LogFields, message: string) => void) => {
    return (fields: LogFields, message: string): void => {
      try {
        write.call(log, fields, message);
      } catch {
        // There is nowhere left to say it.
      }
    };
  };
  return {
    error: quietly(log.error),
    warn: quietly(log.warn),
    info: quietly(log.info),
    debug: quietly(log.debug),
  };
}

/** The discriminant of a message, the one part of it that may be logged. */
export function messageType(message: unknown): string {
  if (typeof message !== 'object' || message === null) return typeof message;
  for (const key of ['type', 'kind']) {
    const value: unknown = Reflect.get(message, key);
    if (typeof value === 'string') return value.slice(0, MESSAGE_TYPE_MAX_LENGTH);
  }
  return message.constructor?.name ?? 'object';
}

const MESSAGE_TYPE_MAX_LENGTH = 64;
