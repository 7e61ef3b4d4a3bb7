/**
 * The gateway service: from a configuration to running shards.
 *
 * It starts from the bottom: the health server, the broker that takes the events, Discord's word on
 * shards and budget, then what the shards need, and at the very end the shards themselves; it stops
 * the other way round, so that the last events still find their broker. To claim the stored
 * sessions is to take them from a process that runs, so that comes when nothing is left that could
 * fail.
 *
 * It fails for good when the broker refuses it, or when no shard is left that could run.
 */
import { Registry } from 'prom-client';
import type { SocketFactory } from '../../actors/connection/ports.ts';
import type { IdentifyLedger } from '../../actors/identify/ports.ts';
import { type ActorSystem, createActorSystem } from '../../actors/runtime.ts';
import type { ShardWorld } from '../../actors/shard/ports.ts';
import type { Broker } from '../../protocols/broker.ts';
import { DISPATCH_EVENTS } from '../../protocols/discord/dispatch-events.ts';
import { ConfigurationError } from '../../protocols/errors.ts';
import { EventTable, FILTERED } from '../../protocols/gateway/event-table.ts';
import type { Identity } from '../../protocols/gateway/frames.ts';
import { EVENT_SUMMARY_MS, PROCESS_SHARDS_MAX } from '../../protocols/limits.ts';
import type { Clock, Log, Random } from '../../protocols/ports.ts';
import { type GatewayTreeOptions, startGatewayTree } from '../../supervisors/gateway.ts';
import type { SessionsTree } from '../../supervisors/sessions.ts';
import type { RunningService, ServiceRuntime } from '../cli/services.ts';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { createFailure } from '../failure.ts';
import { type CommandIntake, consumeCommands } from '../gateway/command-intake.ts';
import { type Decoder, loadDecoder } from '../gateway/decompression/decoders.ts';
import { EventSummary } from '../gateway/event-summary.ts';
import {
  askGatewayBot,
  fetchGatewayBot,
  type GatewayBot,
  sessionStarts,
} from '../gateway/gateway-bot.ts';
import { IdentifyWatch } from '../gateway/identify/identify-watch.ts';
import { openLedger } from '../gateway/identify/open-ledger.ts';
import { ShardWatch } from '../gateway/shard-watch.ts';
import { RedisDoor } from '../gateway/stores/redis-door.ts';
import { webSockets } from '../gateway/web-socket.ts';
import { GatewayMetrics } from '../metrics/gateway-metrics.ts';
import { processRandom } from '../random.ts';
import { systemClock } from '../system-clock.ts';
import { gatewayRedis, openGatewayBroker } from './broker.ts';
import { type Health, openHealth } from './health.ts';
import { startSessions } from './sessions.ts';

/** What a gateway shares with the other services of its process. */
export type GatewayHost = {
  readonly system: ActorSystem;
  readonly broker: Broker;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** What its health server shows, the broker's share included. */
  readonly registry: Registry;
  /** Told how the start goes on, and then how the gateway stands. */
  readonly health?: Pick<Health, 'waitFor' | 'follow'>;
  /** How often the log says how many events came in. */
  readonly summaryMs: number;
  /** How connections are opened; over ws unless given. */
  readonly sockets?: SocketFactory;
};

/** Runs a gateway alone in its process. */
export async function startGateway(
  config: GatewayConfig,
  { log, signal }: ServiceRuntime,
): Promise<RunningService> {
  const clock = systemClock;
  const random = processRandom();
  const registry = new Registry();
  const failure = createFailure();
  const onFailure = failure.report;
  const health = await openHealth({ service: 'gateway', ...config.prometheus, registry, signal });
  const system = createActorSystem({ name: 'spectacles', clock, random, log });
  try {
    health.waitFor('its broker');
    const broker = await openGatewayBroker(config, {
      ...{ system, clock, log, signal, registry },
      onFailure,
    });
    const gateway = await startGatewayOn(config, {
      ...{ system, broker, clock, random, log, signal, registry, health },
      summaryMs: EVENT_SUMMARY_MS,
    });
    gateway.done.catch(onFailure);
    return {
      done: failure.promise,
      async stop() {
        await gateway.stop();
        await broker.close();
        await system.stop();
        await health.close();
      },
    };
  } catch (error) {
    await system.stop();
    await health.close();
    throw error;
  }
}

