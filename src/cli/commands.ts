/** The commands that start something: gateway, proxy, run, simulate. */
import { resolve } from 'node:path';
import { ConfigurationError } from '../../protocols/errors.ts';
import type { Log } from '../../protocols/ports.ts';
import { loadGatewayConfig } from '../config/gateway-config.ts';
import { GATEWAY_OPTIONS } from '../config/gateway-options.ts';
import { loadProxyConfig } from '../config/proxy-config.ts';
import { PROXY_OPTIONS } from '../config/proxy-options.ts';
import { showInput } from '../config/show.ts';
import { readArguments, refusePositionals } from './arguments.ts';
import type { Command, Surroundings } from './command.ts';
import {
  configurationSource,
  GATEWAY_FILE,
  logFindings,
  openLog,
  PROXY_FILE,
  runConfiguration,
} from './configure.ts';
import { exitStatus, failureLines } from './failure.ts';
import {
  configFlag,
  LOG_LEVEL_FLAG,
  PROXY_LOG_LEVEL_FLAG,
  SIMULATE_FLAG,
  simulatorFlags,
} from './flags.ts';
import { findHandler, isFile, uncaughtInHandler } from './handler.ts';
import { runProcess } from './run-process.ts';
import type { RunningService, ServiceRuntime, Services, SimulatorOptions } from './services.ts';

const GATEWAY_FLAGS = { config: configFlag(GATEWAY_FILE), loglevel: LOG_LEVEL_FLAG };
const PROXY_FLAGS = { config: configFlag(PROXY_FILE), loglevel: PROXY_LOG_LEVEL_FLAG };
const SIMULATE_FLAGS = { ...simulatorFlags('4100'), loglevel: LOG_LEVEL_FLAG };
const RUN_SIMULATOR_FLAGS = simulatorFlags('0');
const RUN_FLAGS = {
  simulate: SIMULATE_FLAG,
  ...RUN_SIMULATOR_FLAGS,
  loglevel: PROXY_LOG_LEVEL_FLAG,
};

/** As `runConfiguration` has it, in words. */
const RUN_GATEWAY_DEFAULTS = {
  token: 'required without --simulate',
  events: 'what the handler listens to',
  intents: 'required without --simulate, or raw_intents',
  raw_intents: 'required without --simulate, or intents',
  'broker.type': "the proxy's, or this process's memory",
};
const RUN_PROXY_DEFAULTS = { 'broker.type': "the gateway's, or this process's memory" };

export const gatewayCommand: Command = {
  name: 'gateway',
  summary: 'Hold the shards and publish their events',
  positionals: '',
  flags: GATEWAY_FLAGS,
  configuration: [{ fileName: GATEWAY_FILE, table: GATEWAY_OPTIONS }],
  async run(line, surroundings) {
    const { environment, redactor } = surroundings;
    const args = readArguments(line, GATEWAY_FLAGS, environment, redactor);
    refusePositionals(args.positionals, 0);
    const source = configurationSource(args.flags.config, GATEWAY_FILE, surroundings);
    const loaded = await loadGatewayConfig(source);
    const log = openLog(args.flags.loglevel, surroundings);
    const warnings = [...args.warnings, ...loaded.warnings];
    logFindings(log, [{ ...loaded, warnings, usual: GATEWAY_FILE }], surroundings);
    return supervise(
      ({ startGateway }, runtime) => startGateway(loaded.config, runtime),
      log,
      surroundings,
    );
  },
};

export const proxyCommand: Command = {
  name: 'proxy',
  summary: "Send requests within Discord's rate limits",
  positionals: '',
  flags: PROXY_FLAGS,
  configuration: [{ fileName: PROXY_FILE, table: PROXY_OPTIONS }],
  async run(line, surroundings) {
    const { environment, redactor } = surroundings;
    const args = readArguments(line, PROXY_FLAGS, environment, redactor);
    refusePositionals(args.positionals, 0);
    const source = configurationSource(args.flags.config, PROXY_FILE, surroundings);
    const loaded = await loadProxyConfig(source);
    const log = openLog(args.flags.loglevel, surroundings);
    const warnings = [...args.warnings, ...loaded.warnings];
    logFindings(log, [{ ...loaded, warnings, usual: PROXY_FILE }], surroundings);
    return supervise(
      ({ startProxy }, runtime) => startProxy(loaded.config, runtime),
      log,
      surroundings,
    );
  },
};

