/**
 * Our whole gateway service, as `spectacles gateway` runs it: socket, shard, writer, broker,
 * metrics.
 *
 * An event is done when the broker has confirmed it. Anything that the service would warn of (a
 * lost connection, a broker that is away) fails the row.
 */

import { Registry } from 'prom-client';
import { ChannelWriter } from '../../actors/channel/writer.ts';
import type { Compression } from '../../actors/connection/ports.ts';
import { createActorSystem } from '../../actors/runtime.ts';
import type { Broker } from '../../protocols/broker.ts';
import type { PayloadMode } from '../../protocols/wire/payload.ts';
import { MemoryHub } from '../../src/brokers/memory.ts';
import { type GatewayConfig, loadGatewayConfig } from '../../src/config/gateway-config.ts';
import { processRandom } from '../../src/random.ts';
import { createRedactor } from '../../src/secrets.ts';
import { openGatewayBroker } from '../../src/services/broker.ts';
import { startGatewayOn } from '../../src/services/gateway.ts';
import { systemClock } from '../../src/system-clock.ts';
import { Arrivals } from '../arrivals.ts';
import { fed } from '../fed.ts';
import {
  BROKER_GROUP,
  type EventFeed,
  eventFeed,
  IDLE_STARTED_AT_ONCE,
  type Place,
  type Row,
  SIZES,
  type Work,
} from '../row.ts';
import { EVENT, sequenceOf } from '../source/messages.ts';
import { StrictLog } from '../strict-log.ts';

type Target = 'nobody' | 'memory' | 'redis' | 'amqp';
type Payload = Extract<PayloadMode, 'json' | 'map'>;

const ABOUT: Readonly<Record<Target, string>> = {
  nobody: 'our gateway, its broker in memory, no consumer',
  memory: 'our gateway, to a handler in the same process',
  redis: 'our gateway, to Redis, confirmed',
  amqp: 'our gateway, to RabbitMQ, confirmed, persistent',
};

const READY_TIMEOUT_MS = 100_000;
const READY_POLL_MS = 2;
const SUMMARY_MS = 3_600_000;

type Variant = {
  readonly target: Target;
  readonly feed: EventFeed;
  readonly payload: Payload;
};

function gateway(target: Target, compression: Compression): Row {
  const variant: Variant = { target, feed: eventFeed(compression), payload: 'json' };
  return {
    name: `gateway ${target} ${compression}`,
    about: ABOUT[target],
    topic: 'forward',
    feed: variant.feed,
    ...(target !== 'nobody' && { receiver: target === 'memory' ? 'itself' : target }),
    figures: target === 'nobody' ? ['full', 'steady', 'heap'] : ['full', 'steady', 'half', 'heap'],
    setup: (place) => setup(place, variant),
  };
}

/** To Redis, and one thing other than usual. */
function variant(name: string, changes: Partial<Row>, other: Partial<Variant>): Row {
  const usual: Variant = { target: 'redis', feed: eventFeed('none'), payload: 'json' };
  const changed = { ...usual, ...other };
  return {
    ...gateway('redis', 'none'),
    name,
    feed: changed.feed,
    ...changes,
    setup: (place) => setup(place, changed),
  };
}

function manyShards(shards: number): Row {
  const feed = eventFeed('none', { shards, maxConcurrency: shards });
  const about = `our gateway, to Redis, the events over ${shards} shards in turn`;
  return variant(
    `gateway ${shards} shards`,
    { about, topic: 'shards', figures: ['full', 'steady'], rounds: 'few' },
    { feed },
  );
}

function sized(frameBytes: number): Row {
  const feed = eventFeed('none', { frameBytes });
  return variant(
    `gateway ${frameBytes} B`,
    { topic: 'sizes', figures: ['full'], rounds: 'few' },
    { feed },
  );
}

