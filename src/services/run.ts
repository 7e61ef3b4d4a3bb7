/**
 * `spectacles run`: gateway, proxy and a bot's handler in one process, for a first bot and for
 * small ones.
 *
 * The handler's module exports a default function that is given `{ broker, rest, log }` and
 * registers its listeners. What it listens to is what the gateway publishes, unless the
 * configuration names the events itself. With a simulator, that starts first, and gateway and proxy
 * are pointed at it.
 *
 * It stops in the reverse order, and in one span that its parts share: no new events, then the
 * requests that are under way (those of the handler first, which may have one more to make), then
 * the brokers. A listener that fails is logged and costs its own event; a handler that cannot start
 * ends the run.
 */
import { Registry } from 'prom-client';
import { createActorSystem } from '../../actors/runtime.ts';
import type { Broker } from '../../protocols/broker.ts';
import {
  DISPATCH_EVENTS,
  type DispatchEventName,
  isDispatchEvent,
} from '../../protocols/discord/dispatch-events.ts';
import { ConfigurationError } from '../../protocols/errors.ts';
import { GAP_EVENT } from '../../protocols/gateway/gap.ts';
import { BROKER_CLOSE_MS, RUN_DRAIN_MS, RUN_EVENT_SUMMARY_MS } from '../../protocols/limits.ts';
import type { Log } from '../../protocols/ports.ts';
import { suggest } from '../../protocols/suggest.ts';
import { MemoryHub } from '../brokers/memory.ts';
import type { RunningService, RunOptions, ServiceRuntime } from '../cli/services.ts';
import { Attached } from '../client/local.ts';
import { Rest } from '../client/rest.ts';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { createFailure, type Failure } from '../failure.ts';
import { processRandom } from '../random.ts';
import type { Simulator } from '../simulator/server.ts';
import { systemClock } from '../system-clock.ts';
import { unlessAborted } from '../unless-aborted.ts';
import { openCacheBroker, openGatewayBroker, openProxyBroker } from './broker.ts';
import { startGatewayOn } from './gateway.ts';
import { HandlerCalls } from './handler-calls.ts';
import { openHealth } from './health.ts';
import { openProxyHealth, startProxyOn } from './proxy.ts';
import { openSimulator, reportBreaches } from './simulate.ts';
import { StopList } from './stop-list.ts';

/** What a handler is given. */
export type Bot = {
  readonly broker: Attached;
  readonly rest: Rest;
  readonly log: Log;
};

export async function startRun(
  options: RunOptions,
  runtime: ServiceRuntime,
): Promise<RunningService> {
  const stops = new StopList(systemClock, runtime.log);
  try {
    const failure = await startAll(options, runtime, stops);
    return { done: failure.promise, stop: stops.stop };
  } catch (error) {
    await stops.stop();
    throw error;
  }
}

/** @returns what rejects when the run cannot go on */
async function startAll(
  options: RunOptions,
  runtime: ServiceRuntime,
  stops: StopList,
): Promise<Failure> {
  const { log, signal } = runtime;
  const clock = systemClock;
  const random = processRandom();
  const failure = createFailure();
  const simulator = options.simulator && (await simulate(options.simulator, runtime, stops));
  const api = simulator && apiOf(simulator);
  const proxyConfig = { ...options.proxy, discord: { ...options.proxy.discord, ...api } };

  const system = createActorSystem({ name: 'spectacles', clock, random, log });
  stops.add('its actors', () => system.stop());
  const hub = new MemoryHub(clock);
  const shared = { system, clock, log, signal, hub, onFailure: failure.report };
  // Gateway and proxy may each have a health server, which shows its own part.
  const gatewayRegistry = new Registry();
  const registry = new Registry();
  const health = await openHealth({
    ...{ service: 'gateway', signal, registry: gatewayRegistry },
    ...options.gateway.prometheus,
  });
  stops.add('the health server of the gateway', health.close);
  health.waitFor('the rest of the run');
  const proxyHealth = await openProxyHealth(proxyConfig, { registry, signal });
  stops.add('the health server of the proxy', proxyHealth.close);
  const brokers: Broker[] = [];
  const closeAll = (): Promise<unknown> => Promise.all(brokers.map((broker) => broker.close()));
  stops.add('its brokers', closeAll, BROKER_CLOSE_MS);
  const way = { ...shared, registry: gatewayRegistry };
  const events = await openGatewayBroker(refuseStdio(options.gateway), { ...way, name: 'events' });
  brokers.push(events);
  // A broker of its own, since it must not be the handler's unfinished events that keep its
  // commands waiting.
  const inbox = await openGatewayBroker(options.gateway, { ...way, name: 'handler' });
  brokers.push(inbox);
  const requests = await openProxyBroker(proxyConfig, { ...shared, registry, name: 'requests' });
  if (requests !== undefined) brokers.push(requests);
  const told = await openCacheBroker(proxyConfig, { ...shared, registry });
  if (told !== undefined) brokers.push(told);
  await startProxyOn(proxyConfig, {
    ...{ system, clock, log, registry, signal },
    ...{ broker: requests, events: told, health: proxyHealth, stops },
  });
  const calls = new HandlerCalls(wayToProxy(requests, log));
  stops.add('the requests of the handler', () => calls.close(clock), RUN_DRAIN_MS);

  const listened = await startHandler(
    options,
    inbox,
    new Rest(calls, options.gateway.token),
    runtime,
  );
  const gatewayConfig: GatewayConfig = {
    ...options.gateway,
    events: published(options.gateway, [...new Set([...listened, ...proxyConfig.cache.events])]),
    api: { ...options.gateway.api, ...api },
  };
  const summaryMs = RUN_EVENT_SUMMARY_MS;
  const host = {
    system,
    broker: events,
    clock,
    random,
    log,
    signal,
    summaryMs,
    registry: gatewayRegistry,
    health,
  };
  const gateway = await startGatewayOn(gatewayConfig, host);
  stops.add('the gateway', () => gateway.stop());
  gateway.done.catch(failure.report);
  return failure;
}

