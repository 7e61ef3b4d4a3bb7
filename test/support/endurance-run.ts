/**
 * Endurance: many shards on real sockets through a real gateway into a real Redis, while
 * connections are dropped and otherwise broken all the time, in ways that a session survives.
 *
 * At the end a plain client reads the streams: each event of each session of the simulated Discord
 * has to stand there with its id, its shard and its content, and within a stream in order. Only
 * repeats may come on top of that. What went wrong is returned as `problems`, so that a run tells
 * all of it.
 */
import { inspect } from 'node:util';
import { decode } from '@msgpack/msgpack';
import { Redis } from 'ioredis';
import { Registry } from 'prom-client';
import { createActorSystem } from '../../actors/runtime.ts';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import { createBroker } from '../../src/brokers/create-broker.ts';
import { loadGatewayConfig } from '../../src/config/gateway-config.ts';
import { createRandom } from '../../src/random.ts';
import { startGatewayOn } from '../../src/services/gateway.ts';
import {
  SIMULATED_TOKEN,
  type Simulator,
  startSimulator,
  type TimedFault,
} from '../../src/simulator/index.ts';
import { systemClock } from '../../src/system-clock.ts';
import { until } from './broker-bench.ts';
import { redisConfig } from './broker-peers.ts';
import { loadText } from './configuration.ts';
import { RecordingLog } from './recording-log.ts';
import { startServer } from './servers.ts';
import { simulatedApi } from './simulated-api.ts';
import { drawTrouble, SURVIVABLE_FAULTS } from './survivable-faults.ts';

export type EndurancePlan = {
  readonly seed: number;
  readonly shards: number;
  /** How long there is trouble. */
  readonly troubleMs: number;
  /** Events a second, over all shards. */
  readonly rate: number;
  /** A second, over all shards. */
  readonly faults: number;
  /**
   * A heartbeat that is acknowledged after the next is due ends its connection: before READY, it
   * costs an IDENTIFY. On a machine that is busy with other things this must not be short.
   */
  readonly heartbeatIntervalMs: number;
};

export type EnduranceResult = {
  /** Empty when all was as promised. */
  readonly problems: readonly string[];
  readonly events: number;
  /** Entries of the streams that repeat an earlier one. */
  readonly repeats: number;
  readonly faults: number;
  readonly connects: number;
  readonly resumes: number;
  readonly identifies: number;
  readonly heartbeats: number;
  readonly seconds: number;
};

const GROUP = 'endurance';
/** Both sides of all sockets share one event loop, and the machine may be busy. */
const HEARTBEAT_TOLERANCE_MS = 10_000;
const SETTLE_MAX_MS = 120_000;
const PROBLEMS_MAX = 20;

function drawScenario({ seed, shards, troubleMs, faults }: EndurancePlan): readonly TimedFault[] {
  return drawTrouble({
    seed,
    count: Math.round((faults * troubleMs) / 1000),
    troubleMs,
    faults: [...SURVIVABLE_FAULTS, { fault: 'drop' }, { fault: 'drop' }],
    shardOf: (_index, upTo) => upTo(shards),
  });
}

export async function runEndurance(plan: EndurancePlan): Promise<EnduranceResult> {
  const { seed, shards, heartbeatIntervalMs } = plan;
  const server = await startServer('redis');
  const simulator = await startSimulator({
    seed,
    guildCount: shards * 2,
    gateway: {
      maxConcurrency: shards,
      recommendedShards: shards,
      heartbeatIntervalMs,
      heartbeatToleranceMs: HEARTBEAT_TOLERANCE_MS,
    },
  });
  const random = createRandom(seed);
  const log = new RecordingLog();
  const clock = systemClock;
  const system = createActorSystem({ name: 'endurance', clock, random, log });
  const failures: Error[] = [];
  const broker = await createBroker(redisConfig(server.url, GROUP), {
    system,
    clock,
    log,
    name: 'broker',
    onFailure: (error) => failures.push(error),
  });
  const reader = new Redis(server.url);
  try {
    const { config } = await loadText(loadGatewayConfig, undefined, {
      DISCORD_TOKEN: SIMULATED_TOKEN,
      DISCORD_EVENTS: '*',
      DISCORD_RAW_INTENTS: String(ALL_INTENTS),
      ...simulatedApi(simulator.port),
    });
    const { signal } = new AbortController();
    const registry = new Registry();
    const summaryMs = 60_000;
    const host = { system, broker, clock, random, log, signal, registry, summaryMs };
    const startedMs = performance.now();
    const gateway = await startGatewayOn(config, host);
    try {
      await endure(plan, simulator, log, reader);
    } finally {
      await gateway.stop();
    }
    const problems = [
      ...judgeDiscord(plan, simulator),
      ...(await judgeStreams(simulator, reader)),
      ...failures.map((error) => `the broker failed: ${error.message}`),
      ...log.at('error').map((line) => `in the log: ${inspect(line)}`),
    ];
    const { audit } = simulator.discord;
    const events = sentEvents(simulator).size;
    return {
      problems: problems.slice(0, PROBLEMS_MAX),
      events,
      repeats: (await countEntries(reader)) - events,
      faults: audit.count('fault'),
      connects: audit.count('connect'),
      resumes: audit.count('resume'),
      identifies: audit.count('identify'),
      heartbeats: audit.count('heartbeat'),
      seconds: (performance.now() - startedMs) / 1000,
    };
  } finally {
    reader.disconnect();
    await broker.close();
    await system.stop();
    await simulator.close();
    await server.stop();
  }
}

