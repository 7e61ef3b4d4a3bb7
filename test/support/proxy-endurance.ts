/**
 * Endurance of the proxy: the whole service on real sockets, with both of its doors, in front of
 * the simulated Discord, while many callers ask and the network and Discord are in trouble.
 *
 * There are two rounds of trouble, with calm after each: what the second leaves behind that the
 * first did not is a leak. Then the proxy is told to stop with requests in the air and requests
 * that wait, and a second proxy takes what the first has handed back. What went wrong is returned
 * as `problems`, so that a run tells all of it.
 */
import { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { queryObjects, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Redis } from 'ioredis';
import { Registry } from 'prom-client';
import { createActorSystem } from '../../actors/runtime.ts';
import type { Broker } from '../../protocols/broker.ts';
import type { Random } from '../../protocols/ports.ts';
import { createBroker } from '../../src/brokers/create-broker.ts';
import { loadProxyConfig, type ProxyConfig } from '../../src/config/proxy-config.ts';
import { createRandom } from '../../src/random.ts';
import { openProxyBroker } from '../../src/services/broker.ts';
import { startProxyOn } from '../../src/services/proxy.ts';
import { StopList } from '../../src/services/stop-list.ts';
import { type Simulator, startSimulator } from '../../src/simulator/index.ts';
import { systemClock } from '../../src/system-clock.ts';
import { until } from './broker-bench.ts';
import { redisConfig } from './broker-peers.ts';
import { loadText } from './configuration.ts';
import {
  askOverHttp,
  askOverRpc,
  type HttpCaller,
  hangUpOverHttp,
  Judge,
} from './proxy-callers.ts';
import { BUCKETS, type Question, Questions } from './proxy-questions.ts';
import { calm, makeTrouble } from './proxy-trouble.ts';
import { RawClient } from './raw-client.ts';
import { RecordingLog } from './recording-log.ts';
import { freePort, startServer } from './servers.ts';
import { simulatedApi } from './simulated-api.ts';
import { TOKENS } from './simulated-upstream.ts';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.ts';

export type ProxyEndurancePlan = {
  readonly seed: number;
  /** How long there is trouble, in both rounds together. */
  readonly troubleMs: number;
  readonly httpCallers: number;
  readonly rpcCallers: number;
};

export type ProxyEnduranceResult = {
  /** Empty when all was as promised. */
  readonly problems: readonly string[];
  readonly asked: number;
  readonly fates: Readonly<Record<string, number>>;
  readonly posted: number;
  /** Requests as Discord counted them. */
  readonly sends: number;
  readonly strikes: number;
  /** Of a request that is over. */
  readonly heapGrowthBytes: number;
  readonly stopMs: number;
  readonly warnings: Readonly<Record<string, number>>;
};

/**
 * Of each token, what Discord lets pass and what the proxy is told. Both live in one event loop, in
 * which a request may be read later than ARRIVAL_MAX_MS after it was sent, and more of them then
 * come in one second. That the limit itself is kept to is shown on virtual time.
 */
const GLOBAL_LIMIT = 300;
const TOLD_GLOBAL_LIMIT = 200;
/** Of all waits; what a proxy hands back is taken by another after this. */
const TIMEOUT = '20s';
const HANG_UP_SHARE = 0.06;
const PROBLEMS_MAX = 20;
/** Far less than a request is that somebody has not let go; the simulator's audit takes some. */
const HEAP_GROWTH_MAX_BYTES = 1_500;
/** In which timers of requests that are over run out, and what they hold goes. */
const QUIET_MS = 3_000;
const GONE_MAX_MS = 10_000;
/** How late Discord answers the requests that are there when the proxy is told to stop. */
const LAST_LATENCY = { kind: 'latency', minMs: 200, maxMs: 2_500 } as const;
const LAST_CHANNELS = 4;

type Stage = {
  readonly plan: ProxyEndurancePlan;
  readonly random: Random;
  readonly simulator: Simulator;
  readonly network: TcpProxy;
  readonly config: ProxyConfig;
  readonly questions: Questions;
  readonly judge: Judge;
  readonly callers: readonly HttpCaller[];
  readonly caller: Broker;
  readonly log: RecordingLog;
};

export async function runProxyEndurance(plan: ProxyEndurancePlan): Promise<ProxyEnduranceResult> {
  const handles = openHandles();
  const problems: string[] = [];
  const { stage, close } = await openStage(plan);
  let figures: Figures;
  try {
    figures = await endure(stage);
    problems.push(...judgeStage(stage), ...(await judgeRedis(stage.config)));
    problems.push(...(await leftConnections(stage)));
  } finally {
    await close();
  }
  problems.push(...(await leftHandles(handles)));
  return { ...figures, problems: problems.slice(0, PROBLEMS_MAX) };
}

/** All but the proxy itself. */
async function openStage(plan: ProxyEndurancePlan): Promise<{ stage: Stage; close: Close }> {
  const { seed, httpCallers } = plan;
  const server = await startServer('redis');
  const random = createRandom(seed);
  const global = { kind: 'sliding', limit: GLOBAL_LIMIT, windowMs: 1_000 } as const;
  const simulator = await startSimulator({
    seed,
    tokens: TOKENS,
    rest: { buckets: BUCKETS, global },
  });
  const network = await startTcpProxy(simulator.port);
  const config = await configure(server.url, network.port);
  const log = new RecordingLog();
  const system = createActorSystem({ name: 'callers', clock: systemClock, random, log });
  const calling = redisConfig(server.url, config.broker.group);
  const caller = await createBroker(calling, { system, clock: systemClock, log });
  const questions = new Questions(simulator.discord.world, random);
  simulator.discord.rest.audit.onPosted = ({ content }) => questions.ledger.posted(content);
  const judge = new Judge(questions);
  const callers = Array.from({ length: httpCallers }, (_, index) => ({
    client: new RawClient(config.http.address?.port ?? 0),
    authorization: authorizationOf(index),
  }));
  const close = async (): Promise<void> => {
    for (const { client } of callers) client.hangUp();
    await caller.close();
    await system.stop();
    await simulator.close();
    await network.close();
    await server.stop();
  };
  const surroundings = { plan, random, simulator, network, config, log };
  return { stage: { ...surroundings, questions, judge, callers, caller }, close };
}

type Close = () => Promise<void>;

async function configure(redisUrl: string, discordPort: number): Promise<ProxyConfig> {
  const { config } = await loadText(loadProxyConfig, undefined, {
    BROKER_TYPE: 'redis',
    REDIS_URL: redisUrl,
    HTTP_ADDRESS: `127.0.0.1:${await freePort()}`,
    DISCORD_GLOBAL_LIMIT: String(TOLD_GLOBAL_LIMIT),
    TIMEOUT,
    ...simulatedApi(discordPort),
  });
  return config;
}

const authorizationOf = (index: number): string => `Bot ${TOKENS[index % TOKENS.length]}`;

type Figures = Omit<ProxyEnduranceResult, 'problems'>;

async function endure(stage: Stage): Promise<Figures> {
  const { simulator, judge, log, questions } = stage;
  calm(simulator);
  const first = await startService(stage);
  await warmUp(stage);
  let strikes = await round(stage);
  const before = await measure(stage);
  strikes += await round(stage);
  const after = await measure(stage);
  const heapGrowthBytes = Math.round(
    (after.heapBytes - before.heapBytes) / (after.asked - before.asked),
  );
  judge.problems.push(...judgeMemory(stage, after, heapGrowthBytes));
  const stopMs = await stopAmidRequests(stage, first);
  return {
    asked: judge.asked,
    fates: Object.fromEntries([...judge.fates].sort()),
    posted: questions.ledger.count,
    sends: simulator.discord.rest.audit.requestCount,
    strikes,
    heapGrowthBytes,
    stopMs,
    warnings: countMessages(log),
  };
}

type Service = { readonly registry: Registry; stop(): Promise<void> };

/** The proxy as `spectacles proxy` has it, but for its health server. */
async function startService({ config, log, random }: Stage): Promise<Service> {
  const clock = systemClock;
  const registry = new Registry();
  const { signal } = new AbortController();
  const system = createActorSystem({ name: 'spectacles', clock, random, log });
  const stops = new StopList(clock, log);
  stops.add('its actors', () => system.stop());
  const onFailure = (error: Error): void => log.error({ error }, 'the broker failed');
  const broker = await openProxyBroker(config, { system, clock, log, signal, registry, onFailure });
  stops.add('its broker', async () => broker?.close());
  await startProxyOn(config, { system, broker, clock, log, registry, signal, stops });
  return { registry, stop: stops.stop };
}

/** What is not known yet of a limit cannot be kept: each bucket is asked once, in turn. */
async function warmUp({ callers, questions, judge }: Stage): Promise<void> {
  for (const caller of callers.slice(0, TOKENS.length)) {
    for (const channel of questions.channels) {
      for (const question of questions.ofEachBucket(channel)) {
        judge.judge(question, await askOverHttp(caller, question));
      }
    }
  }
}

/** Trouble with everybody asking, until everybody has an answer; how often there was a strike. */
async function round(stage: Stage): Promise<number> {
  const { plan, callers, caller, judge, questions, random } = stage;
  let isOver = false;
  const overHttp = callers.map(async (one) => {
    while (!isOver) {
      const question = questions.any();
      const ask = random() < HANG_UP_SHARE ? hangUpOverHttp : askOverHttp;
      judge.judge(question, await ask(one, question, random));
    }
  });
  const overRpc = Array.from({ length: plan.rpcCallers }, async (_, index) => {
    while (!isOver) {
      const question = questions.any();
      judge.judge(question, await askOverRpc(caller, authorizationOf(index), question));
    }
  });
  const strikes = await makeTrouble(stage, plan.troubleMs / 2);
  isOver = true;
  await Promise.all([...overHttp, ...overRpc]);
  return strikes;
}

type Measure = {
  readonly asked: number;
  readonly heapBytes: number;
  /** Answers of all HTTP servers that are still in memory. */
  readonly responses: number;
};

async function measure({ judge }: Stage): Promise<Measure> {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  await sleep(QUIET_MS);
  collect();
  const responses = queryObjects(ServerResponse, { format: 'count' });
  return { asked: judge.asked, heapBytes: process.memoryUsage().heapUsed, responses };
}

function judgeMemory({ plan }: Stage, { responses }: Measure, growthBytes: number): string[] {
  return [
    ...(responses > plan.httpCallers ? [`${responses} answers are kept that are over`] : []),
    ...(growthBytes > HEAP_GROWTH_MAX_BYTES ? [`${growthBytes} bytes stay of each request`] : []),
  ];
}

/** Tells the proxy to stop while it has requests; how long that took. */
async function stopAmidRequests(stage: Stage, first: Service): Promise<number> {
  const { simulator, questions, callers, caller, judge, plan } = stage;
  simulator.discord.rest.inject({ effect: LAST_LATENCY });
  const channels = questions.channels.slice(0, LAST_CHANNELS);
  const last = (index: number): Question => {
    const channel = channels[index % channels.length] ?? '';
    return index % 3 === 0 ? questions.list(channel) : questions.post(channel);
  };
  const taken = await requestsTaken(first.registry);
  const asks = [
    ...callers.map(async (one, index) => {
      const question = last(index);
      judge.judge(question, await askOverHttp(one, question));
    }),
    ...Array.from({ length: plan.rpcCallers }, async (_, index) => {
      const question = last(index);
      judge.judge(question, await askOverRpc(caller, authorizationOf(index), question));
    }),
  ];
  const areTaken = async (): Promise<boolean> =>
    (await requestsTaken(first.registry)) === taken + asks.length;
  await until('the last requests are there', areTaken);
  judge.isStopping = true;
  const startMs = performance.now();
  await first.stop();
  const stopMs = Math.round(performance.now() - startMs);
  calm(simulator);
  const second = await startService(stage);
  await Promise.all(asks);
  await second.stop();
  return stopMs;
}

async function requestsTaken(registry: Registry): Promise<number> {
  const metric = await registry.getSingleMetric('proxy_requests_total')?.get();
  return metric?.values.reduce((sum, { value }) => sum + value, 0) ?? 0;
}

/** What Discord and the log saw. */
function judgeStage({ simulator, judge, callers, questions, log }: Stage): string[] {
  const { audit } = simulator.discord.rest;
  const surplus = callers.map(({ client }) => client.surplus).filter((text) => text !== '');
  return [
    ...judge.problems,
    ...audit.breaches.map(({ name, route, bucket }) => `breach ${name}: ${route} ${bucket ?? ''}`),
    ...questions.ledger.repeated.map((number) => `message ${number} was posted again`),
    ...surplus.map((text) => `an answer too many: ${text.slice(0, 200)}`),
    ...log.at('error').map((line) => `in the log: ${inspect(line)}`),
  ];
}

/** Every request that came over Redis is acknowledged. */
async function judgeRedis({ broker, redis: { endpoint } }: ProxyConfig): Promise<string[]> {
  const redis = new Redis(endpoint.port, endpoint.host);
  try {
    const pending = await redis.xpending(broker.event, broker.group);
    return Number(pending[0]) === 0 ? [] : [`${pending[0]} requests are still pending in Redis`];
  } finally {
    redis.disconnect();
  }
}

function countMessages(log: RecordingLog): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { message } of log.at('warn')) counts[message] = (counts[message] ?? 0) + 1;
  return counts;
}

/** What keeps a process alive, counted by its kind. */
function openHandles(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

async function leftHandles(before: ReadonlyMap<string, number>): Promise<readonly string[]> {
  return gone(() =>
    [...openHandles()]
      .filter(([kind, count]) => count > (before.get(kind) ?? 0))
      .map(([kind, count]) => `${count} ${kind} are left of ${before.get(kind) ?? 0}`),
  );
}

/** The proxies have stopped, and with them their connections to Discord have to go. */
async function leftConnections({ network }: Stage): Promise<readonly string[]> {
  return gone(() =>
    network.connections === 0 ? [] : [`${network.connections} connections to Discord are left`],
  );
}

/** What is left after all the time that it may take to go. */
async function gone(left: () => readonly string[]): Promise<readonly string[]> {
  await until('nothing is left', () => left().length === 0, GONE_MAX_MS).catch(() => undefined);
  return left();
}
