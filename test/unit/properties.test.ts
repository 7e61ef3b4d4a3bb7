/**
 * Makes docs/properties.md of the list of properties and of the titles of the tests that assert
 * them, and holds it to be true. `npx vitest run test/unit/properties.test.ts -u` writes it anew.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { GATEWAY_PROPERTIES, OPEN_PROPERTIES, PROXY_PROPERTIES } from '../support/properties.ts';

/**
 * The tests of the simulated Discord name what it punishes, which is no proof that we do not do it.
 */
const JUDGE = /(?:^|\/)simulator-[^/]*$/;

const folder = fileURLToPath(new URL('../', import.meta.url));
const statements = { ...GATEWAY_PROPERTIES, ...PROXY_PROPERTIES };
const holders = readHolders();

it('docs/properties.md says which test holds which property', async () => {
  const page = [
    '# Properties',
    '',
    'What the gateway and the proxy promise, and the tests that hold it: the id stands in their titles.',
    'This page is made of those titles (`npx vitest run test/unit/properties.test.ts -u`).',
    '',
    '## Gateway',
    '',
    ...table(GATEWAY_PROPERTIES),
    '',
    '## Proxy',
    '',
    ...table(PROXY_PROPERTIES),
    '',
  ].join('\n');
  await expect(page).toMatchFileSnapshot('../../docs/properties.md');
});

it('every property is held by a test, or is said to be open', () => {
  const unheld = Object.keys(statements).filter((id) => !holders.has(id));
  expect(Object.keys(OPEN_PROPERTIES).toSorted()).toEqual(unheld.toSorted());
});

it('every id in a title is one of the list', () => {
  expect([...holders.keys()].filter((id) => !(id in statements))).toEqual([]);
});

/** The files whose titles name a property, by its id. */
function readHolders(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.test.ts') && !JUDGE.test(name),
  );
  for (const file of files.toSorted()) {
    const text = readFileSync(join(folder, file), 'utf8');
    const ids = titlesOf(text).flatMap((title) => title.match(/\b(?:GP-\d\d|P\d\d)\b/g) ?? []);
    for (const id of new Set(ids)) found.set(id, [...(found.get(id) ?? []), file]);
  }
  return found;
}

/** The first string of each `it(…)`, `describe(…)` and `it.each(…)(…)`. */
function titlesOf(text: string): readonly string[] {
  const opened = text.matchAll(/(?:\b(?:it|describe)\(|\]\)\(|\)\()\s*(['"`])(.*?)\1/g);
  return [...opened].map((match) => match[2] ?? '');
}

function table(properties: Readonly<Record<string, string>>): readonly string[] {
  const rows = Object.entries(properties).map(([id, statement]) => {
    const files = holders.get(id)?.map((file) => `\`${file.replace('.test.ts', '')}\``);
    return `| ${id} | ${statement} | ${files?.join(', ') ?? OPEN_PROPERTIES[id] ?? ''} |`;
  });
  return ['| id | property | held by |', '| --- | --- | --- |', ...rows];
}
