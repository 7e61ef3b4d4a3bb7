/** Draws from a random source, and sources for things that must come out the same in any order. */
import type { Random } from '../../../protocols/ports.ts';
import { createRandom } from '../../random.ts';

/** Mixes numbers into 32 bits, so that near inputs give far results. */
export function hash(...parts: readonly number[]): number {
  let state = 0x9e3779b9;
  for (const part of parts) {
    state = Math.imul(state ^ (part | 0), 0x85ebca6b);
    state ^= state >>> 13;
    state = Math.imul(state, 0xc2b2ae35);
    state ^= state >>> 16;
  }
  return state >>> 0;
}

/** A number in [0, 1) that depends on nothing but the parts. */
export function fraction(...parts: readonly number[]): number {
  return hash(...parts) / 2 ** 32;
}

/** A source of its own for one thing of the world, whatever was drawn before. */
export function randomOf(...parts: readonly number[]): Random {
  return createRandom(hash(...parts));
}

/** A whole number from `least` to `most`, both included. */
export function between(random: Random, least: number, most: number): number {
  return least + Math.floor(random() * (most - least + 1));
}

export function chance(random: Random, share: number): boolean {
  return random() < share;
}

/** There is no such thing in the world, which happens when a bot has deleted them all. */
export class NothingToPickError extends RangeError {
  constructor() {
    super('nothing to pick from');
  }
}

export function pick<Item>(random: Random, items: readonly Item[]): Item {
  const item = items[Math.floor(random() * items.length)];
  if (item === undefined) throw new NothingToPickError();
  return item;
}

/** Up to `count` different items, in the order they stand in. */
export function sample<Item>(random: Random, items: readonly Item[], count: number): Item[] {
  let wanted = Math.min(count, items.length);
  let left = items.length;
  return items.filter(() => {
    const taken = random() * left < wanted;
    left -= 1;
    if (taken) wanted -= 1;
    return taken;
  });
}

export function listOf<Item>(count: number, make: (ordinal: number) => Item): Item[] {
  return Array.from({ length: count }, (_, ordinal) => make(ordinal));
}

const HEX = '0123456789abcdef';

export function hex(random: Random, length: number): string {
  let text = '';
  while (text.length < length) text += HEX[Math.floor(random() * 16)];
  return text;
}

const ALPHANUMERIC = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Letters and digits, as in invite codes and tokens. */
export function alphanumeric(random: Random, length: number): string {
  let text = '';
  while (text.length < length) text += ALPHANUMERIC[Math.floor(random() * ALPHANUMERIC.length)];
  return text;
}