async function simulate(
  options: NonNullable<RunOptions['simulator']>,
  runtime: ServiceRuntime,
  stops: StopList,
): Promise<Simulator> {
  const simulator = await openSimulator(options, runtime);
  const { audit } = simulator.discord.rest;
  audit.onPosted = ({ channelId, content }) => {
    runtime.log.info({ channelId, content }, 'the simulated Discord was sent a message');
  };
  stops.add('the simulator', async () => {
    reportBreaches(simulator, runtime);
    await simulator.close();
  });
  return simulator;
}

function apiOf({ url }: Simulator): { readonly scheme: 'http'; readonly host: string } {
  return { scheme: 'http', host: new URL(url).host };
}

function refuseStdio(config: GatewayConfig): GatewayConfig {
  if (config.broker.type !== 'stdio') return config;
  throw new ConfigurationError(
    'broker.type: "stdio" leads out of this process, where no handler is; use "amqp" or "redis", or leave it out',
  );
}

/**
 * Hands the bot to the handler. What the handler does cannot be broken off, but is not waited for
 * when the process is to stop.
 * @returns the events that it listens to, all of them subscribed
 */
async function startHandler(
  { handler }: RunOptions,
  events: Broker,
  rest: Rest,
  { log, signal }: ServiceRuntime,
): Promise<readonly DispatchEventName[]> {
  const module = await unlessAborted(signal, handler.load());
  const start: unknown = module.default;
  if (typeof start !== 'function') {
    throw new ConfigurationError(
      `handler ${handler.path}: it has no default export that is a function; write: export default function ({ broker, rest }) { … }`,
    );
  }
  // Nobody else takes what comes to the handler.
  const broker = new Attached(events, { log, audience: 'each' });
  broker.on('error', (error) => {
    log.error({ error, at: handler.placeOf(error.cause) }, error.message);
  });
  const bot: Bot = { broker, rest, log };
  try {
    await unlessAborted(
      signal,
      Promise.resolve().then(() => start(bot)),
    );
  } catch (error) {
    signal.throwIfAborted();
    throw await handler.failure(error);
  }
  const names = broker.eventNames().filter((name) => typeof name === 'string');
  const listened = names.filter(isDispatchEvent);
  const gap = names.filter((name) => name === GAP_EVENT);
  await unlessAborted(signal, broker.subscribe([...listened, ...gap]));
  if (listened.length === 0) log.warn({}, 'the handler listens to no event of Discord');
  for (const warning of misspeltEvents(names)) log.warn({}, warning);
  return listened;
}

/** Events of a bot's own are its own to subscribe; a name that is nearly Discord's is a mistake. */
function misspeltEvents(names: readonly string[]): readonly string[] {
  return names.flatMap((name) => {
    const near = isDispatchEvent(name) ? undefined : suggest(name, DISPATCH_EVENTS);
    if (near === undefined) return [];
    return [`the handler listens to ${name}, which is no event of Discord; did you mean ${near}?`];
  });
}

/** Requests go through the proxy, and wait there for as long as Discord's limits want it. */
function wayToProxy(requests: Broker | undefined, log: Log): Attached {
  if (requests === undefined) {
    throw new ConfigurationError('broker.type: "none" leaves the handler no way to the proxy');
  }
  return new Attached(requests, { log });
}

function published(
  { events }: GatewayConfig,
  listened: readonly DispatchEventName[],
): GatewayConfig['events'] {
  return events === 'all' ? listened : events;
}
