/**
 * When which key may go on: an agenda that says what to look at next without looking at every key.
 * Pure.
 *
 * An entry is only a reason to look. One whose key has since moved on costs that look, and is gone
 * after it.
 */
import { placeIn } from './sorted.ts';

type Opening = { readonly atMs: number; readonly key: number };

/** By time, then by key. */
export type Openings = readonly Opening[];

export function withOpening(openings: Openings, opening: Opening): Openings {
  const { atMs, key } = opening;
  const place = placeIn(openings, (other) =>
    other.atMs === atMs ? other.key < key : other.atMs < atMs,
  );
  const found = openings[place];
  if (found?.atMs === atMs && found.key === key) return openings;
  return openings.toSpliced(place, 0, opening);
}

/** The keys whose time has come, and the agenda without them. */
export function openedBy(
  openings: Openings,
  nowMs: number,
): { readonly keys: readonly number[]; readonly later: Openings } {
  const count = placeIn(openings, ({ atMs }) => atMs <= nowMs);
  if (count === 0) return { keys: [], later: openings };
  return { keys: openings.slice(0, count).map(({ key }) => key), later: openings.slice(count) };
}
