// The same bot as a program of its own: events come from the gateway through RabbitMQ, requests go
// to the proxy through Redis. docker-compose.yml runs it beside them.
import { Redis as IORedis } from 'ioredis';
import { Amqp, Redis, Rest } from 'spectacles';

const token = process.env.DISCORD_TOKEN;
const events = new Amqp('gateway');
// The services take `host:port` as well as a URL.
const redisUrl = process.env.REDIS_URL ?? 'localhost:6379';
const redis = new IORedis(redisUrl.includes('://') ? redisUrl : `redis://${redisUrl}`);
const requests = new Redis('proxy', redis);
const rest = new Rest(requests, token);

let isStopping = false;
for (const broker of [events, requests]) {
  broker.on('error', (error) => console.error(error.message));
  broker.on('close', () => {
    if (!isStopping) console.error('a broker is away; it is tried again');
  });
}

events.on('MESSAGE_CREATE', async (message, { ack }) => {
  if (message.content === 'ping') {
    await rest.post(`/channels/${message.channel_id}/messages`, { content: 'pong' });
  }
  await ack();
});

await events.connect(process.env.AMQP_URL ?? 'amqp://localhost');
await events.subscribe('MESSAGE_CREATE');

process.once('SIGTERM', async () => {
  isStopping = true;
  await events.disconnect();
  await requests.disconnect();
});
