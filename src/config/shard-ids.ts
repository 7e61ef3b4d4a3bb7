/** Lists of shard ids as people write them: `0,1,2`, `0-3`, `0-3,8`. */
import { SHARDS_MAX } from '../../protocols/limits.ts';

const PART = /^(\d{1,6})(?:-(\d{1,6}))?$/;

/**
 * The ids in ascending order, or a sentence that says what is wrong: not a list, a range that runs
 * backwards, an id that comes twice, an id above the limit.
 */
export function parseShardIds(text: string): readonly number[] | string {
  const ids = new Set<number>();
  for (const part of text.split(',')) {
    const match = PART.exec(part.trim());
    if (match === null) return `${JSON.stringify(part.trim().slice(0, 20))} is no id and no range`;
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (last < first) return `the range ${first}-${last} runs backwards`;
    if (last >= SHARDS_MAX) return `the largest shard id is ${SHARDS_MAX - 1}`;
    for (let id = first; id <= last; id += 1) {
      if (ids.has(id)) return `${id} comes twice`;
      ids.add(id);
    }
  }
  return [...ids].sort((one, other) => one - other);
}

/** The shortest way to write ascending ids: runs of three or more become ranges. */
export function formatShardIds(ids: readonly number[]): string {
  const parts: string[] = [];
  for (let start = 0; start < ids.length; ) {
    let end = start;
    while (ids[end + 1] === (ids[end] ?? 0) + 1) end += 1;
    if (end - start >= 2) parts.push(`${ids[start]}-${ids[end]}`);
    else parts.push(...ids.slice(start, end + 1).map(String));
    start = end + 1;
  }
  return parts.join(',');
}
