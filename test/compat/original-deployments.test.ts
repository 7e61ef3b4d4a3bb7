/**
 * Deployments of the original as they stand: the keys, variables, names and calls of its README of
 * every year, of its example bot, and of clients from before there was MessagePack. Services are
 * processes, the servers are real; nothing is added but where the simulated Discord is.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { decode, decodeMulti, encode } from '@msgpack/msgpack';
import { type Channel, connect } from 'amqplib';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ALL_INTENTS, INTENTS } from '../../protocols/discord/intents.ts';
import { SIMULATED_TOKEN, type Simulator, startSimulator } from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';
import { inFolder } from '../support/configuration.ts';
import { PROJECT_FOLDER, type Program, startProgram, startSpectacles } from '../support/process.ts';
import { freePort, startServer } from '../support/servers.ts';
import { amqpUrl } from '../support/shared-servers.ts';

const run = promisify(execFile);
const MIGRATION = new URL('../../docs/migration.md', import.meta.url);

async function simulate(shards = 1): Promise<Simulator> {
  const gateway = { maxConcurrency: shards, recommendedShards: shards };
  const simulator = await startSimulator({ seed: 8, guildCount: 3, gateway });
  onTestFinished(() => simulator.close());
  return simulator;
}

/** Where the simulated Discord is, in the original's variables. */
function discord({ port }: Simulator): Record<string, string> {
  return { DISCORD_API_PROTOCOL: 'http', DISCORD_API_HOST: `127.0.0.1:${port}` };
}

async function startRedis(): Promise<string> {
  const server = await startServer('redis');
  onTestFinished(() => server.stop());
  return server.url;
}

function textChannel({ discord }: Simulator): string {
  const guild = discord.world.guild(discord.world.guildIds[0] ?? '');
  const channel = guild?.channels.find(({ type }) => type === 0);
  if (channel === undefined) throw new Error('the world has no text channel');
  return channel.id;
}

/** Somebody writes into the channel. */
function write(simulator: Simulator, channel: string, content: string): void {
  const { world, clock } = simulator.discord;
  const guildId = world.guildIds[0] ?? '';
  const author = world.guildCreate(guildId, ALL_INTENTS).members[1]?.user ?? world.bot;
  const posted = world.postMessage(channel, author, { content }, clock.epochMs());
  if (posted !== undefined) simulator.discord.publish(posted.event);
}

function gatewayFile(simulator: Simulator, redisUrl: string, metricsPort: number): string {
  return `token = "${SIMULATED_TOKEN}" # Discord token
events = ["MESSAGE_CREATE", "GUILD_CREATE"]
intents = ["GUILD", "GUILD_MESSAGES"]

[shards]
count = 2
ids = [0, 1]

[broker]
type = "redis" # can also use "amqp"
group = "gateway"
message_timeout = "2m"

[api]
version = 10
scheme = "http"
host = "127.0.0.1:${simulator.port}"

[prometheus]
address = ":${metricsPort}"
endpoint = "/stats"

[shard_store]
type = "redis"
prefix = "gateway"

[presence]
status = "online"

[presence.game]
name = "test"
type = 0

[redis]
urls = ["${redisUrl.replace('redis://', '')}"]
pool_size = 5

[amqp]
url = "amqp://localhost"
`;
}

