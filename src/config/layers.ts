/**
 * From a file and the environment to typed values.
 *
 * A layer holds what one source says, by option key, unread. Layers are laid over each other, the
 * defaults lowest; each is read in full, so that a mistake in a file is reported although the
 * environment overrides it. All problems are collected and reported together, one a line.
 */
import { ConfigurationError } from '../../protocols/errors.ts';
import { suggest } from '../../protocols/suggest.ts';
import type { Redactor } from '../secrets.ts';
import { type Option, type OptionTable, optionName, type ValuesOf } from './options.ts';
import { kindOf, showKey } from './show.ts';

export type LayerKind = 'default' | 'file' | 'environment' | 'command line';

/** Variables by their names. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What one source says about one option. */
export type Entry = {
  /** As a person finds it: `broker.type in gateway.toml`, `BROKER_TYPE`. */
  readonly where: string;
  readonly input: unknown;
};

export type Layer = {
  readonly kind: LayerKind;
  readonly entries: ReadonlyMap<string, Entry>;
};

/** What is wrong, what is worth a warning. */
export type Findings = {
  readonly problems: string[];
  readonly warnings: string[];
};

export function noFindings(): Findings {
  return { problems: [], warnings: [] };
}

/** What the environment says. */
export function environmentLayer(
  table: OptionTable,
  environment: Environment,
  findings: Findings,
): Layer {
  const entries = new Map<string, Entry>();
  for (const [key, option] of Object.entries(table)) {
    const set = option.environment.filter((name) => !isUnset(option, environment[name] ?? ''));
    const [first, ...others] = set;
    if (first === undefined) continue;
    entries.set(key, { where: first, input: environment[first] });
    for (const other of others) {
      if (environment[other] === environment[first]) continue;
      findings.warnings.push(`${other} is not used: ${first} means the same and is set too`);
    }
  }
  return { kind: 'environment', entries };
}

/**
 * What a parsed file says. Keys are compared without regard to case, as the original gateway did.
 */
export function fileLayer(
  table: OptionTable,
  content: Readonly<Record<string, unknown>>,
  fileName: string,
  findings: Findings,
): Layer {
  const keys = new Map<string, { key: string; old: boolean }>();
  for (const [key, { oldKeys, otherKeys }] of Object.entries(table)) {
    for (const name of [key, ...otherKeys]) keys.set(name, { key, old: false });
    for (const name of oldKeys) keys.set(name, { key, old: true });
  }
  const tables = new Set([...keys.keys()].flatMap(parents));
  const entries = new Map<string, Entry>();

  function visit(value: unknown, shownPath: string, path: string): void {
    const found = keys.get(path);
    const where = `${shownPath} in ${fileName}`;
    if (found !== undefined) take(found, value, where);
    else if (!tables.has(path))
      findings.problems.push(unknownKey(where, path, [...keys.keys(), ...tables], table));
    else if (!isTable(value)) findings.problems.push(noTable(where, path, value, table));
    else visitAll(value, `${shownPath}.`, `${path}.`);
  }
  function visitAll(content: Readonly<Record<string, unknown>>, shown: string, path: string): void {
    for (const [name, value] of Object.entries(content)) {
      // A quoted key may hold a dot, and is then not the same as the path that looks like it.
      const step = name.toLowerCase().replaceAll('.', '\u0000');
      visit(value, `${shown}${showKey(name)}`, `${path}${step}`);
    }
  }
  function take({ key, old }: { key: string; old: boolean }, input: unknown, where: string): void {
    if (old) findings.warnings.push(`${where}: the key is now called ${key}`);
    const option = table[key];
    if (option === undefined || isUnset(option, input)) return;
    const earlier = entries.get(key);
    if (earlier === undefined) entries.set(key, { where, input });
    else findings.problems.push(`${where}: ${earlier.where} means the same; keep one of them`);
  }

  visitAll(content, '', '');
  return { kind: 'file', entries };
}

function parents(key: string): string[] {
  const parts = key.split('.');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('.'));
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
  );
}

/** A zero as a number or as a duration: `0`, `0s`, `0m0s`. */
const ZERO = /^(?:0+[a-z]*\s*)+$/;

/** An empty text, an empty table, and where the original had it so a zero or an empty list. */
function isUnset({ alsoUnset }: Option<unknown>, input: unknown): boolean {
  if (Array.isArray(input)) return alsoUnset === 'empty list' && input.length === 0;
  if (isTable(input)) return Object.keys(input).length === 0;
  const text = String(input).trim();
  return text === '' || (alsoUnset === 'zero' && ZERO.test(text));
}

