/**
 * What is known of one of Discord's counters, and how many requests may go out on that knowledge.
 *
 * Purpose: to answer one question, "how many may be sent now?", so that Discord never counts one too
 * many, whether its window is fixed, sliding, or a leaking bucket, and whatever the network does. A
 * window is plain data; every function here takes one and gives the next.
 *
 * Inner workings. A window is `unknown` (one pioneer at a time), `unlimited` (a success came without
 * limits) or `limited`. For the last it is not known at first how Discord counts; each kind that an
 * answer cannot come from is excluded, and of those that are left the strictest bound counts:
 *
 * - Fixed or leaky: Discord's word. An answer says how many remained when its request was counted, and
 *   when the counter is whole again. Requests in flight may or may not be in that number, so all of
 *   them are taken off. The time of the reset is reckoned from when the answer arrived, so it is never
 *   early. When it has passed, plus a margin, a new epoch begins with the full limit. Requests carry
 *   the epoch they were sent in; an answer that surely describes an earlier window changes nothing in
 *   this one. Of answers that crossed on the way the lower number counts, and the later time, because
 *   a leaking bucket's reset moves on with each request; once the window must be fixed, the earlier.
 * - Sliding: our own log of sends. No more than the limit are sent in any span of the window's length,
 *   as Discord sees it, less what strangers were seen to use.
 *
 * A request whose answer said nothing (lost, or without headers) stays spent for one window's length.
 *
 * Failure modes: a kind is excluded wrongly if the window's length changes under the same limit; then
 * one 429 comes, and from then on no kind is excluded any more.
 */
import {
  ARRIVAL_MAX_MS,
  REPEAT_BACKOFF_MAX_MS,
  REPEAT_BACKOFF_MIN_MS,
  RESET_MARGIN_MS,
  SLIDING_LOG_MAX,
  WINDOW_GUESS_MS,
} from '../../protocols/limits.ts';
import type { Reading } from './reading.ts';

/** One send, as the log keeps it. */
type LogEntry = {
  readonly id: number;
  readonly sentMs: number;
  /** When its answer or failure arrived; until then Discord may count it at any moment. */
  readonly landedMs: number | null;
  /** Whether its answer showed that this counter counted it. */
  readonly counted: boolean;
};

/** A request that may have been counted without our hearing of it. */
type Spent = { readonly landedMs: number; readonly untilMs: number };

/** When an answer's request was sent and the answer arrived, and how far off it said the reset was. */
type Heard = { readonly sentMs: number; readonly landedMs: number; readonly resetAfterMs: number };

/** How Discord may count. */
type Counting = 'fixed' | 'leaky' | 'sliding';

export type Window = {
  readonly kind: 'unknown' | 'unlimited' | 'limited';
  readonly limit: number;
  /** What Discord last said was left in this epoch; the limit while it has said nothing. */
  readonly remaining: number;
  /** The answer that `remaining` comes from; null while nothing was heard in this epoch. */
  readonly heard: Heard | null;
  /** When the counter is whole again; null while nothing was heard in this epoch. */
  readonly resetAtMs: number | null;
  readonly epoch: number;
  readonly epochStartMs: number;
  /** The longest time to a reset seen under this limit: the window's length. */
  readonly lengthMs: number | null;
  /** The longest time to a reset seen, divided by the requests it was seen after. */
  readonly shareMs: number;
  readonly excluded: readonly Counting[];
  /** A 429 has come that should not have: nothing is excluded any more. */
  readonly distrusted: boolean;
  readonly log: readonly LogEntry[];
  readonly spent: readonly Spent[];
  /** Requests that were not ours, as the last answer showed them; they count until the reset. */
  readonly strangers: number;
  /** Only refusals have told of this limit so far. */
  readonly refusedOnly: boolean;
  /** Nothing is sent before this, whatever else is known. */
  readonly blockedUntilMs: number;
  /** Pioneers in a row that brought no knowledge because something failed. */
  readonly failures: number;
};

/** A request that was sent and has not landed. */
export type WindowFlight = { readonly id: number; readonly sentMs: number; readonly epoch: number };

export function newWindow(): Window {
  return {
    kind: 'unknown',
    limit: 1,
    remaining: 1,
    heard: null,
    resetAtMs: null,
    epoch: 0,
    epochStartMs: 0,
    lengthMs: null,
    shareMs: 0,
    excluded: [],
    distrusted: false,
    log: [],
    spent: [],
    strangers: 0,
    refusedOnly: false,
    blockedUntilMs: 0,
    failures: 0,
  };
}

