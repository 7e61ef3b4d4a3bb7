/** From a source (a file's name and an environment) to a checked configuration. */
import { ConfigurationError } from '../../protocols/errors.ts';
import type { Redactor } from '../secrets.ts';
import {
  defaultLayer,
  type Environment,
  environmentLayer,
  type Findings,
  fileLayer,
  type Layer,
  noFindings,
  type Resolved,
  resolve,
} from './layers.ts';
import type { OptionTable } from './options.ts';
import { readTomlFile } from './toml-file.ts';

export type ConfigurationSource = {
  /** A file that was named must exist; a file that is only looked for need not. */
  readonly file: { readonly path: string; readonly named: boolean } | undefined;
  readonly environment: Environment;
  /**
   * What the command says instead of an option's own default, by key, as a person would write it.
   */
  readonly defaults?: Readonly<Record<string, string>>;
  /** Is told every secret that is read, before anything is said about it. */
  readonly redactor: Redactor;
};

export type Loaded<Table extends OptionTable, Config> = {
  readonly config: Config;
  /** The file that was read, or undefined. */
  readonly file: string | undefined;
  /** Each a line, without secrets. */
  readonly warnings: readonly string[];
  /** For showing what every option means and where it came from. */
  readonly resolved: Resolved<Table>;
};

export async function load<Table extends OptionTable, Config>(
  table: Table,
  { file, environment, defaults, redactor }: ConfigurationSource,
  assemble: (resolved: Resolved<Table>, findings: Findings, redactor: Redactor) => Config,
): Promise<Loaded<Table, Config>> {
  const findings = noFindings();
  const layers: Layer[] = [defaultLayer(table, defaults)];
  const content = file === undefined ? undefined : await readTomlFile(file.path);
  if (file !== undefined && content !== undefined) {
    layers.push(fileLayer(table, content, file.path, findings));
  } else if (file?.named) {
    throw new ConfigurationError(`--config: there is no file ${JSON.stringify(file.path)}`);
  }
  layers.push(environmentLayer(table, environment, findings));
  const resolved = resolve(table, layers, findings, redactor);
  const config = assemble(resolved, findings, redactor);
  return {
    config,
    file: content === undefined ? undefined : file?.path,
    warnings: findings.warnings.map((warning) => redactor.redact(warning)),
    resolved,
  };
}
