/** Holds README and docs/ to what is there: examples run as they stand, and names exist. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { cacheableRead } from '../../protocols/discord/cached-routes.ts';
import { DOCUMENTED_ROUTES } from '../../protocols/discord/route-table.ts';
import { resolveRoute } from '../../protocols/discord/routes.ts';
import { createCacheMetrics, showCache } from '../../src/metrics/cache-metrics.ts';
import { parseScenario } from '../../src/simulator/scenario.ts';
import { SIMULATED_TOKEN } from '../../src/simulator/token.ts';

const read = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');

/** The contents of the fenced blocks in that language. */
function blocks(text: string, language: string): string[] {
  const fence = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g');
  return [...text.matchAll(fence)].map((match) => match[1] ?? '');
}

describe('README', () => {
  const readme = read('README.md');

  it('shows the example that `npm start` runs', () => {
    const [example] = blocks(readme, 'js');
    expect(example).toBe(read('examples/ping-pong.mjs'));
    expect(JSON.parse(read('package.json')).scripts.start).toContain('examples/ping-pong.mjs');
  });

  it('links to files that exist', () => {
    const links = [...readme.matchAll(/\]\(([^)]+)\)/g)].map((match) => match[1] ?? '');
    expect(links.length).toBeGreaterThan(3);
    for (const link of links) expect(() => read(link), link).not.toThrow();
  });
});

describe('docs/simulator.md', () => {
  const page = read('docs/simulator.md');

  it('shows a scenario that can be read', () => {
    const [scenario] = blocks(page, 'json');
    expect(parseScenario(JSON.parse(scenario ?? ''))).toHaveLength(3);
  });

  it('names every fault, and no other', () => {
    const list = /The faults are ([^.]+)\./.exec(page)?.[1] ?? '';
    const named = [...list.matchAll(/`([a-z-]+)`/g)].map((match) => match[1]);
    expect(named.toSorted()).toEqual(faultNames().toSorted());
  });

  it('names the token', () => {
    expect(page).toContain(SIMULATED_TOKEN);
  });
});

/** The faults that the simulator itself says it knows. */
function faultNames(): string[] {
  try {
    parseScenario([{ atMs: 0, fault: 'no-such-fault' }]);
  } catch (error) {
    return /Allowed are (.*)$/.exec(String(error))?.[1]?.split(', ') ?? [];
  }
  return [];
}

describe('docs/cache.md', () => {
  const page = read('docs/cache.md');

  it('names every route whose answers are kept, and no other', () => {
    const rows = page.split('\n').filter((line) => line.startsWith('| `/'));
    const named = rows.flatMap((row) => [...row.matchAll(/`(\/[^`]*)`/g)].map((match) => match[1]));
    const kept = DOCUMENTED_ROUTES.map((line) => line.split(' ').at(-1) ?? '').filter(
      (template) => {
        const target = template.replaceAll(/:[a-z_]+/g, '7');
        return cacheableRead(resolveRoute('GET', target), target) !== undefined;
      },
    );
    expect(named.toSorted()).toEqual(kept.toSorted());
  });

  it('names the metrics that there are', async () => {
    const registry = new Registry();
    createCacheMetrics(registry);
    showCache(registry, () => ({ ...NOTHING_CACHED }));
    const named = new Set([...page.matchAll(/`(proxy_cache_[a-z_]+)/g)].map((match) => match[1]));
    const declared = registry.getMetricsAsArray().map(({ name }) => name);
    expect([...named].toSorted()).toEqual(declared.toSorted());
  });
});

const NOTHING_CACHED = {
  entries: 0,
  bytes: 0,
  collectingBytes: 0,
  flights: 0,
  guests: 0,
  isTold: false,
};
