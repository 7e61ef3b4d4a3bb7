/**
 * Random schedules of several proxies that share their limits, on virtual time: their store is
 * away, slow or forgetful, and proxies are killed and replaced.
 */
import { describe } from 'vitest';
import { runFleetSchedule } from '../support/fleet-schedule.ts';
import { testSchedules } from '../support/proxy-schedules.ts';

const SCHEDULES = 500;

describe(`proxies that share their limits, under ${SCHEDULES} random schedules`, () => {
  testSchedules(
    'each request has one true fate, nothing is repeated, and Discord refuses nothing it need not',
    { run: runFleetSchedule, firstSeed: 1, count: SCHEDULES, schedulesPerCrash: 20 },
  );
});
