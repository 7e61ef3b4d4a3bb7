/** A log that remembers what was said, for tests that assert what a person would be told. */
import type { Log, LogFields } from '../../protocols/ports.ts';

export type LogLine = {
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly fields: LogFields;
  readonly message: string;
};

export class RecordingLog implements Log {
  readonly lines: LogLine[] = [];

  error(fields: LogFields, message: string): void {
    this.lines.push({ level: 'error', fields, message });
  }

  warn(fields: LogFields, message: string): void {
    this.lines.push({ level: 'warn', fields, message });
  }

  info(fields: LogFields, message: string): void {
    this.lines.push({ level: 'info', fields, message });
  }

  debug(fields: LogFields, message: string): void {
    this.lines.push({ level: 'debug', fields, message });
  }

  at(level: LogLine['level']): readonly LogLine[] {
    return this.lines.filter((line) => line.level === level);
  }
}
