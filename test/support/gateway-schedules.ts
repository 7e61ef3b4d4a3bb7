/**
 * Runs many schedules one after the other, and says of those that failed which they were.
 *
 * Ten thousand stand in the usual tests, a share in each of several files, so that they run side by
 * side.
 */
import { expect, it } from 'vitest';
import { messageOf } from '../../protocols/message-of.ts';
import { runSchedule, type ScheduleResult } from './gateway-schedule.ts';

const SHARE = 2_500;
const TIMEOUT_MS = 900_000;

export type SchedulesResult = {
  readonly failures: readonly string[];
  readonly sums: ScheduleResult;
};

/** @param progress called after each, with what it failed of, if it did */
export async function runSchedules(
  firstSeed: number,
  count: number,
  progress: (done: number, failure: string | undefined) => void = () => undefined,
): Promise<SchedulesResult> {
  const failures: string[] = [];
  const sums = { events: 0, resumes: 0, identifies: 0, commands: 0, gaps: 0, restarts: 0 };
  for (let run = 0; run < count; run++) {
    let failure: string | undefined;
    try {
      const result = await runSchedule(firstSeed + run);
      for (const key of Object.keys(sums) as (keyof ScheduleResult)[]) sums[key] += result[key];
    } catch (error) {
      failure = messageOf(error);
      failures.push(failure);
    }
    progress(run + 1, failure);
  }
  return { failures, sums };
}

/** Declares the test of one share. */
export function testShare(share: number): void {
  const firstSeed = 1 + (share - 1) * SHARE;
  it(`holds what it promises in ${SHARE} random schedules from seed ${firstSeed} on`, {
    timeout: TIMEOUT_MS,
  }, async () => {
    const { failures, sums } = await runSchedules(firstSeed, SHARE);
    expect(failures).toEqual([]);
    // The schedules did what they are for.
    expect(sums.events).toBeGreaterThan(SHARE * 10);
    expect(sums.resumes).toBeGreaterThan(SHARE);
    expect(sums.identifies).toBeGreaterThan(SHARE);
    expect(sums.commands).toBeGreaterThan(SHARE);
    expect(sums.gaps).toBeGreaterThan(SHARE / 10);
    expect(sums.restarts).toBeGreaterThan(SHARE / 10);
  });
}
