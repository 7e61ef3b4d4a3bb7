/**
 * The lines of the keys: who stands where, whose turn it is, and what moves when max_concurrency
 * changes.
 *
 * The head of a line is called to open its socket, so that it is greeted while the window before it
 * still runs; but only when all that come before it have sent, over all keys, since it may not go
 * before them and its handshake would delay theirs. A holder whose socket does not come in time
 * loses its turn, as does one that gives it up: nothing is spent (GP-34). Whoever was permitted
 * leaves the line and is awaited for the word that it has sent.
 *
 * Who is first over all keys, and which round is the lowest, is counted with each change of a line
 * and not looked for in all of them: a thousand keys may have a holder each.
 */
import { IDENTIFY_PREPARE_TIMEOUT_MS } from '../../protocols/limits.ts';
import { counted, joined, precedes, type Rank, rankOf, type Standing } from './order.ts';
import type { IdentifyEffect, IdentifyState, Line } from './state.ts';
import { type Table, valueIn, valuesOf, withValue } from './table.ts';

/**
 * The state as one step makes it: its fields are replaced, what is in them is shared with the one
 * before.
 */
export type Work = { -readonly [Field in keyof IdentifyState]: IdentifyState[Field] };
export type Effects = readonly IdentifyEffect[];

export function newLines(maxConcurrency: number, openAtMs: number): Table<Line> {
  let lines: Table<Line> = {};
  for (let key = 0; key < maxConcurrency; key++) {
    const line = { waiting: [], holder: undefined, sending: [], openAtMs, attempt: undefined };
    lines = withValue(lines, key, line);
  }
  return lines;
}

/** Every shard has a line: there is one for each remainder. */
export function lineOf(work: Work, shard: number): Line {
  const line = valueIn(work.lines, shard % work.maxConcurrency);
  if (line === undefined) throw new RangeError(`shard ${shard} has no line`);
  return line;
}

/** Changes the line of a shard, and counts who is called. */
export function setLine(work: Work, shard: number, change: Partial<Line>): void {
  const old = lineOf(work, shard);
  const line = { ...old, ...change };
  work.lines = withValue(work.lines, shard % work.maxConcurrency, line);
  if (line.holder !== old.holder) {
    if (old.holder !== undefined) countCalled(work, old.holder, -1);
    if (line.holder !== undefined) countCalled(work, line.holder, 1);
  }
  if (line.sending !== old.sending) {
    for (const each of old.sending) countCalled(work, each, -1);
    for (const each of line.sending) countCalled(work, each, 1);
  }
}

function countCalled(work: Work, who: Standing, by: 1 | -1): void {
  work.called = counted(work.called, rankOf(who, work.maxConcurrency), by);
}

/**
 * A holder that asks again has been restarted: it is called again. Whoever stands already, stands
 * once.
 */
export function enter(work: Work, shard: number): Effects {
  const { holder } = lineOf(work, shard);
  if (holder?.shard === shard) return call(work, holder);
  if (valueIn(work.standing, shard) !== undefined) return [];
  const round = Math.max(presentRound(work), (valueIn(work.turns, shard) ?? -1) + 1);
  work.standing = withValue(work.standing, shard, round);
  work.rounds = counted(work.rounds, { round, bucket: 0 }, 1);
  const newcomer = { shard, round };
  const { waiting } = lineOf(work, shard);
  setLine(work, shard, { waiting: joined(waiting, newcomer, work.maxConcurrency) });
  return [...stepBack(work, newcomer), ...callNext(work, shard)];
}

/** A holder that nobody has asked the ledger for lets a newcomer go first that comes before it. */
function stepBack(work: Work, newcomer: Standing): Effects {
  const { maxConcurrency } = work;
  const { holder, attempt, waiting } = lineOf(work, newcomer.shard);
  if (holder === undefined || attempt !== undefined) return [];
  if (!precedes(rankOf(newcomer, maxConcurrency), rankOf(holder, maxConcurrency))) return [];
  const { shard, round } = holder;
  setLine(work, shard, { waiting: waiting.toSpliced(1, 0, { shard, round }), holder: undefined });
  return [{ type: 'disarm', timer: 'overdue', shard }];
}