describe('the gateway', () => {
  it('starts from a gateway.toml with every key of the original', async () => {
    const simulator = await simulate(2);
    const redisUrl = await startRedis();
    const metricsPort = await freePort();
    const gateway = startSpectacles(['gateway', '-config', 'gateway.toml', '-loglevel', 'info'], {
      files: { 'gateway.toml': gatewayFile(simulator, redisUrl, metricsPort) },
    });
    await gateway.log('shard is ready', 2);
    const intents = INTENTS.GUILDS | INTENTS.GUILD_MESSAGES;
    expect(simulator.audit.of('identify')).toMatchObject([
      { shard: [expect.any(Number), 2], intents, accepted: true },
      { shard: [expect.any(Number), 2], intents, accepted: true },
    ]);

    const redis = new Redis(redisUrl);
    onTestFinished(() => redis.disconnect());
    await until('the guilds are there', async () => (await redis.xlen('GUILD_CREATE')) === 3);
    const [entry] = await redis.xrangeBuffer('GUILD_CREATE', '-', '+');
    const [name, data] = entry?.[1] ?? [];
    expect(String(name)).toBe('data');
    const guild = decode(data ?? Buffer.alloc(0));
    expect(simulator.discord.world.guildIds).toContain(JSON.parse(String(guild)).id);

    const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/stats`)).text();
    for (const line of [
      /^gateway_packets_received\{t="GUILD_CREATE",op="0",shard="[01]"\} \d/m,
      /^gateway_packets_sent\{t="",op="2",shard="1"\} 1$/m,
      /^gateway_shards_alive\{id="0"\} 1$/m,
      /^gateway_total_shards 2$/m,
      /^# TYPE gateway_ping summary$/m,
    ]) {
      expect(metrics).toMatch(line);
    }
    expect(await gateway.end('SIGTERM')).toEqual({ status: 0, signal: null });
    expect(simulator.audit.breaches).toEqual([]);
  });
});

describe('the gateway on standard output', () => {
  it('writes and reads as the Go gateway did, with payload go', async () => {
    const simulator = await simulate();
    const gateway = startSpectacles(['gateway'], {
      environment: {
        DISCORD_TOKEN: SIMULATED_TOKEN,
        DISCORD_EVENTS: 'GUILD_CREATE',
        DISCORD_INTENTS: 'GUILD,GUILD_MESSAGES',
        BROKER_PAYLOAD: 'go',
        ...discord(simulator),
      },
    });
    await gateway.log('shard is ready');
    const frames = () => [...decodeMulti(gateway.stdoutBytes)] as { event: string; data: string }[];
    await until('the guilds are there', () => frames().length === 3);
    const guilds = frames().map(({ event, data }) => [event, JSON.parse(data).id]);
    const { guildIds } = simulator.discord.world;
    expect(guilds.toSorted()).toEqual(guildIds.map((id) => ['GUILD_CREATE', id]).toSorted());

    const d = { since: null, activities: [], status: 'dnd', afk: false };
    const command = JSON.stringify({ guild_id: guildIds[0], packet: { op: 3, d } });
    gateway.write(encode({ event: 'SEND', data: command }));
    await until('the command is there', () => simulator.audit.count('command') === 1);
    expect(simulator.audit.of('command')).toMatchObject([{ op: 3, data: d }]);
    expect((await gateway.end('SIGTERM')).status).toBe(0);
  });
});

describe('the example bot', () => {
  it('plays ping-pong with the variables of its compose file', async () => {
    const simulator = await simulate();
    const REDIS_URL = (await startRedis()).replace('redis://', '');
    const token = { DISCORD_TOKEN: SIMULATED_TOKEN };
    const proxy = startSpectacles(['proxy'], { environment: { REDIS_URL, ...discord(simulator) } });
    const bot = startProgram(
      fileURLToPath(new URL('./fixtures/example-bot.mjs', import.meta.url)),
      [],
      { environment: { REDIS_URL, ...token } },
    );
    const gateway = startSpectacles(['gateway'], {
      environment: {
        DISCORD_EVENTS: 'MESSAGE_CREATE',
        DISCORD_INTENTS: 'GUILD_MESSAGES,MESSAGE_CONTENT',
        REDIS_URL,
        BROKER_TYPE: 'redis',
        ...token,
        ...discord(simulator),
      },
    });
    await proxy.log('the proxy takes requests');
    await gateway.log('shard is ready');
    write(simulator, textChannel(simulator), 'ping');
    await bot.until('seen the pong', () => bot.stdout.includes('pong'));
    await bot.until('been answered', () => bot.stdout.includes('status 0'));
    expect(bot.stdoutLines.toSorted()).toEqual(['ping', 'pong', 'status 0']);
    for (const service of [gateway, proxy]) expect((await service.end('SIGTERM')).status).toBe(0);
    expect(simulator.audit.breaches).toEqual([]);
  });
});

/** A client of RabbitMQ as the original's libraries were, with what it was answered. */
class Caller {
  readonly answers = new Map<string, Buffer>();
  readonly channel: Channel;
  readonly #group: string;
  #callback = '';

  private constructor(channel: Channel, group: string) {
    this.channel = channel;
    this.#group = group;
  }

  static async start(group: string): Promise<Caller> {
    const connection = await connect(amqpUrl());
    onTestFinished(() => connection.close());
    const caller = new Caller(await connection.createChannel(), group);
    await caller.channel.assertExchange(group, 'direct');
    const { queue } = await caller.channel.assertQueue('', { exclusive: true });
    caller.#callback = queue;
    const keep = ({ correlationId }: { correlationId: unknown }, content: Buffer) =>
      caller.answers.set(String(correlationId), content);
    await caller.channel.consume(
      queue,
      (message) => message && keep(message.properties, message.content),
      { noAck: true },
    );
    return caller;
  }

  async call(event: string, body: Uint8Array): Promise<Buffer> {
    const correlationId = randomUUID();
    const properties = { replyTo: this.#callback, correlationId };
    this.channel.publish(this.#group, event, Buffer.from(body), properties);
    await until('it is answered', () => this.answers.has(correlationId));
    return this.answers.get(correlationId) ?? Buffer.alloc(0);
  }

  async callInJson(event: string, question: unknown): Promise<unknown> {
    return JSON.parse((await this.call(event, Buffer.from(JSON.stringify(question)))).toString());
  }
}

describe('a proxy of the first releases', () => {
  it('starts from the file of docs/migration.md, and answers each in the encoding that it came in', async () => {
    const simulator = await simulate();
    const group = `rest-${randomUUID()}`;
    const [, file = ''] = /```toml\n([^`]*)```/.exec(await readFile(MIGRATION, 'utf8')) ?? [];
    const proxy = startSpectacles(['proxy'], {
      files: {
        'proxy.toml': file
          .replace('localhost:5672', new URL(amqpUrl()).host)
          .replace('rest', group),
      },
      environment: { RUST_LOG: 'debug', ...discord(simulator) },
    });
    await proxy.log('the proxy takes requests');
    const caller = await Caller.start(group);
    await caller.channel.checkQueue(`${group}:foo:REQUEST`);
    const channel = textChannel(simulator);
    const headers = {
      Authorization: `Bot ${SIMULATED_TOKEN}`,
      'Content-Type': 'application/json',
    };
    const request = { method: 'POST', path: `/channels/${channel}/messages`, headers };

    const inJson = { ...request, body: { content: 'in JSON' } };
    expect(await caller.callInJson('REQUEST', inJson)).toMatchObject({
      status: 0,
      body: { status: 200, body: { content: 'in JSON' } },
    });
    expect(await caller.callInJson('REQUEST', { ...request, path: '' })).toEqual({
      status: 3,
      body: expect.any(String),
    });
    const packed = { ...request, body: Buffer.from('{"content":"packed"}') };
    expect(decode(await caller.call('REQUEST', encode(packed)))).toMatchObject({
      status: 0,
      body: { status: 200, body: expect.any(Uint8Array) },
    });
    const { posted } = simulator.discord.rest.audit;
    expect(posted.map(({ content }) => content)).toEqual(['in JSON', 'packed']);
    expect((await proxy.end('SIGTERM')).status).toBe(0);
  });
});

describe('a client from before there was MessagePack', () => {
  async function startShard(simulator: Simulator, shard: string, group: string): Promise<Program> {
    const gateway = startSpectacles(['gateway'], {
      environment: {
        DISCORD_TOKEN: SIMULATED_TOKEN,
        DISCORD_EVENTS: 'MESSAGE_CREATE',
        DISCORD_INTENTS: 'GUILDS,GUILD_MESSAGES',
        DISCORD_SHARD_IDS: shard,
        DISCORD_SHARD_COUNT: '2',
        BROKER_TYPE: 'amqp',
        BROKER_GROUP: group,
        BROKER_PAYLOAD: 'raw',
        AMQP_URL: amqpUrl(),
        ...discord(simulator),
      },
    });
    await gateway.log('shard is ready');
    return gateway;
  }

  it('gets events and the answers to its commands in JSON, whichever gateway has the shard', async () => {
    const simulator = await simulate(2);
    const group = `gateway-${randomUUID()}`;
    const caller = await Caller.start(group);
    const received: unknown[] = [];
    const { queue } = await caller.channel.assertQueue(`${group}:MESSAGE_CREATE`);
    await caller.channel.bindQueue(queue, group, 'MESSAGE_CREATE');
    await caller.channel.consume(queue, (message) => {
      if (message === null) return;
      received.push(JSON.parse(message.content.toString()));
      caller.channel.ack(message);
    });
    const gateways = [
      await startShard(simulator, '0', group),
      await startShard(simulator, '1', group),
    ];
    // The two gateways take turns: half of the commands come to the one that does not have the
    // shard.
    const packet = { op: 3, d: { since: null, activities: [], status: 'dnd', afk: false } };
    for (let round = 0; round < 8; round++) {
      const shard = (round >> 1) % 2;
      const guild_id = String(BigInt(shard + 2 * 1000) << 22n);
      const answer = await caller.callInJson('SEND', { guild_id, packet });
      expect(answer).toEqual({ status: 'sent', shard });
    }
    expect(await caller.callInJson('SEND', { packet })).toMatchObject({
      status: 'refused',
      reason: 'invalid',
    });
    write(simulator, textChannel(simulator), 'hello');
    await until('the message is there', () => received.length > 0);
    expect(received).toMatchObject([{ channel_id: textChannel(simulator) }]);
    for (const gateway of gateways) expect((await gateway.end('SIGTERM')).status).toBe(0);
    expect(simulator.audit.breaches).toEqual([]);
  });
});

describe('the images', () => {
  it('have the programs of the original where they were, which take its flags', async () => {
    const dockerfile = await readFile(new URL('../../Dockerfile', import.meta.url), 'utf8');
    for (const service of ['gateway', 'proxy']) {
      expect(dockerfile).toContain(`FROM base AS ${service}\nENTRYPOINT ["/${service}"]\n`);
    }
    // Both look for their file where it was mounted: in /.
    expect(dockerfile).toMatch(/^WORKDIR \/$/m);
    const [, script = ''] = /^RUN (for service in .*?done)$/ms.exec(dockerfile) ?? [];
    await inFolder({ 'other.toml': 'tokn = "t"' }, async (folder) => {
      const here = script.replaceAll('/$service', `${folder}/$service`);
      await run('sh', ['-c', here.replaceAll('/app/', PROJECT_FOLDER)]);
      const flags = ['-config', `${folder}/other.toml`, '-loglevel', 'info'];
      await expect(run(`${folder}/gateway`, flags)).rejects.toMatchObject({
        code: 2,
        stderr: expect.stringContaining('did you mean token?'),
      });
      const { stdout } = await run(`${folder}/proxy`, ['--help']);
      expect(stdout).toContain('spectacles proxy');
    });
  });
});
