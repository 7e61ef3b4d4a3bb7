import { describe, expect, it } from 'vitest';
import { createRandom, drawSeed } from '../../src/random.ts';

describe('seeded randomness', () => {
  it('draws the same from the same seed and something else from another', () => {
    const draw = (seed: number): number[] => {
      const random = createRandom(seed);
      return Array.from({ length: 20 }, () => random());
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it('is even over [0, 1)', () => {
    const random = createRandom(42);
    const buckets = new Array<number>(10).fill(0);
    for (let count = 0; count < 100_000; count += 1) {
      const value = random();
      expect(value >= 0 && value < 1).toBe(true);
      const bucket = Math.floor(value * 10);
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    // Five standard deviations of a binomial with n = 100,000 and p = 0.1 are 474.
    for (const count of buckets) expect(Math.abs(count - 10_000)).toBeLessThan(474);
  });

  it('refuses a seed that is no number, and draws seeds it accepts', () => {
    expect(() => createRandom(Number.NaN)).toThrow(RangeError);
    expect(() => createRandom(drawSeed())).not.toThrow();
  });
});
