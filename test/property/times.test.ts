/**
 * Times whose versions share an array, against plain arrays: no version sees what another one adds.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  after,
  append,
  areSame,
  count,
  first,
  NO_TIMES,
  type Times,
  toArray,
} from '../../actors/global/times.ts';

type Version = { readonly times: Times; readonly model: readonly number[]; readonly nowMs: number };

describe('times that share an array', () => {
  it('are each what they were, whichever version is gone on from', () => {
    // Which version to go on from, seen from the newest; how much later it is; whether time passes.
    const step = fc.record({
      back: fc.constantFrom(0, 0, 0, 0, 1, 2, 7),
      laterMs: fc.integer({ min: 0, max: 3 }),
      isPassing: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 400 }), (steps) => {
        const versions: Version[] = [{ times: NO_TIMES, model: [], nowMs: 0 }];
        for (const { back, laterMs, isPassing } of steps) {
          const from = versions.at(-1 - Math.min(back, versions.length - 1));
          if (from === undefined) throw new Error('there is always a version');
          const nowMs = from.nowMs + laterMs;
          const { times, model } = from;
          versions.push(
            isPassing
              ? { times: after(times, nowMs), model: model.filter((atMs) => atMs > nowMs), nowMs }
              : { times: append(times, nowMs + 20), model: [...model, nowMs + 20], nowMs },
          );
        }
        for (const { times, model } of versions) {
          expect(toArray(times)).toEqual(model);
          expect(count(times)).toBe(model.length);
          expect(first(times)).toBe(model[0] ?? Number.POSITIVE_INFINITY);
          expect(areSame(times, model.reduce(append, NO_TIMES))).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });
});