/** Runs a gateway on a broker and an actor system that somebody else starts and stops. */
export async function startGatewayOn(
  config: GatewayConfig,
  host: GatewayHost,
): Promise<RunningService> {
  const discord = await askDiscord(config, host);
  const parts = await openParts(config, host, discord);
  const { shards, shardCount } = discord;
  const { watch, door, starts } = parts;
  host.health?.waitFor('its session store');
  const sessions = await startSessions({ config, host, shards, shardCount, watch, door });
  host.health?.follow(() => starts.readiness(watch.readiness()));
  return startShards(config, host, discord, parts, sessions);
}

/** What Discord says of the shards and of the budget, and what follows from it. */
type DiscordWord = {
  readonly apiUrl: string;
  readonly bot: GatewayBot;
  readonly shardCount: number;
  /** Those of this process. */
  readonly shards: readonly number[];
};

async function askDiscord(
  config: GatewayConfig,
  { log, random, signal, health }: GatewayHost,
): Promise<DiscordWord> {
  const { api, token } = config;
  const apiUrl = `${api.scheme}://${api.host}/api/v${api.version}`;
  health?.waitFor("Discord's answer about its shards");
  const bot = await fetchGatewayBot({ apiUrl, token, log, random, signal });
  const shardCount = config.shards.count ?? bot.shards;
  return { apiUrl, bot, shardCount, shards: shardIds(config, shardCount) };
}

/** What the shards need besides their sessions. Nothing of it has to be closed. */
type Parts = {
  readonly events: EventTable;
  readonly metrics: GatewayMetrics;
  readonly watch: ShardWatch;
  readonly decoder: Decoder;
  readonly door: RedisDoor;
  readonly ledger: IdentifyLedger;
  readonly starts: IdentifyWatch;
};

async function openParts(
  config: GatewayConfig,
  { log, clock, broker, registry }: GatewayHost,
  { bot, shards, shardCount }: DiscordWord,
): Promise<Parts> {
  const { floor } = config.identify;
  const events = eventTable(config, broker);
  const names = (index: number): string => events.entries[index]?.name ?? '';
  const metrics = new GatewayMetrics(registry, shardCount, DISPATCH_EVENTS.length, names);
  const watch = new ShardWatch(shards, metrics, broker, log);
  for (const shard of shards) metrics.addShard(shard);
  const decoder = await loadDecoder(config.compression);
  const door = new RedisDoor(gatewayRedis(config), clock);
  const ledger = openLedger(config, { clock, door });
  const starts = new IdentifyWatch({ floor, shardCount, ledger, metrics, log });
  starts.recommended(bot.shards);
  return { events, metrics, watch, decoder, door, ledger, starts };
}

/** Nothing here waits or fails: the shards have been claimed. */
function startShards(
  config: GatewayConfig,
  host: GatewayHost,
  discord: DiscordWord,
  parts: Parts,
  sessions: SessionsTree,
): RunningService {
  const { broker, log, system } = host;
  const { shards } = discord;
  const { metrics, watch } = parts;
  // A pipe leads to the bot, and to no other gateway.
  const isAlone = config.broker.type === 'stdio';
  announce(config, host, discord, parts);
  const onNotice: ShardWorld['onNotice'] = (shard, notice) => {
    watch.see(shard, notice);
    if (notice.kind === 'fenced') intake.release(shard);
  };
  const tree = startGatewayTree({
    system,
    shards,
    identify: identifyOptions(config, host, discord, parts),
    onFailure: watch.fail,
    broker,
    commands: {
      others: isAlone ? undefined : broker,
      onOutcome: (outcome) => metrics.command(outcome),
    },
    world: { ...shardWorld(config, host, discord, parts), sessions: sessions.store, onNotice },
  });
  const intake: CommandIntake = consumeCommands({
    broker,
    // Over a pipe `SEND` catches all: the commands to any shard, and whatever is no command.
    shards: isAlone ? [] : shards,
    withDiscordjs: config.broker.payload === 'discordjs',
    take: (delivery) => tree.command(delivery),
    log,
  });
  const summary = new EventSummary(metrics, host);
  return {
    done: watch.failed,
    async stop() {
      summary.stop();
      intake.stop();
      await tree.stop();
      await sessions.stop();
    },
  };
}

