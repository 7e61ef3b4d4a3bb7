/** A log that keeps nothing, but for the first warning, and counts the shards that became ready. */
import type { Log, LogFields } from '../protocols/ports.ts';

export class StrictLog implements Log {
  readyShards = 0;
  #warning: string | undefined;

  error(fields: LogFields, message: string): void {
    this.warn(fields, message);
  }

  warn(fields: LogFields, message: string): void {
    this.#warning ??= `${message} ${JSON.stringify(fields)}`;
  }

  info(_: LogFields, message: string): void {
    if (message === 'shard is ready') this.readyShards++;
  }

  debug(): void {}

  /** @throws what there was to warn of */
  check(): void {
    if (this.#warning !== undefined) throw new Error(this.#warning);
  }
}
