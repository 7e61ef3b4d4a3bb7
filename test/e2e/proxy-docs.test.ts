/** Holds docs/proxy.md to what there is: its examples run, and its tables are complete. */
import { readFileSync } from 'node:fs';
import { expect, it, onTestFinished } from 'vitest';
import { ProxyStatus } from '../../protocols/wire/proxy.ts';
import { Attached } from '../../src/client/local.ts';
import { Rest } from '../../src/client/rest.ts';
import { SIMULATED_TOKEN, startSimulator } from '../../src/simulator/index.ts';
import { openCalledProxy } from '../support/opened-proxy.ts';

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
  const { caller, url } = await openCalledProxy(`127.0.0.1:${simulator.port}`);
  const [overHttp = '', overBroker = ''] = examples;
  const { world } = simulator.discord;
  const here = overHttp.replace('http://localhost:8080', url);
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
