/**
 * What a person and the calling program are told when a command fails: lines on stderr, a status.
 */
import { ConfigurationError, PortInUseError, SpectaclesError } from '../../protocols/errors.ts';

export const EXIT_STOPPED = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

/** 2 when the command was called or configured wrongly, 1 when it cannot go on. */
export function exitStatus(error: unknown): number {
  return error instanceof ConfigurationError || error instanceof PortInUseError
    ? EXIT_USAGE
    : EXIT_FAILED;
}

/** One line for each thing that is wrong; never a stack. */
export function failureLines(error: unknown): readonly string[] {
  if (error instanceof ConfigurationError) return error.message.split('\n');
  if (error instanceof SpectaclesError) return [oneLine(error.message)];
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return [`unexpected failure: ${oneLine(what)} (--loglevel debug shows where)`];
}

export function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ').trim();
}
