/** The gate's machine under random asks, in all lanes, against what must hold of any gate. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type GateInput,
  type GateState,
  newGate,
  transition,
} from '../../actors/global/machine.ts';
import { PRIORITIES, type Priority } from '../../protocols/lanes.ts';
import { ARRIVAL_MAX_MS, GLOBAL_WINDOW_MS } from '../../protocols/limits.ts';

type Ask = { readonly asker: string; readonly lane: Priority; readonly gapMs: number };

const asks = fc.array(
  fc.record<Ask>({
    asker: fc.constantFrom('a', 'b', 'c', 'd'),
    lane: fc.constantFrom(...PRIORITIES),
    gapMs: fc.constantFrom(0, 0, 0, 1, 40, 300),
  }),
  { minLength: 1, maxLength: 150 },
);

type Grant = { readonly asker: string; readonly lane: Priority; readonly atMs: number };

/** Runs a gate until all is granted; each permit is sent at once and settled after a while. */
class Run {
  readonly grants: Grant[] = [];
  #state: GateState<string>;
  #nowMs = 0;
  #wakeMs: number | null = null;
  readonly #settling: { readonly atMs: number; readonly permit: number }[] = [];
  readonly #tripMs: () => number;

  constructor(limit: number, tripMs: () => number) {
    this.#state = newGate(limit, 0);
    this.#tripMs = tripMs;
  }

  tell(input: GateInput<string>): void {
    // Plain data all the way: it can be stored in between.
    expect(JSON.parse(JSON.stringify(this.#state.lines))).toEqual(this.#state.lines);
    const { state, effects } = transition(this.#state, input, this.#nowMs);
    this.#state = state;
    for (const effect of effects) {
      if (effect.kind === 'wake-at') this.#wakeMs = effect.atMs;
      if (effect.kind !== 'grant') continue;
      const { asker, lane, permit } = effect;
      this.grants.push({ asker, lane, atMs: this.#nowMs });
      this.tell({ kind: 'sent', permit });
      this.#settling.push({ atMs: this.#nowMs + this.#tripMs(), permit });
      this.#settling.sort((one, other) => one.atMs - other.atMs);
    }
  }

  passUntil(untilMs: number): void {
    for (;;) {
      const [next] = this.#settling;
      const settleMs = next?.atMs ?? Number.POSITIVE_INFINITY;
      const wakeMs = this.#wakeMs ?? Number.POSITIVE_INFINITY;
      const atMs = Math.min(settleMs, wakeMs);
      if (atMs > untilMs) break;
      this.#nowMs = Math.max(this.#nowMs, atMs);
      if (next !== undefined && settleMs <= wakeMs) {
        this.#settling.shift();
        this.tell({ kind: 'settled', permit: next.permit });
      } else {
        this.#wakeMs = null;
        this.tell({ kind: 'wake' });
      }
    }
    this.#nowMs = Math.max(this.#nowMs, untilMs);
  }

  get nowMs(): number {
    return this.#nowMs;
  }
}

describe('the gate, whatever is asked of it', () => {
  it('grants each ask once, in its lane, and never more than the limit in a window', () => {
    fc.assert(
      fc.property(
        asks,
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.integer({ min: 1, max: 2 * ARRIVAL_MAX_MS }), { minLength: 1, maxLength: 9 }),
        fc.option(fc.integer({ min: 1, max: 4_000 }), { nil: null }),
        (schedule, limit, trips, shutMs) => {
          let trip = 0;
          const run = new Run(limit, () => trips[trip++ % trips.length] ?? 1);
          if (shutMs !== null) run.tell({ kind: 'shut', untilMs: shutMs });
          for (const { asker, lane, gapMs } of schedule) {
            run.passUntil(run.nowMs + gapMs);
            run.tell({ kind: 'ask', asker, lane });
          }
          run.passUntil(run.nowMs + 400_000);
          const tally = (list: readonly { asker: string; lane: Priority }[]): readonly string[] =>
            list.map(({ asker, lane }) => `${asker} ${lane}`).sort();
          expect(tally(run.grants)).toEqual(tally(schedule));
          for (const [index, { atMs }] of run.grants.entries()) {
            const beyond = run.grants[index + limit];
            if (beyond !== undefined) expect(beyond.atMs - atMs).toBeGreaterThan(GLOBAL_WINDOW_MS);
            if (shutMs !== null) expect(atMs).toBeGreaterThanOrEqual(shutMs);
          }
        },
      ),
      { numRuns: 200 },
    );
  });

  it('gives the askers of a lane their turns by turns, however much one of them wants', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 2, maxLength: 8 }),
        (wants) => {
          const run = new Run(1, () => 1);
          run.tell({ kind: 'shut', untilMs: 5_000 });
          for (const [index, count] of wants.entries()) {
            for (let ask = 0; ask < count; ask++) {
              run.tell({ kind: 'ask', asker: String(index), lane: 'normal' });
            }
          }
          run.passUntil(400_000);
          const had = wants.map(() => 0);
          for (const { asker } of run.grants) {
            const index = Number(asker);
            // Nobody who still wants something has had fewer turns than whoever has one now.
            for (const [other, count] of wants.entries()) {
              const turns = had[other] ?? 0;
              if (turns < count) expect(had[index]).toBeLessThanOrEqual(turns);
            }
            had[index] = (had[index] ?? 0) + 1;
          }
          expect(had).toEqual(wants);
        },
      ),
    );
  });
});
