/**
 * Commands to two gateways of one group, each with a shard of its own, over a real Redis and a real
 * RabbitMQ, from the unmodified clients of others: @spectacles/brokers 0.9.3 and @discordjs/brokers
 * 1.0.0.
 */
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { PubSubRedisBroker } from '@discordjs/brokers';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loadGatewayConfig } from '../../src/config/gateway-config.ts';
import { startGateway } from '../../src/services/gateway.ts';
import { SIMULATED_TOKEN, type Simulator, startSimulator } from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';
import { loadText } from '../support/configuration.ts';
import { type Program, startProgram } from '../support/process.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { startServer } from '../support/servers.ts';
import { amqpUrl } from '../support/shared-servers.ts';
import { simulatedApi } from '../support/simulated-api.ts';

const SHARDS = 3;
const ROUNDS = 10;

const guildOf = (shard: number): string => String((BigInt(shard + SHARDS * 1000) << 22n) | 1n);
const presence = (name: string): object => ({
  since: null,
  activities: [{ name, type: 0 }],
  status: 'online',
  afk: false,
});
const frame = (name: string): object => ({ op: 3, d: presence(name) });

type Place = { readonly kind: 'redis' | 'amqp'; readonly url: string; readonly group: string };

/** Redis has one stream for all groups, so it is a server of the test's own. */
async function placeOf(kind: Place['kind']): Promise<Place> {
  if (kind === 'amqp') return { kind, url: amqpUrl(), group: `gateway-${randomUUID()}` };
  const server = await startServer('redis');
  onTestFinished(() => server.stop());
  return { kind, url: server.url, group: 'gateway' };
}

async function simulate(): Promise<Simulator> {
  const simulator = await startSimulator({
    seed: 6,
    guildCount: 3,
    gateway: { maxConcurrency: SHARDS, recommendedShards: SHARDS },
  });
  onTestFinished(() => simulator.close());
  return simulator;
}

/** A gateway with one shard, which it waits for. */
async function start(simulator: Simulator, place: Place, shard: number, payload = 'json') {
  const { kind, url, group } = place;
  const { config } = await loadText(loadGatewayConfig, undefined, {
    DISCORD_TOKEN: SIMULATED_TOKEN,
    DISCORD_EVENTS: 'MESSAGE_CREATE',
    DISCORD_INTENTS: 'GUILDS,GUILD_MESSAGES',
    DISCORD_SHARD_IDS: String(shard),
    ...simulatedApi(simulator.port),
    BROKER_TYPE: kind,
    BROKER_GROUP: group,
    BROKER_PAYLOAD: payload,
    ...(kind === 'redis' ? { REDIS_URL: url } : { AMQP_URL: url }),
  });
  const log = new RecordingLog();
  const { signal } = new AbortController();
  const gateway = await startGateway(config, { log, signal });
  let isStopped = false;
  const stop = async (): Promise<void> => {
    if (isStopped) return;
    isStopped = true;
    await gateway.stop();
  };
  onTestFinished(stop);
  const ready = () => log.lines.some(({ message }) => message.includes('shard is ready'));
  await until(`shard ${shard} is ready`, ready);
  return { stop, log };
}

/** A program of the old client's, which prints the answers to its calls. */
class Client {
  readonly #program: Program;
  #asked = 0;

  constructor({ kind, url, group }: Place) {
    const path = './fixtures/spectacles-brokers-program.cjs';
    const file = fileURLToPath(new URL(path, import.meta.url));
    this.#program = startProgram(file, [kind, url, group, `NOTHING-${randomUUID()}`]);
  }

  get #lines(): readonly Record<string, unknown>[] {
    return this.#program.stdoutLines.map((line) => JSON.parse(line));
  }

  get answers(): readonly unknown[] {
    return this.#lines.flatMap((line) => ('answer' in line ? [line.answer] : []));
  }

  async ready(): Promise<void> {
    await this.#program.until('said that it is ready', () =>
      this.#lines.some(({ ready }) => ready),
    );
  }

  publish(event: string, data: unknown): void {
    this.#program.write(`${JSON.stringify({ publish: event, data })}\n`);
  }

  async call(event: string, data: unknown): Promise<unknown> {
    const count = ++this.#asked;
    this.#program.write(`${JSON.stringify({ call: event, data })}\n`);
    await this.#program.until('been answered', () => this.answers.length >= count);
    return this.answers[count - 1];
  }
}

