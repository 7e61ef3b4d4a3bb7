/**
 * The client of the original Spectacles, `@spectacles/proxy` 0.1.3 over `@spectacles/brokers` 0.9.3
 * and the clients of Redis and RabbitMQ that it brings along, unmodified: what it posts goes
 * through our proxy over a real broker to the simulator.
 */
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type BrokerConfig, redisPlace } from '../../src/brokers/create-broker.ts';
import { parseAmqpUrl, parseRedisUrl } from '../../src/config/broker-urls.ts';
import { type Simulator, startSimulator } from '../../src/simulator/index.ts';
import { SIMULATED_TOKEN } from '../../src/simulator/token.ts';
import { openProxy } from '../support/opened-proxy.ts';
import { amqpUrl, redisUrl } from '../support/shared-servers.ts';

type Answer = { readonly status: number; readonly body: unknown };

type OldClient = {
  get(path: string, options?: object): Promise<Answer>;
  post(path: string, body: unknown, options?: object): Promise<Answer>;
  delete(path: string, options?: object): Promise<Answer>;
};

type Kind = 'redis' | 'amqp';

type OldRedis = { disconnect(): void };

const require = createRequire(import.meta.url);
/** The event is fixed in the old client, so the stream is shared by every test that uses it. */
async function createStage(kind: Kind): Promise<{
  simulator: Simulator;
  client: OldClient;
  channel: string;
}> {
  const simulator = await startSimulator({ seed: 1, guildCount: 2 });
  onTestFinished(() => simulator.close());
  const group = kind === 'redis' ? 'proxy' : `proxy-${randomUUID()}`;
  await openProxy(`127.0.0.1:${simulator.port}`, {
    http: { address: undefined },
    broker: brokerConfig(kind, group),
  });
  const guild = simulator.discord.world.guildIds[0] ?? '';
  const channels = simulator.discord.world.guild(guild)?.channels ?? [];
  const channel = channels.find(({ type }) => type === 0)?.id ?? '';
  return { simulator, client: await createClient(kind, group), channel };
}

function brokerConfig(kind: Kind, group: string): BrokerConfig {
  if (kind === 'redis') {
    const parsed = parseRedisUrl(redisUrl());
    if ('problem' in parsed) throw new Error(parsed.problem);
    const place = redisPlace(parsed.value);
    return { type: 'redis', group, place, retentionMs: 60_000, payload: 'json' };
  }
  const parsed = parseAmqpUrl(amqpUrl());
  if ('problem' in parsed) throw new Error(parsed.problem);
  return { type: 'amqp', group, endpoint: parsed.value, messageTimeoutMs: 60_000, payload: 'json' };
}

async function createClient(kind: Kind, group: string): Promise<OldClient> {
  const brokers = require('@spectacles/brokers');
  const { Client } = require('@spectacles/proxy');
  // Of itself it gives a call up after five seconds; nothing here has to be done within that.
  brokers.Broker.DEFAULT_EXPIRATION = 60_000;
  if (kind === 'amqp') {
    const broker = new brokers.Amqp(group);
    const connection = await broker.connect(amqpUrl().replace('amqp://', ''));
    onTestFinished(() => connection.close());
    return new Client(broker, SIMULATED_TOKEN);
  }
  // The ioredis that the old package brings along, not ours.
  const inner = createRequire(require.resolve('@spectacles/brokers'));
  const IoRedis = inner('ioredis');
  const redis = new IoRedis(redisUrl());
  const broker: OldRedis = new brokers.Redis('a-bot', redis);
  onTestFinished(() => broker.disconnect());
  return new Client(broker, SIMULATED_TOKEN);
}

function json(answer: Answer): unknown {
  expect(answer.status).toBe(0);
  const { body } = answer.body as { body: Uint8Array };
  return JSON.parse(Buffer.from(body).toString());
}

describe.each(['redis', 'amqp'] as const)(
  '@spectacles/proxy 0.1.3, unmodified, over %s',
  (kind) => {
    it('posts, reads with a query, and deletes a message', async () => {
      const { simulator, client, channel } = await createStage(kind);
      const posted = json(
        await client.post(`/channels/${channel}/messages`, { content: 'from the old client' }),
      ) as { id: string };
      expect(simulator.discord.rest.audit.posted.map(({ content }) => content)).toEqual([
        'from the old client',
      ]);
      const list = json(
        await client.get(`/channels/${channel}/messages`, { query: { limit: '1' } }),
      );
      expect(list).toMatchObject([{ id: posted.id, content: 'from the old client' }]);
      const deleted = await client.delete(`/channels/${channel}/messages/${posted.id}`);
      expect(deleted).toMatchObject({ status: 0, body: { status: 204 } });
      expect(simulator.discord.rest.audit.breaches).toEqual([]);
    });

    it('sends more at once than the bucket holds, and meets no 429', async () => {
      const { simulator, client, channel } = await createStage(kind);
      const contents = Array.from({ length: 8 }, (_, index) => `number ${index}`);
      const answers = await Promise.all(
        contents.map((content) => client.post(`/channels/${channel}/messages`, { content })),
      );
      const posted = answers.map((answer) => json(answer) as { content: string });
      expect(posted.map(({ content }) => content)).toEqual(contents);
      const { audit } = simulator.discord.rest;
      expect(audit.posted).toHaveLength(8);
      expect(audit.breaches).toEqual([]);
    });

    it('is told what is wrong with a request', async () => {
      const { client } = await createStage(kind);
      const refused = await client.get('/users/../@me');
      expect(refused.status).toBe(3);
      expect(refused.body).toContain('dot segment');
    });
  },
);
