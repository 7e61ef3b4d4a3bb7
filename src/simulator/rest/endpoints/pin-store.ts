/** Since when messages are pinned; bounded, the pin made longest ago is forgotten first. */
import { SIMULATOR_COUNTERS_MAX } from '../../../../protocols/limits.ts';

export class Pins {
  readonly #sinceMs = new Map<string, number>();

  /** Null: it is not pinned. */
  sinceMs(messageId: string): number | null {
    return this.#sinceMs.get(messageId) ?? null;
  }

  add(messageId: string, epochMs: number): void {
    this.#sinceMs.set(messageId, epochMs);
    const [oldest] = this.#sinceMs.keys();
    if (this.#sinceMs.size > SIMULATOR_COUNTERS_MAX && oldest !== undefined) {
      this.#sinceMs.delete(oldest);
    }
  }

  delete(messageId: string): void {
    this.#sinceMs.delete(messageId);
  }
}
