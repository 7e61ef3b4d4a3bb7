// The same bot as a program of its own: Redis carries the events of the gateway and the requests
// to the proxy.
//
//   DISCORD_TOKEN=… node examples/redis-handler.mjs
import { Redis as IORedis } from 'ioredis';
import { Redis, Rest } from 'spectacles';

const url = process.env.REDIS_URL ?? 'localhost:6379';
// The services take `host:port` as well as a URL.
const redis = new IORedis(url.includes('://') ? url : `redis://${url}`);
const events = new Redis('gateway', redis);
const rest = new Rest(new Redis('proxy', redis), process.env.DISCORD_TOKEN);

events.on('MESSAGE_CREATE', async (message, { ack }) => {
  if (message.content === 'ping') {
    await rest.post(`/channels/${message.channel_id}/messages`, { content: 'pong' });
  }
  await ack();
});

await events.subscribe('MESSAGE_CREATE');
