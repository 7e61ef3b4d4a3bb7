/**
 * Random schedules of several proxies that share their limits, on virtual time: their store is
 * away, slow or forgetful, and proxies are killed and replaced. A schedule that fails names its
 * seed: `runFleetSchedule(seed)` shows it again.
 */
import { describe, expect, it } from 'vitest';
import { runFleetSchedule } from '../support/fleet-schedule.ts';
import { runSchedules } from '../support/proxy-play.ts';

const FIRST_SEED = 1;
const SCHEDULES = 500;

describe(`proxies that share their limits, under ${SCHEDULES} random schedules`, () => {
  it('each request has one true fate, nothing is repeated, and Discord refuses nothing it need not', {
    timeout: 600_000,
  }, async () => {
    const { sends, crashes, limited, fates } = await runSchedules(
      runFleetSchedule,
      FIRST_SEED,
      SCHEDULES,
    );
    // The schedules did what they are for: each of these happened often.
    expect(sends).toBeGreaterThan(10 * SCHEDULES);
    expect(crashes).toBeGreaterThan(SCHEDULES / 20);
    expect(limited).toBeGreaterThan(SCHEDULES / 10);
    for (const fate of [200, 'refused', 'timed-out', 'cancelled', 'failed']) {
      expect(fates.get(fate)).toBeGreaterThan(SCHEDULES / 20);
    }
  });
});
