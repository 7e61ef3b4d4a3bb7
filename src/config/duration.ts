/**
 * Durations as people write them: `500ms`, `2m`, `1h30m`, `1.5h`, `2min`, `10 minutes`, `1h 30m`.
 *
 * Both notations of the original services are read: Go's (`1h30m`, fractions, no spaces) and that
 * of Rust's humantime (long unit names, spaces). `m` is a minute and `M` a month; every other unit
 * name may be written in any case when it is longer than a letter. A number needs a unit, except 0.
 */

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const YEAR_MS = 365.25 * DAY_MS;

const UNITS_MS: ReadonlyMap<string, number> = new Map([
  ...unit(1e-6, 'ns', 'nsec', 'nanosecond', 'nanoseconds'),
  ...unit(1e-3, 'us', 'µs', 'μs', 'usec', 'microsecond', 'microseconds'),
  ...unit(1, 'ms', 'msec', 'millisecond', 'milliseconds', 'millis'),
  ...unit(SECOND_MS, 's', 'sec', 'secs', 'second', 'seconds'),
  ...unit(MINUTE_MS, 'm', 'min', 'mins', 'minute', 'minutes'),
  ...unit(HOUR_MS, 'h', 'hr', 'hrs', 'hour', 'hours'),
  ...unit(DAY_MS, 'd', 'day', 'days'),
  ...unit(7 * DAY_MS, 'w', 'wk', 'wks', 'week', 'weeks'),
  ...unit(YEAR_MS / 12, 'M', 'month', 'months'),
  ...unit(YEAR_MS, 'y', 'yr', 'yrs', 'year', 'years'),
]);

const PART = /\s*(\d+(?:\.\d*)?|\.\d+)\s*([a-zA-Zµμ]+)\s*/y;

function unit(milliseconds: number, ...names: string[]): [string, number][] {
  return names.map((name) => [name, milliseconds]);
}

/**
 * Milliseconds, rounded up to a whole one, so that a short wait never becomes none; undefined when
 * `text` is not a duration or is too long to be counted exactly.
 */
export function parseDuration(text: string): number | undefined {
  if (/^\s*0+\s*$/.test(text)) return 0;
  let totalMs = 0;
  let position = 0;
  while (position < text.length) {
    PART.lastIndex = position;
    const match = PART.exec(text);
    const unitMs = unitNamed(match?.[2] ?? '');
    if (match === null || unitMs === undefined) return undefined;
    totalMs += Number(match[1]) * unitMs;
    position = PART.lastIndex;
  }
  if (position === 0) return undefined;
  // Cut at a nanosecond before rounding up: 1.1 s is 1100.0000000000002 ms in binary, not 1101 ms.
  const wholeMs = Math.ceil(Number(totalMs.toFixed(6)));
  return Number.isSafeInteger(wholeMs) ? wholeMs : undefined;
}

function unitNamed(name: string): number | undefined {
  return UNITS_MS.get(name) ?? (name.length > 1 ? UNITS_MS.get(name.toLowerCase()) : undefined);
}

/** The shortest way to write a whole number of milliseconds: `1h30m`, `500ms`, `0s`. */
export function formatDuration(durationMs: number): string {
  const parts: string[] = [];
  let rest = durationMs;
  for (const [name, unitMs] of [
    ['d', DAY_MS],
    ['h', HOUR_MS],
    ['m', MINUTE_MS],
    ['s', SECOND_MS],
    ['ms', 1],
  ] as const) {
    const count = Math.floor(rest / unitMs);
    if (count > 0) parts.push(`${count}${name}`);
    rest -= count * unitMs;
  }
  return parts.length === 0 ? '0s' : parts.join('');
}