/** Trouble for as long as planned; then until Redis has every event. */
async function endure(
  plan: EndurancePlan,
  simulator: Simulator,
  log: RecordingLog,
  reader: Redis,
): Promise<void> {
  const { discord } = simulator;
  const ready = (): number =>
    log.lines.filter(({ message }) => message === 'shard is ready').length;
  await until('all shards are ready', () => ready() === plan.shards, SETTLE_MAX_MS);
  discord.setRate(plan.rate);
  const scenario = drawScenario(plan);
  discord.scenario.run(scenario);
  const isOver = (): boolean => discord.audit.count('fault') === scenario.length;
  await until('the trouble is over', isOver, plan.troubleMs + SETTLE_MAX_MS);
  discord.setRate(0);
  const isComplete = async (): Promise<boolean> => (await missing(simulator, reader)) === 0;
  await until('Redis has every event', isComplete, SETTLE_MAX_MS);
}

/** The entries of all streams, counted by the server. */
async function countEntries(reader: Redis): Promise<number> {
  let count = 0;
  for (const stream of await streamsOf(reader)) count += await reader.xlen(stream);
  return count;
}

async function streamsOf(reader: Redis): Promise<readonly string[]> {
  const streams: string[] = [];
  for (const key of await reader.keys('*')) {
    if ((await reader.type(key)) === 'stream') streams.push(key);
  }
  return streams;
}

type Sent = { readonly event: string; readonly json: string; readonly shard: number };

/** What each session has sent, by the ids that its events have to have. */
function sentEvents({ discord }: Simulator): ReadonlyMap<string, Sent> {
  const events = new Map<string, Sent>();
  for (const session of discord.gateway.sessions()) {
    const sent = session.missed(0);
    if (sent === undefined) throw new Error('a session has forgotten what it sent');
    for (const { sequence, event, json } of sent) {
      events.set(`${session.id}:${sequence}`, { event, json, shard: session.shard[0] });
    }
  }
  return events;
}

type Entry = { readonly id: string; readonly shard: string; readonly data: Buffer };

async function readStream(reader: Redis, stream: string): Promise<readonly Entry[]> {
  const rows = await reader.xrangeBuffer(stream, '-', '+');
  return rows.map(([, fields]) => {
    const of = (name: string): Buffer => {
      const at = fields.findIndex(
        (field, index) => index % 2 === 0 && field.equals(Buffer.from(name)),
      );
      return (at === -1 ? undefined : fields[at + 1]) ?? Buffer.alloc(0);
    };
    return { id: of('id').toString(), shard: of('shard').toString(), data: of('data') };
  });
}

async function missing(simulator: Simulator, reader: Redis): Promise<number> {
  const sent = sentEvents(simulator);
  if ((await countEntries(reader)) < sent.size) return sent.size;
  const ids = new Set<string>();
  for (const stream of await streamsOf(reader)) {
    for (const { id } of await readStream(reader, stream)) ids.add(id);
  }
  return [...sent.keys()].filter((id) => !ids.has(id)).length;
}

/** Compares the streams with what was sent, entry by entry. */
async function judgeStreams(simulator: Simulator, reader: Redis): Promise<readonly string[]> {
  const sent = sentEvents(simulator);
  const unseen = new Set(sent.keys());
  const problems: string[] = [];
  for (const stream of await streamsOf(reader)) {
    const last = new Map<string, number>();
    for (const { id, shard, data } of await readStream(reader, stream)) {
      const event = sent.get(id);
      const [session = '', number = ''] = id.split(':');
      if (event === undefined) problems.push(`${stream} ${id} was never sent`);
      else if (event.event !== stream) problems.push(`${id} is ${event.event}, and in ${stream}`);
      else if (shard !== String(event.shard)) problems.push(`${id} says shard ${shard}`);
      else if (decode(data) !== event.json) problems.push(`${id} has another content`);
      // First comes first: what is seen again may come whenever it likes.
      const isFirst = unseen.delete(id);
      if (isFirst && Number(number) < (last.get(session) ?? 0)) problems.push(`${id} came late`);
      if (isFirst) last.set(session, Number(number));
    }
  }
  return [...problems, ...[...unseen].map((id) => `${id} is missing`)];
}

/** What Discord saw: no breach, no session lost, and an IDENTIFY for each shard and no more. */
function judgeDiscord({ shards }: EndurancePlan, { discord }: Simulator): readonly string[] {
  const { audit } = discord;
  const identifies = audit.count('identify');
  return [
    ...audit.breaches.map(({ name, detail }) => `breach ${name}: ${detail}`),
    ...audit.of('session-end').map(({ session, why }) => `session ${session} ended: ${why}`),
    ...(identifies === shards ? [] : [`${identifies} IDENTIFYs for ${shards} shards`]),
  ];
}