/**
 * What stands there instead is not shown: it may well be the token that a key of the table is for.
 */
function noTable(where: string, path: string, value: unknown, table: OptionTable): string {
  const keys = Object.keys(table).filter((key) => key.startsWith(`${path}.`));
  const names = keys.map((key) => key.slice(path.length + 1)).join(', ');
  return `${where}: is ${kindOf(value)} and must be a table: [${path}], and below it ${names}`;
}

function unknownKey(
  where: string,
  path: string,
  names: readonly string[],
  table: OptionTable,
): string {
  const last = path.split('.').at(-1) ?? path;
  const near = suggest(path, names) ?? names.find((name) => name.endsWith(`.${last}`));
  // Only a key that was quoted holds a dot of its own.
  const unquoted = path.includes('\u0000') ? ', without quotes' : '';
  if (near !== undefined) return `${where}: no such key; did you mean ${near}${unquoted}?`;
  return `${where}: no such key; known are ${Object.keys(table).join(', ')}`;
}

/** The lowest layer: what the options say themselves, or what a command says instead. */
export function defaultLayer(
  table: OptionTable,
  overrides: Readonly<Record<string, string>> = {},
): Layer {
  const entries = new Map<string, Entry>();
  for (const [key, { fallback }] of Object.entries(table)) {
    const input = Object.hasOwn(overrides, key) ? overrides[key] : fallback;
    if (input !== undefined) entries.set(key, { where: `the default of ${key}`, input });
  }
  return { kind: 'default', entries };
}

/** Where a value comes from. */
export type Origin = Pick<Layer, 'kind'> & Pick<Entry, 'where'>;

/**
 * Values with the layer each came from. A value is missing when it is not set or cannot be read.
 */
export type Resolved<Table extends OptionTable> = {
  readonly values: Partial<ValuesOf<Table>>;
  readonly origins: ReadonlyMap<keyof Table & string, Origin>;
};

/** Reads every layer, the lowest first; a higher one wins. */
export function resolve<Table extends OptionTable>(
  table: Table,
  layers: readonly Layer[],
  findings: Findings,
  redactor: Redactor,
): Resolved<Table> {
  const values = new Map<string, unknown>();
  const origins = new Map<string, Origin>();
  for (const [key, option] of Object.entries(table)) {
    for (const { kind, entries } of layers) {
      const entry = entries.get(key);
      if (entry === undefined) continue;
      // A default is written in the source for all to see, and no secret.
      const secrets = kind === 'default' ? [] : option.reader.secretsIn(entry.input);
      for (const secret of secrets) redactor.add(secret);
      const read = readEntry(option, entry);
      if ('problems' in read) findings.problems.push(...read.problems);
      else values.set(key, read.value);
      origins.set(key, { kind, where: entry.where });
    }
    if (option.required && !origins.has(key)) findings.problems.push(missing(key, option));
  }
  // Each value was made by the reader that stands in the table under its key.
  return { values: Object.fromEntries(values) as Partial<ValuesOf<Table>>, origins };
}

function readEntry(
  { reader }: Option<unknown>,
  { where, input }: Entry,
): { readonly value: unknown } | { readonly problems: readonly string[] } {
  const parsed = reader.schema.safeParse(input);
  if (parsed.success) return { value: parsed.data };
  const sentences = parsed.error.issues.map(({ code, message }) =>
    code === 'custom' && message !== 'Invalid input' ? message : `is not ${reader.expects}`,
  );
  return {
    problems: [...new Set(sentences)].map(
      (sentence) => `${where}: ${reader.showInput(input)} ${sentence}`,
    ),
  };
}

function missing(key: string, option: Option<unknown>): string {
  return `${optionName(key, option)} is not set: it must be ${option.reader.expects}`;
}

/**
 * All values, when nothing was wrong; otherwise one ConfigurationError with a line for each
 * problem.
 */
export function completed<Table extends OptionTable>(
  resolved: Resolved<Table>,
  findings: Findings,
  redactor: Redactor,
): ValuesOf<Table> {
  if (findings.problems.length > 0) {
    throw new ConfigurationError(redactor.redact([...new Set(findings.problems)].join('\n')));
  }
  // Without problems every required value is there, and only optional ones may be undefined.
  return resolved.values as ValuesOf<Table>;
}
