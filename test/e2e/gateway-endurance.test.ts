/** Sixty-four shards on real sockets whose connections break all the time, for twenty seconds. */
import { expect, it } from 'vitest';
import { runEndurance } from '../support/endurance-run.ts';

const SHARDS = 64;

it('brings every event of 64 shards to Redis through broken connections, with one IDENTIFY a shard', {
  timeout: 300_000,
}, async () => {
  const { problems, events, faults, resumes, identifies } = await runEndurance({
    seed: 64,
    shards: SHARDS,
    troubleMs: 20_000,
    rate: 200,
    faults: 5,
    heartbeatIntervalMs: 3_000,
  });
  expect(problems).toEqual([]);
  expect(identifies).toBe(SHARDS);
  // There was trouble, and something to lose.
  expect(faults).toBe(100);
  expect(resumes).toBeGreaterThan(40);
  expect(events).toBeGreaterThan(2_000);
});
