/**
 * Runs many schedules of proxies one after the other, and declares the test of so many.
 *
 * Those of one proxy stand in two files, so that they run side by side. A schedule that fails names
 * its seed, and `runProxySchedule(seed)` or `runFleetSchedule(seed)` shows it again.
 */
import { expect, it } from 'vitest';
import type { ScheduleResult } from './proxy-play.ts';

const TIMEOUT_MS = 600_000;

export type Schedules = {
  readonly run: (seed: number) => Promise<ScheduleResult>;
  readonly firstSeed: number;
  readonly count: number;
  /** How many schedules there may be to one crash. */
  readonly schedulesPerCrash: number;
};

/** Declares the test that all of these schedules hold what the title says. */
export function testSchedules(title: string, schedules: Schedules): void {
  it(title, { timeout: TIMEOUT_MS }, async () => {
    const { count, schedulesPerCrash } = schedules;
    const { sends, crashes, limited, fates } = await runAll(schedules);
    // The schedules did what they are for: each of these happened often.
    expect(sends).toBeGreaterThan(10 * count);
    expect(crashes).toBeGreaterThan(count / schedulesPerCrash);
    expect(limited).toBeGreaterThan(count / 10);
    for (const fate of [200, 'refused', 'timed-out', 'cancelled', 'failed']) {
      expect(fates.get(fate)).toBeGreaterThan(count / 20);
    }
  });
}

/** The first that fails ends it. What they were is summed up. */
async function runAll({ run, firstSeed, count }: Schedules): Promise<ScheduleResult> {
  const fates = new Map<number | string | null, number>();
  const sum = { sends: 0, crashes: 0, limited: 0 };
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const result = await run(seed);
    sum.sends += result.sends;
    sum.crashes += result.crashes;
    sum.limited += result.limited;
    for (const [fate, times] of result.fates) fates.set(fate, (fates.get(fate) ?? 0) + times);
  }
  return { ...sum, fates };
}
