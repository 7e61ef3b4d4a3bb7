/**
 * As many mutated requests at each of the proxy's doors as one likes: `node test/long/run.mjs
 * doors`.
 */
import { expect, it } from 'vitest';
import { fuzzHttp, fuzzRpc } from '../support/proxy-fuzz.ts';

const requests = Number(process.env.REQUESTS ?? 100_000);
const seed = Number(process.env.SEED ?? 1);
const FOREVER_MS = 24 * 60 * 60_000;

it.each([
  ['a broker', fuzzRpc, /^[02345678]$/, '0'],
  ['HTTP', fuzzHttp, /^(?:200|4\d\d)$/, '200'],
] as const)(
  `answers each of ${requests} mutated requests over %s`,
  async (_door, fuzz, allowed, served) => {
    const { statuses, log, last } = await fuzz(requests, seed);
    process.stderr.write(`${JSON.stringify(Object.fromEntries(statuses))}\n`);
    for (const status of statuses.keys()) expect(status).toMatch(allowed);
    expect(log.lines).toEqual([]);
    expect(last).toBe(served);
  },
  FOREVER_MS,
);
