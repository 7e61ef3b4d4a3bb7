/** The command line of the benchmark. */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { COMPLETE, type Plan, PROFILE, QUICK } from './plan.ts';
import type { ListedRow } from './rows/index.ts';

export const HELP = `npm run bench -- [option …]

  --quick             the rows that do not take long, once and briefly: whether it works
  --only PART,PART    the rows with such a word in their names, and what they are compared with
  --rounds N          how many samples a row gives
  --rate N            the steady rate, in events a second
  --against FOLDER    the same rows of another working tree, in turns with this one's
  --profile KIND      which functions the time goes to: at full speed, or at a steady rate
  --help              this

Without options it takes a quarter of an hour and writes bench/RESULTS.md; otherwise it prints.`;

export type ProfileKind = 'full' | 'steady';

export type Options = {
  readonly plan: Plan;
  readonly rows: readonly ListedRow[];
  /** Every row, as long as it takes; how often, the results say. */
  readonly isComplete: boolean;
  readonly against: string | undefined;
  readonly profile: ProfileKind | undefined;
};

/** @returns `undefined` where help is asked for */
export function readOptions(all: readonly ListedRow[]): Options | undefined {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      rounds: { type: 'string' },
      rate: { type: 'string' },
      against: { type: 'string' },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const { only, against, profile, rounds, rate } = values;
  if (profile !== undefined && profile !== 'full' && profile !== 'steady') {
    throw new Error(`--profile: ${JSON.stringify(profile)} is not allowed; full and steady are`);
  }
  const base = profile === undefined ? (values.quick ? QUICK : COMPLETE) : PROFILE;
  return {
    plan: changed(only === undefined ? base : withFew(base), rounds, rate),
    rows: chooseRows(all, only?.split(','), profile === undefined),
    isComplete:
      !values.quick && [only, against, profile, rate].every((value) => value === undefined),
    against: against === undefined ? undefined : resolve(against),
    profile,
  };
}

/** Whoever names a row wants it, however long it takes. */
function withFew(plan: Plan): Plan {
  return { ...plan, fewRounds: Math.max(1, plan.fewRounds) };
}

/** Whoever says how many rounds there are means those of every row. */
function changed(plan: Plan, rounds: string | undefined, rate: string | undefined): Plan {
  const count = rounds === undefined ? undefined : readNumber('rounds', rounds, 999);
  const perSecond = rate === undefined ? undefined : readNumber('rate', rate, 50_000);
  const { events } = plan.effort;
  return {
    ...plan,
    ...(count !== undefined && { rounds: count, fewRounds: count }),
    ...(perSecond !== undefined && {
      effort: { ...plan.effort, events: { ...events, steadyPerSecond: perSecond } },
    }),
  };
}

function readNumber(option: string, text: string, max: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  throw new Error(`--${option}: ${JSON.stringify(text)} is not allowed; 1 to ${max} is`);
}

/** The rows whose names contain one of `parts`, and those that they are compared with. */
function chooseRows(
  all: readonly ListedRow[],
  parts: readonly string[] | undefined,
  withFloor: boolean,
): readonly ListedRow[] {
  if (parts === undefined) return all;
  const chosen = all.filter(({ name }) => parts.some((part) => name.includes(part)));
  if (chosen.length === 0) {
    throw new Error(
      `--only: no row has such a name; there are ${all.map(({ name }) => name).join(', ')}`,
    );
  }
  const floors = new Set(
    chosen.map(({ feed }) => feed?.kind === 'events' && `receive ${feed.compression}`),
  );
  return all.filter((row) => chosen.includes(row) || (withFloor && floors.has(row.name)));
}