/**
 * A new window that the requests of another one may count against as well. Those in flight will land
 * in the old one only: here they are taken to be counted as late as they can be.
 */
export function newWindowAfter(window: Window): Window {
  const log = window.log.map((entry) => ({
    ...entry,
    landedMs: entry.landedMs ?? entry.sentMs + ARRIVAL_MAX_MS,
    counted: false,
  }));
  return { ...newWindow(), log, epoch: window.epoch };
}

const may = (window: Window, counting: Counting): boolean => !window.excluded.includes(counting);

/** Whether sends are followed one by one. */
const keepsLog = (window: Window): boolean =>
  window.limit <= SLIDING_LOG_MAX && window.lengthMs !== null;

const logUntilMs = (window: Window, entry: LogEntry): number =>
  entry.landedMs === null
    ? Number.POSITIVE_INFINITY
    : entry.landedMs + (window.lengthMs ?? 0) + RESET_MARGIN_MS;

/**
 * How long a request that nothing was heard of is taken to be counted. A single request makes a bucket
 * that leaks look shorter than it is.
 */
function spentMs(window: Window): number {
  const wholeMs = may(window, 'leaky') ? window.shareMs * window.limit : 0;
  return Math.max(window.lengthMs ?? WINDOW_GUESS_MS, wholeMs) + RESET_MARGIN_MS;
}

/** Lets time pass: ends the epoch and forgets what no longer counts. */
export function roll(window: Window, nowMs: number): Window {
  if (window.kind !== 'limited') return window;
  const isOver = window.resetAtMs !== null && nowMs >= window.resetAtMs + RESET_MARGIN_MS;
  const isStale =
    window.spent.some((one) => one.untilMs <= nowMs) ||
    window.log.some((entry) => logUntilMs(window, entry) <= nowMs);
  if (!isOver && !isStale) return window;
  const kept = {
    ...window,
    spent: window.spent.filter((one) => one.untilMs > nowMs),
    log: window.log.filter((entry) => logUntilMs(window, entry) > nowMs),
  };
  if (!isOver) return kept;
  return {
    ...kept,
    epoch: window.epoch + 1,
    epochStartMs: nowMs,
    remaining: window.limit,
    heard: null,
    resetAtMs: null,
    strangers: 0,
  };
}

/**
 * How many more may be sent now, `inFlight` being under way, where others may use all but `share` of the
 * limit without our knowing. The window must have been rolled to now.
 */
export function capacity(window: Window, inFlight: number, nowMs: number, share = 1): number {
  const whole = wholeCapacity(window, inFlight, nowMs);
  if (share >= 1 || window.kind !== 'limited') return whole;
  // One in a window is the least that is of any use.
  const most = Math.max(1, Math.floor(window.limit * share));
  const left = keepsLog(window)
    ? most - window.log.length
    : window.remaining - inFlight - window.spent.length - (window.limit - most);
  return Math.max(0, Math.min(whole, left));
}

function wholeCapacity(window: Window, inFlight: number, nowMs: number): number {
  if (window.blockedUntilMs > nowMs) return 0;
  if (window.kind === 'unknown') return inFlight === 0 ? 1 : 0;
  if (window.kind === 'unlimited') return Number.POSITIVE_INFINITY;
  const byWord = window.remaining - inFlight - window.spent.length;
  const byLog = window.limit - window.log.length - window.strangers;
  if (!keepsLog(window) || !may(window, 'sliding')) return Math.max(0, byWord);
  return Math.max(0, mustSlide(window) ? byLog : Math.min(byWord, byLog));
}

const mustSlide = (window: Window): boolean => !may(window, 'fixed') && !may(window, 'leaky');
const mustBeFixed = (window: Window): boolean => !may(window, 'sliding') && !may(window, 'leaky');

/** The next time after `nowMs` at which the capacity may grow by itself; infinite if there is none. */
export function nextChangeMs(window: Window, nowMs: number): number {
  if (window.blockedUntilMs > nowMs) return window.blockedUntilMs;
  const times = window.spent.map((spent) => spent.untilMs);
  if (window.resetAtMs !== null) times.push(window.resetAtMs + RESET_MARGIN_MS);
  if (keepsLog(window)) for (const entry of window.log) times.push(logUntilMs(window, entry));
  return Math.min(...times.filter((time) => time > nowMs), Number.POSITIVE_INFINITY);
}

