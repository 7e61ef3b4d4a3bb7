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
import { type ActorSystem, createActorSystem } from '../../actors/runtime.ts';
import type { Broker } from '../../protocols/broker.ts';
import type { DispatchEventName } from '../../protocols/discord/dispatch-events.ts';
import { ConfigurationError } from '../../protocols/errors.ts';
import { BROKER_CLOSE_MS, RUN_DRAIN_MS, RUN_EVENT_SUMMARY_MS } from '../../protocols/limits.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import { MemoryHub } from '../brokers/memory.ts';
import type { RunningService, RunOptions, ServiceRuntime } from '../cli/services.ts';
import { Attached } from '../client/local.ts';
import { Rest } from '../client/rest.ts';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { createFailure, type Failure } from '../failure.ts';
import { webSockets } from '../gateway/web-socket.ts';
import { processRandom } from '../random.ts';
import type { Simulator } from '../simulator/server.ts';
import { systemClock } from '../system-clock.ts';
import {
  openCacheBroker,
  openGatewayBroker,
  openHandlerBroker,
  openProxyBroker,
} from './broker.ts';
import { startGatewayOn } from './gateway.ts';
import { HandlerCalls } from './handler-calls.ts';
import { openHealth } from './health.ts';
import { openProxyHealth, startProxyOn } from './proxy.ts';
import { openSimulator, reportBreaches } from './simulate.ts';
import { startHandler } from './start-handler.ts';
import { StopList } from './stop-list.ts';

export async function startRun(
  options: RunOptions,
  runtime: ServiceRuntime,
): Promise<RunningService> {
  const stops = new StopList(systemClock, runtime.log);
  try {
    const failure = await startAll(options, runtime, stops);
    return { done: failure.promise, stop: stops.stop };
  } catch (error) {
    return await stops.giveUp(error);
  }
}

/** What health servers and brokers are opened with. */
type RunHost = {
  readonly system: ActorSystem;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly stops: StopList;
  readonly onFailure: (error: Error) => void;
  /** Gateway and proxy may each have a health server, which shows its own part. */
  readonly registries: { readonly gateway: Registry; readonly proxy: Registry };
};

type Configs = Pick<RunOptions, 'gateway' | 'proxy'>;

/**
 * Proxy and handler have the gateway's thread: a request takes ten turns of it, and would wait for
 * as many sleeps.
 */
const STAY_AWAKE = (): void => undefined;

/** @returns what rejects when the run cannot go on */
async function startAll(
  options: RunOptions,
  runtime: ServiceRuntime,
  stops: StopList,
): Promise<Failure> {
  const { log, signal } = runtime;
  const failure = createFailure();
  const configs = await configure(options, runtime, stops);
  const clock = systemClock;
  const random = processRandom();
  const system = createActorSystem({ name: 'spectacles', clock, random, log });
  stops.add('its actors', () => system.stop());
  const registries = { gateway: new Registry(), proxy: new Registry() };
  const shared = { system, clock, random, log, signal, stops };
  const host: RunHost = { ...shared, onFailure: failure.report, registries };
  const health = await openHealths(configs, host);
  const brokers = await openBrokers(configs, host);
  await startProxyOn(configs.proxy, {
    ...shared,
    registry: registries.proxy,
    health: health.proxy,
    broker: brokers.requests,
    events: brokers.cacheEvents,
  });
  const calls = new HandlerCalls(wayToProxy(brokers.requests, log));
  stops.add('the requests of the handler', () => calls.close(clock), RUN_DRAIN_MS);
  const rest = new Rest(calls, configs.gateway.token);
  const listened = await startHandler(options.handler, { events: brokers.inbox, rest }, runtime);
  const gateway = await startGatewayOn(publishing(configs, listened), {
    ...shared,
    registry: registries.gateway,
    health: health.gateway,
    broker: brokers.events,
    summaryMs: RUN_EVENT_SUMMARY_MS,
    sockets: webSockets(clock, STAY_AWAKE),
  });
  stops.add('the gateway', () => gateway.stop());
  gateway.done.catch(failure.report);
  return failure;
}

/** Starts the simulator where there is to be one, and points both services at it. */
async function configure(
  { gateway, proxy, simulator: settings }: RunOptions,
  runtime: ServiceRuntime,
  stops: StopList,
): Promise<Configs> {
  if (settings === undefined) return { gateway, proxy };
  const { url } = await simulate(settings, runtime, stops);
  const api = { scheme: 'http', host: new URL(url).host } as const;
  return {
    gateway: { ...gateway, api: { ...gateway.api, ...api } },
    proxy: { ...proxy, discord: { ...proxy.discord, ...api } },
  };
}

async function openHealths({ gateway, proxy }: Configs, { signal, stops, registries }: RunHost) {
  const ofGateway = await openHealth({
    ...{ service: 'gateway', signal, registry: registries.gateway },
    ...gateway.prometheus,
  });
  stops.add('the health server of the gateway', ofGateway.close);
  ofGateway.waitFor('the rest of the run');
  const ofProxy = await openProxyHealth(proxy, { registry: registries.proxy, signal });
  stops.add('the health server of the proxy', ofProxy.close);
  return { gateway: ofGateway, proxy: ofProxy };
}

async function openBrokers({ gateway, proxy }: Configs, host: RunHost) {
  const { system, clock, log, signal, stops, onFailure, registries } = host;
  const opened: Broker[] = [];
  const closeAll = (): Promise<unknown> => Promise.all(opened.map((broker) => broker.close()));
  stops.add('its brokers', closeAll, BROKER_CLOSE_MS);
  const shared = { system, clock, log, signal, onFailure, hub: new MemoryHub(clock) };
  const ofGateway = { ...shared, registry: registries.gateway };
  const ofProxy = { ...shared, registry: registries.proxy };
  const events = await openGatewayBroker(refuseStdio(gateway), { ...ofGateway, name: 'events' });
  opened.push(events);
  // A broker of its own, since it must not be the handler's unfinished events that keep its
  // commands waiting.
  const inbox = await openHandlerBroker(gateway, { ...ofGateway, name: 'handler' });
  opened.push(inbox);
  const requests = await openProxyBroker(proxy, { ...ofProxy, name: 'requests' });
  if (requests !== undefined) opened.push(requests);
  const cacheEvents = await openCacheBroker(proxy, ofProxy);
  if (cacheEvents !== undefined) opened.push(cacheEvents);
  return { events, inbox, requests, cacheEvents };
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

function refuseStdio(config: GatewayConfig): GatewayConfig {
  if (config.broker.type !== 'stdio') return config;
  throw new ConfigurationError(
    'broker.type: "stdio" leads out of this process, where no handler is; use "amqp" or "redis", or leave it out',
  );
}

/** Requests go through the proxy, and wait there for as long as Discord's limits want it. */
function wayToProxy(requests: Broker | undefined, log: Log): Attached {
  if (requests === undefined) {
    throw new ConfigurationError('broker.type: "none" leaves the handler no way to the proxy');
  }
  return new Attached(requests, { log });
}

/** The gateway's configuration; unless that names events, it publishes those that are wanted. */
function publishing(
  { gateway, proxy }: Configs,
  listened: readonly DispatchEventName[],
): GatewayConfig {
  if (gateway.events !== 'all') return gateway;
  return { ...gateway, events: [...new Set([...listened, ...proxy.cache.events])] };
}
