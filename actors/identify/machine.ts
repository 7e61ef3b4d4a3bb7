/**
 * The identify governor: who may send IDENTIFY, and when. Pure.
 *
 * Purpose: Discord admits one IDENTIFY per `shard_id % max_concurrency` in five seconds and a fixed
 * number a day; breaking either costs sessions, or the token. RESUME is free and never comes here.
 *
 * Inner workings: each key has a line, first come first served. The shard at its head is told to
 * prepare, so that its socket is greeted while the window of the one before still runs, and is permitted
 * at the moment it can send. The window starts when the shard reports the frame as sent (GP-26), and is
 * wider than Discord's by a margin, since what counts is when the frame arrives. When the budget of the
 * day is used up nobody is permitted until Discord's own reset.
 *
 * Failure: a holder that gives up before it is permitted releases its place and nothing is spent (GP-34).
 * A permit that was handed out counts as used, whatever becomes of its holder: a silent one loses its
 * place after a bound. After a restart of the governor every key waits
 * one whole window, because what was sent before is not known.
 */
import { type Draft, produce } from 'immer';
import {
  IDENTIFY_BUDGET_PERIOD_MS,
  IDENTIFY_MARGIN_MS,
  IDENTIFY_PREPARE_TIMEOUT_MS,
  IDENTIFY_WINDOW_MS,
} from '../../protocols/limits.ts';

/** The `session_start_limit` of GET /gateway/bot, with a monotonic time for the reset. */
export type IdentifyBudget = {
  readonly total: number;
  readonly remaining: number;
  readonly resetAtMs: number;
  /** Whether an IDENTIFY of this day has been sent for certain, so that the reset stands. */
  readonly begun: boolean;
};

type Holder = {
  readonly shard: number;
  readonly prepared: boolean;
  readonly permitted: boolean;
};

type Line = {
  readonly waiting: readonly number[];
  readonly holder: Holder | undefined;
  /** When the next IDENTIFY of this key may be sent. */
  readonly openAtMs: number;
};

export type IdentifyState = {
  readonly maxConcurrency: number;
  readonly budget: IdentifyBudget;
  readonly lines: Readonly<Record<number, Line>>;
};

/** The messages of `IdentifyMessage` without their references. */
export type IdentifyInput =
  | { readonly type: 'request' | 'prepared' | 'used' | 'release'; readonly shard: number }
  | { readonly type: 'window' | 'overdue'; readonly key: number }
  | { readonly type: 'budget-reset' };

export type IdentifyEffect =
  | { readonly type: 'tell'; readonly shard: number; readonly message: 'prepare' | 'permitted' }
  | {
      readonly type: 'arm';
      readonly timer: 'window' | 'overdue';
      readonly key: number;
      readonly delayMs: number;
    }
  | { readonly type: 'disarm'; readonly timer: 'window' | 'overdue'; readonly key: number }
  | { readonly type: 'arm-budget-reset'; readonly delayMs: number };

export type IdentifyStep = {
  readonly state: IdentifyState;
  readonly effects: readonly IdentifyEffect[];
};

type Work = Draft<IdentifyState>;
type Effects = readonly IdentifyEffect[];

/** @param openAtMs when the first IDENTIFY of each key may be sent: later than now after a restart */
export function startIdentify(
  maxConcurrency: number,
  budget: IdentifyBudget,
  openAtMs: number,
): IdentifyState {
  const lines: Record<number, Line> = {};
  for (let key = 0; key < maxConcurrency; key++) {
    lines[key] = { waiting: [], holder: undefined, openAtMs };
  }
  return { maxConcurrency, budget, lines };
}

export function stepIdentify(
  state: IdentifyState,
  input: IdentifyInput,
  nowMs: number,
): IdentifyStep {
  let effects: Effects = [];
  const next = produce(state, (work) => {
    effects = step(work, input, nowMs);
  });
  return { state: next, effects };
}

function step(work: Work, input: IdentifyInput, nowMs: number): Effects {
  if (input.type === 'budget-reset') return resetBudget(work, nowMs);
  const key = 'key' in input ? input.key : input.shard % work.maxConcurrency;
  const line = work.lines[key];
  if (line === undefined) return [];
  switch (input.type) {
    case 'request':
      return request(line, key, input.shard);
    case 'prepared':
      return prepared(work, line, key, input.shard, nowMs);
    case 'used':
      work.budget.begun = true;
      return used(line, key, input.shard, nowMs);
    case 'release':
      return release(line, key, input.shard, nowMs);
    case 'window':
      return permit(work, line, key, nowMs);
    case 'overdue':
      return abandon(line, key, nowMs);
  }
}

