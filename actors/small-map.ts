/**
 * A map of which most have one entry at most: only with a second one it becomes a Map, and when the
 * last one has gone it takes no more memory than before the first.
 *
 * An empty Map takes 200 bytes, and there are several for each of a hundred thousand buckets. The
 * order is that of a Map.
 */
type Entry<Key, Value> = { readonly key: Key; readonly value: Value };

export class SmallMap<Key, Value> {
  /** The only one. */
  #one: Entry<Key, Value> | null = null;
  /** All of them, once there were two. */
  #all: Map<Key, Value> | null = null;

  get size(): number {
    if (this.#all !== null) return this.#all.size;
    return this.#one === null ? 0 : 1;
  }

  get(key: Key): Value | undefined {
    if (this.#all !== null) return this.#all.get(key);
    return this.#one?.key === key ? this.#one.value : undefined;
  }

  has(key: Key): boolean {
    return this.#all === null ? this.#one?.key === key : this.#all.has(key);
  }

  set(key: Key, value: Value): void {
    const one = this.#one;
    if (this.#all === null && (one === null || one.key === key)) {
      this.#one = { key, value };
      return;
    }
    this.#all ??= new Map(one === null ? [] : [[one.key, one.value]]);
    this.#all.set(key, value);
    this.#one = null;
  }

  /** Whether it was there. */
  delete(key: Key): boolean {
    if (!this.has(key)) return false;
    this.#one = null;
    this.#all?.delete(key);
    if (this.#all?.size === 0) this.#all = null;
    return true;
  }

  clear(): void {
    this.#one = null;
    this.#all = null;
  }

  values(): Iterable<Value> {
    if (this.#all !== null) return this.#all.values();
    return this.#one === null ? [] : [this.#one.value];
  }
}
