/**
 * Random schedules of the real tree of the proxy against the simulated REST API, on virtual time;
 * there are two files of them so that they run at the same time. A schedule that fails names its
 * seed: `runProxySchedule(seed)` shows it again.
 */
import { describe, expect, it } from 'vitest';
import { runSchedules } from '../support/proxy-play.ts';
import { runProxySchedule } from '../support/proxy-schedule.ts';

const FIRST_SEED = 5001;
const SCHEDULES = 5_000;

describe(`the proxy under ${SCHEDULES} random schedules from ${FIRST_SEED}`, () => {
  it('gives each request one true fate, repeats nothing, keeps order and limits, and loses no permit', {
    timeout: 600_000,
  }, async () => {
    const { sends, crashes, limited, fates } = await runSchedules(
      runProxySchedule,
      FIRST_SEED,
      SCHEDULES,
    );
    // The schedules did what they are for: each of these happened often.
    expect(sends).toBeGreaterThan(10 * SCHEDULES);
    expect(crashes).toBeGreaterThan(SCHEDULES / 10);
    expect(limited).toBeGreaterThan(SCHEDULES / 10);
    for (const fate of [200, 'refused', 'timed-out', 'cancelled', 'failed']) {
      expect(fates.get(fate)).toBeGreaterThan(SCHEDULES / 20);
    }
  });
});
