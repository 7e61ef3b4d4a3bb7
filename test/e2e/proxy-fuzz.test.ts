/** Mutated requests at both doors. `test/long/proxy-fuzz.long.ts` sends as many as one likes. */
import { describe, expect, it } from 'vitest';
import { fuzzHttp, fuzzRpc } from '../support/proxy-fuzz.ts';

describe('a door', () => {
  it('answers each mutated request over a broker with a status of its own', async () => {
    const { statuses, log, last } = await fuzzRpc(20_000, 1);
    for (const status of statuses.keys()) expect(status).toMatch(/^[02345678]$/);
    expect(statuses.size).toBeGreaterThanOrEqual(5);
    expect(log.lines).toEqual([]);
    expect(last).toBe('0');
  }, 120_000);

  it('answers each mutated request over HTTP with 200 or a refusal', async () => {
    const { statuses, log, last } = await fuzzHttp(4_000, 1);
    for (const status of statuses.keys()) expect(status).toMatch(/^(?:200|4\d\d)$/);
    expect(statuses.size).toBeGreaterThanOrEqual(5);
    expect(log.lines).toEqual([]);
    expect(last).toBe('200');
  }, 120_000);
});
