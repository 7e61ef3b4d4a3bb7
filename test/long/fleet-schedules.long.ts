/**
 * As many random schedules of proxies that share limits as `npm run simulate:fleet` was asked for.
 */
import { expect, it } from 'vitest';
import { runFleetSchedule } from '../support/fleet-schedule.ts';

const REPORT_EVERY = 1_000;
const schedules = Number(process.env.SCHEDULES);
const firstSeed = Number(process.env.FIRST_SEED);

it(`${schedules} schedules from seed ${firstSeed}`, async () => {
  const failures: string[] = [];
  for (let run = 0; run < schedules; run++) {
    await runFleetSchedule(firstSeed + run).catch((error: unknown) => failures.push(String(error)));
    if ((run + 1) % REPORT_EVERY === 0) {
      process.stderr.write(`${run + 1} schedules, ${failures.length} failed\n`);
    }
  }
  expect(failures).toEqual([]);
});
