/** Random schedules of the real gateway tree against the simulated Discord, on virtual time. */
import { describe, expect, it } from 'vitest';
import { runSchedule } from '../support/gateway-schedule.ts';

const SCHEDULES = 100;
describe('the gateway under random schedules', () => {
  it('breaks no rule, loses no event and becomes ready', async () => {
    const bad: string[] = [];
    const t = Date.now();
    for (let seed = 1; seed <= SCHEDULES; seed++) {
      const t0 = Date.now();
      try {
        await runSchedule(seed);
      } catch (error) {
        bad.push(String(error));
      }
      if (Date.now() - t0 > 400) bad.push(`slow ${seed} ${Date.now() - t0}`);
    }
    console.log((Date.now() - t) / SCHEDULES);
    expect(bad).toEqual([]);
  }, 600_000);
});