/** After this nothing of the window matters any more, unless something is sent. */
export function busyUntilMs(window: Window): number {
  const times = window.spent.map((spent) => spent.untilMs);
  for (const entry of window.log) {
    if (entry.landedMs !== null) times.push(logUntilMs(window, entry));
  }
  return Math.max(window.blockedUntilMs, (window.resetAtMs ?? 0) + RESET_MARGIN_MS, ...times);
}

/** The earliest a request with `ahead` others before it can be sent, as far as that is known. */
export function earliestMs(window: Window, inFlight: number, ahead: number, nowMs: number): number {
  const openMs = Math.max(window.blockedUntilMs, nowMs);
  if (window.kind !== 'limited' || window.resetAtMs === null) return openMs;
  const free = mustSlide(window)
    ? capacity(window, inFlight, nowMs)
    : Math.max(0, window.remaining - inFlight);
  if (ahead < free) return openMs;
  const rounds = Math.floor((ahead - free) / window.limit);
  return Math.max(openMs, firstRoomMs(window, nowMs) + rounds * (window.lengthMs ?? 0));
}

/** When there is room again at the earliest. */
function firstRoomMs(window: Window, nowMs: number): number {
  const wholeMs = (window.resetAtMs ?? nowMs) + RESET_MARGIN_MS;
  if (!mustSlide(window)) return wholeMs;
  return Math.min(wholeMs, ...window.log.map((entry) => logUntilMs(window, entry)));
}

export function noteSent(window: Window, id: number, nowMs: number): Window {
  if (window.kind === 'unlimited' || (window.kind === 'limited' && !keepsLog(window))) {
    return window;
  }
  const entry = { id, sentMs: nowMs, landedMs: null, counted: false };
  return { ...window, log: [...window.log, entry] };
}

/** The request never left, or this counter was not the one to count it: as if it had not been sent. */
export function noteUnsent(window: Window, { id }: WindowFlight): Window {
  return { ...window, log: window.log.filter((entry) => entry.id !== id) };
}

/** The request was sent and nothing was heard: it counts for one window's length. */
export function noteLost(window: Window, flight: WindowFlight, nowMs: number): Window {
  // A connection can break at once, while the request is still on its way to Discord's counter.
  const countedMs = Math.max(nowMs, flight.sentMs + ARRIVAL_MAX_MS);
  const landed = land(window, flight, false, countedMs);
  return window.kind === 'unknown' ? backOff(landed, nowMs) : spend(landed, countedMs);
}

/** Nothing goes out for a while that doubles with each failure in a row. */
export function backOff(window: Window, nowMs: number): Window {
  const waitMs = Math.min(REPEAT_BACKOFF_MAX_MS, REPEAT_BACKOFF_MIN_MS * 2 ** window.failures);
  const failures = Math.min(window.failures + 1, 16);
  return block({ ...window, failures }, nowMs + waitMs);
}

export function block(window: Window, untilMs: number): Window {
  return { ...window, blockedUntilMs: Math.max(window.blockedUntilMs, untilMs) };
}

/** The request was counted, or refused, as it landed; the log holds it as long as it may count. */
export function noteLanded(window: Window, flight: WindowFlight, nowMs: number): Window {
  return land(window, flight, false, nowMs);
}

function land(window: Window, flight: WindowFlight, counted: boolean, nowMs: number): Window {
  const log = window.log.map((entry) =>
    entry.id === flight.id ? { ...entry, landedMs: nowMs, counted } : entry,
  );
  // A pioneer that taught nothing need not be handed over to what the next one finds.
  const isKept = window.kind === 'limited' || counted;
  return { ...window, log: isKept ? log : log.filter((entry) => entry.id !== flight.id) };
}

function spend(window: Window, nowMs: number, untilMs = nowMs + spentMs(window)): Window {
  if (window.kind !== 'limited') return window;
  return { ...window, spent: [...window.spent, { landedMs: nowMs, untilMs }] };
}

/** Takes in an answer that is no 429. */
export function noteAnswer(
  window: Window,
  flight: WindowFlight,
  status: number,
  reading: Reading | null,
  nowMs: number,
): Window {
  const known = status < 500 ? { ...window, failures: 0 } : window;
  if (reading !== null) {
    const learned = learn(land(known, flight, true, nowMs), flight, reading, nowMs);
    return { ...learned, refusedOnly: false };
  }
  const landed = land(known, flight, false, nowMs);
  if (known.kind !== 'unknown') return spend(landed, nowMs);
  if (status >= 500) return backOff(landed, nowMs);
  return { ...landed, kind: status < 300 ? 'unlimited' : 'unknown' };
}

