/** A wrong password: what ioredis attaches to its errors is shown to no log, and with no error. */
import { inspect } from 'node:util';
import { Redis as IORedis } from 'ioredis';
import { expect, it, onTestFinished } from 'vitest';
import { Redis } from '../../src/client/redis.ts';
import { until } from '../support/broker-bench.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { startServer } from '../support/servers.ts';

it('is part of no error that the library throws, and of no line of its log', async () => {
  const server = await startServer('redis');
  onTestFinished(() => server.stop());
  const admin = new IORedis(server.url);
  await admin.config('SET', 'requirepass', 'right');
  admin.disconnect();
  const log = new RecordingLog();
  const client = new IORedis(`${server.url.replace('redis://', 'redis://:not-the-right-one@')}`);
  onTestFinished(() => client.disconnect());
  const broker = new Redis('group', client, { log });
  const failure: unknown = await broker.connect().catch((error: unknown) => error);
  expect(failure).toMatchObject({ code: 'FATAL' });
  expect(inspect(failure, { depth: null })).not.toContain('not-the-right-one');
  await until('the client has said so', () => log.at('debug').length > 0);
  expect(inspect(log.lines, { depth: null })).not.toContain('not-the-right-one');
});
