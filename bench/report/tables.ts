/** The tables of the report: which figures of a row stand in which column. */
import { type FigureName, summarise } from '../figures.ts';
import type { Plan } from '../plan.ts';
import type { Topic } from '../row.ts';
import { figure, MISSING, type Result, showing, significant, thousands } from './result.ts';

type Column = readonly [head: string, cell: (result: Result) => string];

export type Section = { readonly title: string; readonly text?: string; readonly table: string };

const KIBIBYTE = 1_024;

/** A section for each kind of rows that there are. */
export function sectionsOf(results: readonly Result[], plan: Plan): readonly Section[] {
  const rows = (...topics: readonly Topic[]) =>
    results.filter(({ row }) => topics.includes(row.topic));
  const section = (
    title: string,
    chosen: readonly Result[],
    columns: readonly Column[],
    text?: string,
  ): readonly Section[] =>
    chosen.length === 0
      ? []
      : [{ title, table: tableOf(chosen, columns), ...(text !== undefined && { text }) }];
  const gateways = rows('forward', 'payload');
  return [
    ...section('An event of 1 KB', gateways, costColumns(results, plan)),
    ...section(
      'Latency',
      gateways.filter(({ row }) => row.receiver !== undefined),
      eventLatencyColumns(plan),
      'Milliseconds from the write of the source to the arrival at the consumer.',
    ),
    ...section('Parts', rows('part'), PART_COLUMNS),
    ...section('More shards, the same events', rows('shards'), shardColumns(plan)),
    ...section('Larger events', rows('sizes'), SIZE_COLUMNS),
    ...section('Idle shards', rows('idle'), IDLE_COLUMNS),
    ...section('The proxy', rows('proxy'), proxyColumns(results, plan)),
    ...section('More buckets', rows('buckets'), BUCKET_COLUMNS),
  ];
}

const LABEL: Column = ['row', ({ label }) => label];
const ABOUT: Column = ['what it does', ({ row }) => row.about];

/** The median, with the least and the most of the rounds. */
function spread(name: FigureName, factor = 1) {
  return ({ samples }: Result): string => {
    const summary = summarise(samples, name);
    if (summary === undefined) return MISSING;
    const { median, min, max } = summary;
    const shown = [median, min, max].map((value) => significant(value * factor));
    return samples.length === 1 ? `${shown[0]}` : `${shown[0]} (${shown[1]}–${shown[2]})`;
  };
}

function median(name: FigureName, show: (value: number) => string) {
  return ({ samples }: Result): string => showing(summarise(samples, name)?.median, show);
}

const whole = (value: number): string => thousands(Math.round(value));
const hundredths = (value: number): string => value.toFixed(2);
const tenthsOfMebibytes = (value: number): string => (value / KIBIBYTE / KIBIBYTE).toFixed(1);

/** The ratio and the difference to the row that only receives. */
function overFloor(all: readonly Result[], name: FigureName): readonly [Column, Column] {
  const compare = (shown: (own: number, least: number) => number) => {
    return ({ label, row: { feed } }: Result): string => {
      if (feed?.kind !== 'events') return MISSING;
      const own = figure(all, label, name);
      const least = figure(all, `receive ${feed.compression}`, name);
      if (own === undefined || least === undefined) return MISSING;
      return shown(own, least).toFixed(2);
    };
  };
  return [
    ['× receiving', compare((own, least) => own / least)],
    ['+ µs', compare((own, least) => own - least)],
  ];
}

function costColumns(all: readonly Result[], { effort }: Plan): readonly Column[] {
  return [
    LABEL,
    ABOUT,
    [`µs at ${thousands(effort.events.steadyPerSecond)}/s`, spread('steadyMicros')],
    ...overFloor(all, 'steadyMicros'),
    ['µs at full speed', spread('fullMicros')],
    ...overFloor(all, 'fullMicros'),
    ['events/s', median('fullPerSecond', whole)],
    ['heap B', median('heapBytes', whole)],
  ];
}

function eventLatencyColumns({ effort }: Plan): readonly Column[] {
  return [
    LABEL,
    ...latencyColumns(`at ${thousands(effort.events.steadyPerSecond)}/s`, 'steady'),
    ['half load, /s', median('halfPerSecond', whole)],
    ...latencyColumns('at half load', 'half'),
  ];
}

function latencyColumns(when: string, kind: 'full' | 'steady' | 'half'): readonly Column[] {
  return [
    [`p50 ${when}`, median(`${kind}P50Ms`, hundredths)],
    ['p99', median(`${kind}P99Ms`, hundredths)],
    ['p99.9', median(`${kind}P999Ms`, hundredths)],
  ];
}

const PART_COLUMNS: readonly Column[] = [
  ['part', ({ label }) => label],
  ABOUT,
  ['ns', spread('fullMicros', 1_000)],
  ['events/s', median('fullPerSecond', whole)],
  ['heap B', median('heapBytes', hundredths)],
];

function shardColumns({ effort }: Plan): readonly Column[] {
  return [
    LABEL,
    ABOUT,
    [`µs at ${thousands(effort.events.steadyPerSecond)}/s`, spread('steadyMicros')],
    ['µs at full speed', spread('fullMicros')],
    ['events/s', median('fullPerSecond', whole)],
  ];
}

const SIZE_COLUMNS: readonly Column[] = [
  LABEL,
  ABOUT,
  ['µs at full speed', spread('fullMicros')],
  ['events/s', median('fullPerSecond', whole)],
  [
    'MB/s',
    ({ row: { feed }, samples }) => {
      const bytes = feed?.kind === 'events' ? feed.frameBytes : Number.NaN;
      return showing(summarise(samples, 'fullPerSecond')?.median, (value) =>
        whole((value * bytes) / 1e6),
      );
    },
  ],
];

const IDLE_COLUMNS: readonly Column[] = [
  LABEL,
  ABOUT,
  ['resident MiB', median('residentBytes', tenthsOfMebibytes)],
  ['heap MiB', median('collectedHeapBytes', tenthsOfMebibytes)],
  ['ms to the last READY', median('startMs', whole)],
  ['ms, first IDENTIFY to last', median('identifySpanMs', whole)],
];

function proxyColumns(all: readonly Result[], { effort }: Plan): readonly Column[] {
  const direct = figure(all, 'direct', 'fullPerSecond');
  const { steadyPerSecond, halfPerSecond = Number.NaN } = effort.requests;
  return [
    LABEL,
    ABOUT,
    ['requests/s', spread('fullPerSecond')],
    [
      '% of direct',
      ({ samples }) =>
        showing(summarise(samples, 'fullPerSecond')?.median, (value) =>
          showing(direct, (most) => whole((100 * value) / most)),
        ),
    ],
    ['µs of the proxy', spread('fullMicros')],
    ...latencyColumns('ms, 32 callers', 'full'),
    ...latencyColumns(`ms at ${thousands(steadyPerSecond)}/s`, 'steady'),
    ...latencyColumns(`ms at ${thousands(halfPerSecond)}/s`, 'half'),
  ];
}

const BUCKET_COLUMNS: readonly Column[] = [
  LABEL,
  ABOUT,
  ['requests before', median('warmUpEvents', whole)],
  ['µs of the proxy', spread('fullMicros')],
  ['requests/s', spread('fullPerSecond')],
  ['p99 ms', median('fullP99Ms', hundredths)],
];

function tableOf(results: readonly Result[], columns: readonly Column[]): string {
  return table(
    columns.map(([head]) => head),
    results.map((result) => columns.map(([, cell]) => cell(result))),
  );
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, column) =>
    Math.max(3, cell.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const rule = widths.map((width) => '-'.repeat(width));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}
