/** A log that nobody reads. */
import type { Log } from '../protocols/ports.ts';

export const SILENT_LOG: Log = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
};
