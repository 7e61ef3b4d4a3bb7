/**
 * The machine and the desk of the stored sessions under random schedules: shards that save and
 * forget, an archive that takes its time, fails, and loses the answer after it has done what was
 * asked.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SessionDesk } from '../../actors/sessions/desk.ts';
import {
  type SessionsEffect,
  type SessionsInput,
  type SessionsState,
  type SessionsStep,
  startSessions,
  stepSessions,
} from '../../actors/sessions/machine.ts';
import type { SessionBatch } from '../../actors/sessions/ports.ts';
import {
  SESSION_BATCH_MAX,
  SESSION_RESUMABLE_MS,
  SESSION_STORE_BACKOFF,
  SESSION_STORE_INTERVAL_MS,
} from '../../protocols/limits.ts';
import { claimShards, type Shelf, saveBatch } from '../../src/gateway/stores/session-shelf.ts';
import { recordOf } from '../support/session-records.ts';

type Event =
  | { readonly type: 'save' | 'forget'; readonly shard: number }
  | { readonly type: 'timer' }
  /**
   * What is under way ends: `done` says whether the store did it, `told` whether its answer came.
   */
  | { readonly type: 'end'; readonly done: boolean; readonly told: boolean }
  /** A word that was on its way when it lost its meaning: a timer's, or an answer's. */
  | { readonly type: 'stray'; readonly input: SessionsInput['type'] }
  /** A newer process claims a shard. */
  | { readonly type: 'taken'; readonly shard: number };

const SHARDS = 6;
const shard = fc.nat(SHARDS - 1);

const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('save' as const), shard }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('forget' as const), shard }) },
  { weight: 3, arbitrary: fc.constant({ type: 'timer' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('stray' as const),
      input: fc.constantFrom('due' as const, 'done' as const, 'failed' as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('end' as const),
      done: fc.boolean(),
      told: fc.boolean(),
    }),
  },
);
const hostile: fc.Arbitrary<Event> = fc.oneof(
  { weight: 10, arbitrary: event },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('taken' as const), shard }) },
);

/** Carries out what the machine says, as its actor does, on a shelf instead of a store. */
class Run {
  readonly desk: SessionDesk;
  readonly shelf: Shelf = new Map();
  readonly effects: SessionsEffect[] = [];
  /** How many shards each save had. */
  readonly batches: number[] = [];
  /** The timer, while it runs. */
  armedMs: number | undefined;
  underWay: { readonly type: 'claim' | 'save'; readonly batch: SessionBatch } | undefined;
  #state: SessionsState;
  #nowMs = 0;
  #sequence = 0;

