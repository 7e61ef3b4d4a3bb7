import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SmallMap } from '../../actors/small-map.ts';

type Change = readonly ['set', number, string] | readonly ['delete', number] | readonly ['clear'];

const key = fc.nat(3);
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(fc.constant('set' as const), key, fc.string()),
  fc.tuple(fc.constant('delete' as const), key),
  fc.tuple(fc.constant('clear' as const)),
);

describe('a small map', () => {
  it('holds, in order, what a Map would hold after the same changes', () => {
    fc.assert(
      fc.property(fc.array(change), (changes) => {
        const small = new SmallMap<number, string>();
        const map = new Map<number, string>();
        for (const [kind, at = 0, value = ''] of changes) {
          if (kind === 'delete') expect(small.delete(at)).toBe(map.delete(at));
          else if (kind === 'clear') for (const one of [small, map]) one.clear();
          else for (const one of [small, map]) one.set(at, value);
          expect([...small.values()]).toEqual([...map.values()]);
          expect(small.size).toBe(map.size);
          for (const one of [0, 1, 2, 3]) {
            expect([small.has(one), small.get(one)]).toEqual([map.has(one), map.get(one)]);
          }
        }
      }),
    );
  });

  it('can lose what it holds while it is gone through', () => {
    for (const count of [1, 2, 5]) {
      const map = new SmallMap<number, number>();
      for (let one = 0; one < count; one += 1) map.set(one, one);
      for (const one of map.values()) map.delete(one);
      expect(map.size).toBe(0);
    }
  });
});
