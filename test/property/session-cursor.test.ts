import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SessionCursor } from '../../actors/shard/session-cursor.ts';
import { UNCONFIRMED_EVENTS_MAX } from '../../protocols/limits.ts';
import { createRandom } from '../../src/random.ts';

/** What a sequence number of a session stands for; Discord says it again in the same way. */
type Kind = 'published' | 'filtered' | 'absent';

type Action =
  /** The next event comes in; the writer takes it or refuses. */
  | { readonly type: 'arrive'; readonly refused: boolean }
  /** The broker answers for one delivery that it has, whichever. */
  | { readonly type: 'confirm' | 'lose'; readonly which: number }
  | { readonly type: 'rewind' };

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('arrive' as const),
      refused: fc.nat(9).map((n) => n === 0),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ type: fc.constant('confirm' as const), which: fc.nat() }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('lose' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.constant({ type: 'rewind' as const }) },
);

const kind = fc.constantFrom<Kind>('published', 'published', 'published', 'filtered', 'absent');

/** The same bookkeeping in the most obvious way. */
class Model {
  received: number;
  pending: { sequence: number; confirmed: boolean }[] = [];
  /** Deliveries that the broker has not answered for, also those from before a rewind. */
  readonly outstanding: number[] = [];
  readonly confirmedEver = new Set<number>();
  losses = 0;
  lossTold = false;

  constructor(sequence: number) {
    this.received = sequence;
  }

  get done(): number {
    const oldest = this.pending.find(({ confirmed }) => !confirmed);
    return oldest === undefined ? this.received : oldest.sequence - 1;
  }

  settle(): void {
    while (this.pending[0]?.confirmed) this.pending.shift();
  }
}

function act(cursor: SessionCursor, model: Model, kinds: readonly Kind[], what: Action): void {
  switch (what.type) {
    case 'arrive':
      arrive(cursor, model, kinds, what.refused);
      break;
    case 'confirm':
    case 'lose': {
      const { outstanding } = model;
      if (outstanding.length === 0) break;
      const [sequence] = outstanding.splice(what.which % outstanding.length, 1);
      if (sequence !== undefined) answer(cursor, model, sequence, what.type === 'confirm');
      break;
    }
    case 'rewind':
      cursor.rewind();
      model.received = model.done;
      model.pending = [];
      model.lossTold = false;
      break;
  }
}

function arrive(
  cursor: SessionCursor,
  model: Model,
  kinds: readonly Kind[],
  refused: boolean,
): void {
  let sequence = model.received + 1;
  const kindOf = (each: number): Kind => kinds[each % kinds.length] ?? 'published';
  while (kindOf(sequence) === 'absent') sequence++;
  if (kindOf(sequence) === 'filtered') {
    cursor.skip(sequence);
    model.received = sequence;
    return;
  }
  expect(cursor.take(sequence)).toBe(true);
  if (refused) {
    cursor.untake(model.received);
    return;
  }
  model.received = sequence;
  model.pending.push({ sequence, confirmed: false });
  model.outstanding.push(sequence);
}

function answer(cursor: SessionCursor, model: Model, sequence: number, confirmed: boolean): void {
  const entry = model.pending.find((each) => each.sequence === sequence);
  if (confirmed) {
    model.confirmedEver.add(sequence);
    if (entry) entry.confirmed = true;
    cursor.confirmed(sequence);
    model.settle();
    return;
  }
  if (entry !== undefined && !model.lossTold) {
    model.losses++;
    model.lossTold = true;
  }
  cursor.lost(sequence);
}

