/** The place at which an entry belongs in a sorted list. Pure. */

/** How many entries at the beginning of `sorted` come before the place that is looked for. */
export function placeIn<Entry>(
  sorted: readonly Entry[],
  comesBefore: (entry: Entry) => boolean,
): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const entry = sorted[middle];
    if (entry !== undefined && comesBefore(entry)) low = middle + 1;
    else high = middle;
  }
  return low;
}
