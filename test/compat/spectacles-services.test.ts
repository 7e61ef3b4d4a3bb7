/**
 * @spectacles/brokers 0.9.3, unmodified, calling our services: `spectacles proxy` as a process,
 * over Redis and over RabbitMQ, with requests as its users write them.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { SIMULATED_TOKEN, startSimulator } from '../../src/simulator/index.ts';
import { until } from '../support/broker-bench.ts';
import { startSpectacles } from '../support/process.ts';
import { amqpUrl, redisUrl } from '../support/shared-servers.ts';
import { simulatedApi } from '../support/simulated-api.ts';

const CALLER = fileURLToPath(new URL('./fixtures/spectacles-brokers-program.cjs', import.meta.url));

type Answer = {
  readonly status: number;
  readonly body: { readonly status: number; readonly body: { readonly data: number[] } };
};

const running: ChildProcessWithoutNullStreams[] = [];

afterEach(() => {
  for (const child of running.splice(0)) child.kill('SIGKILL');
});

/** The old package in a process of its own, ready to call. */
async function startCaller(kind: string, url: string, group: string) {
  const child = spawn(process.execPath, [CALLER, kind, url, group, `UNUSED_${randomUUID()}`]);
  running.push(child);
  const lines: Record<string, unknown>[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)));
  await until('the caller is ready', () => lines.some((line) => line.ready === true));
  return async (call: string, data: unknown): Promise<unknown> => {
    const before = lines.length;
    child.stdin.write(`${JSON.stringify({ call, data })}\n`);
    await until('the answer is there', () => lines.length > before);
    return lines.at(-1)?.answer;
  };
}

const SERVERS = [
  { kind: 'redis', url: redisUrl, variable: 'REDIS_URL' },
  { kind: 'amqp', url: amqpUrl, variable: 'AMQP_URL' },
] as const;

describe('@spectacles/brokers 0.9.3 and spectacles proxy', () => {
  it.each(SERVERS)('calls it over $kind', async ({ kind, url, variable }) => {
    const simulator = await startSimulator({ seed: 3, guildCount: 1 });
    onTestFinished(() => simulator.close());
    const group = `proxy-${randomUUID()}`;
    const event = `REQUEST_${randomUUID()}`;
    const proxy = startSpectacles(['proxy'], {
      environment: {
        BROKER_TYPE: kind,
        BROKER_GROUP: group,
        BROKER_EVENT: event,
        [variable]: url(),
        ...simulatedApi(simulator.port),
      },
    });
    await proxy.log('the proxy takes requests');
    const call = await startCaller(kind, url(), group);
    const headers = { Authorization: `Bot ${SIMULATED_TOKEN}` };
    const answer = (await call(event, { method: 'GET', path: '/users/@me', headers })) as Answer;
    expect(answer).toMatchObject({ status: 0, body: { status: 200 } });
    const user = JSON.parse(Buffer.from(answer.body.body.data).toString());
    expect(user).toMatchObject({ id: simulator.discord.world.bot.id });
    // What cannot be sent is answered too, with the reason.
    expect(await call(event, { method: 'GET' })).toEqual({ status: 3, body: expect.any(String) });
    expect(await call(event, 'nonsense')).toEqual({ status: 2, body: expect.any(String) });
    expect(await proxy.end('SIGINT')).toEqual({ status: 0, signal: null });
  });
});
