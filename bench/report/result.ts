/** What came of a row, and how figures of it are looked up and shown. */
import { type FigureName, type Figures, summarise } from '../figures.ts';
import type { Row } from '../row.ts';

/** A row, or a row of another working tree, and its samples. */
export type Result = {
  readonly label: string;
  readonly row: Pick<Row, 'about' | 'topic' | 'feed' | 'receiver'>;
  readonly samples: readonly Figures[];
};

export const MISSING = '–';

/** The median of a row's samples. */
export function figure(
  results: readonly Result[],
  label: string,
  name: FigureName,
): number | undefined {
  const result = results.find((candidate) => candidate.label === label);
  return result && summarise(result.samples, name)?.median;
}

/** Three digits, as long as it has no more before the point. */
export function significant(value: number): string {
  const size = Math.abs(value);
  if (size >= 1_000) return thousands(Math.round(value));
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

export function thousands(value: number): string {
  return value.toLocaleString('en-US');
}

export function showing(value: number | undefined, show: (value: number) => string): string {
  return value === undefined || !Number.isFinite(value) ? MISSING : show(value);
}
