/**
 * Starts the run's Redis and RabbitMQ before the first test and stops them after the last.
 *
 * A run whose file names all lie in the unit or property tests needs neither and gets neither.
 */
import type { TestProject } from 'vitest/node';
import { startSharedServer, type TestServer } from './servers.ts';

const WITHOUT_SERVERS = /^(\.\/)?test\/(unit|property|support)(\/|$)/;

let servers: readonly TestServer[] = [];

export async function setup(project: TestProject): Promise<void> {
  const filters = process.argv.slice(2).filter((word) => /(^|\/)test\//.test(word));
  if (filters.length > 0 && filters.every((filter) => WITHOUT_SERVERS.test(filter))) {
    project.provide('redisUrl', '');
    project.provide('amqpUrl', '');
    return;
  }
  const started = await Promise.allSettled([
    startSharedServer('redis'),
    startSharedServer('rabbitmq'),
  ]);
  servers = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failure = started.find((result) => result.status === 'rejected');
  if (failure) {
    await teardown();
    throw failure.reason;
  }
  const [redis, rabbit] = servers;
  project.provide('redisUrl', redis?.url ?? '');
  project.provide('amqpUrl', rabbit?.url ?? '');
}

export async function teardown(): Promise<void> {
  await Promise.all(servers.map((server) => server.stop()));
  servers = [];
}