function announce(
  { compression }: GatewayConfig,
  { log }: GatewayHost,
  { bot, shards, shardCount }: DiscordWord,
  { decoder }: Parts,
): void {
  const identifiesLeft = bot.session_start_limit.remaining;
  log.info(
    { shards: shards.length, shardCount, identifiesLeft, compression, decoder: decoder.library },
    'connecting to Discord',
  );
}

function identifyOptions(
  { identify: { floor }, token }: GatewayConfig,
  { signal }: GatewayHost,
  { apiUrl, bot, shards, shardCount }: DiscordWord,
  { ledger, starts }: Parts,
): GatewayTreeOptions['identify'] {
  return {
    rules: { floor, share: shards.length / shardCount },
    starts: sessionStarts(bot),
    ledger,
    askDiscord: async () => {
      const latest = await askGatewayBot({ apiUrl, token, signal });
      starts.recommended(latest.shards);
      return sessionStarts(latest);
    },
    onStatus: starts.status,
    onNotice: starts.notice,
  };
}

function shardWorld(
  config: GatewayConfig,
  { broker, clock, sockets }: GatewayHost,
  { bot, shardCount }: DiscordWord,
  { decoder, events, metrics }: Parts,
): Omit<ShardWorld, 'sessions' | 'onNotice'> {
  return {
    shardCount,
    identity: identityOf(config),
    mainUrl: bot.url,
    connectUrl: (address) => connectUrl(address, config),
    sockets: sockets ?? webSockets(clock),
    createDecompressor: decoder.create,
    writer: broker.writer,
    events,
    counter: metrics,
    onSent: (shard, op) => metrics.sent(shard, op),
  };
}

function allShards(shardCount: number): readonly number[] {
  return Array.from({ length: shardCount }, (_, id) => id);
}

function shardIds({ shards }: GatewayConfig, shardCount: number): readonly number[] {
  const ids = shards.ids ?? allShards(shardCount);
  if (ids.length > PROCESS_SHARDS_MAX) {
    throw new ConfigurationError(
      `shards.ids: one process has at most ${PROCESS_SHARDS_MAX} shards, and this one would have ${ids.length}; share them out, as 0-${PROCESS_SHARDS_MAX - 1} and so on`,
    );
  }
  const outside = ids.find((id) => id >= shardCount);
  if (outside === undefined) return ids;
  throw new ConfigurationError(
    `shards.ids: ${outside} is not a shard of ${shardCount}, which is what Discord recommends; allowed are 0 to ${shardCount - 1}, or set shards.count`,
  );
}

function eventTable({ events }: GatewayConfig, { writer }: Broker): EventTable {
  const wanted = events === 'all' ? undefined : new Set<string>(events);
  return new EventTable(DISPATCH_EVENTS, (name) =>
    wanted === undefined || wanted.has(name) ? writer.route(name) : FILTERED,
  );
}

function identityOf({ token, intents, largeThreshold, presence }: GatewayConfig): Identity {
  return {
    token,
    intents,
    ...(largeThreshold === undefined ? {} : { largeThreshold }),
    ...(presence === undefined ? {} : { presence: { ...presence } }),
  };
}

/** Adds the parameters, which are the same for the main host and for a session's own. */
function connectUrl(address: string, { gatewayVersion, compression }: GatewayConfig): string {
  const url = new URL(address);
  url.searchParams.set('v', String(gatewayVersion));
  url.searchParams.set('encoding', 'json');
  if (compression !== 'none') url.searchParams.set('compress', compression);
  return url.href;
}
