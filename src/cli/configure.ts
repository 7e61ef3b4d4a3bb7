/** From a command's flags to loaded configurations and a log that says how they were found. */
import { join } from 'node:path';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import { ConfigurationError } from '../../protocols/errors.ts';
import type { Log } from '../../protocols/ports.ts';
import { type GatewayConfig, loadGatewayConfig } from '../config/gateway-config.ts';
import type { ConfigurationSource } from '../config/load.ts';
import { misspeltVariables } from '../config/misspelt-variables.ts';
import { loadProxyConfig, type ProxyConfig } from '../config/proxy-config.ts';
import { createLog, type LogLevel } from '../log.ts';
import { SIMULATED_TOKEN } from '../simulator/token.ts';
import type { Surroundings } from './command.ts';

export const GATEWAY_FILE = 'gateway.toml';
export const PROXY_FILE = 'proxy.toml';

/** The file that was named, or the usual one, which may be missing. */
export function configurationSource(
  named: string | undefined,
  usual: string,
  { workingFolder, environment, redactor }: Surroundings,
): ConfigurationSource {
  const path = join(workingFolder, usual);
  const file = named === undefined ? { path, named: false } : { path: named, named: true };
  return { file, environment, redactor };
}

export function openLog(level: LogLevel, { redactor, isTerminal, errors }: Surroundings): Log {
  return createLog({ level, redactor, style: isTerminal ? 'coloured' : 'json', output: errors });
}

type Found = { readonly file: string | undefined; readonly warnings: readonly string[] };

/** Says where the configuration came from, and what about it deserves a warning. */
export function logFindings(
  log: Log,
  found: readonly (Found & { readonly usual: string })[],
  { environment, redactor }: Surroundings,
): void {
  for (const { file, usual } of found) {
    if (file === undefined) log.info({}, `no ${usual} here; the environment alone configures`);
    else log.info({ file }, 'configuration read');
  }
  // What two services share is warned about once.
  const warnings = new Set(found.flatMap((each) => each.warnings));
  for (const warning of [...warnings, ...misspeltVariables(environment)]) {
    log.warn({}, redactor.redact(warning));
  }
}

/** What the handler listens to is what is published, of all the events that may be. */
const RUN_DEFAULTS = { events: '*' };

/** With a simulated Discord nothing has to be configured: all intents, its own token. */
const SIMULATED_DEFAULTS = {
  ...RUN_DEFAULTS,
  token: SIMULATED_TOKEN,
  raw_intents: String(ALL_INTENTS),
};

export type RunConfiguration = {
  readonly gateway: GatewayConfig;
  readonly proxy: ProxyConfig;
  readonly found: readonly (Found & { readonly usual: string })[];
};

/**
 * Both configurations for one process. A broker that only one of them names is meant for both;
 * where none is named they share this process's memory. A simulated Discord never sees a real
 * token.
 */
export async function runConfiguration(
  simulate: boolean,
  surroundings: Surroundings,
): Promise<RunConfiguration> {
  const token = simulate ? SIMULATED_TOKEN : undefined;
  const [gateway, proxy] = await both(
    loadGatewayConfig({
      ...configurationSource(undefined, GATEWAY_FILE, surroundings),
      defaults: simulate ? SIMULATED_DEFAULTS : RUN_DEFAULTS,
    }),
    loadProxyConfig(configurationSource(undefined, PROXY_FILE, surroundings)),
  );
  const gatewayNamed = gateway.resolved.origins.get('broker.type')?.kind !== 'default';
  const proxyNamed = proxy.resolved.origins.has('broker.type');
  const gatewayBroker = gatewayNamed ? gateway.config.broker.type : undefined;
  const proxyBroker = proxyNamed ? proxy.config.broker.type : undefined;
  return {
    gateway: {
      ...gateway.config,
      token: token ?? gateway.config.token,
      broker: { ...gateway.config.broker, type: gatewayBroker ?? shared(proxyBroker) },
    },
    proxy: {
      ...proxy.config,
      discord: { ...proxy.config.discord, token: token ?? proxy.config.discord.token },
      broker: { ...proxy.config.broker, type: proxyBroker ?? shared(gatewayBroker) },
    },
    found: [
      { ...gateway, usual: GATEWAY_FILE },
      { ...proxy, usual: PROXY_FILE },
    ],
  };
}

/** Both, or what is wrong with either, together. */
async function both<One, Other>(
  one: Promise<One>,
  other: Promise<Other>,
): Promise<readonly [One, Other]> {
  const [first, second] = await Promise.allSettled([one, other]);
  if (first.status === 'fulfilled' && second.status === 'fulfilled') {
    return [first.value, second.value];
  }
  const messages: string[] = [];
  for (const result of [first, second]) {
    if (result.status === 'fulfilled') continue;
    if (!(result.reason instanceof ConfigurationError)) throw result.reason;
    messages.push(result.reason.message);
  }
  throw new ConfigurationError(messages.join('\n'));
}

/**
 * A broker that carries messages between processes serves both; anything else stays with its one.
 */
function shared(named: string | undefined): 'redis' | 'amqp' | 'memory' {
  return named === 'redis' || named === 'amqp' ? named : 'memory';
}