/** It was refused for something else than this counter, which may have counted it. */
export function noteRefusedElsewhere(window: Window, flight: WindowFlight, nowMs: number): Window {
  return spend(land(window, flight, false, nowMs), nowMs);
}

/** This counter refused the request. `explained`: by what others did, and not by how it counts. */
export function noteRefused(
  window: Window,
  flight: WindowFlight,
  reading: Reading,
  explained: boolean,
  nowMs: number,
): Window {
  const refusedOnly = window.refusedOnly || window.kind !== 'limited';
  const learned = learn(land(window, flight, false, nowMs), flight, reading, nowMs);
  if (explained || window.excluded.length === 0) return { ...learned, refusedOnly };
  return { ...learned, refusedOnly, distrusted: true, excluded: [] };
}

/**
 * How many requests that are not ours an answer shows: what has been used of the limit beyond anything
 * we sent. None where we have not seen a whole window yet, or do not follow every send.
 */
export function strangersIn(
  window: Window,
  flight: WindowFlight,
  reading: Reading,
  refused: boolean,
): number {
  if (window.kind !== 'limited' || window.epoch < 2 || !keepsLog(window)) return 0;
  if (reading.limit !== window.limit) return 0;
  const others = window.log.filter((entry) => entry.id !== flight.id).length;
  const ours = others + window.spent.length + (refused ? 0 : 1);
  return Math.max(0, reading.limit - reading.remaining - ours);
}

/**
 * Whether an answer comes from another counter: its own request is all that it shows, although an
 * answer that had arrived before it was sent told of a counter that surely is not whole yet.
 */
export function isOfAnother(
  { heard, limit }: Window,
  sentMs: number,
  reading: Reading,
  nowMs: number,
): boolean {
  if (heard === null || heard.landedMs > sentMs || reading.limit !== limit) return false;
  const wholeMs = heard.sentMs + heard.resetAfterMs;
  return nowMs + RESET_MARGIN_MS < wholeMs && usedBy(reading) === 1;
}

/** Two windows that turn out to be of one counter: of each fact, the stricter. */
export function merge(one: Window, other: Window): Window {
  if (other.kind !== 'limited') return absorb(one, other);
  if (one.kind !== 'limited') return absorb(other, one);
  const isLater = (one.heard?.sentMs ?? 0) >= (other.heard?.sentMs ?? 0);
  const [later, earlier] = isLater ? [one, other] : [other, one];
  const merged = absorb(later, earlier);
  const resets = [one.resetAtMs, other.resetAtMs].filter((time) => time !== null);
  return {
    ...merged,
    remaining: Math.min(one.remaining, other.remaining),
    resetAtMs: resets.length === 0 ? null : Math.max(...resets),
    epoch: Math.max(one.epoch, other.epoch),
    epochStartMs: Math.max(one.epochStartMs, other.epochStartMs),
    lengthMs: Math.max(one.lengthMs ?? 0, other.lengthMs ?? 0),
    shareMs: Math.max(one.shareMs, other.shareMs),
    excluded: one.excluded.filter((counting) => other.excluded.includes(counting)),
    distrusted: one.distrusted || other.distrusted,
    // What were strangers to each of the two were the requests of the other.
    strangers: 0,
  };
}

/** Takes over what counts against `gone`, and leaves its knowledge. */
function absorb(window: Window, gone: Window): Window {
  return {
    ...window,
    log: [...window.log, ...gone.log],
    spent: [...window.spent, ...gone.spent],
    blockedUntilMs: Math.max(window.blockedUntilMs, gone.blockedUntilMs),
  };
}

