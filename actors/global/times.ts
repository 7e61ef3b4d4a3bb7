/**
 * Times in ascending order: new ones come at the end, and those that have passed go from the front.
 *
 * It is a value, as all of a machine's state, and yet nothing is copied for each change: versions
 * share one array, of which each sees a part. Whoever appends to the newest version writes behind
 * its end; whoever appends to an older one, whose end is taken, copies. At 10,000 requests a second
 * a gate holds as many times, and would otherwise copy them for each request.
 */
export type Times = {
  readonly shared: number[];
  /** The first that is seen, and the first behind the last. */
  readonly from: number;
  readonly to: number;
};

export const NO_TIMES: Times = { shared: [], from: 0, to: 0 };

/** So many may have gone before the room that they take is given back. */
const GONE_MAX = 64;

export const count = ({ from, to }: Times): number => to - from;

export const first = ({ shared, from, to }: Times): number =>
  from < to ? (shared[from] ?? 0) : Number.POSITIVE_INFINITY;

export const toArray = ({ shared, from, to }: Times): number[] => shared.slice(from, to);

/** `atMs` is no earlier than the last. */
export function append(times: Times, atMs: number): Times {
  const { shared, from, to } = times;
  const mostlyGone = from > GONE_MAX && from > to - from;
  if (to === shared.length && !mostlyGone && times !== NO_TIMES) {
    shared.push(atMs);
    return { shared, from, to: to + 1 };
  }
  const copy = toArray(times);
  copy.push(atMs);
  return { shared: copy, from: 0, to: copy.length };
}

/** Those that come after `nowMs`. */
export function after(times: Times, nowMs: number): Times {
  const { shared, to } = times;
  let { from } = times;
  while (from < to && (shared[from] ?? 0) <= nowMs) from += 1;
  return from === times.from ? times : { shared, from, to };
}

export function areSame(one: Times, other: Times): boolean {
  if (count(one) !== count(other)) return false;
  for (let index = 0; index < count(one); index++) {
    if (one.shared[one.from + index] !== other.shared[other.from + index]) return false;
  }
  return true;
}
