import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BackoffPolicy,
  type BackoffState,
  checkBackoffPolicy,
  FRESH_BACKOFF,
  nextBackoff,
  stable,
} from '../../protocols/backoff.ts';
import {
  SUPERVISOR_BACKOFF_INITIAL_MS,
  SUPERVISOR_BACKOFF_MAX_MS,
  SUPERVISOR_RESTART_WINDOW_MS,
  SUPERVISOR_RESTARTS_MAX,
} from '../../protocols/limits.ts';
import { createRandom } from '../../src/random.ts';

const policies: fc.Arbitrary<BackoffPolicy> = fc
  .record({
    initialMs: fc.integer({ min: 1, max: 5_000 }),
    extraMs: fc.integer({ min: 0, max: 100_000 }),
    factor: fc.double({ min: 1, max: 10, noNaN: true }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
    stableMs: fc.integer({ min: 0, max: 100_000 }),
  })
  .map(({ extraMs, ...rest }) => ({ ...rest, maxMs: rest.initialMs + extraMs }));

/** The waits of `count` tries in a row. */
function waits(policy: BackoffPolicy, count: number, random: () => number): number[] {
  let state: BackoffState = FRESH_BACKOFF;
  return Array.from({ length: count }, () => {
    const next = nextBackoff(state, policy, random);
    state = next.state;
    return next.delayMs;
  });
}

describe('back-off', () => {
  it('never waits longer than the maximum, nor less than the unjittered part of the wait', () => {
    fc.assert(
      fc.property(policies, fc.nat(), (policy, seed) => {
        const full = waits({ ...policy, jitter: 0 }, 60, () => 0);
        const drawn = waits(policy, 60, createRandom(seed));
        drawn.forEach((delayMs, index) => {
          const fullMs = full[index] ?? Number.NaN;
          expect(delayMs).toBeLessThanOrEqual(policy.maxMs);
          expect(delayMs).toBeLessThanOrEqual(fullMs);
          expect(delayMs).toBeGreaterThanOrEqual(fullMs * (1 - policy.jitter) - 1e-6);
        });
      }),
    );
  });

  it('grows by the factor from the first wait until it is capped, and never shrinks', () => {
    fc.assert(
      fc.property(policies, (policy) => {
        const full = waits({ ...policy, jitter: 0 }, 60, () => 0);
        full.forEach((delayMs, index) => {
          const expectedMs = Math.min(policy.initialMs * policy.factor ** index, policy.maxMs);
          expect(delayMs / expectedMs).toBeCloseTo(1, 9);
          expect(delayMs).toBeGreaterThanOrEqual(full[index - 1] ?? 0);
        });
      }),
    );
  });

  it('uses the whole of its jitter', () => {
    const policy = { initialMs: 100, maxMs: 100, factor: 1, jitter: 0.5, stableMs: 0 };
    const drawn = waits(policy, 1_000, createRandom(3));
    expect(Math.min(...drawn)).toBeLessThan(52);
    expect(Math.max(...drawn)).toBeGreaterThan(98);
  });

  it('forgets after a stable run, and only then', () => {
    fc.assert(
      fc.property(policies, fc.nat(20), fc.nat(200_000), (policy, tries, uptimeMs) => {
        let state: BackoffState = FRESH_BACKOFF;
        for (let count = 0; count < tries; count += 1) {
          state = nextBackoff(state, policy, () => 0).state;
        }
        expect(state.attempts).toBe(tries);
        const after = stable(state, policy, uptimeMs);
        expect(after).toEqual(uptimeMs >= policy.stableMs ? FRESH_BACKOFF : state);
      }),
    );
  });

  it('draws the same waits from the same seed', () => {
    fc.assert(
      fc.property(policies, fc.nat(), (policy, seed) => {
        expect(waits(policy, 20, createRandom(seed))).toEqual(
          waits(policy, 20, createRandom(seed)),
        );
      }),
    );
  });

  it('refuses a policy that never waits, shrinks, or knows no end', () => {
    const policy = { initialMs: 1, maxMs: 10, factor: 2, jitter: 0.5, stableMs: 0 };
    expect(checkBackoffPolicy(policy)).toBe(policy);
    for (const wrong of [
      { initialMs: 0 },
      { initialMs: 11 },
      { initialMs: Number.NaN },
      { maxMs: Number.POSITIVE_INFINITY },
      { factor: 0.9 },
      { factor: Number.POSITIVE_INFINITY },
      { jitter: -0.1 },
      { jitter: 1.1 },
      { stableMs: -1 },
    ]) {
      expect(() => checkBackoffPolicy({ ...policy, ...wrong })).toThrow(RangeError);
    }
  });

  it('of the default policy is short enough that the default budget can be used up', () => {
    let totalMs = 0;
    for (let count = 0; count < SUPERVISOR_RESTARTS_MAX; count += 1) {
      totalMs += Math.min(SUPERVISOR_BACKOFF_INITIAL_MS * 2 ** count, SUPERVISOR_BACKOFF_MAX_MS);
    }
    expect(totalMs).toBeLessThan(SUPERVISOR_RESTART_WINDOW_MS);
  });
});