/** The lowest round of those that stand; the latest there was, if nobody does. */
function presentRound({ rounds: [lowest], round }: Work): number {
  return lowest?.round ?? round;
}

/** Takes a shard out that waits or was called. Its turn is over if it had one. */
export function leave(work: Work, shard: number): Effects {
  const { holder, waiting } = lineOf(work, shard);
  if (holder?.shard !== shard) {
    unstand(work, shard);
    const others = waiting.filter((each) => each.shard !== shard);
    if (others.length < waiting.length) setLine(work, shard, { waiting: others });
    return [];
  }
  endTurn(work, holder);
  setLine(work, shard, { holder: undefined });
  return [{ type: 'disarm', timer: 'overdue', shard }, ...callNext(work, shard)];
}

export function permit(work: Work, { shard, round }: Standing): Effects {
  endTurn(work, { shard, round });
  const { sending } = lineOf(work, shard);
  setLine(work, shard, { holder: undefined, sending: [...sending, { shard, round }] });
  return [
    { type: 'tell', shard, message: 'permitted' },
    { type: 'arm', timer: 'silent', shard, delayMs: IDENTIFY_PREPARE_TIMEOUT_MS },
    ...callNext(work, shard),
  ];
}

function endTurn(work: Work, { shard, round }: Standing): void {
  unstand(work, shard);
  work.turns = withValue(work.turns, shard, round);
  work.round = Math.max(work.round, round);
}

function unstand(work: Work, shard: number): void {
  const round = valueIn(work.standing, shard);
  if (round === undefined) return;
  work.standing = withValue(work.standing, shard, undefined);
  work.rounds = counted(work.rounds, { round, bucket: 0 }, -1);
}

/** Calls the heads of all lines that may be called. */
export function callAll(work: Work): Effects {
  return [...Array(work.maxConcurrency).keys()].flatMap((key) => callNext(work, key));
}

/** Tells the head of a shard's line to open its socket, if nobody comes before it. */
function callNext(work: Work, shard: number): Effects {
  const { holder, waiting } = lineOf(work, shard);
  const [next, ...others] = waiting;
  if (holder !== undefined || next === undefined) return [];
  const first = firstOf(work);
  if (first !== undefined && precedes(first, rankOf(next, work.maxConcurrency))) return [];
  setLine(work, shard, { waiting: others });
  return call(work, next);
}

function call(work: Work, { shard, round }: Standing): Effects {
  setLine(work, shard, { holder: { shard, round, prepared: false } });
  return [
    { type: 'tell', shard, message: 'prepare' },
    { type: 'arm', timer: 'overdue', shard, delayMs: IDENTIFY_PREPARE_TIMEOUT_MS },
  ];
}

/**
 * The first of all whose IDENTIFY is not known to be sent: nobody that it comes before may be
 * called or permitted. It cannot stand in anybody's way for long, since each of its steps has a
 * deadline.
 */
export function firstOf({ called: [first] }: IdentifyState): Rank | undefined {
  return first;
}

/**
 * Moves all to the lines of a new concurrency, each of which opens when every old one has (GP-36).
 */
export function rekey(work: Work, maxConcurrency: number): Effects {
  const old = valuesOf(work.lines);
  const openAtMs = Math.max(...old.map((line) => line.openAtMs));
  const holders = old.flatMap(({ holder }) => (holder === undefined ? [] : [holder]));
  const standing = old.flatMap(({ holder, waiting }) =>
    holder === undefined ? waiting : [{ shard: holder.shard, round: holder.round }, ...waiting],
  );
  work.maxConcurrency = maxConcurrency;
  work.lines = newLines(maxConcurrency, openAtMs);
  work.called = [];
  for (const each of standing) {
    const { waiting } = lineOf(work, each.shard);
    setLine(work, each.shard, { waiting: joined(waiting, each, maxConcurrency) });
  }
  for (const each of old.flatMap((line) => line.sending)) {
    setLine(work, each.shard, { sending: [...lineOf(work, each.shard).sending, each] });
  }
  const calls = callAll(work);
  return [
    ...holders.map(({ shard }) => ({ type: 'disarm', timer: 'overdue', shard }) as const),
    ...calls,
  ];
}
