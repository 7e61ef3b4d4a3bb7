/** Holds README and docs/ to what is there: examples run as they stand, and names exist. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { cacheableRead } from '../../protocols/discord/cached-routes.ts';
import { DOCUMENTED_ROUTES } from '../../protocols/discord/route-table.ts';
import { resolveRoute } from '../../protocols/discord/routes.ts';
import { SessionWatch } from '../../src/gateway/session-watch.ts';
import { createBrokerCounter } from '../../src/metrics/broker-metrics.ts';
import { createCacheMetrics, showCache } from '../../src/metrics/cache-metrics.ts';
import { GatewayMetrics } from '../../src/metrics/gateway-metrics.ts';
import { createProxyMetrics, showStanding } from '../../src/metrics/proxy-metrics.ts';
import { SharedLimitsMetrics } from '../../src/metrics/shared-limits-metrics.ts';
import { SILENT_LOG } from '../../src/silent-log.ts';
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

  const rows = [...page.matchAll(/^\| `("[^`]+)` \|([^|]*)\|/gm)].map(([, cell, optional]) => ({
    fault: { atMs: 0, ...JSON.parse(`{"fault": ${cell}}`) },
    optional: [...(optional ?? '').matchAll(/`(\w+)`/g)].map((match) => match[1] ?? ''),
  }));

  it('names every fault, and no other', () => {
    const named = rows.map(({ fault }) => fault.fault);
    expect(named.toSorted()).toEqual(faultNames().toSorted());
  });

  it('shows every key of each, and which may be left out', () => {
    for (const { fault, optional } of rows) {
      const known = /allowed are (.*)$/
        .exec(refusalOf({ ...fault, nonsense: 1 }))?.[1]
        ?.split(', ');
      expect(known?.filter((key) => key !== 'shard').toSorted()).toEqual(
        Object.keys(fault).toSorted(),
      );
      const { atMs, fault: name, ...parameters } = fault;
      const omissible = Object.keys(parameters).filter((left) => {
        const rest = Object.entries(parameters).filter(([key]) => key !== left);
        return refusalOf({ atMs, fault: name, ...Object.fromEntries(rest) }) === '';
      });
      expect(omissible.toSorted(), name).toEqual(optional.toSorted());
    }
  });

  it('says which faults take no shard', () => {
    const first = rows.findIndex(({ fault }) => fault.fault === 'burst');
    for (const [index, { fault }] of rows.entries()) {
      expect(refusalOf({ ...fault, shard: 0 }) !== '', fault.fault).toBe(index >= first);
    }
  });

  it('names the token', () => {
    expect(page).toContain(SIMULATED_TOKEN);
  });
});

/** Why the simulator refuses a fault; empty when it does not. */
function refusalOf(fault: object): string {
  try {
    parseScenario([fault]);
    return '';
  } catch (error) {
    return String(error);
  }
}

/** The faults that the simulator itself says it knows. */
function faultNames(): string[] {
  const refusal = refusalOf({ atMs: 0, fault: 'no-such-fault' });
  return /Allowed are (.*)$/.exec(refusal)?.[1]?.split(', ') ?? [];
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

describe('docs/metrics.md', () => {
  it('names every metric with its labels, and no other', () => {
    const registry = new Registry();
    createBrokerCounter(registry);
    new GatewayMetrics(registry, 1, 1, String);
    new SessionWatch('', registry, { lost: () => {} }, SILENT_LOG);
    createProxyMetrics(registry);
    showStanding(registry, () => {
      throw new Error('nobody looks');
    });
    createCacheMetrics(registry);
    showCache(registry, () => ({ ...NOTHING_CACHED }));
    new SharedLimitsMetrics(registry).show(() => {
      throw new Error('nobody looks');
    });
    const declared = registry.getMetricsAsArray().map((metric) => {
      const labels: unknown = Reflect.get(metric, 'labelNames');
      return [metric.name, ...(Array.isArray(labels) ? labels : [])].join(' ');
    });
    const rows = read('docs/metrics.md')
      .split('\n')
      .filter((line) => /^\| `[a-z_]+` \|/.test(line));
    const named = rows.map((row) => {
      const [, name = '', labels = ''] = row.split('|');
      return [...`${name}${labels}`.matchAll(/`([a-z_]+)`/g)].map((match) => match[1]).join(' ');
    });
    // The quantile is the library's own label.
    const shown = named.map((line) => line.replace(' quantile', ''));
    expect(shown.toSorted()).toEqual(declared.toSorted());
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
