/**
 * Reads a command's arguments: flags by their table, and what is left.
 *
 * `node:util` takes the line apart into tokens; what they mean is decided here, since its own
 * errors know no near names. Flags may have one dash or two, as Go's do: `-config FILE`,
 * `--config=FILE`.
 */
import { parseArgs } from 'node:util';
import { ConfigurationError } from '../../protocols/errors.ts';
import { suggest } from '../../protocols/suggest.ts';
import {
  completed,
  defaultLayer,
  type Entry,
  type Environment,
  environmentLayer,
  noFindings,
  resolve,
} from '../config/layers.ts';
import type { ValuesOf } from '../config/options.ts';
import { showKey } from '../config/show.ts';
import type { Redactor } from '../secrets.ts';
import type { FlagTable } from './flags.ts';

export type Arguments<Table extends FlagTable> = {
  readonly flags: ValuesOf<Table>;
  /** The names of the flags on the line itself. */
  readonly given: ReadonlySet<string>;
  readonly positionals: readonly string[];
  readonly warnings: readonly string[];
};

type Given = {
  readonly entries: ReadonlyMap<string, Entry>;
  readonly positionals: readonly string[];
};

/** Reads `line` and, for flags that have one, their environment variable. */
export function readArguments<Table extends FlagTable>(
  line: readonly string[],
  table: Table,
  environment: Environment,
  redactor: Redactor,
): Arguments<Table> {
  const findings = noFindings();
  const { entries, positionals } = readLine(line, table, findings.problems);
  const layers = [
    defaultLayer(table),
    environmentLayer(table, environment, findings),
    { kind: 'command line', entries } as const,
  ];
  const resolved = resolve(table, layers, findings, redactor);
  const flags = completed(resolved, findings, redactor);
  return { flags, given: new Set(entries.keys()), positionals, warnings: findings.warnings };
}

function readLine(line: readonly string[], table: FlagTable, problems: string[]): Given {
  const { tokens } = parseArgs({
    args: line.map(twoDashes),
    options: Object.fromEntries(
      Object.entries(table).map(([name, { valueName }]) => [
        name,
        { type: valueName === undefined ? ('boolean' as const) : ('string' as const) },
      ]),
    ),
    strict: false,
    tokens: true,
  });
  const entries = new Map<string, Entry>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const { name, value } = token;
    const problem = flagProblem(token, table);
    if (problem !== undefined) problems.push(problem);
    else if (entries.has(name)) problems.push(`--${name} is given twice; give it once`);
    else entries.set(name, { where: `--${name}`, input: value ?? 'true' });
  }
  return { entries, positionals };
}

/** One dash before a long name is as good as two. */
function twoDashes(argument: string): string {
  return /^-[a-z][a-z-]+(=|$)/i.test(argument) ? `-${argument}` : argument;
}

/** A flag as it stands on the line. */
type FlagToken = {
  readonly name: string;
  /** With its dashes. */
  readonly rawName: string;
  readonly value: string | undefined;
  /** Whether the value is tied to the name by =. */
  readonly inlineValue: boolean | undefined;
};

function flagProblem(token: FlagToken, table: FlagTable): string | undefined {
  const { name, rawName, value, inlineValue } = token;
  const flag = Object.hasOwn(table, name) ? table[name] : undefined;
  if (flag === undefined) return unknownOption(rawName, Object.keys(table));
  if (flag.valueName === undefined) {
    return value === undefined ? undefined : `--${name} takes no value`;
  }
  // A value that looks like a flag is one whose own value was forgotten, unless it was tied by =.
  const missing = value === undefined || value === '' || (!inlineValue && value.startsWith('-'));
  return missing ? `--${name} needs a value: --${name} ${flag.valueName}` : undefined;
}

function unknownOption(rawName: string, names: readonly string[]): string {
  const near = suggest(rawName, names);
  const hint =
    near === undefined
      ? `; options are ${[...names, 'help'].map((name) => `--${name}`).join(', ')}`
      : `; did you mean --${near}?`;
  return `unknown option ${showKey(rawName)}${hint}`;
}

/** Refuses arguments that a command has no use for. */
export function refusePositionals(positionals: readonly string[], allowed: number): void {
  const extra = positionals[allowed];
  if (extra === undefined) return;
  throw new ConfigurationError(`unexpected argument ${showKey(extra)}`);
}
