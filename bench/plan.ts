/**
 * How much is measured, and for how long: a complete run, a quick one, and one that is profiled.
 */
import type { Row } from './row.ts';

/** What one sample of a row takes. */
export type Effort = {
  readonly warmUpEvents: number;
  /** It comes in so many parts, and ends with one of them when it has taken `warmUpMaxMs`. */
  readonly warmUpParts: number;
  readonly warmUpMaxMs: number;
  /** How long a run at full speed takes, more or less. */
  readonly fullMs: number;
  readonly steadyPerSecond: number;
  readonly steadyMs: number;
  /** Where it is not given, half of what was found at full speed. */
  readonly halfPerSecond?: number;
  /** 0 leaves it out. */
  readonly halfMs: number;
  readonly halfEventsMax: number;
  readonly heapEvents: number;
};

/** Whatever feeds a row, or nothing. */
export type EffortName = 'events' | 'requests' | 'part';

export type Plan = {
  readonly rounds: number;
  /** Of rows that take part in few; 0 leaves them out. */
  readonly fewRounds: number;
  /** No round begins later than this. */
  readonly budgetMs: number;
  /** Whatever happens, the run is over after this. */
  readonly deadlineMs: number;
  /** How many compressed events are made. */
  readonly streamEvents: number;
  readonly effort: Readonly<Record<EffortName, Effort>>;
};

export const COMPLETE: Plan = {
  rounds: 3,
  fewRounds: 2,
  budgetMs: 10 * 60_000,
  deadlineMs: 30 * 60_000,
  streamEvents: 160_000,
  effort: {
    events: {
      warmUpEvents: 30_000,
      warmUpParts: 2,
      warmUpMaxMs: 30_000,
      fullMs: 1_500,
      steadyPerSecond: 10_000,
      steadyMs: 1_500,
      halfMs: 1_000,
      halfEventsMax: 30_000,
      heapEvents: 2_000,
    },
    requests: {
      warmUpEvents: 20_000,
      warmUpParts: 20,
      warmUpMaxMs: 30_000,
      fullMs: 2_000,
      steadyPerSecond: 250,
      steadyMs: 2_000,
      halfPerSecond: 2_000,
      halfMs: 2_000,
      halfEventsMax: 30_000,
      heapEvents: 2_000,
    },
    // A part takes a microsecond at most: it needs more events to be warm, and to show what it
    // allocates: what a run allocates once, however long it is, differs by some KB.
    part: {
      warmUpEvents: 3_000_000,
      warmUpParts: 2,
      warmUpMaxMs: 30_000,
      fullMs: 1_000,
      steadyPerSecond: 0,
      steadyMs: 0,
      halfMs: 0,
      halfEventsMax: 0,
      heapEvents: 1_000_000,
    },
  },
};

export const QUICK: Plan = {
  ...COMPLETE,
  rounds: 1,
  fewRounds: 0,
  budgetMs: 2 * 60_000,
  deadlineMs: 10 * 60_000,
  streamEvents: 40_000,
  effort: {
    events: {
      ...COMPLETE.effort.events,
      warmUpEvents: 10_000,
      fullMs: 300,
      steadyMs: 300,
      halfMs: 0,
      halfEventsMax: 0,
      heapEvents: 1_000,
    },
    requests: {
      ...COMPLETE.effort.requests,
      warmUpEvents: 3_000,
      warmUpMaxMs: 4_000,
      fullMs: 500,
      steadyMs: 500,
      halfMs: 500,
      heapEvents: 1_000,
    },
    part: {
      ...COMPLETE.effort.part,
      warmUpEvents: 1_000_000,
      fullMs: 300,
      heapEvents: 200_000,
    },
  },
};

/** A profile needs much of one thing. */
export const PROFILE: Plan = {
  ...COMPLETE,
  effort: {
    events: { ...COMPLETE.effort.events, fullMs: 4_000, steadyMs: 8_000, halfMs: 0 },
    requests: { ...COMPLETE.effort.requests, fullMs: 8_000, steadyMs: 8_000, halfMs: 0 },
    part: { ...COMPLETE.effort.part, fullMs: 4_000 },
  },
};

export function effortOf({ feed }: Pick<Row, 'feed'>, { effort }: Plan): Effort {
  return effort[feed?.kind ?? 'part'];
}

/** In how many rounds a row takes part. */
export function roundsOf({ rounds }: Pick<Row, 'rounds'>, plan: Plan): number {
  return rounds === 'few' ? Math.min(plan.fewRounds, plan.rounds) : plan.rounds;
}
