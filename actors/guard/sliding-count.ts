/**
 * How many there were in the last while: a count over a sliding window, in bounded memory.
 *
 * Times are rounded to slots, and a slot counts until its very end has left the window. So the
 * count is never too low, and too high by at most what one slot's length brings; there are never
 * more slots than fit into the window, however much is counted. The value is plain data: it can be
 * stored, sent, or added to that of another process.
 */

export type WindowShape = {
  readonly windowMs: number;
  /** A fraction of the window. */
  readonly slotMs: number;
};

/** Slots in which anything was counted, the oldest first. */
export type SlidingCount = readonly { readonly fromMs: number; readonly count: number }[];

export const NOTHING_COUNTED: SlidingCount = [];

/** Counts one, and forgets what has left the window. */
export function countOne(slots: SlidingCount, shape: WindowShape, nowMs: number): SlidingCount {
  const kept = slots.filter((slot) => goneAtMs(slot.fromMs, shape) > nowMs);
  const fromMs = Math.floor(nowMs / shape.slotMs) * shape.slotMs;
  const last = kept.at(-1);
  if (last === undefined || last.fromMs < fromMs) return [...kept, { fromMs, count: 1 }];
  return [...kept.slice(0, -1), { fromMs: last.fromMs, count: last.count + 1 }];
}

export function countedAt(slots: SlidingCount, shape: WindowShape, nowMs: number): number {
  let sum = 0;
  for (const slot of slots) if (goneAtMs(slot.fromMs, shape) > nowMs) sum += slot.count;
  return sum;
}

/**
 * The earliest time at which fewer than `below` are counted, if none is added; `nowMs` if that is
 * so.
 */
export function belowAtMs(
  slots: SlidingCount,
  shape: WindowShape,
  below: number,
  nowMs: number,
): number {
  let sum = countedAt(slots, shape, nowMs);
  let atMs = nowMs;
  for (const slot of slots) {
    const goneMs = goneAtMs(slot.fromMs, shape);
    if (sum < below) break;
    if (goneMs <= nowMs) continue;
    sum -= slot.count;
    atMs = goneMs;
  }
  return atMs;
}

/** The same on another clock, which shows `byMs` more. */
export function shifted(slots: SlidingCount, { slotMs }: WindowShape, byMs: number): SlidingCount {
  return slots.map(({ fromMs, count }) => ({
    fromMs: Math.ceil((fromMs + byMs) / slotMs) * slotMs,
    count,
  }));
}

/** All of them together. */
export function sumOf(counts: readonly SlidingCount[]): SlidingCount {
  const sums = new Map<number, number>();
  for (const { fromMs, count } of counts.flat()) {
    sums.set(fromMs, (sums.get(fromMs) ?? 0) + count);
  }
  return [...sums]
    .map(([fromMs, count]) => ({ fromMs, count }))
    .sort((one, other) => one.fromMs - other.fromMs);
}

/** What has been counted since it was `before`. */
export function addedSince(slots: SlidingCount, before: SlidingCount): SlidingCount {
  const known = new Map(before.map(({ fromMs, count }) => [fromMs, count]));
  return slots
    .map(({ fromMs, count }) => ({ fromMs, count: count - (known.get(fromMs) ?? 0) }))
    .filter(({ count }) => count > 0);
}

/** When a slot counts no more. */
export const goneAtMs = (fromMs: number, { windowMs, slotMs }: WindowShape): number =>
  fromMs + slotMs + windowMs;