/**
 * A holder that asks again has been restarted: it is called again, unless it was permitted already.
 * Then its former self may have sent, and it stands in the line like any other.
 */
function request(line: Draft<Line>, key: number, shard: number): Effects {
  if (line.holder?.shard === shard && !line.holder.permitted) {
    return [{ type: 'disarm', timer: 'window', key }, ...call(line, key, shard)];
  }
  if (line.waiting.includes(shard)) return [];
  line.waiting.push(shard);
  return callNext(line, key);
}

/** Tells the head of the line to open its socket. */
function callNext(line: Draft<Line>, key: number): Effects {
  if (line.holder !== undefined) return [];
  const shard = line.waiting.shift();
  return shard === undefined ? [] : call(line, key, shard);
}

function call(line: Draft<Line>, key: number, shard: number): Effects {
  line.holder = { shard, prepared: false, permitted: false };
  return [
    { type: 'tell', shard, message: 'prepare' },
    { type: 'arm', timer: 'overdue', key, delayMs: IDENTIFY_PREPARE_TIMEOUT_MS },
  ];
}

function prepared(
  work: Work,
  line: Draft<Line>,
  key: number,
  shard: number,
  nowMs: number,
): Effects {
  if (line.holder?.shard !== shard) return request(line, key, shard);
  line.holder.prepared = true;
  return permit(work, line, key, nowMs);
}

function permit(work: Work, line: Draft<Line>, key: number, nowMs: number): Effects {
  const { holder } = line;
  if (holder === undefined || !holder.prepared || holder.permitted) return [];
  if (nowMs < line.openAtMs) {
    return [
      { type: 'arm', timer: 'window', key, delayMs: line.openAtMs - nowMs },
      { type: 'disarm', timer: 'overdue', key },
    ];
  }
  renewBudget(work, nowMs);
  if (work.budget.remaining <= 0) {
    return [
      { type: 'arm-budget-reset', delayMs: Math.max(0, work.budget.resetAtMs - nowMs) },
      { type: 'disarm', timer: 'overdue', key },
    ];
  }
  work.budget.remaining--;
  holder.permitted = true;
  return [
    { type: 'tell', shard: holder.shard, message: 'permitted' },
    { type: 'arm', timer: 'overdue', key, delayMs: IDENTIFY_PREPARE_TIMEOUT_MS },
  ];
}

function used(line: Draft<Line>, key: number, shard: number, nowMs: number): Effects {
  const openAtMs = nowMs + IDENTIFY_WINDOW_MS + IDENTIFY_MARGIN_MS;
  if (line.holder?.shard === shard) return free(line, key, openAtMs);
  // It was permitted too long ago, or by a governor before this one; Discord counts it all the same.
  line.openAtMs = Math.max(line.openAtMs, openAtMs);
  return [];
}

function release(line: Draft<Line>, key: number, shard: number, nowMs: number): Effects {
  if (line.holder?.shard === shard) return abandon(line, key, nowMs);
  line.waiting = line.waiting.filter((waiting) => waiting !== shard);
  return [];
}

/** The holder is gone. Whether a permit that was handed out became an IDENTIFY is not known: it counts. */
function abandon(line: Draft<Line>, key: number, nowMs: number): Effects {
  const spanMs = IDENTIFY_WINDOW_MS + IDENTIFY_MARGIN_MS;
  return free(line, key, line.holder?.permitted ? nowMs + spanMs : line.openAtMs);
}

function free(line: Draft<Line>, key: number, openAtMs: number): Effects {
  line.holder = undefined;
  line.openAtMs = openAtMs;
  return [
    { type: 'disarm', timer: 'overdue', key },
    { type: 'disarm', timer: 'window', key },
    ...callNext(line, key),
  ];
}

/**
 * A new day begins with its first IDENTIFY, not when the old one's budget happens to be used up: what
 * was left of the old day must not be spent on top of the new. A permit that came to nothing begins
 * none, so until one is known to have been used each permit puts the reset off.
 */
function renewBudget(work: Work, nowMs: number): void {
  const { budget } = work;
  if (nowMs >= budget.resetAtMs) {
    budget.remaining = budget.total;
    budget.begun = false;
  }
  // It begins for Discord when the IDENTIFY arrives, which is somewhat after the permit.
  if (!budget.begun && budget.remaining > 0) {
    budget.resetAtMs = nowMs + IDENTIFY_PREPARE_TIMEOUT_MS + IDENTIFY_BUDGET_PERIOD_MS;
  }
}

function resetBudget(work: Work, nowMs: number): Effects {
  return Object.entries(work.lines).flatMap(([key, line]) =>
    permit(work, line, Number(key), nowMs),
  );
}
