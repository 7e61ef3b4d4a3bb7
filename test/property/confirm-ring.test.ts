import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConfirmRing } from '../../actors/channel/confirm-ring.ts';
import { RecordingOrigin } from '../support/broker-bench.ts';

const MAX_EVENTS = 16;
const MAX_BYTES = 1_000;

/** What a caller and a broker may do, in any order. */
const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('push' as const), size: fc.nat(600) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('oldest' as const), ok: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('tag' as const), tag: fc.nat(60), ok: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('through' as const),
      tag: fc.nat(60),
      ok: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const) }) },
);

function fail(error: unknown): never {
  throw error;
}

describe('the ring of unconfirmed events', () => {
  it('A3 A15 settles every event exactly once, as the broker said, and never exceeds its bounds', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const ring = new ConfirmRing({ maxEvents: MAX_EVENTS, maxBytes: MAX_BYTES }, fail);
        const origin = new RecordingOrigin();
        /** The model: sequence, tag and size of what is outstanding. */
        let open: { sequence: number; tag: number; size: number }[] = [];
        const confirmed: number[] = [];
        const lost: number[] = [];
        let sequence = 0;
        let nextTag = 1;
        const settle = (chosen: typeof open, ok: boolean) => {
          for (const one of chosen) (ok ? confirmed : lost).push(one.sequence);
          open = open.filter((one) => !chosen.includes(one));
        };
        for (const one of steps) {
          switch (one.kind) {
            case 'push': {
              const span = open.length === 0 ? 0 : nextTag - (open[0]?.tag ?? nextTag);
              const bytes = open.reduce((sum, { size }) => sum + size, 0);
              const fits =
                span < MAX_EVENTS && (open.length === 0 || bytes + one.size <= MAX_BYTES);
              expect(ring.fits(one.size)).toBe(fits);
              if (!fits) break;
              ring.push(origin, ++sequence, one.size);
              open.push({ sequence, tag: nextTag++, size: one.size });
              break;
            }
            case 'oldest':
              ring.settleOldest(one.ok);
              settle(open.slice(0, 1), one.ok);
              break;
            case 'tag':
              ring.settle(one.tag, one.ok);
              settle(
                open.filter(({ tag }) => tag === one.tag),
                one.ok,
              );
              break;
            case 'through':
              ring.settleThrough(one.tag, one.ok);
              settle(
                open.filter(({ tag }) => tag <= one.tag),
                one.ok,
              );
              break;
            case 'lose':
              ring.loseAll();
              settle(open, false);
              nextTag = 1;
              break;
          }
          expect(ring.outstanding).toBe(open.length);
          expect(ring.bytes).toBe(open.reduce((sum, { size }) => sum + size, 0));
          expect(ring.settled).toBe(confirmed.length + lost.length);
          expect(origin.confirmedSequences).toEqual(confirmed);
          expect(origin.lostSequences).toEqual(lost);
        }
      }),
    );
  });

  it('settles all the others when one origin throws', () => {
    const faults: unknown[] = [];
    const ring = new ConfirmRing({ maxEvents: 4, maxBytes: 100 }, (error) => faults.push(error));
    const good = new RecordingOrigin();
    const bad = {
      ...new RecordingOrigin(),
      confirmed() {
        throw new Error('in the origin');
      },
      lost() {
        throw new Error('in the origin');
      },
    };
    ring.push(good, 1, 1);
    ring.push(bad, 2, 1);
    ring.push(good, 3, 1);
    ring.settleThrough(3, true);
    expect(good.confirmedSequences).toEqual([1, 3]);
    expect(faults).toHaveLength(1);
    expect(ring.outstanding).toBe(0);
  });

  it('takes one event that is larger than its bound, alone', () => {
    const ring = new ConfirmRing({ maxEvents: 4, maxBytes: 10 }, fail);
    expect(ring.fits(1_000)).toBe(true);
    ring.push(new RecordingOrigin(), 1, 1_000);
    expect(ring.fits(1)).toBe(false);
    ring.settleOldest(true);
    expect(ring.fits(1)).toBe(true);
  });

  it('lets an origin write again from within its confirm', () => {
    const ring = new ConfirmRing({ maxEvents: 1, maxBytes: 10 }, fail);
    let next = 1;
    const origin = {
      shard: 0,
      session: 's',
      confirmed(sequence: number) {
        if (sequence < 50 && ring.fits(1)) ring.push(origin, ++next, 1);
      },
      lost: fail,
    };
    ring.push(origin, 1, 1);
    for (let count = 0; count < 50; count++) ring.settleOldest(true);
    expect(next).toBe(50);
    expect(ring.outstanding).toBe(0);
  });
});
