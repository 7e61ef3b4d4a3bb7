/**
 * What each of several proxies has counted, as the store between them keeps it.
 *
 * Each has an entry that it alone adds to, and writes whole: so it does not matter who is first,
 * and nothing is counted twice. Times are the store's, to a slot; a slot that is moved from one
 * clock to another counts for longer rather than for less. What has left the window is dropped by
 * whoever writes next.
 */
import { z } from 'zod';
import { goneAtMs, type SlidingCount, type WindowShape } from './sliding-count.ts';

/** By the name of a proxy. */
export type FleetCount = ReadonlyMap<string, SlidingCount>;

const storedCount = z.record(z.string(), z.array(z.tuple([z.number(), z.number()])));

export function writeFleetCount(fleet: FleetCount): string {
  const entries = [...fleet].map(([proxy, slots]) => [
    proxy,
    slots.map(({ fromMs, count }) => [fromMs, count]),
  ]);
  return JSON.stringify(Object.fromEntries(entries));
}

/** What is not of this form says nothing. */
export function readFleetCount(text: string | null): FleetCount {
  const { data = {} } = storedCount.safeParse(parsed(text));
  return new Map(
    Object.entries(data).map(([proxy, slots]) => [
      proxy,
      slots.map(([fromMs, count]) => ({ fromMs, count })),
    ]),
  );
}

/**
 * Without what has left the window. What is of a time to come is of before the clock was set back,
 * and counts from now on.
 */
export function pruned(fleet: FleetCount, shape: WindowShape, nowMs: number): FleetCount {
  const latestMs = Math.ceil(nowMs / shape.slotMs) * shape.slotMs;
  const kept = [...fleet].map(([proxy, slots]) => {
    const inWindow = slots
      .filter(({ fromMs }) => goneAtMs(fromMs, shape) > nowMs)
      .map(({ fromMs, count }) => ({ fromMs: Math.min(fromMs, latestMs), count }));
    return [proxy, inWindow] as const;
  });
  return new Map(kept.filter(([, slots]) => slots.length > 0));
}

function parsed(text: string | null): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}
