/** The numbers of one sample, and what is made of several: medians, spread, percentiles. */

export type FigureName =
  | 'warmUpEvents'
  | 'fullMicros'
  | 'fullPerSecond'
  | 'fullP50Ms'
  | 'fullP99Ms'
  | 'fullP999Ms'
  | 'steadyMicros'
  | 'steadyP50Ms'
  | 'steadyP99Ms'
  | 'steadyP999Ms'
  | 'halfPerSecond'
  | 'halfP50Ms'
  | 'halfP99Ms'
  | 'halfP999Ms'
  | 'heapBytes'
  | 'residentBytes'
  | 'collectedHeapBytes'
  | 'startMs'
  | 'identifySpanMs';

/** A figure that could not be measured is not there. */
export type Figures = Partial<Record<FigureName, number>>;

export type Summary = { readonly median: number; readonly min: number; readonly max: number };

export function summarise(samples: readonly Figures[], name: FigureName): Summary | undefined {
  const values = samples.flatMap((figures) => figures[name] ?? []).toSorted((a, b) => a - b);
  const [min] = values;
  const max = values.at(-1);
  if (min === undefined || max === undefined) return undefined;
  const middle = values.length >> 1;
  const upper = values[middle] ?? max;
  const median = values.length % 2 === 1 ? upper : ((values[middle - 1] ?? min) + upper) / 2;
  return { median, min, max };
}

/** The smallest value that `share` of all values do not exceed; `sorted` is ascending. */
export function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
