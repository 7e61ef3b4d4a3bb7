/**
 * What a gateway says of itself over HTTP, held against what the simulated Discord saw of it:
 * metrics that measure what their names say, and a readiness that is true of every shard.
 */
import { expect, it, onTestFinished } from 'vitest';
import {
  type Fault,
  SIMULATED_TOKEN,
  type Simulator,
  startSimulator,
} from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';
import { type Program, startSpectacles } from '../support/process.ts';
import { freePort } from '../support/servers.ts';
import { simulatedApi } from '../support/simulated-api.ts';

/** The shards of this process, which are neither the first ones nor neighbours, of all. */
const SHARDS = [5, 7];
const SHARD_COUNT = 8;
/** READY comes this late: long after a look at the metrics, and long before it is given up. */
const LATE_MS = 5_000;
/** Everything that Discord sends comes this late, acknowledgements too. */
const SLOW_MS = 150;
const EVENTS = 100;

type Sample = { readonly labels: Readonly<Record<string, string>>; readonly value: number };

class Gateway {
  readonly simulator: Simulator;
  readonly program: Program;
  readonly #port: number;

  constructor(simulator: Simulator, program: Program, port: number) {
    this.simulator = simulator;
    this.program = program;
    this.#port = port;
  }

  async get(path: string): Promise<{ readonly status: number; readonly text: string }> {
    const response = await fetch(`http://127.0.0.1:${this.#port}${path}`);
    return { status: response.status, text: await response.text() };
  }

  async samples(name: string): Promise<readonly Sample[]> {
    const { text } = await this.get('/metrics');
    const line = new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm');
    return [...text.matchAll(line)].map(([, labels = '', value]) => ({
      labels: Object.fromEntries(
        [...labels.matchAll(/(\w+)="([^"]*)"/g)].map((match) => [match[1], match[2]]),
      ),
      value: Number(value),
    }));
  }

  /** How many of it, by `shard NAME`. */
  async counts(name: string, of: (sample: Sample) => string): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const sample of await this.samples(name)) {
      const key = `${sample.labels.shard ?? sample.labels.id} ${of(sample)}`;
      counts[key] = (counts[key] ?? 0) + sample.value;
    }
    return counts;
  }
}

async function startGateway(trouble: Fault): Promise<Gateway> {
  const gateway = { recommendedShards: SHARD_COUNT, maxConcurrency: SHARD_COUNT };
  const options = { seed: 4, guildCount: 16, gateway: { ...gateway, heartbeatIntervalMs: 3_000 } };
  const simulator = await startSimulator(options);
  onTestFinished(() => simulator.close());
  simulator.discord.scenario.strike(trouble);
  const port = await freePort();
  const program = startSpectacles(['gateway'], {
    environment: {
      DISCORD_TOKEN: SIMULATED_TOKEN,
      DISCORD_EVENTS: 'MESSAGE_CREATE',
      DISCORD_RAW_INTENTS: '53608447',
      DISCORD_SHARD_COUNT: String(SHARD_COUNT),
      DISCORD_SHARD_IDS: SHARDS.join(),
      ...simulatedApi(simulator.port),
      PROMETHEUS_ADDRESS: `127.0.0.1:${port}`,
    },
  });
  await program.log('connecting to Discord');
  return new Gateway(simulator, program, port);
}

/** The value of each shard, by its id. */
async function byShard(gateway: Gateway, name: string): Promise<Record<string, number>> {
  const samples = await gateway.samples(name);
  return Object.fromEntries(samples.map(({ labels, value }) => [labels.id, value]));
}

