/**
 * The results as Markdown: what was run on what, how, and what came of it.
 *
 * Every number is computed from the samples of this run. A ratio is always to the row that only
 * receives, of the same compression, in the same run.
 */
import { type FigureName, type Figures, type Summary, summarise } from './figures.ts';
import type { Fact } from './machine.ts';
import type { Row } from './row.ts';
import type { Plan } from './sample.ts';

/** A row, or a row of another working tree, and its samples. */
export type Result = {
  readonly label: string;
  readonly row: Row;
  readonly samples: readonly Figures[];
};

export type Report = {
  readonly facts: readonly Fact[];
  readonly method: readonly string[];
  readonly results: readonly Result[];
  readonly plan: Plan;
};

const MISSING = '–';

export function writeReport({ facts, method, results, plan }: Report): string {
  const fed = results.filter(({ row }) => row.compression !== undefined);
  const parts = results.filter(({ row }) => row.compression === undefined);
  const latencies = fed.filter(({ row }) => row.receiver !== undefined);
  const sections = [
    '# Results',
    'Written by `npm run bench`; docs/benchmarks.md says how to run it and how to read this.',
    table(
      ['', ''],
      facts.map(([name, value]) => [name, value]),
    ),
    '## Method',
    method.map((line) => `- ${line}`).join('\n'),
  ];
  if (fed.length > 0) sections.push('## An event of 1 KB', costTable(fed, results, plan));
  if (latencies.length > 0) sections.push('## Latency', latencyTable(latencies, plan));
  if (parts.length > 0) sections.push('## Parts', partTable(parts));
  return `${sections.join('\n\n')}\n`;
}

function costTable(fed: readonly Result[], all: readonly Result[], plan: Plan): string {
  const steady = `${thousands(plan.steadyPerSecond)}/s`;
  const head = [
    'row',
    'what it does',
    'µs at full speed',
    '× receiving',
    '+ µs',
    'events/s',
    `µs at ${steady}`,
    '× receiving',
    '+ µs',
    'heap B',
  ];
  const rows = fed.map((result) => [
    result.label,
    result.row.about,
    spread(result, 'fullMicros'),
    ...overFloor(result, all, 'fullMicros'),
    whole(result, 'fullPerSecond'),
    spread(result, 'steadyMicros'),
    ...overFloor(result, all, 'steadyMicros'),
    whole(result, 'heapBytes'),
  ]);
  return table(head, rows);
}

function latencyTable(latencies: readonly Result[], plan: Plan): string {
  const steady = `${thousands(plan.steadyPerSecond)}/s`;
  const head = ['row', `p50 at ${steady}`, 'p99', 'p99.9', 'half load', 'p50', 'p99', 'p99.9'];
  const rows = latencies.map((result) => [
    result.label,
    milliseconds(result, 'steadyP50Ms'),
    milliseconds(result, 'steadyP99Ms'),
    milliseconds(result, 'steadyP999Ms'),
    result.samples.some(({ halfPerSecond }) => halfPerSecond !== undefined)
      ? `${whole(result, 'halfPerSecond')}/s`
      : MISSING,
    milliseconds(result, 'halfP50Ms'),
    milliseconds(result, 'halfP99Ms'),
    milliseconds(result, 'halfP999Ms'),
  ]);
  return `Milliseconds from the write of the source to the arrival at the consumer.\n\n${table(head, rows)}`;
}

function partTable(parts: readonly Result[]): string {
  const rows = parts.map((result) => [
    result.label,
    result.row.about,
    spread(result, 'fullMicros', 1_000),
    whole(result, 'fullPerSecond'),
    fixed(summarise(result.samples, 'heapBytes')?.median, 2),
  ]);
  return table(['part', 'what it does', 'ns', 'events/s', 'heap B'], rows);
}

/** The ratio and the difference to the row that only receives. */
function overFloor(
  { row, samples }: Result,
  all: readonly Result[],
  name: FigureName,
): readonly [string, string] {
  const floor = all.find((other) => other.label === `receive ${row.compression}`);
  const own = summarise(samples, name)?.median;
  const least = floor && summarise(floor.samples, name)?.median;
  if (own === undefined || least === undefined) return [MISSING, MISSING];
  return [(own / least).toFixed(2), (own - least).toFixed(2)];
}

function spread({ samples }: Result, name: FigureName, factor = 1): string {
  const summary: Summary | undefined = summarise(samples, name);
  if (summary === undefined) return MISSING;
  const show = (value: number): string => significant(value * factor);
  return `${show(summary.median)} (${show(summary.min)}–${show(summary.max)})`;
}

function milliseconds({ samples }: Result, name: FigureName): string {
  return fixed(summarise(samples, name)?.median, 2);
}

function whole({ samples }: Result, name: FigureName): string {
  const summary = summarise(samples, name);
  return summary === undefined ? MISSING : thousands(Math.round(summary.median));
}

function fixed(value: number | undefined, digits: number): string {
  return value === undefined ? MISSING : value.toFixed(digits);
}

function significant(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function thousands(value: number): string {
  return value.toLocaleString('en-US');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, column) =>
    Math.max(3, cell.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const rule = widths.map((width) => '-'.repeat(width));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}
