/**
 * The identify governor: who may send IDENTIFY, and when. Pure.
 *
 * Purpose: Discord admits one IDENTIFY per `shard_id % max_concurrency` in five seconds and a fixed
 * number a day; breaking either costs sessions, or the token. RESUME is free and never comes here.
 *
 * Inner workings: each key has a line. Its head is called to open a socket; once that is greeted,
 * and nobody of an earlier bucket is before it (GP-28), the ledger is asked for a permit. The
 * window starts when the shard reports the frame as sent (GP-26), and is wider than Discord's by a
 * margin, since what counts is when the frame arrives. The budget, Discord's own word (GP-36) and
 * life without the ledger have files of their own.
 *
 * Failure: a holder that gives up before it is permitted spends nothing, and a permit that comes
 * for it is given back (GP-34). A permit that was handed out counts as used, whatever becomes of
 * its holder. A ledger that fails permits nobody (GP-35).
 */
import { FRESH_BACKOFF } from '../../protocols/backoff.ts';
import type { SessionStarts, TakeAnswer } from '../../protocols/gateway/identify.ts';
import {
  FOR_EVER,
  goAlone,
  isAskingLedger,
  lookForLedger,
  lose,
  reached,
  regain,
  type Seek,
  spacingMs,
} from './absence.ts';
import { keep, leaveFloor, shut, startsOf } from './budget.ts';
import {
  callAll,
  type Effects,
  enter,
  firstOf,
  leave,
  lineOf,
  newLines,
  permit,
  setLine,
  type Work,
} from './lines.ts';
import { openedBy, withOpening } from './openings.ts';
import { precedes, rankOf, type Standing } from './order.ts';
import type {
  IdentifyEffect,
  IdentifyFacts,
  IdentifyInput,
  IdentifyRules,
  IdentifyState,
  IdentifyStep,
} from './state.ts';
import { valueIn, withValue } from './table.ts';
import { changeConcurrency, forgotten, heardWord, noteReturn, wordIsDue } from './word.ts';

/** @param owed what an earlier governor has spent without the ledger */
export function startIdentify(
  rules: IdentifyRules,
  known: SessionStarts,
  owed: number,
  nowMs: number,
): IdentifyStep {
  const { total, remaining, begun, maxConcurrency } = known;
  const state: IdentifyState = {
    rules,
    maxConcurrency,
    budget: { total, remaining, begun, resetAtMs: nowMs + known.resetInMs },
    lines: newLines(maxConcurrency, nowMs),
    called: [],
    standing: {},
    rounds: [],
    turns: {},
    round: 0,
    sentAtMs: {},
    attempts: {},
    nextAttempt: 0,
    absence: undefined,
    owed,
    word: {
      atMs: nowMs,
      asking: false,
      retryAtMs: nowMs,
      backoff: FRESH_BACKOFF,
      returns: 0,
      sinceAttempt: 0,
    },
    atFloor: false,
    shutUntilMs: nowMs,
    openings: [],
    dueAtMs: undefined,
  };
  return { state, effects: [{ type: 'learn', word: known }] };
}

export function stepIdentify(
  state: IdentifyState,
  input: IdentifyInput,
  facts: IdentifyFacts,
): IdentifyStep {
  const work: Work = { ...state };
  const heard = hear(work, input, facts);
  const called = hasMovedOn(state, work) ? callAll(work) : [];
  const keys = keysToLookAt(state, work, input, facts.nowMs);
  return { state: work, effects: [...heard, ...called, ...advance(work, keys, facts.nowMs)] };
}

/** Whether those that came first have all sent, or gone. */
function hasMovedOn(before: IdentifyState, work: Work): boolean {
  const first = firstOf(work);
  const firstBefore = firstOf(before);
  if (firstBefore === undefined) return false;
  return first === undefined || precedes(firstBefore, first);
}

