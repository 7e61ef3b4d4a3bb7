/**
 * The log: pino on stderr, JSON by default and a readable form on a terminal.
 *
 * Every line passes the redactor as text, after pino has built it: whatever a field holds, an
 * error's stack included, is cleaned in that one place. Logging is rare on purpose, the data plane
 * does not log.
 */
import { type DestinationStream, pino, stdSerializers } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { SpectaclesError } from '../protocols/errors.ts';
import type { Log } from '../protocols/ports.ts';
import type { Redactor } from './secrets.ts';

export const LOG_LEVELS = ['suppress', 'error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export type LogOptions = {
  readonly level: LogLevel;
  readonly redactor: Redactor;
  /** Readable lines instead of JSON; coloured for a terminal. */
  readonly style: 'json' | 'plain' | 'coloured';
  /** Where lines go. */
  readonly output: DestinationStream;
};

export function createLog({ level, redactor, style, output }: LogOptions): Log {
  const shape = style === 'json' ? (line: string) => line : readable(style === 'coloured');
  return pino(
    {
      level: level === 'suppress' ? 'silent' : level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: serializeError },
    },
    { write: (line: string) => output.write(shape(redactor.redact(line))) },
  );
}

/** Turns a JSON line into one that a person can read. */
function readable(colorize: boolean): (line: string) => string {
  return prettyFactory({
    colorize,
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
    errorLikeObjectKeys: ['error'],
  });
}

/**
 * Errors that say all there is to say are shown without their stack; a programming error keeps it.
 */
function serializeError(error: unknown): unknown {
  if (error instanceof SpectaclesError) return { code: error.code, message: error.message };
  return error instanceof Error ? stdSerializers.err(error) : error;
}
