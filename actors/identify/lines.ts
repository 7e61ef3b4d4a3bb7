/**
 * The lines of the keys: who stands where, whose turn it is, and what moves when max_concurrency changes.
 *
 * The head of a line is called to open its socket, so that it is greeted while the window before it still
 * runs. A holder whose socket does not come in time loses its turn, as does one that gives it up: nothing
 * is spent (GP-34). Whoever was permitted leaves the line and is awaited for the word that it has sent.
 */
import type { Draft } from 'immer';
import { IDENTIFY_PREPARE_TIMEOUT_MS } from '../../protocols/limits.ts';
import { isBefore, placeFor, type Standing } from './order.ts';
import type { IdentifyEffect, IdentifyState, Line } from './state.ts';

export type Work = Draft<IdentifyState>;
export type Effects = readonly IdentifyEffect[];

export function newLines(maxConcurrency: number, openAtMs: number): Record<number, Draft<Line>> {
  const lines: Record<number, Draft<Line>> = {};
  for (let key = 0; key < maxConcurrency; key++) {
    lines[key] = { waiting: [], holder: undefined, sending: [], openAtMs, attempt: undefined };
  }
  return lines;
}

/** Every shard has a line: there is one for each remainder. */
export function lineOf(work: Work, shard: number): Draft<Line> {
  const line = work.lines[shard % work.maxConcurrency];
  if (line === undefined) throw new RangeError(`shard ${shard} has no line`);
  return line;
}

/** A holder that asks again has been restarted: it is called again. Whoever stands already, stands once. */
export function enter(work: Work, shard: number): Effects {
  const line = lineOf(work, shard);
  if (line.holder?.shard === shard) return call(line, line.holder);
  if (work.standing[shard] !== undefined) return [];
  const round = Math.max(presentRound(work), (work.turns[shard] ?? -1) + 1);
  work.standing[shard] = round;
  const newcomer = { shard, round };
  line.waiting.splice(placeFor(line.waiting, newcomer, work.maxConcurrency), 0, newcomer);
  return [...stepBack(work, line, newcomer), ...callNext(line)];
}

/** A holder that nobody has asked the ledger for lets a newcomer go first that comes before it. */
function stepBack(work: Work, line: Draft<Line>, newcomer: Standing): Effects {
  const { holder } = line;
  if (holder === undefined || line.attempt !== undefined) return [];
  if (!isBefore(newcomer, holder, work.maxConcurrency)) return [];
  const { shard, round } = holder;
  line.waiting.splice(1, 0, { shard, round });
  line.holder = undefined;
  return [{ type: 'disarm', timer: 'overdue', shard }];
}

/** The lowest round of those that stand; the latest there was, if nobody does. */
function presentRound(work: Work): number {
  const rounds = Object.values(work.lines).flatMap(({ holder, waiting: [next] }) => {
    const head = holder ?? next;
    return head === undefined ? [] : [head.round];
  });
  return rounds.length === 0 ? work.round : Math.min(...rounds);
}

/** Takes a shard out that waits or was called. Its turn is over if it had one. */
export function leave(work: Work, shard: number): Effects {
  const line = lineOf(work, shard);
  if (line.holder?.shard !== shard) {
    delete work.standing[shard];
    const place = line.waiting.findIndex((waiting) => waiting.shard === shard);
    if (place !== -1) line.waiting.splice(place, 1);
    return [];
  }
  endTurn(work, line.holder);
  line.holder = undefined;
  return [{ type: 'disarm', timer: 'overdue', shard }, ...callNext(line)];
}

export function permit(work: Work, line: Draft<Line>, { shard, round }: Standing): Effects {
  endTurn(work, { shard, round });
  line.holder = undefined;
  line.sending.push({ shard, round });
  return [
    { type: 'tell', shard, message: 'permitted' },
    { type: 'arm', timer: 'silent', shard, delayMs: IDENTIFY_PREPARE_TIMEOUT_MS },
    ...callNext(line),
  ];
}

function endTurn(work: Work, { shard, round }: Standing): void {
  delete work.standing[shard];
  work.turns[shard] = round;
  work.round = Math.max(work.round, round);
}

/** Tells the head of the line to open its socket. */
function callNext(line: Draft<Line>): Effects {
  if (line.holder !== undefined) return [];
  const next = line.waiting.shift();
  return next === undefined ? [] : call(line, next);
}

function call(line: Draft<Line>, { shard, round }: Standing): Effects {
  line.holder = { shard, round, prepared: false };
  return [
    { type: 'tell', shard, message: 'prepare' },
    { type: 'arm', timer: 'overdue', shard, delayMs: IDENTIFY_PREPARE_TIMEOUT_MS },
  ];
}

/**
 * The first of all whose IDENTIFY is not known to be sent: nobody that it comes before may be permitted.
 * It cannot stand in anybody's way for long, since each of its steps has a deadline.
 */
export function firstOf(work: Work): Standing | undefined {
  let first: Standing | undefined;
  for (const { holder, sending } of Object.values(work.lines)) {
    for (const each of holder === undefined ? sending : [holder, ...sending]) {
      if (first === undefined || isBefore(each, first, work.maxConcurrency)) first = each;
    }
  }
  return first;
}

/** Moves all to the lines of a new concurrency, each of which opens when every old one has (GP-36). */
export function rekey(work: Work, maxConcurrency: number): Effects {
  const old = Object.values(work.lines);
  const openAtMs = Math.max(...old.map((line) => line.openAtMs));
  const standing = old.flatMap(({ holder, waiting }) =>
    holder === undefined ? waiting : [{ shard: holder.shard, round: holder.round }, ...waiting],
  );
  const holders = old.flatMap(({ holder }) => (holder === undefined ? [] : [holder.shard]));
  const sending = old.flatMap((line) => line.sending);
  work.maxConcurrency = maxConcurrency;
  work.lines = newLines(maxConcurrency, openAtMs);
  for (const each of standing) {
    const { waiting } = lineOf(work, each.shard);
    waiting.splice(placeFor(waiting, each, maxConcurrency), 0, each);
  }
  for (const each of sending) lineOf(work, each.shard).sending.push(each);
  return [
    ...holders.map((shard) => ({ type: 'disarm', timer: 'overdue', shard }) as const),
    ...Object.values(work.lines).flatMap(callNext),
  ];
}
