/**
 * The identify governor: who may send IDENTIFY, and when. Pure.
 *
 * Purpose: Discord admits one IDENTIFY per `shard_id % max_concurrency` in five seconds and a fixed
 * number a day; breaking either costs sessions, or the token. RESUME is free and never comes here.
 *
 * Inner workings: each key has a line. Its head is called to open a socket; once that is greeted, and
 * nobody of an earlier bucket is before it (GP-28), the ledger is asked for a permit. The window starts
 * when the shard reports the frame as sent (GP-26), and is wider than Discord's by a margin, since what
 * counts is when the frame arrives. Discord's own word is asked for again when it is old, when sessions
 * end soon after their IDENTIFY, and when the budget is down to its floor (GP-36).
 *
 * Failure: a holder that gives up before it is permitted spends nothing, and a permit that comes for it
 * is given back (GP-34). A permit that was handed out counts as used, whatever becomes of its holder. A
 * ledger that fails permits nobody (GP-35): after a window of silence the governor goes on with what it
 * knows itself, with its process's share of what was left of the budget, and as much slower as that share
 * is smaller than the whole, since other processes may do the same. It asks the ledger again with back-off,
 * whether or not anybody waits for a permit.
 */
import { FRESH_BACKOFF, nextBackoff } from '../../protocols/backoff.ts';
import type { SessionStarts, TakeAnswer } from '../../protocols/gateway/identify.ts';
import {
  GATEWAY_BOT_FRESH_MS,
  GATEWAY_BOT_REFRESH_BACKOFF,
  GATEWAY_BOT_SUSPECT_MS,
  IDENTIFY_BUDGET_PERIOD_MS,
  IDENTIFY_FLOOR_RECHECK_MS,
  IDENTIFY_LEASE_MS,
  IDENTIFY_LEDGER_BACKOFF,
  IDENTIFY_MARGIN_MS,
  IDENTIFY_RETURN_MS,
  IDENTIFY_RETURNS_MAX,
  IDENTIFY_WINDOW_MS,
} from '../../protocols/limits.ts';
import {
  type Effects,
  enter,
  firstOf,
  leave,
  lineOf,
  newLines,
  permit,
  rekey,
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
import { isEmpty, valueIn, withValue } from './table.ts';

const WINDOW_MS = IDENTIFY_WINDOW_MS + IDENTIFY_MARGIN_MS;
/** Nothing has to be done by itself. */
const FOR_EVER = Number.POSITIVE_INFINITY;

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
  const keys = keysToLookAt(state, work, input, facts.nowMs);
  return { state: work, effects: [...heard, ...advance(work, keys, facts.nowMs)] };
}

