/**
 * Variables that look like ours and are not: a misspelt name would otherwise be ignored in silence.
 * An environment holds much that is not meant for us, so this warns and never refuses.
 */
import { suggest } from '../../protocols/suggest.ts';
import { GATEWAY_OPTIONS } from './gateway-options.ts';
import type { Environment } from './layers.ts';
import type { OptionTable } from './options.ts';
import { PROXY_OPTIONS } from './proxy-options.ts';
import { showKey } from './show.ts';

const OURS = /^_*(DISCORD|BROKER|SHARD_?STORE|PROMETHEUS|METRICS|RATE_?LIMITER|HTTP_ADDR)/i;

const TABLES: readonly OptionTable[] = [GATEWAY_OPTIONS, PROXY_OPTIONS];

/** One sentence for each variable whose name is near one that is read. */
export function misspeltVariables(environment: Environment): readonly string[] {
  const known = new Set(
    TABLES.flatMap((table) => Object.values(table).flatMap(({ environment: names }) => names)),
  );
  return Object.keys(environment).flatMap((name) => {
    if (known.has(name) || !OURS.test(name) || name.length > 64) return [];
    const near = suggest(name, known);
    return near === undefined ? [] : [`${showKey(name)} is not read; did you mean ${near}?`];
  });
}
