/**
 * `spectacles check`: says what a configuration means and tries every connection that it names.
 *
 * It changes nothing. Its answer goes to stdout; the status is 2 when a configuration cannot be
 * used, 1 when something could not be reached, 0 when all is well.
 */
import { join } from 'node:path';
import { ConfigurationError } from '../../protocols/errors.ts';
import { suggest } from '../../protocols/suggest.ts';
import { describeValues } from '../config/describe.ts';
import { loadGatewayConfig } from '../config/gateway-config.ts';
import { GATEWAY_OPTIONS } from '../config/gateway-options.ts';
import { misspeltVariables } from '../config/misspelt-variables.ts';
import { loadProxyConfig } from '../config/proxy-config.ts';
import { PROXY_OPTIONS } from '../config/proxy-options.ts';
import { showInput } from '../config/show.ts';
import { readArguments, refusePositionals } from './arguments.ts';
import type { Command, Surroundings } from './command.ts';
import { configurationSource, GATEWAY_FILE, PROXY_FILE } from './configure.ts';
import { connectionProblem } from './connection-problem.ts';
import { EXIT_FAILED, EXIT_STOPPED, exitStatus, failureLines } from './failure.ts';
import { configFlag } from './flags.ts';
import { isFile } from './handler.ts';
import type { Probe } from './services.ts';

const CHECK_FLAGS = { config: configFlag(`${GATEWAY_FILE} or ${PROXY_FILE}`) };

const TARGETS = ['gateway', 'proxy'] as const;
type Target = (typeof TARGETS)[number];

export const checkCommand: Command = {
  name: 'check',
  summary: 'Say what the configuration means and try its connections',
  positionals: '[gateway|proxy]',
  flags: CHECK_FLAGS,
  configuration: [
    { fileName: GATEWAY_FILE, table: GATEWAY_OPTIONS },
    { fileName: PROXY_FILE, table: PROXY_OPTIONS },
  ],
  async run(line, surroundings) {
    const { environment, redactor } = surroundings;
    const { flags, positionals } = readArguments(line, CHECK_FLAGS, environment, redactor);
    refusePositionals(positionals, 1);
    const targets = await chosenTargets(positionals[0], flags.config, surroundings);
    let status = EXIT_STOPPED;
    for (const target of targets) {
      status = Math.max(status, await checkTarget(target, flags.config, surroundings));
    }
    for (const warning of misspeltVariables(environment)) {
      surroundings.print(`warning: ${redactor.redact(warning)}\n`);
    }
    return status;
  },
};

/** The one that was named; else those whose files are here; else both. */
async function chosenTargets(
  named: string | undefined,
  config: string | undefined,
  { workingFolder }: Surroundings,
): Promise<readonly Target[]> {
  if (named !== undefined) {
    const target = TARGETS.find((name) => name === named);
    if (target !== undefined) return [target];
    const near = suggest(named, TARGETS);
    const hint = near === undefined ? '' : `; did you mean ${near}?`;
    throw new ConfigurationError(`${showInput(named)} is neither gateway nor proxy${hint}`);
  }
  if (config !== undefined) {
    throw new ConfigurationError(
      'with --config, say whose: spectacles check gateway --config FILE',
    );
  }
  const present: Target[] = [];
  if (await isFile(join(workingFolder, GATEWAY_FILE))) present.push('gateway');
  if (await isFile(join(workingFolder, PROXY_FILE))) present.push('proxy');
  return present.length === 0 ? TARGETS : present;
}

type Meaning = {
  readonly file: string | undefined;
  readonly warnings: readonly string[];
  readonly lines: readonly string[];
  readonly probes: readonly Probe[];
};

async function checkTarget(
  target: Target,
  config: string | undefined,
  surroundings: Surroundings,
): Promise<number> {
  const { print, complain, redactor } = surroundings;
  let meaning: Meaning;
  try {
    const read = target === 'gateway' ? gatewayMeaning : proxyMeaning;
    meaning = await read(config, surroundings);
  } catch (error) {
    for (const line of failureLines(error)) complain(`${target}: ${line}`);
    return exitStatus(error);
  }
  print(`${target}, configured by ${meaning.file ?? 'the environment alone'}\n`);
  for (const line of meaning.lines) print(`  ${redactor.redact(line)}\n`);
  for (const warning of meaning.warnings) print(`  warning: ${warning}\n`);
  let status = EXIT_STOPPED;
  for (const probe of meaning.probes) {
    status = Math.max(status, await tryProbe(probe, surroundings));
  }
  return status;
}

async function tryProbe({ name, place, run }: Probe, surroundings: Surroundings): Promise<number> {
  const { print, redactor } = surroundings;
  try {
    print(`  ok      ${redactor.redact(`${name}: ${await run()}`)}\n`);
    return EXIT_STOPPED;
  } catch (error) {
    const problem = place === undefined ? undefined : connectionProblem(error, place);
    for (const line of problem === undefined ? failureLines(error) : [problem]) {
      print(`  failed  ${redactor.redact(`${name}: ${line}`)}\n`);
    }
    return EXIT_FAILED;
  }
}

async function gatewayMeaning(
  config: string | undefined,
  surroundings: Surroundings,
): Promise<Meaning> {
  const loaded = await loadGatewayConfig(configurationSource(config, GATEWAY_FILE, surroundings));
  const { gatewayProbes } = await surroundings.services();
  const lines = describeValues(GATEWAY_OPTIONS, loaded.resolved);
  return { ...loaded, lines, probes: gatewayProbes(loaded.config) };
}

async function proxyMeaning(
  config: string | undefined,
  surroundings: Surroundings,
): Promise<Meaning> {
  const loaded = await loadProxyConfig(configurationSource(config, PROXY_FILE, surroundings));
  const { proxyProbes } = await surroundings.services();
  const lines = describeValues(PROXY_OPTIONS, loaded.resolved);
  return { ...loaded, lines, probes: proxyProbes(loaded.config) };
}
