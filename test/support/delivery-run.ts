/**
 * Delivery from end to end: events of the simulated Discord, on real sockets, through a real
 * gateway into a real Redis or RabbitMQ that is killed and started again, to a consumer of our own.
 *
 * Everything but the server runs in this process. The server keeps what it has confirmed (an
 * append-only file that is synced before each answer; durable queues of persistent messages), so
 * whatever is missing at the end was lost by us. The moments of the kills are counted in events, so
 * that they strike while events flow, however fast the machine is.
 *
 * The run ends when all has arrived, or when for STALL_MS nothing has; it never throws what went
 * wrong with the delivery, but returns it as `problems`.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { createActorSystem } from '../../actors/runtime.ts';
import type { Broker } from '../../protocols/broker.ts';
import { DISPATCH_EVENTS } from '../../protocols/discord/dispatch-events.ts';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import {
  EVENT_SUMMARY_MS,
  HELD_MAX_BYTES,
  WRITER_EVENTS_MAX,
  WRITER_MAX_BYTES,
} from '../../protocols/limits.ts';
import { decodeBody } from '../../protocols/wire/body.ts';
import { createBroker } from '../../src/brokers/create-broker.ts';
import { loadGatewayConfig } from '../../src/config/gateway-config.ts';
import { webSockets } from '../../src/gateway/web-socket.ts';
import { createRandom } from '../../src/random.ts';
import { openGatewayBroker } from '../../src/services/broker.ts';
import { startGatewayOn } from '../../src/services/gateway.ts';
import { SIMULATED_TOKEN, type Simulator, startSimulator } from '../../src/simulator/index.ts';
import { systemClock } from '../../src/system-clock.ts';
import { amqpConfig, redisConfig } from './broker-peers.ts';
import { loadText } from './configuration.ts';
import { DeliveryLedger, type SentSession } from './delivery-ledger.ts';
import { WatchedSockets, type WatchedWriter, watchBroker } from './delivery-watch.ts';
import { RecordingLog } from './recording-log.ts';
import { type ServerKind, startServer, type TestServer } from './servers.ts';
import { simulatedApi } from './simulated-api.ts';

/** One kill of the server. */
export type Interruption = {
  /** How many different events the gateway has handed to the broker when it comes. */
  readonly atEvents: number;
  /** How much later than that. */
  readonly delayMs: number;
  /**
   * How long the server answers nothing before it dies: all that is sent meanwhile dies with it.
   */
  readonly frozenMs: number;
  /** From the kill until the server is started again; its own start comes on top. */
  readonly downMs: number;
};

export type DeliveryPlan = {
  readonly kind: ServerKind;
  readonly seed: number;
  readonly shards: number;
  /** How many events the sessions number before the traffic stops. */
  readonly events: number;
  /** Events a second. */
  readonly rate: number;
  readonly interruptions: readonly Interruption[];
};

export type DeliveryResult = {
  /** Empty when the delivery was as promised. */
  readonly problems: readonly string[];
  readonly sent: number;
  readonly repeats: number;
  readonly gaps: number;
  /** How often the gateway was without its broker. */
  readonly outages: number;
  readonly resumes: number;
  readonly identifies: number;
  readonly seconds: number;
  readonly writerMaxEvents: number;
  readonly writerMaxBytes: number;
  readonly heldMaxBytes: number;
  readonly rssMaxBytes: number;
};

const GROUP = 'gateway';
const GAP_EVENT = 'SPECTACLES_GAP';
const GUILDS_PER_SHARD = 4;
/** Often enough that a run sees many heartbeats. */
const HEARTBEAT_INTERVAL_MS = 5_000;
/** Discord's buffer of a session: more than a run has. */
const REPLAY_BYTES = 1024 * 1024 * 1024;
const POLL_MS = 20;
const RSS_POLL_MS = 200;
/**
 * So long nothing has arrived that nothing will; more than every back-off and timeout on the way.
 */
const STALL_MS = 60_000;
/** A server that keeps what it has confirmed. RabbitMQ does with durable queues. */
const SERVER_ARGUMENTS: Readonly<Record<ServerKind, readonly string[]>> = {
  redis: ['--appendonly', 'yes', '--appendfsync', 'always'],
  rabbitmq: [],
};

type Session = ReturnType<Simulator['discord']['gateway']['sessions']>[number];
type Gap = { readonly session: string; readonly sequence: number };

let runs = 0;

export async function runDelivery(plan: DeliveryPlan): Promise<DeliveryResult> {
  const server = await startServer(plan.kind, { arguments: SERVER_ARGUMENTS[plan.kind] });
  const simulator = await startSimulator({
    seed: plan.seed,
    guildCount: plan.shards * GUILDS_PER_SHARD,
    gateway: {
      recommendedShards: plan.shards,
      maxConcurrency: plan.shards,
      heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
      replayEvents: plan.events * 2,
      replayBytes: REPLAY_BYTES,
    },
  });
  const run = new Run(plan, server, simulator);
  try {
    return await run.go();
  } finally {
    await run.end();
    await simulator.close();
    await server.stop();
  }
}

