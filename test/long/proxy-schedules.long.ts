/** As many random schedules of the proxy as one likes: `node test/long/run.mjs proxy`. */
import { expect, it } from 'vitest';
import { runProxySchedule } from '../support/proxy-schedule.ts';

const REPORT_EVERY = 1_000;
const schedules = Number(process.env.SCHEDULES ?? 50_000);
const firstSeed = Number(process.env.FIRST_SEED ?? 1);

it(`${schedules} schedules from seed ${firstSeed}`, async () => {
  const failures: string[] = [];
  for (let run = 0; run < schedules; run++) {
    await runProxySchedule(firstSeed + run).catch((error: unknown) => failures.push(String(error)));
    if ((run + 1) % REPORT_EVERY === 0) {
      process.stderr.write(`${run + 1} schedules, ${failures.length} failed\n`);
    }
  }
  expect(failures).toEqual([]);
});
