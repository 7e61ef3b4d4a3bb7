/**
 * Who comes before whom among those that want to identify. Pure.
 *
 * Discord wants buckets started in order: shards 0 … k−1 before k … 2k−1, where k is
 * max_concurrency. Among all that stand in the lines the lowest bucket goes first, across keys,
 * whoever asked first (GP-28). So that a shard which comes again and again cannot keep the others
 * waiting, order is by round before bucket: a shard has one turn a round, and its next request
 * belongs to the next one.
 */
import { placeIn } from './sorted.ts';

/** A shard in a line. */
export type Standing = { readonly shard: number; readonly round: number };

/** What the order is by. */
export type Rank = { readonly round: number; readonly bucket: number };

/**
 * How many there are of each rank that occurs, in order: the first is at hand however many there
 * are.
 */
export type Tally = readonly (Rank & { readonly count: number })[];

export function rankOf({ shard, round }: Standing, maxConcurrency: number): Rank {
  return { round, bucket: Math.floor(shard / maxConcurrency) };
}

/** Whether `left` is of an earlier round, or of a lower bucket of the same. */
export function precedes(left: Rank, right: Rank): boolean {
  if (left.round !== right.round) return left.round < right.round;
  return left.bucket < right.bucket;
}

/** The line with a newcomer in it, behind its equals. */
export function joined(
  line: readonly Standing[],
  newcomer: Standing,
  maxConcurrency: number,
): readonly Standing[] {
  const rank = rankOf(newcomer, maxConcurrency);
  const place = placeIn(line, (other) => !precedes(rank, rankOf(other, maxConcurrency)));
  return line.toSpliced(place, 0, newcomer);
}

/** The tally with one more of a rank, or one fewer. */
export function counted(tally: Tally, rank: Rank, by: 1 | -1): Tally {
  const place = placeIn(tally, (entry) => precedes(entry, rank));
  const found = tally[place];
  if (found === undefined || precedes(rank, found)) {
    return tally.toSpliced(place, 0, { ...rank, count: by });
  }
  const count = found.count + by;
  return count === 0 ? tally.toSpliced(place, 1) : tally.with(place, { ...found, count });
}