class Run {
  readonly #plan: DeliveryPlan;
  readonly #server: TestServer;
  readonly #simulator: Simulator;
  readonly #log = new RecordingLog();
  readonly #system: ReturnType<typeof createActorSystem>;
  readonly #ledger = new DeliveryLedger();
  readonly #gaps: Gap[] = [];
  readonly #problems: string[] = [];
  /** Every session that there ever was. */
  readonly #sessions = new Set<Session>();
  readonly #sockets = new WatchedSockets(webSockets(systemClock));
  readonly #stops: (() => Promise<void>)[] = [];
  #gatewayBroker: Broker | undefined;
  #outages = 0;
  #rssMaxBytes = 0;
  /**
   * Changes with each link of the consumer's: a new one may deliver before it is said to be open.
   */
  #generation = 0;

  constructor(plan: DeliveryPlan, server: TestServer, simulator: Simulator) {
    this.#plan = plan;
    this.#server = server;
    this.#simulator = simulator;
    this.#system = createActorSystem({
      name: `delivery-${++runs}`,
      clock: systemClock,
      random: createRandom(plan.seed),
      log: this.#log,
    });
  }

  async go(): Promise<DeliveryResult> {
    const consumer = await this.#openConsumer();
    consumer.watch((state) => {
      if (state === 'away') this.#generation++;
    });
    const writer = await this.#startGateway();
    const { discord } = this.#simulator;
    await this.#until('all guilds are there', () => this.#guildsAreThere());
    const startedMs = performance.now();
    const memory = setInterval(() => {
      this.#rssMaxBytes = Math.max(this.#rssMaxBytes, process.memoryUsage.rss());
    }, RSS_POLL_MS);
    discord.setRate(this.#plan.rate);
    try {
      await Promise.all([this.#stopTraffic(), this.#interrupt(writer)]);
      await this.#until('everything has arrived', () => this.#isComplete());
    } catch (error) {
      this.#problems.push(String(error));
    } finally {
      discord.setRate(0);
      clearInterval(memory);
    }
    return this.#result(writer, (performance.now() - startedMs) / 1_000);
  }

  /** Ends what was started, the last first. */
  async end(): Promise<void> {
    for (const stop of this.#stops.toReversed()) await stop();
    await this.#system.stop();
  }

  async #openConsumer(): Promise<Broker> {
    const { url } = this.#server;
    const { clock, log, system } = this.#surroundings();
    const config = this.#plan.kind === 'redis' ? redisConfig(url, GROUP) : amqpConfig(url, GROUP);
    const broker = await createBroker(config, {
      system,
      clock,
      log,
      name: 'consumer',
      onFailure: (error) => this.#problems.push(`the consumer failed: ${error.message}`),
    });
    this.#stops.push(() => broker.close());
    for (const event of DISPATCH_EVENTS) {
      await broker.subscribe(event, (delivery) => {
        this.#ledger.arrive(delivery.id, delivery.body, this.#generation);
        delivery.ack();
      });
    }
    await broker.subscribe(GAP_EVENT, (delivery) => {
      this.#gaps.push(decodeBody(delivery.body) as Gap);
      delivery.ack();
    });
    return broker;
  }

  async #startGateway(): Promise<WatchedWriter> {
    const { kind, shards } = this.#plan;
    const { config } = await loadText(loadGatewayConfig, undefined, {
      DISCORD_TOKEN: SIMULATED_TOKEN,
      DISCORD_EVENTS: '*',
      DISCORD_RAW_INTENTS: String(ALL_INTENTS),
      DISCORD_SHARD_COUNT: String(shards),
      ...simulatedApi(this.#simulator.port),
      BROKER_TYPE: kind === 'redis' ? 'redis' : 'amqp',
      BROKER_GROUP: GROUP,
      // A message that expires would look like one that was lost.
      BROKER_MESSAGE_TIMEOUT: '1h',
      [kind === 'redis' ? 'REDIS_URL' : 'AMQP_URL']: this.#server.url,
    });
    const surroundings = this.#surroundings();
    const registry = new Registry();
    const fail = (error: Error) => this.#problems.push(`the gateway failed: ${error.message}`);
    const own = await openGatewayBroker(config, { ...surroundings, registry, onFailure: fail });
    this.#gatewayBroker = own;
    own.watch((state) => {
      if (state === 'away') this.#outages++;
    });
    this.#stops.push(() => own.close());
    const { broker, writer } = watchBroker(own);
    const gateway = await startGatewayOn(config, {
      ...surroundings,
      registry,
      broker,
      random: createRandom(this.#plan.seed + 1),
      signal: new AbortController().signal,
      summaryMs: EVENT_SUMMARY_MS,
      sockets: this.#sockets,
    });
    gateway.done.catch(fail);
    this.#stops.push(() => gateway.stop());
    return writer;
  }

  #surroundings() {
    return { system: this.#system, clock: systemClock, log: this.#log };
  }

  async #stopTraffic(): Promise<void> {
    const { events } = this.#plan;
    await this.#until('all events have been sent', () => this.#sent() >= events);
    this.#simulator.discord.setRate(0);
  }

  async #interrupt(writer: WatchedWriter): Promise<void> {
    for (const { atEvents, delayMs, frozenMs, downMs } of this.#plan.interruptions) {
      // A gateway that is still without the server would not feel another kill.
      await this.#until(
        `${atEvents} events have left`,
        () => writer.distinct >= atEvents && this.#gatewayBroker?.state === 'open',
      );
      await sleep(delayMs);
      if (frozenMs > 0) this.#server.pause();
      await sleep(frozenMs);
      await this.#server.kill();
      this.#generation++;
      await sleep(downMs);
      await this.#server.restart();
    }
  }

  #guildsAreThere(): boolean {
    const { discord } = this.#simulator;
    const sessions = discord.gateway.sessions();
    return (
      sessions.length === this.#plan.shards &&
      sessions.every((session) => discord.world.guildIds.every((id) => !session.isUnavailable(id)))
    );
  }

  #sent(): number {
    let sent = 0;
    for (const session of this.#look()) sent += session.sequence;
    return sent;
  }

  /** Sessions that have died are known from earlier looks. */
  #look(): ReadonlySet<Session> {
    for (const session of this.#simulator.discord.gateway.sessions()) this.#sessions.add(session);
    return this.#sessions;
  }

  /** Of a session that has died nobody can know what came after the end that was announced. */
  #due(session: Session): number {
    if (!session.hasEnded) return session.sequence;
    return this.#gaps.find((gap) => gap.session === session.id)?.sequence ?? session.sequence;
  }

  #isComplete(): boolean {
    return [...this.#look()].every(
      (session) => this.#ledger.arrived(session.id) >= this.#due(session),
    );
  }

  async #until(what: string, condition: () => boolean): Promise<void> {
    let progress = -1;
    let changedMs = performance.now();
    while (!condition()) {
      const now = this.#sent() + this.#ledger.distinct;
      if (now !== progress) changedMs = performance.now();
      progress = now;
      if (performance.now() - changedMs > STALL_MS) throw new Error(`waited in vain until ${what}`);
      await sleep(POLL_MS);
    }
  }

  #result(writer: WatchedWriter, seconds: number): DeliveryResult {
    const { audit } = this.#simulator.discord;
    const sessions = [...this.#look()].map((session) => this.#sentBy(session));
    const problems = [
      ...this.#problems,
      ...audit.breaches.map(({ name, detail }) => `breach ${name}: ${detail}`),
      ...this.#log.at('error').map(({ message, fields }) => `${message} ${String(fields.error)}`),
      ...writer.problems,
      ...this.#ledger.judge(sessions, (session, sequence) => writer.wasLost(session, sequence)),
      ...this.#unbounded(writer),
    ];
    return {
      problems,
      sent: sessions.reduce((sum, { events }) => sum + events.length, 0),
      repeats: this.#ledger.repeats,
      gaps: this.#gaps.length,
      outages: this.#outages,
      resumes: audit.count('resume'),
      identifies: audit.count('identify'),
      seconds,
      writerMaxEvents: writer.maxEvents,
      writerMaxBytes: writer.maxBytes,
      heldMaxBytes: this.#sockets.maxHeldBytes,
      rssMaxBytes: this.#rssMaxBytes,
    };
  }

  #sentBy(session: Session): SentSession {
    const events = session.missed(0)?.slice(0, this.#due(session));
    if (events === undefined) throw new Error('the simulator has forgotten what it sent');
    return { id: session.id, shard: session.shard[0], events };
  }

  #unbounded({ maxEvents, maxBytes, largestEvent, rewinds }: WatchedWriter): readonly string[] {
    const { audit } = this.#simulator.discord;
    const { maxHeldBytes } = this.#sockets;
    const checks: readonly (readonly [what: string, value: number, most: number])[] = [
      ['unconfirmed events', maxEvents, WRITER_EVENTS_MAX],
      ['unconfirmed bytes', maxBytes, Math.max(WRITER_MAX_BYTES, largestEvent)],
      ['held bytes', maxHeldBytes, HELD_MAX_BYTES + largestEvent],
      ['returns to an earlier event', rewinds, audit.count('resume')],
    ];
    return checks
      .filter(([, value, most]) => value > most)
      .map(([what, value, most]) => `${value} ${what}, where ${most} are allowed`);
  }
}
