/**
 * `spectacles run`: gateway, proxy and a bot's handler in one process, for a first bot and for small ones.
 *
 * The handler's module exports a default function that is given `{ broker, rest, log }` and registers
 * its listeners. What it listens to is what the gateway publishes, unless the configuration names the
 * events itself. With a simulator, that starts first, and gateway and proxy are pointed at it.
 *
 * It stops in the reverse order: no new events, then the requests that are under way (those of the
 * handler first, which may have one more to make), then the brokers.
 * A listener that fails is logged and costs its own event; a handler that cannot start ends the run.
 */
import { Registry } from 'prom-client';
import { createActorSystem } from '../../actors/runtime.ts';
import type { Broker } from '../../protocols/broker.ts';
import {
  type DispatchEventName,
  isDispatchEvent,
} from '../../protocols/discord/dispatch-events.ts';
import { ConfigurationError } from '../../protocols/errors.ts';
import { RUN_EVENT_SUMMARY_MS } from '../../protocols/limits.ts';
import type { Log } from '../../protocols/ports.ts';
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
import { openGatewayHealth } from './gateway-health.ts';
import { HandlerCalls } from './handler-calls.ts';
import { startProxyOn } from './proxy.ts';
import { openSimulator, reportBreaches } from './simulate.ts';

/** What a handler is given. */
export type Bot = {
  readonly broker: Attached;
  readonly rest: Rest;
  readonly log: Log;
};

/** Ends what was started, the latest first; each step is taken, whatever became of those before. */
class StopList {
  readonly #steps: (() => Promise<void>)[] = [];

  add(step: () => Promise<void>): void {
    this.#steps.push(step);
  }

  readonly stop = async (): Promise<void> => {
    let failure: unknown;
    for (const step of this.#steps.splice(0).reverse()) {
      await step().catch((error: unknown) => {
        failure ??= error;
      });
    }
    if (failure !== undefined) throw failure;
  };
}

export async function startRun(
  options: RunOptions,
  runtime: ServiceRuntime,
): Promise<RunningService> {
  const stops = new StopList();
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
  stops.add(() => system.stop());
  const hub = new MemoryHub(clock);
  const shared = { system, clock, log, signal, hub, onFailure: failure.report };
  // Gateway and proxy may each have a health server, which shows its own part.
  const gatewayRegistry = new Registry();
  const registry = new Registry();
  const health = await openGatewayHealth(options.gateway, gatewayRegistry);
  stops.add(health.close);
  health.waitFor('the rest of the run');
  const way = { ...shared, registry: gatewayRegistry };
  const events = await openGatewayBroker(refuseStdio(options.gateway), { ...way, name: 'events' });
  stops.add(() => events.close());
  // A broker of its own, since it must not be the handler's unfinished events that keep its commands waiting.
  const inbox = await openGatewayBroker(options.gateway, { ...way, name: 'handler' });
  stops.add(() => inbox.close());
  const requests = await openProxyBroker(proxyConfig, { ...shared, registry, name: 'requests' });
  if (requests !== undefined) stops.add(() => requests.close());
  const told = await openCacheBroker(proxyConfig, { ...shared, registry });
  if (told !== undefined) stops.add(() => told.close());
  const proxy = await startProxyOn(proxyConfig, {
    ...{ system, clock, log, registry },
    ...{ broker: requests, events: told },
  });
  stops.add(() => proxy.stop());
  const calls = new HandlerCalls(wayToProxy(requests, log));
  stops.add(() => calls.close(clock));

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
  stops.add(() => gateway.stop());
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
  stops.add(async () => {
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
 * Hands the bot to the handler. What the handler does cannot be broken off, but is not waited for when the
 * process is to stop.
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
  broker.on('error', (error) => log.error({ error }, error.message));
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
  const listened = broker.eventNames().map(String).filter(isDispatchEvent);
  await unlessAborted(signal, broker.subscribe(listened));
  if (listened.length === 0) log.warn({}, 'the handler listens to no event of Discord');
  return listened;
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
