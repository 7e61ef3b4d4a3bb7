/**
 * Options in words: for `--help`, for the tables of the documentation, and for `spectacles check`.
 */
import type { Origin, Resolved } from './layers.ts';
import type { Option, OptionTable } from './options.ts';

/** One line for each option: what it is and where that comes from, without secrets. */
export function describeValues<Table extends OptionTable>(
  table: Table,
  { values, origins }: Resolved<Table>,
): readonly string[] {
  const width = Math.max(...Object.keys(table).map((key) => key.length));
  const shown: Readonly<Record<string, unknown>> = values;
  return Object.entries(table).map(([key, { reader, defaultNote }]) => {
    const value = shown[key];
    const origin = origins.get(key);
    const text = value === undefined || value === null ? absence(defaultNote) : reader.show(value);
    return `${key.padEnd(width)}  ${text}  (${originName(key, origin)})`;
  });
}

/** What is true without a value; where `check` comes to here, no other one is required any more. */
function absence(defaultNote: string): string {
  return defaultNote.startsWith('required') ? 'not set' : plain(defaultNote);
}

function originName(key: string, origin: Origin | undefined): string {
  if (origin === undefined || origin.kind === 'default') return 'default';
  return origin.where.startsWith(`${key} in `) ? origin.where.slice(key.length + 1) : origin.where;
}

/**
 * The options as `--help` shows them: key, variables, default, and what it is for.
 * @param defaults what is true by default instead, by key
 */
export function helpOnOptions(
  table: OptionTable,
  defaults: Readonly<Record<string, string>> = {},
): readonly string[] {
  const rows = Object.entries(table).map(([key, { environment, defaultNote, description }]) => ({
    head: [key, environment.join(', ') || '-', plain(defaults[key] ?? defaultNote)],
    description: plain(description),
  }));
  const widths = [0, 1].map((column) =>
    Math.max(...rows.map(({ head }) => head[column]?.length ?? 0)),
  );
  return rows.flatMap(({ head, description }) => [
    `  ${head.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`,
    `      ${description}`,
  ]);
}

/** The options as a Markdown table. */
export function markdownTable(table: OptionTable): string {
  const rows = Object.entries(table).map(([key, given]) =>
    [keyNames(key, given), variables(given), defaultCell(given), given.description].join(' | '),
  );
  return [
    '| key | environment | default | what it is |',
    '| --- | --- | --- | --- |',
    ...rows.map((row) => `| ${row} |`),
  ].join('\n');
}

function keyNames(key: string, { otherKeys, oldKeys }: Option<unknown>): string {
  const old = oldKeys.map((name) => `\`${name}\` (old)`);
  return [key, ...otherKeys].map(code).concat(old).join(', ');
}

function variables({ environment }: Option<unknown>): string {
  return environment.map(code).join(' or ');
}

function defaultCell({ fallback, defaultNote }: Option<unknown>): string {
  return fallback === undefined ? defaultNote : code(fallback);
}

function code(text: string): string {
  return `\`${text}\``;
}

/** Without Markdown's code marks. */
function plain(text: string): string {
  return text.replaceAll('`', '');
}
