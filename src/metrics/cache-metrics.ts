/** What the proxy's cache counts. Paths are route templates, as in the proxy's other metrics. */
import { Counter, type Registry } from 'prom-client';
import type { CacheMetrics, RestCache } from '../proxy/cache/rest-cache.ts';
import { gaugesOf } from './standing.ts';

type Standing = RestCache['standing'];

export function createCacheMetrics(registry: Registry): CacheMetrics {
  const registers = [registry];
  const lookups = new Counter({
    name: 'proxy_cache_lookups_total',
    help: 'GETs by what the cache had for them: hit, joined (the answer of another), miss, or passed (asked for anew)',
    labelNames: ['path', 'result'] as const,
    registers,
  });
  const dropped = new Counter({
    name: 'proxy_cache_dropped_total',
    help: 'Kept answers that were dropped before their time: changed, untold (no events), or for want of room',
    labelNames: ['why'] as const,
    registers,
  });
  return {
    looked: (path, result) => lookups.inc({ path, result }),
    dropped: (why, count) => dropped.inc({ why }, count),
  };
}

/** Shows what the cache holds each time that somebody looks. */
export function showCache(registry: Registry, standing: () => Standing): void {
  const gauge = gaugesOf(registry, standing);
  gauge('proxy_cache_entries', 'Answers that are kept', (now) => now.entries);
  gauge('proxy_cache_bytes', 'Memory that kept answers take', (now) => now.bytes);
  gauge('proxy_cache_told', '1 while the events of a gateway tell of changes', (now) =>
    now.isTold ? 1 : 0,
  );
}
