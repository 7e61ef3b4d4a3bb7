/**
 * The lanes of the proxy: which request goes first where not all can go at once.
 *
 * A request travels in one lane from its door to Discord. Wherever there is a line, in a bucket and
 * before the gate, the highest lane in which anybody waits goes first, and within a lane the order
 * of arrival holds. So that no lane starves, one that has been passed over LANE_PATIENCE times goes
 * next.
 */
import { BULK_SHARE, LANE_PATIENCE, NORMAL_SHARE } from './limits.ts';

/** From the first to the last. */
export const PRIORITIES = ['high', 'normal', 'bulk'] as const;
export type Priority = (typeof PRIORITIES)[number];

export type ByLane<Value> = Readonly<Record<Priority, Value>>;

/** How much of what there is room for a lane may fill, so that the higher ones find room. */
export const SHARE: ByLane<number> = { high: 1, normal: NORMAL_SHARE, bulk: BULK_SHARE };

/** How often each lane was passed over, while somebody waited in it, since it last had its turn. */
export type Patience = ByLane<number>;

export const NOBODY_PASSED: Patience = { high: 0, normal: 0, bulk: 0 };

/** Whose turn it is; null when nobody waits. */
export function nextLane(patience: Patience, waits: (lane: Priority) => boolean): Priority | null {
  let highest: Priority | null = null;
  for (const lane of PRIORITIES) {
    if (!waits(lane)) continue;
    if (patience[lane] >= LANE_PATIENCE) return lane;
    highest ??= lane;
  }
  return highest;
}

/**
 * Whether that turn is the lane's by right of its patience: a higher one waits, and lets it go
 * first.
 */
export function isOwed(lane: Priority, waits: (lane: Priority) => boolean): boolean {
  return PRIORITIES.find(waits) !== lane;
}

/** After `taken` has had its turn. */
export function afterTurn(
  patience: Patience,
  taken: Priority,
  waits: (lane: Priority) => boolean,
): Patience {
  if (!PRIORITIES.some((lane) => lane !== taken && waits(lane))) return NOBODY_PASSED;
  const of = (lane: Priority): number => {
    if (lane === taken || !waits(lane)) return 0;
    // A higher lane that lets a starved one go first is not passed over by that: it is next.
    return standsBehind(lane, taken) ? patience[lane] + 1 : patience[lane];
  };
  return { high: of('high'), normal: of('normal'), bulk: of('bulk') };
}

const standsBehind = (lane: Priority, other: Priority): boolean =>
  PRIORITIES.indexOf(lane) > PRIORITIES.indexOf(other);
