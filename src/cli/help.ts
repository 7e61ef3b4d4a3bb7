/** What `--help` prints: generated from the commands, their flags and their configuration. */
import { helpOnOptions } from '../config/describe.ts';
import type { Command } from './command.ts';
import type { FlagTable } from './flags.ts';

/** Of the program as a whole. */
export function programHelp(commands: readonly Command[]): string {
  const width = Math.max(
    ...commands.map(({ name, positionals }) => name.length + positionals.length),
  );
  return [
    'Usage: spectacles COMMAND [options]',
    '',
    'Commands:',
    ...commands.map(({ name, positionals, summary }) => {
      return `  ${`${name} ${positionals}`.padEnd(width + 3)}${summary}`;
    }),
    '',
    'Options:',
    '  --help     This, or with a command its options, their variables and defaults',
    '  --version  The version',
    '',
  ].join('\n');
}

/** Of one command: every option with its environment variable and default. */
export function commandHelp({ name, summary, positionals, flags, configuration }: Command): string {
  const usage = ['Usage: spectacles', name, positionals, '[options]'].filter((part) => part !== '');
  const sections = configuration.flatMap(({ fileName, table, defaults }) => [
    '',
    `In ${fileName}, or in the environment, which wins: key, variables, default`,
    ...helpOnOptions(table, defaults),
  ]);
  return [usage.join(' '), '', summary, '', ...helpOnFlags(flags), ...sections, ''].join('\n');
}

function helpOnFlags(flags: FlagTable): readonly string[] {
  const shown = Object.entries(flags).map(([name, { valueName, ...option }]) => [
    valueName === undefined ? `--${name}` : `--${name} ${valueName}`,
    option,
  ]);
  return [
    'Options: name, variables, default',
    ...helpOnOptions(Object.fromEntries(shown)),
    '  --help',
    '      This',
  ];
}
