/**
 * Finds what shows a thing: the answers that are kept, and those that are on their way.
 *
 * Holds no more than what is put into it; a thing that nothing shows any more takes no room.
 */
import type { Changed } from '../../../protocols/discord/cached-routes.ts';

export class ShownIndex<Item> {
  readonly #shows = new Map<Item, readonly string[]>();
  readonly #shownBy = new Map<string, Set<Item>>();

  get size(): number {
    return this.#shows.size;
  }

  add(item: Item, shows: readonly string[]): void {
    this.#shows.set(item, shows);
    for (const thing of shows) {
      const items = this.#shownBy.get(thing);
      if (items === undefined) this.#shownBy.set(thing, new Set([item]));
      else items.add(item);
    }
  }

  remove(item: Item): void {
    for (const thing of this.#shows.get(item) ?? []) {
      const items = this.#shownBy.get(thing);
      items?.delete(item);
      if (items?.size === 0) this.#shownBy.delete(thing);
    }
    this.#shows.delete(item);
  }

  /** All that shows something of what changed. */
  showing(changed: Changed): readonly Item[] {
    if (changed === 'everything') return [...this.#shows.keys()];
    return [...new Set(changed.flatMap((thing) => [...(this.#shownBy.get(thing) ?? [])]))];
  }
}
