/**
 * Who comes before whom among those that want to identify. Pure.
 *
 * Discord wants buckets started in order: shards 0 … k−1 before k … 2k−1, where k is max_concurrency. Among
 * all that stand in the lines the lowest bucket goes first, across keys, whoever asked first (GP-28). So that
 * a shard which comes again and again cannot keep the others waiting, order is by round before bucket: a
 * shard has one turn a round, and its next request belongs to the next one.
 */

/** A shard in a line. */
export type Standing = { readonly shard: number; readonly round: number };

/** Whether `left` is of an earlier round, or of a lower bucket of the same. */
export function isBefore(left: Standing, right: Standing, maxConcurrency: number): boolean {
  if (left.round !== right.round) return left.round < right.round;
  return bucketOf(left, maxConcurrency) < bucketOf(right, maxConcurrency);
}

/** The place in a line, sorted, that a newcomer takes: behind its equals. */
export function placeFor(
  line: readonly Standing[],
  newcomer: Standing,
  maxConcurrency: number,
): number {
  // Nearly all come in order, so the search begins at the end.
  let place = line.length;
  for (; place > 0; place--) {
    const other = line[place - 1];
    if (other === undefined || !isBefore(newcomer, other, maxConcurrency)) break;
  }
  return place;
}

function bucketOf({ shard }: Standing, maxConcurrency: number): number {
  return Math.floor(shard / maxConcurrency);
}