  constructor(shards: number) {
    this.desk = new SessionDesk(Array.from({ length: shards }, (_, id) => id));
    const step = startSessions(this.#facts());
    this.#state = step.state;
    this.#run(step);
  }

  get phase(): string {
    return this.#state.phase;
  }

  get isAway(): boolean {
    return this.#state.awaySinceMs !== undefined;
  }

  handle(event: Event): void {
    switch (event.type) {
      case 'save':
        this.desk.save(event.shard, recordOf(++this.#sequence));
        break;
      case 'forget':
        this.desk.forget(event.shard);
        break;
      case 'timer':
        this.fire();
        break;
      case 'end':
        this.end(event.done, event.told);
        break;
      case 'stray':
        if ((event.input === 'due') !== (this.armedMs !== undefined)) {
          this.#step({ type: event.input });
        }
        break;
      case 'taken':
        this.#take(event.shard);
        break;
    }
  }

  #take(taken: number): void {
    const newer = { owner: 'newer', epochMs: this.#nowMs };
    claimShards(this.shelf, { shards: [taken], ageMs: 0 }, newer);
  }

  fire(): void {
    if (this.armedMs === undefined) return;
    this.#nowMs += this.armedMs;
    this.armedMs = undefined;
    this.#step({ type: 'due' });
  }

  end(done: boolean, told: boolean): void {
    const { underWay } = this;
    if (underWay === undefined) return;
    this.underWay = undefined;
    this.#nowMs += 1;
    if (done) this.#perform(underWay, told);
    this.#step({ type: done && told ? 'done' : 'failed' });
  }

  #perform({ type, batch }: NonNullable<Run['underWay']>, told: boolean): void {
    const use = { owner: 'us', epochMs: this.#nowMs };
    if (type === 'claim') {
      const request = { shards: this.desk.unclaimed(), ageMs: this.#nowMs };
      const answer = claimShards(this.shelf, request, use);
      if (told) this.desk.adopt(answer, this.#nowMs);
    } else {
      const refusals = saveBatch(this.shelf, batch, use);
      if (told) this.desk.settle(batch, refusals);
    }
  }

  #facts() {
    const { isClaimed, unsaved } = this.desk;
    return { isClaimed, unsaved, nowMs: this.#nowMs, random: 0.5 };
  }

  #step(input: SessionsInput): void {
    this.#run(stepSessions(this.#state, input, this.#facts()));
  }

  #run({ state, effects }: SessionsStep): void {
    this.#state = state;
    for (const effect of effects) {
      this.effects.push(effect);
      if (effect.type === 'arm') {
        expect(this.armedMs).toBeUndefined();
        this.armedMs = effect.delayMs;
      }
      if (effect.type === 'claim' || effect.type === 'save') this.#begin(effect.type);
    }
  }

  #begin(type: 'claim' | 'save'): void {
    // Two at once could cross on their way (GP-67).
    expect(this.underWay).toBeUndefined();
    const none = { number: 0, changes: [] };
    const batch = type === 'save' ? this.desk.batch() : none;
    this.underWay = { type, batch };
    if (type === 'save') this.batches.push(batch.changes.length);
  }
}

function play(events: readonly Event[], shards = SHARDS): Run {
  const run = new Run(shards);
  for (const one of events) {
    run.handle(one);
    // Either something is under way or a timer runs: never both, never neither.
    expect(run.underWay === undefined).toBe(run.armedMs !== undefined);
    expect(run.phase).toBe(run.underWay === undefined ? 'resting' : 'working');
  }
  return run;
}

/** The store is well from now on: goes on until there is nothing to do. */
function settle(run: Run): void {
  for (let turn = 0; turn < 10_000; turn++) {
    if (run.underWay === undefined && run.desk.unsaved === 0 && run.desk.isClaimed) return;
    if (run.underWay !== undefined) run.end(true, true);
    else run.fire();
  }
  throw new Error('it never came to rest');
}

const schedule = fc.array(event, { maxLength: 200, size: 'max' });

describe('the stored sessions', () => {
  it('are in the end what the shards have last said, whatever the store did meanwhile', () => {
    fc.assert(
      fc.property(schedule, (events) => {
        const run = play(events);
        settle(run);
        for (let id = 0; id < SHARDS; id++) {
          expect(run.shelf.get(id)?.record).toEqual(run.desk.load(id));
        }
      }),
    );
  });

  it('never go back: what is stored of a shard is never older than what was stored before (GP-67)', () => {
    fc.assert(
      fc.property(schedule, (events) => {
        const run = new Run(SHARDS);
        const highest = new Map<number, number>();
        for (const one of events) {
          run.handle(one);
          for (const [id, { record }] of run.shelf) {
            if (record === undefined) continue;
            expect(record.sequence).toBeGreaterThanOrEqual(highest.get(id) ?? 0);
            highest.set(id, record.sequence);
          }
        }
      }),
    );
  });

  it('are claimed before they are saved, and each batch has a shard once and no more than its bound', () => {
    fc.assert(
      fc.property(schedule, (events) => {
        const run = play(events);
        settle(run);
        const words = run.effects.map(({ type }) => type);
        const firstSave = words.indexOf('save');
        if (firstSave !== -1) expect(words.indexOf('claim')).toBeLessThan(firstSave);
        for (const size of run.batches) {
          expect(size).toBeGreaterThan(0);
          expect(size).toBeLessThanOrEqual(SHARDS);
        }
      }),
    );
  });

  it('are told away once for each time that the store is, and back once', () => {
    fc.assert(
      fc.property(schedule, (events) => {
        const run = play(events);
        settle(run);
        const news = run.effects.map(({ type }) => type).filter((type) => /away|back/.test(type));
        expect(news).toEqual(news.map((_, index) => (index % 2 === 0 ? 'away' : 'back')));
        // Nothing is tried when there is nothing to do, so the news that it is back may be due.
        expect(run.isAway).toBe(news.length % 2 === 1);
      }),
    );
  });

  it('wait no longer than the back-off says, and an interval while all is well', () => {
    fc.assert(
      fc.property(schedule, (events) => {
        const run = play(events);
        for (const effect of run.effects) {
          if (effect.type !== 'arm') continue;
          expect(effect.delayMs).toBeGreaterThan(0);
          const longestMs = Math.max(SESSION_STORE_BACKOFF.maxMs, SESSION_STORE_INTERVAL_MS);
          expect(effect.delayMs).toBeLessThanOrEqual(longestMs);
        }
      }),
    );
  });

  it('of a shard that a newer process has claimed stay as that one left them', () => {
    fc.assert(
      fc.property(fc.array(hostile, { maxLength: 200, size: 'max' }), (events) => {
        const run = new Run(SHARDS);
        settle(run);
        const taken = new Map<number, unknown>();
        for (const one of events) {
          run.handle(one);
          if (one.type === 'taken') taken.set(one.shard, run.shelf.get(one.shard));
          for (const [id, entry] of taken) expect(run.shelf.get(id)).toEqual(entry);
        }
        settle(run);
        for (const [id, entry] of taken) expect(run.shelf.get(id)).toEqual(entry);
        // And what this process knows of them is still what its own shards have said.
        run.desk.save(0, recordOf(1_000_000));
        expect(run.desk.load(0)?.sequence).toBe(1_000_000);
      }),
    );
  });

  it('of thousands of shards take one batch after the other without a pause', () => {
    const shards = 2 * SESSION_BATCH_MAX + 500;
    const run = new Run(shards);
    settle(run);
    for (let id = 0; id < shards; id++) run.desk.save(id, recordOf(id));
    run.fire();
    run.end(true, true);
    run.end(true, true);
    expect(run.batches).toEqual([SESSION_BATCH_MAX, SESSION_BATCH_MAX]);
    // The rest waits for what joins it meanwhile.
    expect(run.armedMs).toBe(SESSION_STORE_INTERVAL_MS);
    settle(run);
    expect(run.batches).toEqual([SESSION_BATCH_MAX, SESSION_BATCH_MAX, 500]);
  });
});

describe('what a store had', () => {
  it('is resumed unless it is too old, or read when the shards have started', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -60_000, max: 2 * SESSION_RESUMABLE_MS }),
        fc.boolean(),
        (ageMs, late) => {
          const desk = new SessionDesk([0]);
          if (late) desk.open();
          const nowMs = 1_800_000_000_000;
          const record = recordOf(5, { savedAtEpochMs: nowMs - ageMs });
          const claims = [{ shard: 0, generation: 2, record }];
          const lost = desk.adopt({ claims, refusals: [] }, nowMs);
          const isExpired = ageMs > SESSION_RESUMABLE_MS;
          const why = isExpired ? 'expired' : 'late';
          expect(lost).toEqual(isExpired || late ? [{ shard: 0, record, why }] : []);
          expect(desk.load(0)).toEqual(isExpired || late ? undefined : record);
          expect(desk.unsaved).toBe(0);
        },
      ),
    );
  });
});
