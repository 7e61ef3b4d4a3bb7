/**
 * What each of several proxies has counted, as the store between them keeps it.
 *
 * Each has an entry that only it writes, whole: so it does not matter who is first, and nothing is
 * counted twice. Times are the store's, to a slot; a slot that is moved from one clock to another
 * counts for longer rather than for less. An entry whose slots have left the window is dropped,
 * whoever it was of.
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

/** Without what has left the window. */
export function pruned(fleet: FleetCount, shape: WindowShape, nowMs: number): FleetCount {
  const kept = [...fleet].map(
    ([proxy, slots]) =>
      [proxy, slots.filter(({ fromMs }) => goneAtMs(fromMs, shape) > nowMs)] as const,
  );
  return new Map(kept.filter(([, slots]) => slots.length > 0));
}

function parsed(text: string | null): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}
