/**
 * The gateway service: from a configuration to running shards.
 *
 * It starts from the bottom: the broker that takes the events, then Discord's word on shards and
 * budget, then the tree of shards; it stops the other way round, so that the last events still find
 * their broker. It fails for good when the broker refuses it, or when no shard is left that could run.
 */
import { Registry } from 'prom-client';
import type { SocketFactory } from '../../actors/connection/ports.ts';
import { type ActorSystem, createActorSystem } from '../../actors/runtime.ts';
import type { Broker } from '../../protocols/broker.ts';
import { DISPATCH_EVENTS } from '../../protocols/discord/dispatch-events.ts';
import { ConfigurationError } from '../../protocols/errors.ts';
import { EventTable, FILTERED } from '../../protocols/gateway/event-table.ts';
import type { Identity } from '../../protocols/gateway/frames.ts';
import { EVENT_SUMMARY_MS } from '../../protocols/limits.ts';
import type { Clock, Log, Random } from '../../protocols/ports.ts';
import { startGatewayTree } from '../../supervisors/gateway.ts';
import type { RunningService, ServiceRuntime } from '../cli/services.ts';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { createFailure } from '../failure.ts';
import { consumeCommands } from '../gateway/command-intake.ts';
import { loadDecoder } from '../gateway/decompression/decoders.ts';
import { EventSummary } from '../gateway/event-summary.ts';
import { askGatewayBot, fetchGatewayBot, sessionStarts } from '../gateway/gateway-bot.ts';
import { IdentifyWatch } from '../gateway/identify/identify-watch.ts';
import { openLedger } from '../gateway/identify/open-ledger.ts';
import { ShardWatch } from '../gateway/shard-watch.ts';
import { RedisDoor } from '../gateway/stores/redis-door.ts';
import { webSockets } from '../gateway/web-socket.ts';
import { ANY_ADDRESS } from '../listen.ts';
import { GatewayMetrics } from '../metrics/gateway-metrics.ts';
import { startHealthServer } from '../metrics/health-server.ts';
import { processRandom } from '../random.ts';
import { systemClock } from '../system-clock.ts';
import { gatewayRedis, openGatewayBroker } from './broker.ts';
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
  const system = createActorSystem({ name: 'spectacles', clock, random, log });
  const registry = new Registry();
  const failure = createFailure();
  try {
    const broker = await openGatewayBroker(config, {
      system,
      clock,
      log,
      registry,
      onFailure: failure.report,
    });
    const summaryMs = EVENT_SUMMARY_MS;
    const host: GatewayHost = {
      system,
      broker,
      clock,
      random,
      log,
      signal,
      registry,
      summaryMs,
    };
    const gateway = await startGatewayOn(config, host);
    gateway.done.catch(failure.report);
    return {
      done: failure.promise,
      async stop() {
        await gateway.stop();
        await broker.close();
        await system.stop();
      },
    };
  } catch (error) {
    await system.stop();
    throw error;
  }
}

/** Runs a gateway on a broker and an actor system that somebody else starts and stops. */
export async function startGatewayOn(
  config: GatewayConfig,
  host: GatewayHost,
): Promise<RunningService> {
  const { log, clock, random, broker, signal, system, registry } = host;
  const apiUrl = `${config.api.scheme}://${config.api.host}/api/v${config.api.version}`;
  const bot = await fetchGatewayBot({
    apiUrl,
    token: config.token,
    log,
    random,
    signal,
  });
  const shardCount = config.shards.count ?? bot.shards;
  const shards = shardIds(config, shardCount);
  const events = eventTable(config, broker);
  const names = (index: number): string => events.entries[index]?.name ?? '';
  const metrics = new GatewayMetrics(registry, shardCount, DISPATCH_EVENTS.length, names);
  const watch = new ShardWatch(shards, metrics, broker, log);
  for (const shard of shards) metrics.addShard(shard);
  const { compression } = config;
  const decoder = await loadDecoder(compression);
  const door = new RedisDoor(gatewayRedis(config), clock);
  const sessions = await startSessions({ config, host, shards, shardCount, watch, door });
  const ledger = openLedger(config, { clock, door });
  const starts = new IdentifyWatch({
    floor: config.identify.floor,
    shardCount,
    ledger,
    metrics,
    log,
  });
  starts.recommended(bot.shards);
  const identifiesLeft = bot.session_start_limit.remaining;
  log.info(
    { shards: shards.length, shardCount, identifiesLeft, compression, decoder: decoder.library },
    'connecting to Discord',
  );
  const tree = startGatewayTree({
    system,
    shards,
    identify: {
      rules: { floor: config.identify.floor, share: shards.length / shardCount },
      starts: sessionStarts(bot),
      ledger,
      askDiscord: async () => {
        const latest = await askGatewayBot({ apiUrl, token: config.token, signal });
        starts.recommended(latest.shards);
        return sessionStarts(latest);
      },
      onStatus: starts.status,
      onNotice: starts.notice,
    },
    onFailure: watch.fail,
    broker,
    commands: {
      // A pipe leads to the bot, and to no other gateway.
      others: config.broker.type === 'stdio' ? undefined : broker,
      onOutcome: (outcome) => metrics.command(outcome),
    },
    world: {
      shardCount,
      identity: identityOf(config),
      mainUrl: bot.url,
      connectUrl: (address) => connectUrl(address, config),
      sockets: host.sockets ?? webSockets,
      createDecompressor: decoder.create,
      writer: broker.writer,
      events,
      counter: metrics,
      onSent: (shard, op) => metrics.sent(shard, op),
      sessions: sessions.store,
      onNotice: watch.see,
    },
  });
  const stopConsuming = consumeCommands({
    broker,
    shards,
    withDiscordjs: config.broker.payload === 'discordjs',
    take: (delivery) => tree.command(delivery),
    log,
  });
  const summary = new EventSummary(metrics, host);
  const { address, endpoint } = config.prometheus;
  const health =
    address === undefined
      ? undefined
      : await startHealthServer({
          host: address.host ?? ANY_ADDRESS,
          port: address.port,
          endpoint,
          registry,
          readiness: () => starts.readiness(watch.readiness()),
        });
  return {
    done: watch.failed,
    async stop() {
      summary.stop();
      await stopConsuming();
      await tree.stop();
      await sessions.stop();
      await health?.close();
    },
  };
}

function shardIds({ shards }: GatewayConfig, shardCount: number): readonly number[] {
  const ids = shards.ids ?? Array.from({ length: shardCount }, (_, id) => id);
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

function identityOf({ token, intents, presence }: GatewayConfig): Identity {
  return presence === undefined
    ? { token, intents }
    : { token, intents, presence: { ...presence } };
}

/** Adds the parameters, which are the same for the main host and for a session's own. */
function connectUrl(address: string, { gatewayVersion, compression }: GatewayConfig): string {
  const url = new URL(address);
  url.searchParams.set('v', String(gatewayVersion));
  url.searchParams.set('encoding', 'json');
  if (compression !== 'none') url.searchParams.set('compress', compression);
  return url.href;
}