describe('the session cursor', () => {
  it('GP-66: stands where the obvious bookkeeping does, and never above what was confirmed', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 1_000 }),
        fc
          .array(kind, { minLength: 1, maxLength: 20, size: 'max' })
          .filter((kinds) => kinds.some((k) => k !== 'absent')),
        fc.array(action, { maxLength: 500, size: 'max' }),
        (start, kinds, actions) => {
          let losses = 0;
          const cursor = new SessionCursor(0, 'session', start, () => losses++);
          const model = new Model(start);
          let done = start;
          for (const each of actions) {
            act(cursor, model, kinds, each);
            expect(cursor.done).toBe(model.done);
            expect(cursor.received).toBe(model.received);
            expect(cursor.unconfirmed).toBe(model.pending.length);
            expect(losses).toBe(model.losses);
            expect(cursor.done).toBeGreaterThanOrEqual(done);
            for (let sequence = done + 1; sequence <= cursor.done; sequence++) {
              if (kinds[sequence % kinds.length] !== 'published') continue;
              expect(model.confirmedEver.has(sequence)).toBe(true);
            }
            done = cursor.done;
          }
        },
      ),
      { numRuns: 250 },
    );
  });

  it('GP-66: ends at the last event when all are confirmed, in whatever order', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2_000 }), fc.nat(), (count, seed) => {
        const cursor = new SessionCursor(0, 'session', 0, () => {});
        const order = Array.from({ length: count }, (_, index) => index + 1);
        for (const sequence of order) cursor.take(sequence);
        shuffle(order, seed);
        for (const sequence of order) {
          expect(cursor.done).toBeLessThan(count);
          cursor.confirmed(sequence);
        }
        expect(cursor).toMatchObject({ done: count, unconfirmed: 0, received: count });
      }),
      { numRuns: 50 },
    );
  });

  it('holds as many unconfirmed events as its bound says, and refuses the next', () => {
    const cursor = new SessionCursor(0, 'session', 0, () => {});
    // The ring's head is moved first, so that it wraps while it grows.
    for (let sequence = 1; sequence <= 50; sequence++) {
      cursor.take(sequence);
      cursor.confirmed(sequence);
    }
    const last = 50 + UNCONFIRMED_EVENTS_MAX;
    for (let sequence = 51; sequence <= last; sequence++) expect(cursor.take(sequence)).toBe(true);
    expect(cursor.take(last + 1)).toBe(false);
    expect(cursor).toMatchObject({ received: last, done: 50, unconfirmed: UNCONFIRMED_EVENTS_MAX });
    cursor.confirmed(51);
    expect(cursor.done).toBe(51);
    expect(cursor.take(last + 1)).toBe(true);
    const rest = Array.from({ length: UNCONFIRMED_EVENTS_MAX }, (_, index) => 52 + index);
    shuffle(rest, 7);
    for (const sequence of rest) cursor.confirmed(sequence);
    expect(cursor).toMatchObject({ done: last + 1, unconfirmed: 0 });
  });

  it('is not moved by answers for events that it does not know', () => {
    let losses = 0;
    const cursor = new SessionCursor(0, 'session', 10, () => losses++);
    cursor.take(12);
    for (const sequence of [0, 10, 11, 13, Number.NaN]) {
      cursor.confirmed(sequence);
      cursor.lost(sequence);
    }
    expect(cursor).toMatchObject({ done: 11, received: 12, unconfirmed: 1 });
    expect(losses).toBe(0);
  });

  it('says a loss once, however many events a failing broker gives up, and again after a rewind', () => {
    let losses = 0;
    const cursor = new SessionCursor(0, 'session', 0, () => losses++);
    for (let sequence = 1; sequence <= 20_000; sequence++) cursor.take(sequence);
    for (let sequence = 1; sequence <= 20_000; sequence++) cursor.lost(sequence);
    expect(losses).toBe(1);
    expect(cursor.done).toBe(0);
    cursor.rewind();
    cursor.take(1);
    cursor.lost(1);
    expect(losses).toBe(2);
  });
});

function shuffle(list: number[], seed: number): void {
  const random = createRandom(seed);
  for (let index = list.length - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1));
    [list[index], list[other]] = [list[other] as number, list[index] as number];
  }
}
