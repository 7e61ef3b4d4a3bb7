#!/usr/bin/env node
/** The program: joins the command line to the real process and to the services. */
import { LOG_FLUSH_MS } from '../protocols/limits.ts';
import { runCommandLine } from './cli/main.ts';
import type { Services } from './cli/services.ts';
import { ErrorOutput } from './error-output.ts';
import { createRedactor } from './secrets.ts';
import { systemClock } from './system-clock.ts';

/** Loaded only when a service is to be started, so that the rest answers at once. */
async function services(): Promise<Services> {
  return (await import('./services/index.ts')).services;
}

const errors = new ErrorOutput(process.stderr);

// Whoever reads the answer may have seen enough, as `head` has: that is no failure of ours.
process.stdout.on('error', () => undefined);

/** Ends the process once its last words are out. */
function exit(status: number): void {
  void errors.flush(LOG_FLUSH_MS).then(() => process.exit(status));
}

exit(
  await runCommandLine(process.argv.slice(2), {
    environment: process.env,
    workingFolder: '',
    print: (text) => process.stdout.write(text),
    complain: (line) => errors.write(`${line}\n`),
    errors,
    isTerminal: process.stderr.isTTY === true,
    host: process,
    exit,
    clock: systemClock,
    redactor: createRedactor(),
    services,
  }),
);
