/**
 * The command line: finds the command, answers `--help` and `--version`, and turns whatever goes
 * wrong into lines on stderr and an exit status.
 */
import { ConfigurationError } from '../../protocols/errors.ts';
import { suggest } from '../../protocols/suggest.ts';
import { misspeltVariables } from '../config/misspelt-variables.ts';
import { showInput } from '../config/show.ts';
import { PACKAGE_VERSION } from '../package-info.ts';
import { checkCommand } from './check.ts';
import type { Command, Surroundings } from './command.ts';
import { gatewayCommand, proxyCommand, runCommand, simulateCommand } from './commands.ts';
import { EXIT_STOPPED, EXIT_USAGE, exitStatus, failureLines } from './failure.ts';
import { commandHelp, programHelp } from './help.ts';

const COMMANDS: readonly Command[] = [
  gatewayCommand,
  proxyCommand,
  runCommand,
  simulateCommand,
  checkCommand,
];

const HELP = /^(--?help|-h)$/;
const VERSION = /^(--?version|-v|-V)$/;

/** Carries out `line`, what stands behind the program's name; resolves with the exit status. */
export async function runCommandLine(
  line: readonly string[],
  given: Surroundings,
): Promise<number> {
  const surroundings = {
    ...given,
    complain: (text: string) => given.complain(`spectacles: ${given.redactor.redact(text)}`),
  };
  try {
    return await dispatch(line, surroundings);
  } catch (error) {
    for (const text of failureLines(error)) surroundings.complain(text);
    // What is missing may be there under a misspelt name.
    const misspelt =
      error instanceof ConfigurationError ? misspeltVariables(given.environment) : [];
    for (const text of misspelt) surroundings.complain(text);
    return exitStatus(error);
  }
}

async function dispatch(line: readonly string[], surroundings: Surroundings): Promise<number> {
  const [first = '', ...rest] = line;
  if (HELP.test(first) || first === 'help') return answer(helpFor(rest[0]), surroundings);
  if (VERSION.test(first)) return answer(`${PACKAGE_VERSION}\n`, surroundings);
  if (first === '') {
    surroundings.complain(`no command is given; ${commandNames()}; --help says more`);
    return EXIT_USAGE;
  }
  const command = COMMANDS.find(({ name }) => name === first);
  if (command === undefined) throw unknownCommand(first);
  if (beforeTerminator(rest).some((argument) => HELP.test(argument))) {
    return answer(commandHelp(command), surroundings);
  }
  return command.run(rest, surroundings);
}

function answer(text: string, { print }: Surroundings): number {
  print(text);
  return EXIT_STOPPED;
}

/** Behind `--` nothing is an option. */
function beforeTerminator(line: readonly string[]): readonly string[] {
  const end = line.indexOf('--');
  return end === -1 ? line : line.slice(0, end);
}

function helpFor(name: string | undefined): string {
  const command = COMMANDS.find((each) => each.name === name);
  return command === undefined ? programHelp(COMMANDS) : commandHelp(command);
}

function commandNames(): string {
  return `commands are ${COMMANDS.map(({ name }) => name).join(', ')}`;
}

function unknownCommand(first: string): ConfigurationError {
  const near = suggest(
    first,
    COMMANDS.map(({ name }) => name),
  );
  const what = first.startsWith('-') ? 'option' : 'command';
  const hint = near === undefined ? `; ${commandNames()}` : `; did you mean ${near}?`;
  return new ConfigurationError(`unknown ${what} ${showInput(first)}${hint}`);
}