function learn(window: Window, flight: WindowFlight, reading: Reading, nowMs: number): Window {
  const resetAtMs = nowMs + reading.resetAfterMs;
  const { resetAfterMs } = reading;
  const heard = { sentMs: flight.sentMs, landedMs: nowMs, resetAfterMs };
  if (window.kind !== 'limited') {
    const fresh = { ...freshMeasures(reading), heard, resetAtMs, remaining: reading.remaining };
    const epochStartMs = flight.sentMs;
    const epoch = window.epoch + 1;
    return { ...window, ...fresh, kind: 'limited', epoch, epochStartMs };
  }
  const next = measure(window, flight, reading, nowMs);
  if (flight.epoch < next.epoch) {
    if (resetAtMs <= next.epochStartMs) return next;
    const surelyThisEpoch = flight.sentMs + reading.resetAfterMs > next.epochStartMs;
    if (!surelyThisEpoch) return spend(next, nowMs, resetAtMs + RESET_MARGIN_MS);
  }
  const strangers = strangersIn(window, flight, reading, false);
  if (next.heard === null || flight.sentMs >= next.heard.landedMs) {
    // Discord counted this request after everything that had landed when it was sent.
    const spent = next.spent.filter((one) => one.landedMs > flight.sentMs);
    const whenMs = sameReset(next, flight, reading, nowMs) ?? resetAtMs;
    const { remaining } = reading;
    return { ...next, remaining, resetAtMs: whenMs, heard, spent, strangers };
  }
  const laterMs = Math.max(next.resetAtMs ?? 0, resetAtMs);
  return {
    ...next,
    remaining: Math.min(next.remaining, reading.remaining),
    resetAtMs: sameReset(next, flight, reading, nowMs) ?? laterMs,
    heard,
    strangers: Math.max(next.strangers, strangers),
  };
}

/**
 * The reset of a fixed window that two answers tell of: each is late by the time that it took to
 * arrive, so the earlier is nearer to the truth. Null if they may tell of different windows.
 */
function sameReset(
  window: Window,
  flight: WindowFlight,
  reading: Reading,
  nowMs: number,
): number | null {
  if (window.resetAtMs === null || !mustBeFixed(window)) return null;
  if (flight.sentMs + reading.resetAfterMs > window.resetAtMs) return null;
  return Math.min(window.resetAtMs, nowMs + reading.resetAfterMs);
}

const usedBy = ({ limit, remaining }: Reading): number => Math.max(1, limit - remaining);

function freshMeasures(reading: Reading): Pick<Window, 'limit' | 'lengthMs' | 'shareMs'> {
  const { limit, resetAfterMs } = reading;
  return { limit, lengthMs: resetAfterMs, shareMs: resetAfterMs / usedBy(reading) };
}

/** Learns the limit and the window's length, and excludes what the answer cannot come from. */
function measure(window: Window, flight: WindowFlight, reading: Reading, nowMs: number): Window {
  const { limit, resetAfterMs } = reading;
  if (limit !== window.limit) {
    return { ...window, ...freshMeasures(reading), excluded: [], strangers: 0 };
  }
  const lengthMs = Math.max(window.lengthMs ?? 0, resetAfterMs);
  const shareMs = Math.max(window.shareMs, resetAfterMs / usedBy(reading));
  const measured = { ...window, lengthMs, shareMs };
  if (window.distrusted) return measured;
  const excluded = new Set(window.excluded);
  if (cannotLeak(window, reading)) excluded.add('leaky');
  if (cannotBeFixed(window, flight, reading, nowMs)) excluded.add('fixed');
  if (cannotSlide(measured, flight, reading, nowMs)) excluded.add('sliding');
  // What fits no kind has changed: then nothing is known of how it counts.
  return { ...measured, excluded: excluded.size === 3 ? [] : [...excluded] };
}

/** Within one window the reset has moved, by more than the ways of two answers can explain. */
function cannotBeFixed(
  { heard }: Window,
  flight: WindowFlight,
  { resetAfterMs }: Reading,
  nowMs: number,
): boolean {
  if (heard === null || nowMs > heard.sentMs + heard.resetAfterMs) return false;
  const latestMs = heard.landedMs + heard.resetAfterMs + RESET_MARGIN_MS;
  return flight.sentMs + resetAfterMs > latestMs;
}

/** Had each request added its share, so short a time to the reset would mean fewer requests. */
const cannotLeak = (window: Window, reading: Reading): boolean =>
  reading.resetAfterMs <= (usedBy(reading) - 1) * window.shareMs;

/** More remain than if all that was counted within one length before this request still counted. */
function cannotSlide(
  window: Window,
  flight: WindowFlight,
  reading: Reading,
  nowMs: number,
): boolean {
  const before = window.log.filter(
    (entry) =>
      entry.id !== flight.id &&
      entry.counted &&
      entry.landedMs !== null &&
      entry.landedMs <= flight.sentMs &&
      entry.sentMs > nowMs - (window.lengthMs ?? 0) + RESET_MARGIN_MS,
  ).length;
  return reading.remaining > reading.limit - 1 - before;
}
