/** What the guard and the lanes decide with, against plain models of the same. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Budget,
  type BudgetRules,
  landed,
  levelOf,
  sent,
  spend,
  UNSPENT,
  waitOf,
} from '../../actors/guard/budget.ts';
import { ExpiringSet } from '../../actors/guard/expiring-set.ts';
import {
  belowAtMs,
  countedAt,
  countOne,
  NOTHING_COUNTED,
  shifted,
} from '../../actors/guard/sliding-count.ts';
import { hear, lockedForMs, passLock, type TokenLock } from '../../actors/guard/token-lock.ts';
import {
  afterTurn,
  NOBODY_PASSED,
  nextLane,
  PRIORITIES,
  type Priority,
} from '../../protocols/lanes.ts';
import {
  BUDGET_MOMENT_MS,
  LANE_PATIENCE,
  TOKEN_PROBE_MAX_MS,
  TOKEN_PROBE_MIN_MS,
} from '../../protocols/limits.ts';

const shapes = fc
  .record({ slotMs: fc.integer({ min: 1, max: 500 }), slots: fc.integer({ min: 2, max: 40 }) })
  .map(({ slotMs, slots }) => ({ slotMs, windowMs: slotMs * slots }));
const gaps = fc.array(fc.integer({ min: 0, max: 4_000 }), { minLength: 1, maxLength: 300 });

describe('a sliding count', () => {
  it('is never below the truth, above it by one slot at most, and as small as its window', () => {
    fc.assert(
      fc.property(shapes, gaps, (shape, steps) => {
        let nowMs = 0;
        let slots = NOTHING_COUNTED;
        const timesMs: number[] = [];
        for (const step of steps) {
          nowMs += step;
          slots = countOne(slots, shape, nowMs);
          timesMs.push(nowMs);
          const since = (ms: number): number => timesMs.filter((atMs) => atMs > nowMs - ms).length;
          const counted = countedAt(slots, shape, nowMs);
          expect(counted).toBeGreaterThanOrEqual(since(shape.windowMs));
          expect(counted).toBeLessThanOrEqual(since(shape.windowMs + shape.slotMs));
          expect(slots.length).toBeLessThanOrEqual(shape.windowMs / shape.slotMs + 2);
        }
        expect(JSON.parse(JSON.stringify(slots))).toEqual(slots);
      }),
    );
  });

  it('on another clock counts for no shorter, and for less than a slot longer', () => {
    const byMs = fc.integer({ min: -1e6, max: 1e6 }).map((eighths) => eighths / 8);
    fc.assert(
      fc.property(fc.nat({ max: 1e6 }), byMs, (nowMs, offsetMs) => {
        const shape = { windowMs: 1_000, slotMs: 50 };
        const slots = countOne([], shape, nowMs);
        const [here] = slots;
        const [there] = shifted(slots, shape, offsetMs);
        const longerMs = (there?.fromMs ?? Number.NaN) - ((here?.fromMs ?? 0) + offsetMs);
        expect(there?.count).toBe(1);
        expect(longerMs).toBeGreaterThanOrEqual(0);
        expect(longerMs).toBeLessThan(shape.slotMs);
      }),
    );
  });

  it('says the first moment at which it is below a mark, and no later one', () => {
    fc.assert(
      fc.property(shapes, gaps, fc.integer({ min: 1, max: 40 }), (shape, steps, below) => {
        let nowMs = 0;
        let slots = NOTHING_COUNTED;
        for (const step of steps) {
          nowMs += step;
          slots = countOne(slots, shape, nowMs);
        }
        const atMs = belowAtMs(slots, shape, below, nowMs);
        expect(countedAt(slots, shape, atMs)).toBeLessThan(below);
        if (atMs > nowMs) expect(countedAt(slots, shape, atMs - 1)).toBeGreaterThanOrEqual(below);
      }),
    );
  });
});

describe('a budget', () => {
  const rules: BudgetRules = {
    windowMs: 1_000,
    slotMs: 50,
    limit: 40,
    warnAt: 20,
    shedAt: 32,
    stopAt: 38,
    spares: null,
  };
  const steps = fc.array(
    fc.record({
      gapMs: fc.integer({ min: 0, max: 25 }),
      lane: fc.constantFrom<Priority>('high', 'normal', 'bulk'),
      lands: fc.constantFrom<'badly' | 'well' | 'not yet'>('badly', 'not yet', 'not yet', 'well'),
    }),
    { minLength: 200, maxLength: 400 },
  );

  it('whatever is in the air, no window ever holds the limit; bulk is shed first', () => {
    fc.assert(
      fc.property(steps, (schedule) => {
        let nowMs = 0;
        let budget: Budget = UNSPENT;
        const bad: number[] = [];
        const since = (ms: number): number => bad.filter((atMs) => atMs > nowMs - ms).length;
        for (const { gapMs, lane, lands } of schedule) {
          nowMs += gapMs;
          const waitMs = waitOf(budget, rules, lane, nowMs);
          if (lane === 'bulk' && levelOf(budget, rules, nowMs) === 'shedding') {
            expect(waitMs).toBeGreaterThan(0);
          }
          if (waitMs === 0) budget = sent(budget);
          else if (waitMs !== BUDGET_MOMENT_MS) {
            expect(waitOf({ ...budget, flying: 0 }, rules, lane, nowMs + waitMs)).toBe(0);
          }
          const landing = lands === 'not yet' ? 0 : lands === 'well' ? 1 : budget.flying;
          for (let count = 0; count < landing && budget.flying > 0; count++) {
            budget = landed(budget);
            if (lands === 'well') continue;
            budget = spend(budget, rules, nowMs);
            bad.push(nowMs);
          }
          expect(since(rules.windowMs)).toBeLessThan(rules.limit);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('spares the lane it is told to spare', () => {
    const soft = { ...rules, limit: Number.POSITIVE_INFINITY, spares: 'high' } as const;
    let budget: Budget = UNSPENT;
    for (let index = 0; index < 60; index++) budget = spend(budget, soft, 0);
    expect(PRIORITIES.map((lane) => waitOf(budget, soft, lane, 0))).toEqual([0, 1_050, 1_050]);
  });
});

describe('the lock on a token', () => {
  it('lets one request at a time find out, ever later, and opens on the first success', () => {
    let lock: TokenLock | null = hear(null, 1, 'refused', 0);
    let nowMs = 0;
    let waitMs = TOKEN_PROBE_MIN_MS;
    for (let probe = 2; probe < 14; probe++) {
      expect(lockedForMs(lock, nowMs)).toBe(waitMs);
      expect(lockedForMs(lock, nowMs + waitMs - 1)).toBe(1);
      nowMs += waitMs;
      expect(lockedForMs(lock, nowMs)).toBe(0);
      lock = passLock(lock, probe);
      expect(lockedForMs(lock, nowMs)).toBeGreaterThan(0);
      // What was in the air when the lock closed says nothing new.
      expect(hear(lock, 1, 'refused', nowMs)).toBe(lock);
      expect(hear(lock, 1, 'known', nowMs)).toBe(lock);
      lock = hear(lock, probe, 'refused', nowMs);
      waitMs = Math.min(2 * waitMs, TOKEN_PROBE_MAX_MS);
    }
    expect(waitMs).toBe(TOKEN_PROBE_MAX_MS);
    nowMs += waitMs;
    const lost = hear(passLock(lock, 20), 20, 'nothing', nowMs);
    expect(lockedForMs(lost, nowMs)).toBe(waitMs);
    expect(hear(passLock(lost, 21), 21, 'known', nowMs + waitMs)).toBeNull();
  });
});

describe('the keys that expire', () => {
  it('are as many as the bound at most, and remembered for their time unless newer ones came', () => {
    fc.assert(
      fc.property(gaps, fc.integer({ min: 1, max: 20 }), (steps, max) => {
        const set = new ExpiringSet(5_000, max);
        const addedMs: number[] = [];
        let nowMs = 0;
        for (const [index, step] of steps.entries()) {
          nowMs += step;
          set.add(String(index), nowMs);
          addedMs.push(nowMs);
          expect(set.sizeAt(nowMs)).toBeLessThanOrEqual(max);
          for (const [key, atMs] of addedMs.entries()) {
            const isKept = key > index - max;
            expect(set.leftMs(String(key), nowMs)).toBe(
              isKept ? Math.max(0, atMs + 5_000 - nowMs) : 0,
            );
          }
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe('the lanes', () => {
  const crowds = fc.array(
    fc.record({
      high: fc.boolean(),
      normal: fc.boolean(),
      bulk: fc.boolean(),
    }),
    { minLength: 1, maxLength: 300 },
  );

  it('serve the highest, and none waits for more turns than it has patience for', () => {
    fc.assert(
      fc.property(crowds, (turns) => {
        let patience = NOBODY_PASSED;
        const passed = { high: 0, normal: 0, bulk: 0 };
        for (const crowd of turns) {
          const waits = (lane: Priority): boolean => crowd[lane];
          const taken = nextLane(patience, waits);
          if (taken === null) {
            expect(PRIORITIES.some(waits)).toBe(false);
            continue;
          }
          expect(waits(taken)).toBe(true);
          const first = PRIORITIES.find(waits);
          if (taken !== first) expect(passed[taken]).toBeGreaterThanOrEqual(LANE_PATIENCE);
          patience = afterTurn(patience, taken, waits);
          for (const lane of PRIORITIES) {
            passed[lane] = lane === taken || !waits(lane) ? 0 : passed[lane] + 1;
            // Two may have lost their patience at the same time.
            expect(passed[lane]).toBeLessThanOrEqual(LANE_PATIENCE + 2);
          }
        }
      }),
    );
  });
});
