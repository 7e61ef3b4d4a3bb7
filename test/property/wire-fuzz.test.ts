/**
 * A share of what `npm run test:wire` does: frames by the hundred thousand, half of them damaged.
 */
import { expect, it } from 'vitest';
import { fuzzWire } from '../support/wire-fuzz.ts';

const FRAMES = 200_000;
const PART_FRAMES = 20_000;
const TIMEOUT_MS = 240_000;

it(
  'reads and transcodes frames as JSON.parse and @msgpack/msgpack do, and forwards the rest untouched',
  async () => {
    let broken = 0;
    let plain = 0;
    for (let seed = 1; seed <= FRAMES / PART_FRAMES; seed++) {
      const result = fuzzWire(seed, PART_FRAMES);
      expect(result.problems).toEqual([]);
      broken += result.broken;
      plain += result.plain;
      // The runner has to hear from its worker now and then.
      await new Promise((resolve) => setImmediate(resolve));
    }
    // The search is one only if both kinds are met in numbers.
    expect(broken).toBeGreaterThan(FRAMES / 10);
    expect(plain).toBeGreaterThan(FRAMES / 4);
  },
  TIMEOUT_MS,
);