export const runCommand: Command = {
  name: 'run',
  summary: 'Gateway, proxy and a handler in one process',
  positionals: 'HANDLER',
  flags: RUN_FLAGS,
  configuration: [
    { fileName: GATEWAY_FILE, table: GATEWAY_OPTIONS, defaults: RUN_GATEWAY_DEFAULTS },
    { fileName: PROXY_FILE, table: PROXY_OPTIONS, defaults: RUN_PROXY_DEFAULTS },
  ],
  async run(line, surroundings) {
    const { environment, redactor, workingFolder } = surroundings;
    const args = readArguments(line, RUN_FLAGS, environment, redactor);
    refusePositionals(args.positionals, 1);
    const simulate = args.flags.simulate !== undefined;
    if (!simulate) refuseSimulatorFlags(args.given);
    const handler = await findHandler(args.positionals[0], workingFolder);
    const simulator = simulate ? await simulatorOptions(args.flags, workingFolder) : undefined;
    const { gateway, proxy, found } = await runConfiguration(simulate, surroundings);
    const log = openLog(args.flags.loglevel, surroundings);
    for (const warning of args.warnings) log.warn({}, warning);
    logFindings(log, found, surroundings);
    return supervise(
      ({ startRun }, runtime) => startRun({ gateway, proxy, simulator, handler }, runtime),
      log,
      surroundings,
      (error) => uncaughtInHandler(handler, error) ?? error,
    );
  },
};

export const simulateCommand: Command = {
  name: 'simulate',
  summary: 'A simulated Discord to develop against',
  positionals: '',
  flags: SIMULATE_FLAGS,
  configuration: [],
  async run(line, surroundings) {
    const { environment, redactor, workingFolder } = surroundings;
    const args = readArguments(line, SIMULATE_FLAGS, environment, redactor);
    refusePositionals(args.positionals, 0);
    const options = await simulatorOptions(args.flags, workingFolder);
    const log = openLog(args.flags.loglevel, surroundings);
    for (const warning of args.warnings) log.warn({}, warning);
    return supervise(
      ({ startSimulate }, runtime) => startSimulate(options, runtime),
      log,
      surroundings,
    );
  },
};

function refuseSimulatorFlags(given: ReadonlySet<string>): void {
  const needless = Object.keys(RUN_SIMULATOR_FLAGS).find((name) => given.has(name));
  if (needless === undefined) return;
  throw new ConfigurationError(
    `--${needless} is about the simulated Discord: add --simulate, or leave it out`,
  );
}

type SimulatorFlagValues = {
  readonly host: string;
  readonly port: number;
  readonly shards: number;
  readonly 'max-concurrency': number;
  readonly rate: number;
  readonly scenario: string | undefined;
  readonly seed: number | undefined;
};

async function simulatorOptions(
  flags: SimulatorFlagValues,
  workingFolder: string,
): Promise<SimulatorOptions> {
  const scenario = flags.scenario;
  const scenarioFile = scenario === undefined ? undefined : resolve(workingFolder, scenario);
  if (scenarioFile !== undefined && !(await isFile(scenarioFile))) {
    throw new ConfigurationError(`--scenario: there is no file ${showInput(scenario)}`);
  }
  return {
    host: flags.host,
    port: flags.port,
    shards: flags.shards,
    maxConcurrency: flags['max-concurrency'],
    eventsPerSecond: flags.rate,
    seed: flags.seed,
    scenarioFile,
  };
}

/**
 * Runs a service to its end. A failure is told here, where there is a log for its stack. Loading
 * the services takes longer than all before it, and a signal has to be heard meanwhile, so it is
 * part of the start.
 */
async function supervise(
  start: (services: Services, runtime: ServiceRuntime) => Promise<RunningService>,
  log: Log,
  { host, exit, clock, complain, services }: Surroundings,
  explainUncaught: (error: unknown) => unknown = (error) => error,
): Promise<number> {
  const report = (error: unknown): number => {
    for (const line of failureLines(error)) complain(line);
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const stack = cause instanceof Error ? cause.stack : undefined;
    log.debug({ stack }, 'where the failure comes from');
    return exitStatus(error);
  };
  try {
    const loadAndStart = async (runtime: ServiceRuntime): Promise<RunningService> => {
      const loaded = await services();
      runtime.signal.throwIfAborted();
      return start(loaded, runtime);
    };
    const reportUncaught = (error: unknown): number => report(explainUncaught(error));
    return await runProcess(loadAndStart, { host, exit, clock, log, report: reportUncaught });
  } catch (error) {
    return report(error);
  }
}
