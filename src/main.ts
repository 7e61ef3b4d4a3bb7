#!/usr/bin/env node
/** The program: joins the command line to the real process and to the services. */
import { runCommandLine } from './cli/main.ts';
import type { Services } from './cli/services.ts';
import { createRedactor } from './secrets.ts';
import { systemClock } from './system-clock.ts';

/** Loaded only when a service is to be started, so that the rest answers at once. */
async function services(): Promise<Services> {
  return (await import('./services/index.ts')).services;
}

process.exit(
  await runCommandLine(process.argv.slice(2), {
    environment: process.env,
    workingFolder: '',
    print: (text) => process.stdout.write(text),
    complain: (line) => process.stderr.write(`${line}\n`),
    isTerminal: process.stderr.isTTY === true,
    host: process,
    clock: systemClock,
    redactor: createRedactor(),
    services,
  }),
);