/** Shards that are ready and get nothing. */
function idle(shards: number, compression: Compression): Row {
  const feed = eventFeed(compression, { shards, maxConcurrency: IDLE_STARTED_AT_ONCE });
  const { receiver: _, ...row } = gateway('nobody', compression);
  return {
    ...row,
    name: `idle ${shards} ${compression}`,
    about: `${shards} shards without events`,
    topic: 'idle',
    feed,
    figures: ['idle'],
    rounds: 'few',
    setup: (place) => setup(place, { target: 'nobody', feed, payload: 'json' }),
  };
}

async function setup(place: Place, { target, feed, payload }: Variant): Promise<Work> {
  const log = new StrictLog();
  const clock = systemClock;
  const random = processRandom();
  const config = await configure(place, target, feed.compression, payload);
  const system = createActorSystem({ name: 'bench', clock, random, log });
  const onFailure = (error: Error) => log.error({ error }, error.message);
  const registry = new Registry();
  const broker = await openGatewayBroker(config, {
    system,
    registry,
    clock,
    log,
    onFailure,
    hub: new MemoryHub(clock),
  });
  const memory = target === 'memory' ? await subscribe(broker) : undefined;
  const { signal } = new AbortController();
  const host = { system, broker, clock, random, log, signal, registry, summaryMs: SUMMARY_MS };
  const service = await startGatewayOn(config, host);
  service.done.catch(onFailure);
  await untilReady(log, feed.shards);
  const { writer } = broker;
  if (!(writer instanceof ChannelWriter)) throw new Error('the writer does not count its confirms');
  const done = memory?.count ?? (() => writer.settled);
  return {
    run: fed(place, done, () => log.check(), feed.frameBytes),
    ...(memory && { arrivals: memory.arrivals }),
    async stop() {
      await service.stop();
      await broker.close();
      await system.stop();
      log.check();
    },
  };
}

async function configure(
  { addresses }: Place,
  target: Target,
  compression: Compression,
  payload: Payload,
): Promise<GatewayConfig> {
  const isServer = target === 'redis' || target === 'amqp';
  const { config } = await loadGatewayConfig({
    file: undefined,
    redactor: createRedactor(),
    environment: {
      DISCORD_TOKEN: 'bench',
      DISCORD_EVENTS: EVENT,
      DISCORD_INTENTS: 'GUILDS,GUILD_MESSAGES,MESSAGE_CONTENT',
      DISCORD_COMPRESSION: compression,
      DISCORD_API_SCHEME: 'http',
      DISCORD_API_HOST: addresses.gateway,
      BROKER_GROUP,
      BROKER_PAYLOAD: payload,
      ...(isServer && { BROKER_TYPE: target }),
      REDIS_URL: addresses.redis,
      AMQP_URL: addresses.amqp,
    },
  });
  return isServer ? config : { ...config, broker: { ...config.broker, type: 'memory' } };
}

async function subscribe(broker: Broker) {
  const arrivals = new Arrivals();
  let handled = 0;
  await broker.subscribe(EVENT, (delivery) => {
    handled++;
    if (arrivals.recording) arrivals.note(sequenceOf(delivery.body));
    delivery.ack();
  });
  return { arrivals, count: () => handled };
}

async function untilReady(log: StrictLog, shards: number): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (log.readyShards < shards) {
    log.check();
    if (performance.now() > deadline)
      throw new Error(`${log.readyShards} of ${shards} shards became ready`);
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
  }
}

export const rows: readonly Row[] = [
  gateway('nobody', 'none'),
  gateway('memory', 'none'),
  gateway('redis', 'none'),
  variant(
    'gateway redis none map',
    { about: `${ABOUT.redis}, as a MessagePack map`, topic: 'payload' },
    { payload: 'map' },
  ),
  gateway('redis', 'zlib-stream'),
  gateway('redis', 'zstd-stream'),
  gateway('amqp', 'none'),
  ...[1, 16, 256].map(manyShards),
  ...SIZES.map(sized),
  ...[1, 100, 1_000].map((shards) => idle(shards, 'none')),
  ...[100, 1_000].map((shards) => idle(shards, 'zlib-stream')),
  ...[100, 1_000].map((shards) => idle(shards, 'zstd-stream')),
];
