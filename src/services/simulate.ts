/**
 * The simulator as a service: `spectacles simulate`, and the Discord of `spectacles run
 * --simulate`.
 */
import { readFile } from 'node:fs/promises';
import type { RunningService, ServiceRuntime, SimulatorOptions } from '../cli/services.ts';
import { PACKAGE_VERSION } from '../package-info.ts';
import { drawSeed } from '../random.ts';
import { type GatewayOptions, identifiesPerDay } from '../simulator/gateway/options.ts';
import { readScenario, type Scenario } from '../simulator/scenario.ts';
import { type Simulator, startSimulator } from '../simulator/server.ts';
import { SIMULATED_TOKEN } from '../simulator/token.ts';

/** The greatest share of the messages that are pings, however few messages there are. */
const PING_SHARE_MAX = 0.5;
/** What Discord recommends a shard for; how many guilds a bot has is known by its shards here. */
const USUAL_GUILDS_PER_SHARD = 1_000;

/** @throws PortInUseError, or ConfigurationError for a scenario that cannot be read */
export async function openSimulator(
  options: SimulatorOptions,
  { log }: Pick<ServiceRuntime, 'log'>,
): Promise<Simulator> {
  const seed = options.seed ?? drawSeed();
  const simulator = await startSimulator({
    host: options.host,
    port: options.port,
    settings: { setting: '--port', hostSetting: '--host' },
    seed,
    rate: options.eventsPerSecond,
    scenario: await scenarioOf(options.scenarioFile),
    gateway: gatewayOf(options),
    // Every fifth event is a message: whoever watches a bot sees a ping about every five seconds.
    traffic: { pingShare: Math.min(PING_SHARE_MAX, 1 / options.eventsPerSecond) },
  });
  log.info(
    {
      api: `${simulator.url}/api/v10`,
      gateway: simulator.gatewayUrl,
      seed,
      version: PACKAGE_VERSION,
    },
    `the simulated Discord is up; its token is ${SIMULATED_TOKEN}`,
  );
  return simulator;
}

function gatewayOf({ shards, maxConcurrency }: SimulatorOptions): Partial<GatewayOptions> {
  const perDay = identifiesPerDay(shards * USUAL_GUILDS_PER_SHARD);
  return {
    recommendedShards: shards,
    maxConcurrency,
    identifiesPerDay: perDay,
    identifiesRemaining: perDay,
  };
}

async function scenarioOf(file: string | undefined): Promise<Scenario> {
  return file === undefined ? [] : readScenario(await readFile(file, 'utf8'));
}

/** What the simulator judged of its clients, in one log line each. */
export function reportBreaches(simulator: Simulator, { log }: Pick<ServiceRuntime, 'log'>): void {
  for (const { name, detail, shard } of simulator.audit.breaches) {
    log.warn({ breach: name, shard: shard?.[0], detail }, 'Discord would punish this');
  }
}

export async function startSimulate(
  options: SimulatorOptions,
  runtime: ServiceRuntime,
): Promise<RunningService> {
  const simulator = await openSimulator(options, runtime);
  return {
    // It has no end of its own.
    done: new Promise(() => {}),
    async stop() {
      reportBreaches(simulator, runtime);
      await simulator.close();
    },
  };
}
