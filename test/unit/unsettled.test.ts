import { describe, expect, it } from 'vitest';
import { UNSETTLED_WARN_MS } from '../../protocols/limits.ts';
import { Unsettled } from '../../src/client/unsettled.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';

const BOUND = 20;

function watch() {
  const clock = new VirtualClock();
  const told: string[] = [];
  const unsettled = new Unsettled(BOUND, clock, (warning) => told.push(warning));
  const enter = (count: number) => Array.from({ length: count }, () => unsettled.enter());
  return { clock, told, unsettled, enter };
}

describe('messages that are not settled', () => {
  it('are told of once, when there are as many as may be and none is settled for long', async () => {
    const { clock, told, enter } = watch();
    enter(BOUND);
    await clock.advance(UNSETTLED_WARN_MS - 1);
    expect(told).toEqual([]);
    await clock.advance(1);
    expect(told).toEqual([expect.stringMatching(/^listeners have 20 .* 10 s: .*call ack/)]);
    enter(10);
    await clock.advance(10 * UNSETTLED_WARN_MS);
    expect(told).toHaveLength(1);
  });

  it('are nothing to tell of while one is settled now and then, or when there are fewer', async () => {
    const { clock, told, enter } = watch();
    enter(BOUND - 2);
    await clock.advance(10 * UNSETTLED_WARN_MS);
    for (let round = 0; round < 5; round++) {
      const [settle] = enter(2);
      await clock.advance(UNSETTLED_WARN_MS - 1);
      settle?.();
      // Settling a second time changes nothing.
      settle?.();
      enter(1)[0]?.();
    }
    expect(told).toEqual([]);
  });

  it('are not waited for when the broker is closed', async () => {
    const { clock, told, unsettled, enter } = watch();
    enter(BOUND);
    unsettled.stop();
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(UNSETTLED_WARN_MS);
    expect(told).toEqual([]);
  });
});