/** The presences that Discord was sent, with the shard of the session. */
function heard({ audit, discord }: Simulator): readonly string[] {
  const shards = new Map(
    discord.gateway.sessions().map(({ connection, shard }) => [connection?.id, shard[0]]),
  );
  return audit.of('command').map(({ connection, data }) => {
    const [activity] = (data as { activities: { name: string }[] }).activities;
    return `${shards.get(connection) ?? 'gone'} ${activity?.name}`;
  });
}

describe.each(['redis', 'amqp'] as const)('@spectacles/brokers 0.9.3 over %s', (kind) => {
  it('GP-47 GP-48: reaches the shard of each command, and is told of each what became of it', async () => {
    const place = await placeOf(kind);
    const simulator = await simulate();
    const first = await start(simulator, place, 0);
    const second = await start(simulator, place, 1);
    const client = new Client(place);
    await client.ready();
    const expected: string[] = [];
    // Each is consumed by either gateway, whosever it is.
    for (let round = 0; round < ROUNDS; round++) {
      for (const shard of [0, 1]) {
        const name = `${round}-of-${shard}`;
        const packet = frame(name);
        const answer = await client.call('SEND', { guild_id: guildOf(shard), packet });
        expect(answer).toEqual({ status: 'sent', shard });
        expected.push(`${shard} ${name}`);
      }
      const refused = await client.call('SEND', { guild_id: guildOf(2), packet: frame('nobody') });
      expect(refused).toEqual({
        status: 'refused',
        reason: 'unowned',
        message: 'no gateway of this group has shard 2',
      });
    }
    client.publish('1', frame('by shard'));
    client.publish('SEND', { guild_id: guildOf(1), packet: frame('by guild') });
    expected.push('1 by shard', '1 by guild');
    await until('all have come', () => heard(simulator).length >= expected.length);
    expect([...heard(simulator)].toSorted()).toEqual(expected.toSorted());

    // The shard moves to another process.
    await second.stop();
    await start(simulator, place, 1);
    const packet = frame('moved');
    expect(await client.call('SEND', { guild_id: guildOf(1), packet })).toEqual({
      status: 'sent',
      shard: 1,
    });
    expect(heard(simulator)).toHaveLength(expected.length + 1);
    expect(client.answers).toHaveLength(3 * ROUNDS + 1);
    expect(simulator.audit.breaches).toEqual([]);
    expect(first.log.at('error')).toEqual([]);
    if (kind === 'redis') await expectNonePending(place, ['SEND', '0', '1']);
  });
});

async function expectNonePending({ url, group }: Place, events: readonly string[]): Promise<void> {
  const redis = new Redis(url);
  for (const event of events) {
    await until(`${event} is settled`, async () => {
      const [pending] = (await redis.xpending(event, group)) as [number];
      return Number(pending) === 0;
    });
  }
  redis.disconnect();
}

describe('@discordjs/brokers 1.0.0', () => {
  it('sends commands as its gateways take them', async () => {
    const place = await placeOf('redis');
    const simulator = await simulate();
    await start(simulator, place, 0, 'discordjs');
    await start(simulator, place, 1, 'discordjs');
    const path = createRequire(import.meta.url).resolve('@discordjs/brokers');
    const TheirRedis: typeof Redis = createRequire(path)('ioredis');
    const broker = new PubSubRedisBroker<Record<string, never>>(
      new TheirRedis(place.url) as never,
      { group: 'bot', name: 'test' },
    );
    broker.on('error', () => undefined);
    onTestFinished(() => broker.destroy());
    const expected: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      for (const shardId of [0, 1]) {
        const name = `${round}-of-${shardId}`;
        await broker.publish('gateway_send', { shardId, payload: frame(name) } as never);
        expected.push(`${shardId} ${name}`);
      }
    }
    await until('all have come', () => heard(simulator).length >= expected.length);
    expect([...heard(simulator)].toSorted()).toEqual(expected.toSorted());
    expect(simulator.audit.breaches).toEqual([]);
    await expectNonePending(place, ['gateway_send', '0', '1']);
  });
});
