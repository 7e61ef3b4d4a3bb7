/**
 * An option is declared once, as data: its key, its environment variables, how it is read, its
 * default, what it is for. Parsing, `--help` and the tables of docs/configuration.md all come from
 * it.
 */
import type { Reader } from './readers.ts';

type OptionFacts = {
  /** Environment variables, the first of those that are set counts. */
  readonly environment: readonly string[];
  /** Earlier names of the key in files, read with a warning. */
  readonly oldKeys: readonly string[];
  /** Other names of the key in files that are as good. */
  readonly otherKeys: readonly string[];
  /**
   * What means that the key is not set, beside an empty text, as it did in the original services.
   */
  readonly alsoUnset: 'zero' | 'empty list' | undefined;
  readonly description: string;
};

export type Option<Value> = OptionFacts & {
  readonly reader: Reader<NonNullable<Value>>;
  /** The default as somebody would write it; undefined when there is none. */
  readonly fallback: string | undefined;
  /** What is true without the option, in the column of defaults: `2m`, `required`, `off`. */
  readonly defaultNote: string;
  readonly required: boolean;
};

/** Options by their key. */
export type OptionTable = Readonly<Record<string, Option<unknown>>>;

export type ValuesOf<Table extends OptionTable> = {
  readonly [Key in keyof Table]: Table[Key] extends Option<infer Value> ? Value : never;
};

/** An option as a message names it: its key, and the variables that set it. */
export function optionName(key: string, { environment }: Option<unknown>): string {
  return environment.length === 0 ? key : `${key} (or ${environment.join(' or ')})`;
}

type Facts = Partial<OptionFacts> & Pick<OptionFacts, 'description'>;

function facts(given: Facts): OptionFacts {
  return { environment: [], oldKeys: [], otherKeys: [], alsoUnset: undefined, ...given };
}

/** An option with a default, written as a person would write it. */
export function option<Value>(
  reader: Reader<NonNullable<Value>>,
  fallback: string,
  given: Facts,
): Option<Value> {
  return { ...facts(given), reader, fallback, defaultNote: fallback, required: false };
}

/** An option that may be missing; `defaultNote` says what is true then. */
export function optional<Value>(
  reader: Reader<NonNullable<Value>>,
  defaultNote: string,
  given: Facts,
): Option<Value | undefined> {
  return { ...facts(given), reader, fallback: undefined, defaultNote, required: false };
}

/** An option without which nothing can start. */
export function required<Value>(reader: Reader<NonNullable<Value>>, given: Facts): Option<Value> {
  return { ...facts(given), reader, fallback: undefined, defaultNote: 'required', required: true };
}
