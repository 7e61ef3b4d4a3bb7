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

const NAMES_OF = { gateway: namesIn(GATEWAY_OPTIONS), proxy: namesIn(PROXY_OPTIONS) };

function namesIn(table: OptionTable): readonly string[] {
  return Object.values(table).flatMap(({ environment }) => environment);
}

/** One sentence for each variable whose name is near one that is read. */
export function misspeltVariables(environment: Environment): readonly string[] {
  const known = new Set([...NAMES_OF.gateway, ...NAMES_OF.proxy]);
  return Object.keys(environment).flatMap((name) => {
    if (known.has(name) || !OURS.test(name) || name.length > 64) return [];
    const near = suggest(name, known);
    if (near === undefined) return [];
    return [`${showKey(name)} is not read; did you mean ${near}${readerOf(near)}?`];
  });
}

/** What the one service reads, the other would ignore. */
function readerOf(name: string): string {
  const { gateway, proxy } = NAMES_OF;
  if (gateway.includes(name) && proxy.includes(name)) return '';
  return gateway.includes(name) ? ' of the gateway' : ' of the proxy';
}
