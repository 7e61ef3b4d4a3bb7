/**
 * Sixty-four shards, or as many as `node test/long/run.mjs endurance` was asked for, in trouble for
 * a minute.
 */
import { expect, it } from 'vitest';
import { runEndurance } from '../support/endurance-run.ts';

const seed = Number(process.env.SEED);
const shards = Number(process.env.SHARDS);
const seconds = Number(process.env.SECONDS);
const rate = Number(process.env.RATE);
const FAULTS_A_SECOND = 10;
const HEARTBEAT_INTERVAL_MS = 1_000;

it(`${shards} shards in trouble for ${seconds} s, with seed ${seed}`, async () => {
  const troubleMs = seconds * 1_000;
  const { problems, ...figures } = await runEndurance({
    seed,
    shards,
    troubleMs,
    rate,
    faults: FAULTS_A_SECOND,
    heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS,
  });
  process.stderr.write(`${JSON.stringify(figures)}\n`);
  expect(problems).toEqual([]);
  expect(figures.identifies).toBe(shards);
  expect(figures.resumes).toBeGreaterThan(seconds);
});