function hear(work: Work, input: IdentifyInput, facts: IdentifyFacts): Effects {
  const { nowMs } = facts;
  switch (input.type) {
    case 'request':
      return request(work, input.shard, nowMs);
    case 'prepared':
      return prepared(work, input.shard, nowMs);
    case 'used':
      work.sentAtMs = withValue(work.sentAtMs, input.shard, nowMs);
      return sent(work, input.shard, nowMs);
    case 'release':
      return release(work, input.shard, nowMs);
    case 'overdue':
      return overdue(work, input.shard);
    case 'silent':
      return sent(work, input.shard, nowMs);
    case 'answer':
      return answered(work, input.attempt, input.answer, facts);
    case 'reached':
      return reached(work, input.isThere, facts);
    case 'unheard':
      return work.absence === undefined ? lose(work, facts) : [];
    case 'word':
      return heardWord(work, input.word, facts);
    case 'due':
      work.dueAtMs = undefined;
      return [];
  }
}

function request(work: Work, shard: number, nowMs: number): Effects {
  noteReturn(work, shard, nowMs);
  return enter(work, shard);
}

function prepared(work: Work, shard: number, nowMs: number): Effects {
  const { holder } = lineOf(work, shard);
  if (holder?.shard !== shard) return request(work, shard, nowMs);
  setLine(work, shard, { holder: { ...holder, prepared: true } });
  return [{ type: 'disarm', timer: 'overdue', shard }];
}

/** Discord counts it, whoever permitted it and when. */
function sent(work: Work, shard: number, nowMs: number): Effects {
  const { sending, openAtMs } = lineOf(work, shard);
  setLine(work, shard, {
    sending: sending.filter((each) => each.shard !== shard),
    openAtMs: Math.max(openAtMs, nowMs + spacingMs(work)),
  });
  work.budget = { ...work.budget, begun: true };
  return [
    { type: 'disarm', timer: 'silent', shard },
    { type: 'sent', shard },
  ];
}

/** A holder that is not prepared in time loses its turn. */
function overdue(work: Work, shard: number): Effects {
  return lineOf(work, shard).holder?.shard === shard ? leave(work, shard) : [];
}

/** Whether a permit that was handed out became an IDENTIFY is not known: it counts. */
function release(work: Work, shard: number, nowMs: number): Effects {
  const wasPermitted = lineOf(work, shard).sending.some((each) => each.shard === shard);
  const effects = wasPermitted ? sent(work, shard, nowMs) : [];
  return [...effects, ...leave(work, shard)];
}

/**
 * The keys of which one may go on now that could not before. An input concerns one key, and time
 * opens some; all of them are looked at only when what held them back is over.
 */
function keysToLookAt(
  before: IdentifyState,
  work: Work,
  input: IdentifyInput,
  nowMs: number,
): Iterable<number> {
  const { maxConcurrency } = work;
  const { keys, later } = openedBy(work.openings, nowMs);
  work.openings = later;
  const isFree = hasMovedOn(before, work) || (isHeld(before) && !isHeld(work));
  if (isFree) return Array(maxConcurrency).keys();
  const shard = shardOf(before, input);
  return shard === undefined ? keys : new Set([...keys, shard % maxConcurrency]);
}

function shardOf({ attempts }: IdentifyState, input: IdentifyInput): number | undefined {
  if (input.type === 'answer') return valueIn(attempts, input.attempt)?.shard;
  return 'shard' in input ? input.shard : undefined;
}

/**
 * Nobody goes on before an answer has come: Discord's, or the one that says whether the ledger is
 * back.
 */
function isHeld(state: IdentifyState): boolean {
  return state.word.asking || (state.absence !== undefined && isAskingLedger(state));
}

/** Lets all of these go that may, and sets the clock for the next. */
function advance(work: Work, keys: Iterable<number>, nowMs: number): Effects {
  const effects: IdentifyEffect[] = [];
  const first = firstOf(work);
  for (const key of keys) {
    const { holder, attempt, sending, openAtMs } = lineOf(work, key);
    if (!holder?.prepared || attempt !== undefined || sending.length > 0) continue;
    if (first !== undefined && precedes(first, rankOf(holder, work.maxConcurrency))) continue;
    const atMs = Math.max(openAtMs, work.shutUntilMs);
    if (nowMs < atMs) {
      work.openings = withOpening(work.openings, { atMs, key });
      continue;
    }
    const { shard, round } = holder;
    const step = seek(work, { shard, round }, nowMs);
    effects.push(...step.effects);
    if (step.dueAtMs < FOR_EVER) {
      work.openings = withOpening(work.openings, { atMs: step.dueAtMs, key });
    }
  }
  const look = lookForLedger(work, nowMs);
  effects.push(...look.effects);
  const openAtMs = work.openings[0]?.atMs ?? FOR_EVER;
  return [...effects, ...setDue(work, Math.min(openAtMs, look.dueAtMs), nowMs)];
}

