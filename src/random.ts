/**
 * Randomness that can be had again: a generator made from a seed.
 *
 * The generator is mulberry32 (Tommy Ettinger, public domain): 32 bits of state, one multiply-xor
 * mix a draw, period 2^32. It is fast and even enough for jitter and for random schedules, and must
 * never be used for anything secret.
 */
import { randomInt } from 'node:crypto';
import type { Random } from '../protocols/ports.ts';

const SEEDS = 2 ** 32;

/** Equal seeds give equal sequences; a seed is taken modulo 2^32, its fraction dropped. */
export function createRandom(seed: number): Random {
  if (!Number.isFinite(seed)) throw new RangeError(`a seed must be a finite number, not ${seed}`);
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / SEEDS;
  };
}

/**
 * A seed that nobody chose, for a run that was not given one; print it, so that the run can be
 * repeated.
 */
export function drawSeed(): number {
  return randomInt(SEEDS);
}

/** The randomness of a running service, from a seed that nobody chose. */
export function processRandom(): Random {
  return createRandom(drawSeed());
}
