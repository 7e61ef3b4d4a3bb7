/** Which documented routes the simulated REST API answers, and that its documentation says so. */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DOCUMENTED_ROUTES } from '../../protocols/discord/route-table.ts';
import { ENDPOINTS } from '../../src/simulator/rest/endpoints/table.ts';

/** A line of the table as the methods of a template. */
function partsOf(line: string): { readonly methods: readonly string[]; readonly template: string } {
  const words = line.split(' ');
  const template = words.pop() ?? '';
  return { methods: words, template };
}

it('answers no route that is not documented', () => {
  const documented = new Set(
    DOCUMENTED_ROUTES.map(partsOf).flatMap(({ methods, template }) =>
      methods.map((method) => `${method} ${template}`),
    ),
  );
  expect([...ENDPOINTS.keys()].filter((label) => !documented.has(label))).toEqual([]);
});

it('answers 501 to just what docs/simulator.md says', () => {
  const unanswered = DOCUMENTED_ROUTES.map(partsOf).flatMap(({ methods, template }) => {
    const missing = methods.filter((method) => !ENDPOINTS.has(`${method} ${template}`));
    return missing.length === 0 ? [] : [`${missing.join(' ')} ${template}`];
  });
  const docs = readFileSync(new URL('../../docs/simulator.md', import.meta.url), 'utf8');
  const [, list = ''] = /answer 501[^`]*`rest\.stubs`[^`]*```\n([^`]*)```/.exec(docs) ?? [];
  expect(list.trim().split('\n')).toEqual(unanswered);
});
