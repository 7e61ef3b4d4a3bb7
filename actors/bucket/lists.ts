/**
 * Lists that are values, and mostly empty: all that are empty share one, so that a bucket in which
 * nothing happens keeps none of its own.
 */
export const NOTHING: readonly never[] = [];

/** The same list where all of it is kept. */
export function keep<Item>(
  list: readonly Item[],
  isKept: (item: Item) => boolean,
): readonly Item[] {
  const kept = list.filter(isKept);
  if (kept.length === list.length) return list;
  return kept.length === 0 ? NOTHING : kept;
}
