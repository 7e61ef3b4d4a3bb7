/** As many random schedules of the gateway as `npm run simulate:long` was asked for. */
import { expect, it } from 'vitest';
import { runSchedules } from '../support/gateway-schedules.ts';

const REPORT_EVERY = 1_000;
const schedules = Number(process.env.SCHEDULES);
const firstSeed = Number(process.env.FIRST_SEED);

it(`${schedules} schedules from seed ${firstSeed}`, async () => {
  const startedMs = performance.now();
  // A failure is worth its analysis at once, not when the night is over.
  const { failures, sums } = await runSchedules(firstSeed, schedules, (done, failure) => {
    if (failure !== undefined) process.stderr.write(`${failure}\n`);
    if (done % REPORT_EVERY === 0) process.stderr.write(`${done} schedules\n`);
  });
  const seconds = Math.round((performance.now() - startedMs) / 1_000);
  const what = `seeds ${firstSeed} to ${firstSeed + schedules - 1} in ${seconds} s`;
  process.stderr.write(`${what}: ${failures.length} failed; ${JSON.stringify(sums)}\n`);
  expect(failures).toEqual([]);
});