/** What is known of the session starts now. */
export function startsOf(state: IdentifyState, nowMs: number): SessionStarts {
  const { total, remaining, begun, resetAtMs } = state.budget;
  const resetInMs = Math.max(0, resetAtMs - nowMs);
  return { total, remaining, begun, resetInMs, maxConcurrency: state.maxConcurrency };
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
      return lineOf(work, input.shard).holder?.shard === input.shard
        ? leave(work, input.shard)
        : [];
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
  const sentAtMs = valueIn(work.sentAtMs, shard);
  if (sentAtMs !== undefined && nowMs - sentAtMs < IDENTIFY_RETURN_MS) {
    work.word = { ...work.word, returns: work.word.returns + 1 };
    work.sentAtMs = withValue(work.sentAtMs, shard, undefined);
  }
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

/** Whether a permit that was handed out became an IDENTIFY is not known: it counts. */
function release(work: Work, shard: number, nowMs: number): Effects {
  const wasPermitted = lineOf(work, shard).sending.some((each) => each.shard === shard);
  const effects = wasPermitted ? sent(work, shard, nowMs) : [];
  return [...effects, ...leave(work, shard)];
}

/** Between two IDENTIFYs of a key: without the ledger others may use it too. */
function spacingMs({ absence, rules }: Work): number {
  return absence === undefined ? WINDOW_MS : WINDOW_MS * Math.ceil(1 / rules.share);
}

/**
 * The keys of which one may go on now that could not before. An input concerns one key, and time opens
 * some; all of them are looked at only when what held them back is over.
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
  const first = firstOf(work);
  const firstBefore = firstOf(before);
  const isLater = first && firstBefore && precedes(firstBefore, first);
  if (isLater || (isHeld(before) && !isHeld(work))) return Array(maxConcurrency).keys();
  const shard = shardOf(before, input);
  return shard === undefined ? keys : new Set([...keys, shard % maxConcurrency]);
}

function shardOf({ attempts }: IdentifyState, input: IdentifyInput): number | undefined {
  if (input.type === 'answer') return valueIn(attempts, input.attempt)?.shard;
  return 'shard' in input ? input.shard : undefined;
}

/** Nobody goes on before an answer has come: Discord's, or the one that says whether the ledger is back. */
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

/** A ledger that is away is asked again though nobody wants a permit, so that it is known when it is back. */
function lookForLedger(work: Work, nowMs: number): Seek {
  const { absence } = work;
  if (absence === undefined || isAskingLedger(work)) return { effects: [], dueAtMs: FOR_EVER };
  if (nowMs < absence.retryAtMs) return { effects: [], dueAtMs: absence.retryAtMs };
  work.absence = { ...absence, looking: true };
  return { effects: [{ type: 'reach' }], dueAtMs: FOR_EVER };
}

function isAskingLedger({ absence, attempts }: IdentifyState): boolean {
  return absence?.looking === true || !isEmpty(attempts);
}

function setDue(work: Work, dueAtMs: number, nowMs: number): Effects {
  const next = Number.isFinite(dueAtMs) ? dueAtMs : undefined;
  if (next === work.dueAtMs) return [];
  work.dueAtMs = next;
  return next === undefined
    ? [{ type: 'disarm-due' }]
    : [{ type: 'arm-due', delayMs: next - nowMs }];
}

type Seek = { readonly effects: Effects; readonly dueAtMs: number };

/** A holder's way to its permit: Discord's word if it is due, then the ledger, or what is known here. */
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

function wordIsDue({ word, atFloor }: IdentifyState, nowMs: number): boolean {
  if (nowMs < word.retryAtMs) return false;
  const isSuspect = atFloor || word.returns >= IDENTIFY_RETURNS_MAX;
  return nowMs - word.atMs >= (isSuspect ? GATEWAY_BOT_SUSPECT_MS : GATEWAY_BOT_FRESH_MS);
}

function take(work: Work, { shard }: Standing, nowMs: number): Effects {
  const attempt = work.nextAttempt++;
  const { owed } = work;
  work.owed = 0;
  work.attempts = withValue(work.attempts, attempt, { shard, owed });
  setLine(work, shard, { attempt });
  return [{ type: 'take', attempt, shard, owed, known: startsOf(work, nowMs) }];
}

/** The answer to a question that was given up before changes nothing: its permit runs out by itself. */
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
  if (answer.kind === 'wait' && isPresent) {
    const openAtMs = Math.max(line.openAtMs, facts.nowMs + answer.waitMs);
    setLine(work, shard, { openAtMs });
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

function reached(work: Work, isThere: boolean, facts: IdentifyFacts): Effects {
  if (work.absence?.looking !== true) return [];
  return isThere ? regain(work, facts.nowMs) : lose(work, facts);
}

function keep(work: Work, starts: SessionStarts, nowMs: number): void {
  const { total, remaining, begun, resetInMs } = starts;
  work.budget = { total, remaining, begun, resetAtMs: nowMs + resetInMs };
}

function shut(work: Work, { remaining, resetInMs }: SessionStarts, nowMs: number): Effects {
  const waitMs = resetInMs > 0 ? resetInMs : IDENTIFY_FLOOR_RECHECK_MS;
  work.shutUntilMs = nowMs + Math.min(waitMs, IDENTIFY_FLOOR_RECHECK_MS);
  return reachFloor(work, remaining, resetInMs);
}

function reachFloor(work: Work, remaining: number, resetInMs: number): Effects {
  if (work.atFloor) return [];
  work.atFloor = true;
  return [{ type: 'notice', notice: { kind: 'floor', remaining, resetInMs } }];
}

function leaveFloor(work: Work): Effects {
  if (!work.atFloor) return [];
  work.atFloor = false;
  const { remaining } = work.budget;
  return [{ type: 'notice', notice: { kind: 'above-floor', remaining } }];
}

function changeConcurrency(work: Work, to: number): Effects {
  const from = work.maxConcurrency;
  if (from === to) return [];
  return [...rekey(work, to), { type: 'notice', notice: { kind: 'concurrency', from, to } }];
}

function heardWord(work: Work, starts: SessionStarts | undefined, facts: IdentifyFacts): Effects {
  const { nowMs, random } = facts;
  const { budget } = work;
  const word = { ...work.word, asking: false };
  if (starts === undefined) {
    const next = nextBackoff(word.backoff, GATEWAY_BOT_REFRESH_BACKOFF, () => random);
    work.word = { ...word, backoff: next.state, retryAtMs: nowMs + next.delayMs };
    return [];
  }
  const sinceAttempt = work.nextAttempt;
  work.word = { ...word, atMs: nowMs, backoff: FRESH_BACKOFF, returns: 0, sinceAttempt };
  const isOver = nowMs >= budget.resetAtMs;
  const isLater = nowMs + starts.resetInMs > budget.resetAtMs + IDENTIFY_LEASE_MS;
  if (isOver || (starts.begun && isLater)) keep(work, starts, nowMs);
  else {
    const { total } = starts;
    const remaining = Math.min(budget.remaining, starts.remaining);
    const resetAtMs = starts.begun ? nowMs + starts.resetInMs : budget.resetAtMs;
    work.budget = { total, remaining, resetAtMs, begun: budget.begun || starts.begun };
  }
  const { absence } = work;
  if (absence !== undefined) {
    work.absence = { ...absence, allowance: Math.min(absence.allowance, allowance(work)) };
  }
  return [{ type: 'learn', word: starts }, ...changeConcurrency(work, starts.maxConcurrency)];
}

/** The ledger has failed: others may have sent a moment ago, so all keys begin with a window of silence. */
function lose(work: Work, { nowMs, random }: IdentifyFacts): Effects {
  const { absence } = work;
  const { state, delayMs } = nextBackoff(
    absence?.backoff ?? FRESH_BACKOFF,
    IDENTIFY_LEDGER_BACKOFF,
    () => random,
  );
  const retry = { backoff: state, retryAtMs: nowMs + delayMs, looking: false };
  if (absence !== undefined) {
    work.absence = { ...absence, ...retry };
    return [];
  }
  work.absence = { ...retry, sinceMs: nowMs, allowance: allowance(work) };
  // Not at the same moment in every process.
  const silenceMs = WINDOW_MS + (spacingMs(work) - WINDOW_MS) * random;
  for (let key = 0; key < work.maxConcurrency; key++) {
    const { openAtMs } = lineOf(work, key);
    setLine(work, key, { openAtMs: Math.max(openAtMs, nowMs + silenceMs) });
  }
  return [{ type: 'notice', notice: { kind: 'ledger-away' } }];
}

function regain(work: Work, nowMs: number): Effects {
  const { absence } = work;
  if (absence === undefined) return [];
  work.absence = undefined;
  // It has missed what Discord said meanwhile.
  const sinceAttempt = work.nextAttempt;
  work.word = { ...work.word, returns: IDENTIFY_RETURNS_MAX, sinceAttempt };
  const awayMs = nowMs - absence.sinceMs;
  return [{ type: 'notice', notice: { kind: 'ledger-back', awayMs } }];
}

function allowance({ budget, rules }: Work): number {
  return Math.floor(Math.max(0, budget.remaining - rules.floor) * rules.share);
}

/** Without the ledger: from what this process may spend of the budget that was last known. */
function goAlone(work: Work, holder: Standing, nowMs: number): Seek {
  const { absence } = work;
  if (absence === undefined) return { effects: [], dueAtMs: nowMs };
  if (nowMs >= work.budget.resetAtMs) {
    work.budget = { ...work.budget, remaining: work.budget.total, begun: false };
    work.absence = { ...absence, allowance: allowance(work) };
  }
  const { remaining, begun, resetAtMs } = work.budget;
  const left = work.absence?.allowance ?? 0;
  if (left <= 0) {
    const effects = reachFloor(work, remaining, Math.max(0, resetAtMs - nowMs));
    return { effects, dueAtMs: absence.retryAtMs };
  }
  work.budget = {
    ...work.budget,
    remaining: remaining - 1,
    // As in the ledger: a day begins with its first IDENTIFY.
    resetAtMs: begun ? resetAtMs : nowMs + IDENTIFY_LEASE_MS + IDENTIFY_BUDGET_PERIOD_MS,
  };
  work.absence = { ...absence, allowance: left - 1 };
  work.owed++;
  return { effects: [...leaveFloor(work), ...permit(work, holder)], dueAtMs: FOR_EVER };
}
