/**
 * Random schedules of the real gateway tree against the simulated Discord, on virtual time. A schedule
 * that fails names its seed: `runSchedule(seed)` shows it again, step by step.
 */
import { describe, expect, it } from 'vitest';
import { runSchedule } from '../support/gateway-schedule.ts';

const SCHEDULES = 2_000;
const TIMEOUT_MS = 600_000;

describe(`the gateway under ${SCHEDULES} random schedules of faults`, () => {
  it('breaks no rule of Discord, delivers every event in order, and becomes ready again', {
    timeout: TIMEOUT_MS,
  }, async () => {
    let events = 0;
    let resumes = 0;
    let identifies = 0;
    for (let seed = 1; seed <= SCHEDULES; seed++) {
      const result = await runSchedule(seed);
      events += result.events;
      resumes += result.resumes;
      identifies += result.identifies;
    }
    // The schedules did what they are for: none of these is a schedule in which nothing happened.
    expect(events).toBeGreaterThan(SCHEDULES * 10);
    expect(resumes).toBeGreaterThan(SCHEDULES);
    expect(identifies).toBeGreaterThan(SCHEDULES);
  });
});
