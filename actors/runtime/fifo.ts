/**
 * A queue: what came first goes first.
 *
 * Its items are linked, since most mailboxes go from empty to one message and back: an array would
 * have its room allocated anew each time, and there are several messages to each request.
 */
type Link<Item> = { readonly item: Item; next: Link<Item> | null };

export class Fifo<Item> {
  #first: Link<Item> | null = null;
  #last: Link<Item> | null = null;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  put(item: Item): void {
    const link: Link<Item> = { item, next: null };
    if (this.#last === null) this.#first = link;
    else this.#last.next = link;
    this.#last = link;
    this.#length += 1;
  }

  /** Null when there is nothing; an item may be anything. */
  take(): { readonly item: Item } | null {
    const link = this.#first;
    if (link === null) return null;
    this.#first = link.next;
    if (link.next === null) this.#last = null;
    // One that the collector takes for old must not keep all alive that came after it.
    link.next = null;
    this.#length -= 1;
    return link;
  }

  clear(): void {
    this.#first = null;
    this.#last = null;
    this.#length = 0;
  }
}
