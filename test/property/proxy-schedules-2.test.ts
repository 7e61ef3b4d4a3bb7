/**
 * The second half of the random schedules of the real tree of the proxy, against the simulated REST
 * API on virtual time.
 */
import { describe } from 'vitest';
import { runProxySchedule } from '../support/proxy-schedule.ts';
import { testSchedules } from '../support/proxy-schedules.ts';

const SCHEDULES = 5_000;
const FIRST_SEED = 5_001;

describe(`the proxy under ${SCHEDULES} random schedules from ${FIRST_SEED}`, () => {
  testSchedules(
    'gives each request one true fate, repeats nothing, keeps order and limits, and loses no permit',
    { run: runProxySchedule, firstSeed: FIRST_SEED, count: SCHEDULES, schedulesPerCrash: 10 },
  );
});
