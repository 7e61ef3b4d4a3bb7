/**
 * Knows which messages were handled here before, by the id that every delivery of one message
 * carries.
 *
 * An id is remembered once its handler has acknowledged it. One that is still being handled, or was
 * handed back, is not: then another delivery may be the one that is handled to its end. Two
 * messages that merely look alike have different ids.
 *
 * Failure modes: the oldest ids are forgotten at REPEATS_MAX, and a message that is repeated after
 * that, or to another process of the group, is handled twice.
 */
import { REPEATS_MAX } from '../../protocols/limits.ts';

export class Repeats {
  readonly #handled = new Set<string>();

  /** Whether a message of that name was handled before; what has no name never was. */
  has(id: string | undefined): boolean {
    return id !== undefined && this.#handled.has(id);
  }

  add(id: string | undefined): void {
    if (id === undefined) return;
    this.#handled.add(id);
    if (this.#handled.size <= REPEATS_MAX) return;
    const [oldest] = this.#handled;
    if (oldest !== undefined) this.#handled.delete(oldest);
  }
}
