// A bot for discord.js' core on Spectacles: events and requests travel through Redis.
//
//   npm install ../spectacles @discordjs/core @discordjs/rest ioredis
//   DISCORD_TOKEN=… SHARD_COUNT=2 node discordjs-core.mjs
import { Client, GatewayDispatchEvents } from '@discordjs/core';
import { REST } from '@discordjs/rest';
import { Redis as IORedis } from 'ioredis';
import { Redis } from 'spectacles';
import { BrokerGateway, throughProxy } from 'spectacles/discordjs';

const redis = new IORedis(process.env.REDIS_URL ?? 'redis://localhost:6379');
const events = new Redis('gateway', redis);
const requests = new Redis('proxy', redis);

const gateway = new BrokerGateway(events, { shardCount: Number(process.env.SHARD_COUNT ?? 1) });
const rest = new REST({ makeRequest: throughProxy(requests) }).setToken(process.env.DISCORD_TOKEN);
const client = new Client({ rest, gateway });

// What a listener throws, such as Discord's refusals, comes here; it would end the process else.
client.on('error', (error) => console.error(error.message));

client.on(GatewayDispatchEvents.MessageCreate, async ({ data, api }) => {
  if (data.content !== 'ping') return;
  await api.channels.createMessage(data.channel_id, { content: 'pong' });
});

await gateway.subscribe([GatewayDispatchEvents.MessageCreate]);