/** What the simulated Discord has sent to each shard as events, and got from it as frames. */
function seen({ discord }: Simulator) {
  const shardOf = new Map<number, number>();
  const received: Record<string, number> = {};
  const sent: Record<string, number> = {};
  const add = (counts: Record<string, number>, key: string) => {
    counts[key] = (counts[key] ?? 0) + 1;
  };
  for (const { connection, shard } of discord.audit.of('identify')) {
    shardOf.set(connection, shard[0]);
  }
  for (const shard of SHARDS) {
    for (const session of discord.gateway.sessions(shard)) {
      for (const { event } of session.missed(0) ?? []) add(received, `${shard} 0 ${event}`);
    }
  }
  for (const { connection, op } of discord.audit.of('frame')) {
    add(sent, `${shardOf.get(connection)} ${op}`);
  }
  return { received, sent };
}

it('GP-25: becomes ready with shards of which none is the first', async () => {
  const gateway = await startGateway({ fault: 'kill-main-host', mode: 'refuse' });
  expect((await gateway.get('/readyz')).status).toBe(503);
  gateway.simulator.discord.scenario.strike({ fault: 'revive-main-host' });
  await gateway.program.log('shard is ready', SHARDS.length);
  expect((await gateway.get('/readyz')).status).toBe(200);
  const identified = gateway.simulator.discord.audit.of('identify').map(({ shard }) => shard);
  expect(identified.toSorted()).toEqual(SHARDS.map((shard) => [shard, SHARD_COUNT]));
  expect(gateway.simulator.discord.audit.breaches).toEqual([]);
});

it('GP-92: measures what its metrics are named after', async () => {
  const gateway = await startGateway({ fault: 'late-ready', delayMs: LATE_MS });
  const { discord } = gateway.simulator;
  await until('both have identified', () => discord.audit.count('identify') === SHARDS.length);
  // A session that has been asked for is not one that is there.
  expect(await byShard(gateway, 'gateway_shards_alive')).toEqual({ 5: 0, 7: 0 });
  expect(await gateway.samples('gateway_total_shards')).toEqual([
    { labels: {}, value: SHARD_COUNT },
  ]);
  await gateway.program.log('shard is ready', SHARDS.length);
  expect(await byShard(gateway, 'gateway_shards_alive')).toEqual({ 5: 1, 7: 1 });
  discord.scenario.strike({ fault: 'slow', delayMs: SLOW_MS, durationMs: 60_000 });
  for (let event = 0; event < EVENTS; event++) discord.emit('MESSAGE_CREATE');
  for (let event = 0; event < EVENTS; event++) discord.emit('TYPING_START');

  const is = async (kind: 'received' | 'sent') =>
    gateway.counts(`gateway_packets_${kind}`, ({ labels: { op, t } }) =>
      kind === 'received' ? `${op} ${t}` : `${op}`,
    );
  const events = (counts: Record<string, number>) =>
    Object.fromEntries(Object.entries(counts).filter(([key]) => /^\d+ 0 /.test(key)));
  // Heartbeats go on while we look, so both sides are looked at until they agree.
  await until('the counts agree', async () => {
    const [got, gave] = [await is('received'), await is('sent')];
    const truth = seen(gateway.simulator);
    return same(events(got), truth.received) && same(gave, truth.sent);
  });
  await until('an acknowledgement was late', async () => {
    const samples = await gateway.samples('gateway_ping');
    const pings = samples.flatMap(({ labels, value }) => (labels.quantile === '0.99' ? value : []));
    return pings.length === 2 && pings.every((ms) => ms >= SLOW_MS && ms < 30_000);
  });

  discord.scenario.strike({ fault: 'kill-resume-host', mode: 'refuse' });
  discord.scenario.strike({ fault: 'kill-main-host', mode: 'refuse' });
  discord.scenario.strike({ fault: 'drop', shard: 7 });
  await gateway.program.log('shard lost its connection');
  expect(await byShard(gateway, 'gateway_shards_alive')).toEqual({ 5: 1, 7: 0 });
  expect(await gateway.get('/readyz')).toEqual({
    status: 503,
    text: '1 of 2 shards are not ready: 7\n',
  });
});

const same = (one: Record<string, number>, other: Record<string, number>): boolean =>
  JSON.stringify(Object.entries(one).toSorted()) ===
  JSON.stringify(Object.entries(other).toSorted());
