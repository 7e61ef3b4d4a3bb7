/**
 * The things of one kind that a guild has: as the seed makes them, until one of them is changed.
 *
 * Purpose: one way to keep roles, channels, emojis, events and the like, so that a read after a
 * write shows it, on the REST side as in the next GUILD_CREATE.
 *
 * Inner workings: the seed's things are made when they are first looked at and copied when the
 * first of them changes; from then on the copy is what there is. What is handed out is shared and
 * must not be changed.
 *
 * Bounds: at most `most` things; whoever adds one checks Discord's own limit before, and where
 * there is none the thing put here longest ago goes.
 */
export type ShelfOptions<Item> = {
  readonly make: () => readonly Item[];
  readonly idOf: (item: Item) => string;
  readonly most: number;
  /** Hears of every change. */
  readonly changed: () => void;
};

export class Shelf<Item extends object> {
  readonly most: number;
  readonly #options: ShelfOptions<Item>;
  #items: Map<string, Item> | undefined;
  #list: readonly Item[] | undefined;

  constructor(options: ShelfOptions<Item>) {
    this.most = options.most;
    this.#options = options;
  }

  /** Whether it still is as the seed made it. */
  get isOriginal(): boolean {
    return this.#items === undefined;
  }

  /** The same array until something changes. */
  list(): readonly Item[] {
    this.#list ??= this.#items === undefined ? this.#options.make() : [...this.#items.values()];
    return this.#list;
  }

  get(id: string): Item | undefined {
    if (this.#items !== undefined) return this.#items.get(id);
    return this.list().find((item) => this.#options.idOf(item) === id);
  }

  /** Adds the thing, or puts it in the place of the one with its id. */
  put(item: Item): void {
    const items = this.#own();
    items.set(this.#options.idOf(item), item);
    const [oldest] = items.keys();
    if (items.size > this.most && oldest !== undefined) items.delete(oldest);
    this.#tell();
  }

  /** What was there; undefined when nothing was. */
  delete(id: string): Item | undefined {
    const item = this.get(id);
    if (item === undefined) return undefined;
    this.#own().delete(id);
    this.#tell();
    return item;
  }

  #own(): Map<string, Item> {
    this.#items ??= new Map(this.list().map((item) => [this.#options.idOf(item), item]));
    return this.#items;
  }

  #tell(): void {
    this.#list = undefined;
    this.#options.changed();
  }
}