function setDue(work: Work, dueAtMs: number, nowMs: number): Effects {
  const next = Number.isFinite(dueAtMs) ? dueAtMs : undefined;
  if (next === work.dueAtMs) return [];
  work.dueAtMs = next;
  return next === undefined
    ? [{ type: 'disarm-due' }]
    : [{ type: 'arm-due', delayMs: next - nowMs }];
}

/**
 * A holder's way to its permit: Discord's word if it is due, then the ledger, or what is known
 * here.
 */
function seek(work: Work, holder: Standing, nowMs: number): Seek {
  const { word, absence } = work;
  const dueAtMs = FOR_EVER;
  if (word.asking) return { effects: [], dueAtMs };
  if (wordIsDue(work, nowMs)) {
    work.word = { ...word, asking: true };
    return { effects: [{ type: 'ask-discord' }], dueAtMs };
  }
  if (absence === undefined) return { effects: take(work, holder, nowMs), dueAtMs };
  // One question is enough to know whether the ledger is back.
  if (isAskingLedger(work)) return { effects: [], dueAtMs };
  if (nowMs >= absence.retryAtMs) return { effects: take(work, holder, nowMs), dueAtMs };
  return goAlone(work, holder, nowMs);
}

function take(work: Work, { shard }: Standing, nowMs: number): Effects {
  const attempt = work.nextAttempt++;
  const { owed } = work;
  work.owed = 0;
  work.attempts = withValue(work.attempts, attempt, { shard, owed });
  setLine(work, shard, { attempt });
  return [{ type: 'take', attempt, shard, owed, known: startsOf(work, nowMs) }];
}

/**
 * The answer to a question that was given up before changes nothing: its permit runs out by itself.
 */
function answered(
  work: Work,
  attempt: number,
  answer: TakeAnswer | undefined,
  facts: IdentifyFacts,
): Effects {
  const asked = valueIn(work.attempts, attempt);
  if (asked === undefined) return [];
  work.attempts = withValue(work.attempts, attempt, undefined);
  const { shard } = asked;
  const line = lineOf(work, shard);
  const isPresent = line.attempt === attempt;
  if (isPresent) setLine(work, shard, { attempt: undefined });
  if (answer === undefined) {
    work.owed += asked.owed;
    return lose(work, facts);
  }
  const effects = [...regain(work, facts.nowMs)];
  keep(work, answer.starts, facts.nowMs);
  if (answer.kind === 'forgot') effects.push(...forgotten(work, answer.waitMs));
  if (answer.kind === 'wait' || answer.kind === 'forgot') {
    if (isPresent) closeUntil(work, shard, facts.nowMs + answer.waitMs);
  } else if (answer.kind === 'floor') {
    effects.push(...shut(work, answer.starts, facts.nowMs));
  } else if (answer.kind === 'granted') {
    effects.push(...leaveFloor(work));
    const { holder } = line;
    // Whoever it was for may have gone, or have been restarted and not be ready.
    if (isPresent && holder?.shard === shard && holder.prepared) {
      effects.push(...permit(work, { shard, round: holder.round }));
    } else effects.push({ type: 'give-back', shard });
  }
  // Before Discord's latest word had come to the ledger, its answers were the older ones.
  if (attempt < work.word.sinceAttempt) return effects;
  return [...effects, ...changeConcurrency(work, answer.starts.maxConcurrency)];
}

function closeUntil(work: Work, shard: number, atMs: number): void {
  const { openAtMs } = lineOf(work, shard);
  setLine(work, shard, { openAtMs: Math.max(openAtMs, atMs) });
}
