import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ChildSpec,
  chargeRestart,
  mustRestart,
  planRestart,
  type RestartHistory,
  type Strategy,
} from '../../supervisors/restart.ts';

const strategies = fc.constantFrom<Strategy>('one-for-one', 'rest-for-one', 'one-for-all');

const kinds = fc.constantFrom<ChildSpec['restart']>('permanent', 'transient', 'temporary');

/** A family of children, which of them live, and one of the living that ends. */
const ends = fc
  .array(fc.record({ restart: kinds, live: fc.boolean() }), { minLength: 1, maxLength: 8 })
  .chain((family) =>
    fc.record({
      family: fc.constant(family),
      failedIndex: fc.nat(family.length - 1),
      abnormal: fc.boolean(),
      strategy: strategies,
    }),
  )
  .map(({ family, failedIndex, abnormal, strategy }) => {
    const specs = family.map(({ restart }, index) => ({ id: `${index}`, restart, shutdownMs: 1 }));
    const live = new Set(
      specs.filter((_, index) => family[index]?.live || index === failedIndex).map(({ id }) => id),
    );
    const plan = planRestart(strategy, specs, live, `${failedIndex}`, abnormal);
    const failed = specs[failedIndex] as ChildSpec;
    return { specs, live, failed, failedIndex, abnormal, strategy, plan };
  });

const ascending = (ids: readonly string[]): boolean =>
  ids.every((id, index) => index === 0 || Number(ids[index - 1]) < Number(id));

describe('a restart plan', () => {
  it('stops in reverse order and starts in order, each child at most once', () => {
    fc.assert(
      fc.property(ends, ({ plan }) => {
        expect(ascending([...plan.stop].reverse())).toBe(true);
        expect(ascending(plan.start)).toBe(true);
      }),
    );
  });

  it('starts every stopped child again that is not temporary, and the one that ended', () => {
    fc.assert(
      fc.property(ends, ({ specs, failed, abnormal, plan }) => {
        const expected = specs
          .filter(({ id, restart }) => plan.stop.includes(id) && restart !== 'temporary')
          .map(({ id }) => id);
        if (mustRestart(failed, abnormal)) expected.push(failed.id);
        expect([...plan.start].sort()).toEqual(expected.sort());
      }),
    );
  });

  it('stops exactly the living siblings that the strategy names', () => {
    fc.assert(
      fc.property(ends, ({ specs, live, failed, failedIndex, abnormal, strategy, plan }) => {
        const restarts = mustRestart(failed, abnormal);
        const expected = specs.filter(({ id }, index) => {
          if (!restarts || !live.has(id) || index === failedIndex) return false;
          if (strategy === 'one-for-all') return true;
          return strategy === 'rest-for-one' && index > failedIndex;
        });
        expect([...plan.stop].reverse()).toEqual(expected.map(({ id }) => id));
      }),
    );
  });

  it('never starts a temporary child, and a transient one by itself only after an abnormal end', () => {
    fc.assert(
      fc.property(ends, ({ specs, failed, abnormal, plan }) => {
        for (const { id, restart } of specs) {
          if (restart === 'temporary') expect(plan.start).not.toContain(id);
        }
        if (failed.restart === 'transient') {
          expect(plan.start.includes(failed.id)).toBe(abnormal);
        }
        if (failed.restart === 'permanent') expect(plan.start).toContain(failed.id);
      }),
    );
  });

  it('does not wake a child that had ended for good, nor act for one it does not know', () => {
    fc.assert(
      fc.property(ends, ({ specs, live, plan, strategy }) => {
        for (const { id } of specs) {
          if (live.has(id)) continue;
          expect(plan.stop).not.toContain(id);
          expect(plan.start).not.toContain(id);
        }
        expect(planRestart(strategy, specs, live, 'nobody', true)).toEqual({ stop: [], start: [] });
      }),
    );
  });
});

describe('a restart budget', () => {
  const intensities = fc.record({
    maxRestarts: fc.integer({ min: 0, max: 6 }),
    windowMs: fc.integer({ min: 1, max: 1_000 }),
  });
  const gaps = fc.array(fc.nat(400), { maxLength: 60 });

  it('is exceeded exactly when one restart more than granted falls into a window', () => {
    fc.assert(
      fc.property(intensities, gaps, (intensity, spans) => {
        let history: RestartHistory = [];
        let nowMs = 0;
        const granted: number[] = [];
        for (const span of spans) {
          nowMs += span;
          const inWindow = granted.filter((atMs) => atMs > nowMs - intensity.windowMs).length;
          const charged = chargeRestart(history, intensity, nowMs);
          expect(charged.exceeded).toBe(inWindow + 1 > intensity.maxRestarts);
          expect(charged.history.length).toBeLessThanOrEqual(intensity.maxRestarts);
          if (!charged.exceeded) granted.push(nowMs);
          history = charged.history;
        }
      }),
    );
  });
});
