/** What a command is, and what surrounds it. */
import type { Clock } from '../../protocols/ports.ts';
import type { Environment } from '../config/layers.ts';
import type { OptionTable } from '../config/options.ts';
import type { Redactor } from '../secrets.ts';
import type { FlagTable } from './flags.ts';
import type { HostProcess } from './run-process.ts';
import type { Services } from './services.ts';

/** Everything outside the command line that a command touches. */
export type Surroundings = {
  readonly environment: Environment;
  /** Where file names without a folder are looked for; empty: the process's own working folder. */
  readonly workingFolder: string;
  /** Answers to what was asked: help, the version, what `check` found. */
  print(text: string): void;
  /** Lines about what went wrong. */
  complain(line: string): void;
  /** Where the lines of the log go. */
  readonly errors: { write(lines: string): void };
  /** Whether a person reads stderr. */
  readonly isTerminal: boolean;
  readonly host: HostProcess;
  /** Ends the process, once its last words are out. */
  exit(status: number): void;
  readonly clock: Clock;
  readonly redactor: Redactor;
  /** Loads the services; not called where none is started. */
  services(): Promise<Services>;
};

export type CommandConfiguration = {
  readonly fileName: string;
  readonly table: OptionTable;
  /** For `--help`: what is true with this command by default, where that differs, by key. */
  readonly defaults?: Readonly<Record<string, string>>;
};

export type Command = {
  readonly name: string;
  readonly summary: string;
  /** What stands between the name and the options. */
  readonly positionals: string;
  readonly flags: FlagTable;
  /** The configuration that the command reads, with the file of each. */
  readonly configuration: readonly CommandConfiguration[];
  /** Carries out the command and resolves with the exit status. */
  run(line: readonly string[], surroundings: Surroundings): Promise<number>;
};
