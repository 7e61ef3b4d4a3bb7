/**
 * @discordjs/core, unmodified, as a bot on our services: its gateway and its REST client are the
 * adapters of `spectacles/discordjs`, and `spectacles gateway` and `spectacles proxy` are processes
 * behind a broker.
 */
import { join } from 'node:path';
import { Client, GatewayDispatchEvents } from '@discordjs/core';
import { REST } from '@discordjs/rest';
import { Redis as IORedis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import { Redis } from '../../src/client/redis.ts';
import { BrokerGateway, throughProxy } from '../../src/discordjs/index.ts';
import { SIMULATED_TOKEN, type Simulator, startSimulator } from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';
import { PROJECT_FOLDER, startProgram, startSpectacles } from '../support/process.ts';
import { startServer } from '../support/servers.ts';
import { simulatedApi } from '../support/simulated-api.ts';

const SHARDS = 2;

async function stage(): Promise<{ readonly simulator: Simulator; readonly redisUrl: string }> {
  const redis = await startServer('redis');
  onTestFinished(() => redis.stop());
  const gateway = { recommendedShards: SHARDS, maxConcurrency: SHARDS };
  const simulator = await startSimulator({ seed: 9, guildCount: 4, gateway });
  onTestFinished(() => simulator.close());
  const environment = {
    REDIS_URL: redis.url.replace('redis://', ''),
    ...simulatedApi(simulator.port),
  };
  const proxy = startSpectacles(['proxy'], { environment });
  const shards = startSpectacles(['gateway'], {
    environment: {
      ...environment,
      BROKER_TYPE: 'redis',
      DISCORD_TOKEN: SIMULATED_TOKEN,
      DISCORD_EVENTS: '*',
      DISCORD_INTENTS: 'GUILDS,GUILD_MESSAGES,GUILD_MEMBERS,MESSAGE_CONTENT',
    },
  });
  await proxy.log('the proxy takes requests');
  await shards.log('shard is ready', SHARDS);
  return { simulator, redisUrl: redis.url };
}

/** A bot's process: a broker client for events and commands, one for requests, and core on top. */
async function startBot(redisUrl: string, events: readonly string[]) {
  const connection = new IORedis(redisUrl);
  onTestFinished(() => connection.disconnect());
  const broker = new Redis('gateway', connection);
  const requests = new Redis('proxy', connection);
  onTestFinished(() => broker.disconnect());
  onTestFinished(() => requests.disconnect());
  const gateway = new BrokerGateway(broker, { shardCount: SHARDS });
  const rest = new REST({ makeRequest: throughProxy(requests) }).setToken(SIMULATED_TOKEN);
  const client = new Client({ rest, gateway });
  return { client, start: () => gateway.subscribe(events) };
}

/** Somebody writes in the first guild of a shard. */
async function write({ discord }: Simulator, shard: number, content: string): Promise<string> {
  const { world, gateway } = discord;
  const guild = world.guild(world.guildsOfShard(shard, SHARDS)[0] ?? '');
  const channel = guild?.channels.find(({ type }) => type === 0);
  if (guild === undefined || channel === undefined) throw new Error('the world is too small');
  const isThere = () =>
    gateway.sessions(shard).every((session) => !session.isUnavailable(guild.id));
  await until('Discord has told of the guild', isThere);
  const author = world.guildCreate(guild.id, ALL_INTENTS).members[1]?.user ?? world.bot;
  const posted = world.postMessage(channel.id, author, { content }, discord.clock.epochMs());
  if (posted !== undefined) discord.publish(posted.event);
  return channel.id;
}

describe('@discordjs/core on spectacles/discordjs', () => {
  it('hears events with their shard, and answers through the proxy', async () => {
    const { simulator, redisUrl } = await stage();
    const { client, start } = await startBot(redisUrl, [GatewayDispatchEvents.MessageCreate]);
    const shards: number[] = [];
    client.on(GatewayDispatchEvents.MessageCreate, async ({ data, api, shardId }) => {
      if (data.content !== 'ping') return;
      shards.push(shardId);
      await api.channels.createMessage(data.channel_id, {
        content: 'pong',
        files: [{ name: 'pong.txt', data: Buffer.from('pöng') }],
      });
    });
    await start();
    const channels = await Promise.all([0, 1].map((shard) => write(simulator, shard, 'ping')));
    const { audit } = simulator.discord.rest;
    await until('both are answered', () => audit.posted.length === 2);
    expect(shards.toSorted()).toEqual([0, 1]);
    expect(audit.posted.map(({ content }) => content)).toEqual(['pong', 'pong']);
    expect(audit.posted.map(({ channelId }) => channelId).toSorted()).toEqual(channels.toSorted());
    expect(audit.breaches).toEqual([]);
  });

  it('runs the example as it stands', async () => {
    const { simulator, redisUrl } = await stage();
    startProgram(join(PROJECT_FOLDER, 'examples/discordjs-core.mjs'), [], {
      environment: {
        REDIS_URL: redisUrl,
        DISCORD_TOKEN: SIMULATED_TOKEN,
        SHARD_COUNT: String(SHARDS),
      },
    });
    // What was said before the bot came waits for it.
    await write(simulator, 1, 'ping');
    const { audit } = simulator.discord.rest;
    await until('it has answered', () => audit.posted.length === 1);
    expect(audit.posted[0]?.content).toBe('pong');
  });

  it("tells an error of Discord's as discord.js does, and one of the proxy's as ours", async () => {
    const { simulator, redisUrl } = await stage();
    const { client } = await startBot(redisUrl, []);
    expect((await client.api.users.getCurrent()).id).toBe(simulator.discord.world.bot.id);
    await expect(client.api.channels.get('1')).rejects.toMatchObject({ status: 404, code: 10003 });
    await expect(client.rest.get('/../gateway')).rejects.toMatchObject({ code: 'PROXY_ANSWER' });
  });
});
