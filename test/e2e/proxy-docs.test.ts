/** Holds docs/proxy.md to what there is: its examples run, and its tables are complete. */
import { readFileSync } from 'node:fs';
import { expect, it, onTestFinished } from 'vitest';
import { createActorSystem } from '../../actors/runtime.ts';
import { ProxyStatus } from '../../protocols/wire/proxy.ts';
import { createBroker } from '../../src/brokers/create-broker.ts';
import { MemoryHub } from '../../src/brokers/memory.ts';
import { Attached } from '../../src/client/local.ts';
import { Rest } from '../../src/client/rest.ts';
import { startProxy } from '../../src/proxy/proxy.ts';
import { createRandom } from '../../src/random.ts';
import { SIMULATED_TOKEN, startSimulator } from '../../src/simulator/index.ts';
import { systemClock } from '../../src/system-clock.ts';
import { RecordingLog } from '../support/recording-log.ts';
import { NO_METRICS } from '../support/simulated-upstream.ts';

const page = readFileSync(new URL('../../docs/proxy.md', import.meta.url), 'utf8');
const examples = [...page.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');

/** Runs an example with what it takes for granted, and gives one of its constants. */
async function run(code: string, given: Readonly<Record<string, unknown>>, result: string) {
  const names = Object.keys(given).join(', ');
  const source = `return async ({ ${names} }) => { ${code}; return ${result}; }`;
  const example: unknown = new Function(source)();
  if (typeof example !== 'function') throw new TypeError('the example does not run');
  return example(given);
}

it('shows examples that run', async () => {
  const simulator = await startSimulator({ seed: 1, guildCount: 1 });
  onTestFinished(() => simulator.close());
  const log = new RecordingLog();
  const random = createRandom(1);
  const system = createActorSystem({ name: 'test', clock: systemClock, random, log });
  onTestFinished(() => system.stop());
  const surroundings = { system, clock: systemClock, log };
  const hub = new MemoryHub(systemClock);
  const memory = { type: 'memory', group: 'proxy', hub, payload: 'raw' } as const;
  const broker = await createBroker(memory, { ...surroundings, name: 'served' });
  const caller = await createBroker(memory, { ...surroundings, name: 'caller' });
  const host = `127.0.0.1:${simulator.port}`;
  const proxy = await startProxy({
    config: {
      timeoutMs: undefined,
      http: { address: { host: '127.0.0.1', port: 0 } },
      discord: { token: undefined, version: 10, scheme: 'http', host },
      broker: { event: 'REQUEST' },
      limits: { global: 50, families: new Map() },
    },
    broker,
    ...surroundings,
    metrics: NO_METRICS,
  });
  onTestFinished(() => proxy.stop());
  const [overHttp = '', overBroker = ''] = examples;
  const { world } = simulator.discord;
  const here = overHttp.replace('http://localhost:8080', `http://127.0.0.1:${proxy.http?.port}`);
  expect(here).not.toBe(overHttp);
  const me = await run(here, { token: SIMULATED_TOKEN }, 'me');
  expect(me).toMatchObject({ id: world.bot.id });
  const channels = world.guild(world.guildIds[0] ?? '')?.channels ?? [];
  const channel = channels.find(({ type }) => type === 0)?.id;
  const given = { Rest, broker: new Attached(caller), token: SIMULATED_TOKEN, channel };
  expect(await run(overBroker, given, 'message')).toMatchObject({ content: 'hello' });
});

it('names every status of an answer over a broker, and no other', () => {
  const table = page.slice(page.indexOf('| status | |'));
  const numbers = [...table.matchAll(/^\| ([\d, ]+) \|/gm)].flatMap(([, cell = '']) =>
    cell.split(',').map(Number),
  );
  expect(numbers).toEqual(Object.values(ProxyStatus));
});
