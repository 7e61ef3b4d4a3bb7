import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Backoff, FRESH_BACKOFF, nextBackoff } from '../../protocols/backoff.ts';
import { SHARD_BACKOFF } from '../../protocols/limits.ts';

const policy = fc
  .tuple(
    fc.double({ min: 0.001, max: 10_000, noNaN: true }),
    fc.double({ min: 1, max: 1e6, noNaN: true }),
  )
  .map(([minMs, factor]) => ({ minMs, maxMs: minMs * factor }));

const draw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('the back-off of connections', () => {
  it('GP-06: doubles, with jitter in the upper half, up to the cap', () => {
    fc.assert(
      fc.property(
        policy,
        fc.array(draw, { minLength: 1, maxLength: 100, size: 'max' }),
        ({ minMs, maxMs }, draws) => {
          let backoff: Backoff = FRESH_BACKOFF;
          draws.forEach((random, attempt) => {
            const spanMs = Math.min(maxMs, minMs * 2 ** attempt);
            const next = nextBackoff(backoff, { minMs, maxMs }, random);
            expect(next.delayMs).toBeGreaterThanOrEqual(spanMs / 2);
            expect(next.delayMs).toBeLessThanOrEqual(spanMs);
            backoff = next.backoff;
          });
        },
      ),
    );
  });

  it('GP-06: never waits less, nor longer than the cap, after ten thousand attempts', () => {
    let backoff: Backoff = FRESH_BACKOFF;
    let delayMs = 0;
    for (let attempt = 0; attempt < 10_000; attempt++) {
      const next = nextBackoff(backoff, SHARD_BACKOFF, 0.999);
      expect(next.delayMs).toBeGreaterThanOrEqual(delayMs);
      expect(next.delayMs).toBeLessThanOrEqual(SHARD_BACKOFF.maxMs);
      ({ backoff, delayMs } = next);
    }
    expect(delayMs).toBeGreaterThan(SHARD_BACKOFF.maxMs / 2);
  });

  it('spreads those who failed together over half of the span', () => {
    const waits = Array.from({ length: 100 }, (_, index) =>
      nextBackoff(FRESH_BACKOFF, SHARD_BACKOFF, index / 100),
    ).map(({ delayMs }) => delayMs);
    expect(new Set(waits).size).toBe(100);
    expect(Math.max(...waits) - Math.min(...waits)).toBeGreaterThan(SHARD_BACKOFF.minMs * 0.45);
  });
});
