/**
 * What is known of one of Discord's counters, and how many requests may go out on that knowledge.
 *
 * Purpose: to answer one question, "how many may be sent now?", so that Discord never counts one
 * too many, whether its window is fixed, sliding, or a leaking bucket, and whatever the network
 * does. A window is plain data; every function here takes one and gives the next.
 *
 * Inner workings. A window is `unknown` (one pioneer at a time), `unlimited` (a success came
 * without limits) or `limited`. For the last it is not known at first how Discord counts; each kind
 * that an answer cannot come from is excluded (`learning.ts`), and of those that are left the
 * strictest bound counts:
 *
 * - Fixed or leaky: Discord's word, which is how many remain and when the counter is whole again.
 *   Requests in flight may or may not be in that number, so all of them are taken off. When the
 *   time of the reset has passed, a new epoch begins with the full limit. Requests carry the epoch
 *   they were sent in.
 * - Sliding: our own log of sends. No more than the limit are sent in any span of the window's
 *   length, as Discord sees it, less what strangers were seen to use.
 *
 * A request whose answer said nothing (lost, or without headers) stays spent for one window's
 * length.
 *
 * Failure modes: a kind is excluded wrongly if the window's length changes under the same limit;
 * then one 429 comes, and from then on no kind is excluded any more.
 */
import {
  ARRIVAL_MAX_MS,
  REPEAT_BACKOFF_MAX_MS,
  REPEAT_BACKOFF_MIN_MS,
  RESET_MARGIN_MS,
  SLIDING_LOG_MAX,
  WINDOW_GUESS_MS,
} from '../../protocols/limits.ts';
import { keep, NOTHING } from './lists.ts';

/** One send, as the log keeps it. */
type LogEntry = {
  readonly id: number;
  readonly sentMs: number;
  /**
   * Discord has not counted it after this; null while it is under way and may be counted any
   * moment.
   */
  readonly countedByMs: number | null;
  /** Whether its answer showed that this counter counted it. */
  readonly counted: boolean;
};

/** A request that may have been counted without our hearing of it. */
type Spent = { readonly countedByMs: number; readonly untilMs: number };

/** What answers prove. */
export type Heard = {
  /** All that was heard in this epoch was counted by then. */
  readonly countedByMs: number;
  /** Between these is the reset that the last of them tells of; the later has a margin. */
  readonly resetFromMs: number;
  readonly resetByMs: number;
};

/** How Discord may count. */
export const COUNTINGS = ['leaky', 'fixed', 'sliding'] as const;
export type Counting = (typeof COUNTINGS)[number];

export type Window = {
  readonly kind: 'unknown' | 'unlimited' | 'limited';
  readonly limit: number;
  /** What Discord last said was left in this epoch; the limit while it has said nothing. */
  readonly remaining: number;
  /** The answer that `remaining` comes from; null while nothing was heard in this epoch. */
  readonly heard: Heard | null;
  /** When the counter is surely whole again; null while nothing was heard in this epoch. */
  readonly wholeAtMs: number | null;
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
    wholeAtMs: null,
    epoch: 0,
    epochStartMs: 0,
    lengthMs: null,
    shareMs: 0,
    excluded: NOTHING,
    distrusted: false,
    log: NOTHING,
    spent: NOTHING,
    strangers: 0,
    refusedOnly: false,
    blockedUntilMs: 0,
    failures: 0,
  };
}

/**
 * A new window that the requests of another one may count against as well. Those in flight will
 * land in the old one only: here they are taken to be counted as late as they can be.
 */
export function newWindowAfter(window: Window): Window {
  const log = window.log.map((entry) => ({
    ...entry,
    countedByMs: entry.countedByMs ?? countedByMs(entry.sentMs),
    counted: false,
  }));
  return { ...newWindow(), log, epoch: window.epoch };
}

/** The latest at which Discord counts a request of which nothing is heard. */
const countedByMs = (sentMs: number): number => sentMs + ARRIVAL_MAX_MS;

const may = (window: Window, counting: Counting): boolean => !window.excluded.includes(counting);

/** How many sends of the log are of this kind, without a list of them: it is asked often. */
export function countSends(window: Window, isMeant: (entry: LogEntry) => boolean): number {
  let count = 0;
  for (const entry of window.log) if (isMeant(entry)) count += 1;
  return count;
}

/** Whether sends are followed one by one. */
export const keepsLog = (window: Window): boolean =>
  window.limit <= SLIDING_LOG_MAX && window.lengthMs !== null;

const logUntilMs = (window: Window, entry: LogEntry): number =>
  entry.countedByMs === null
    ? Number.POSITIVE_INFINITY
    : entry.countedByMs + (window.lengthMs ?? 0) + RESET_MARGIN_MS;

/**
 * How long a request that nothing was heard of is taken to be counted. A single request makes a
 * bucket that leaks look shorter than it is.
 */
function spentMs(window: Window): number {
  const wholeMs = may(window, 'leaky') ? window.shareMs * window.limit : 0;
  return Math.max(window.lengthMs ?? WINDOW_GUESS_MS, wholeMs) + RESET_MARGIN_MS;
}

/** Lets time pass: ends the epoch and forgets what no longer counts. */
export function roll(window: Window, nowMs: number): Window {
  if (window.kind !== 'limited') return window;
  const isOver = window.wholeAtMs !== null && nowMs >= window.wholeAtMs;
  const spent = keep(window.spent, (one) => one.untilMs > nowMs);
  const log = keep(window.log, (entry) => logUntilMs(window, entry) > nowMs);
  if (!isOver) {
    const isSame = spent === window.spent && log === window.log;
    return isSame ? window : { ...window, spent, log };
  }
  return {
    ...window,
    spent,
    log,
    epoch: window.epoch + 1,
    epochStartMs: nowMs,
    remaining: window.limit,
    heard: null,
    wholeAtMs: null,
    strangers: 0,
  };
}

/**
 * How many more may be sent now, `inFlight` being under way, where others may use all but `share`
 * of the limit without our knowing. The window must have been rolled to now.
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

/**
 * The next time after `nowMs` at which the capacity may grow by itself; infinite if there is none.
 */
export function nextChangeMs(window: Window, nowMs: number): number {
  if (window.blockedUntilMs > nowMs) return window.blockedUntilMs;
  const times = window.spent.map((spent) => spent.untilMs);
  if (window.wholeAtMs !== null) times.push(window.wholeAtMs);
  if (keepsLog(window)) for (const entry of window.log) times.push(logUntilMs(window, entry));
  return Math.min(...times.filter((time) => time > nowMs), Number.POSITIVE_INFINITY);
}

/** After this nothing of the window matters any more, unless something is sent. */
export function busyUntilMs(window: Window): number {
  const times = window.spent.map((spent) => spent.untilMs);
  for (const entry of window.log) {
    if (entry.countedByMs !== null) times.push(logUntilMs(window, entry));
  }
  return Math.max(window.blockedUntilMs, window.wholeAtMs ?? 0, ...times);
}

/** The earliest a request with `ahead` others before it can be sent, as far as that is known. */
export function earliestMs(window: Window, inFlight: number, ahead: number, nowMs: number): number {
  const openMs = Math.max(window.blockedUntilMs, nowMs);
  if (window.kind !== 'limited' || window.wholeAtMs === null) return openMs;
  const free = mustSlide(window)
    ? capacity(window, inFlight, nowMs)
    : Math.max(0, window.remaining - inFlight);
  if (ahead < free) return openMs;
  const rounds = Math.floor((ahead - free) / window.limit);
  return Math.max(openMs, firstRoomMs(window, nowMs) + rounds * (window.lengthMs ?? 0));
}

/** When there is room again at the earliest. */
function firstRoomMs(window: Window, nowMs: number): number {
  const wholeMs = window.wholeAtMs ?? nowMs;
  if (!mustSlide(window)) return wholeMs;
  return Math.min(wholeMs, ...window.log.map((entry) => logUntilMs(window, entry)));
}

export function noteSent(window: Window, id: number, nowMs: number): Window {
  if (window.kind === 'unlimited' || (window.kind === 'limited' && !keepsLog(window))) {
    return window;
  }
  const entry = { id, sentMs: nowMs, countedByMs: null, counted: false };
  return { ...window, log: window.log.concat(entry) };
}

/**
 * The request never left, or this counter was not the one to count it: as if it had not been sent.
 */
export function noteUnsent(window: Window, { id }: WindowFlight): Window {
  return { ...window, log: keep(window.log, (entry) => entry.id !== id) };
}

/** The request was sent and nothing was heard: it counts for one window's length. */
export function noteLost(window: Window, flight: WindowFlight, nowMs: number): Window {
  // A connection can break at once, while the request is still on its way to Discord's counter.
  const byMs = Math.max(nowMs, countedByMs(flight.sentMs));
  const landed = land(window, flight, false, byMs);
  return window.kind === 'unknown' ? backOff(landed, nowMs) : spend(landed, byMs);
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
export function noteLanded(window: Window, flight: WindowFlight, landedMs: number): Window {
  return land(window, flight, false, landedMs);
}

export function land(window: Window, flight: WindowFlight, counted: boolean, byMs: number): Window {
  if (!window.log.some((entry) => entry.id === flight.id)) return window;
  const log = window.log.map((entry) =>
    entry.id === flight.id ? { ...entry, countedByMs: byMs, counted } : entry,
  );
  // A pioneer that taught nothing need not be handed over to what the next one finds.
  const isKept = window.kind === 'limited' || counted;
  return { ...window, log: isKept ? log : keep(log, (entry) => entry.id !== flight.id) };
}

export function spend(window: Window, byMs: number, untilMs = byMs + spentMs(window)): Window {
  if (window.kind !== 'limited') return window;
  return { ...window, spent: [...window.spent, { countedByMs: byMs, untilMs }] };
}

/** It was refused for something else than this counter, which may have counted it. */
export function noteRefusedElsewhere(
  window: Window,
  flight: WindowFlight,
  landedMs: number,
): Window {
  return spend(land(window, flight, false, landedMs), landedMs);
}

/** Two windows that turn out to be of one counter: of each fact, the stricter. */
export function merge(one: Window, other: Window): Window {
  if (other.kind !== 'limited') return absorb(one, other);
  if (one.kind !== 'limited') return absorb(other, one);
  const isLater = (one.heard?.countedByMs ?? 0) >= (other.heard?.countedByMs ?? 0);
  const [later, earlier] = isLater ? [one, other] : [other, one];
  const merged = absorb(later, earlier);
  const times = [one.wholeAtMs, other.wholeAtMs].filter((time) => time !== null);
  return {
    ...merged,
    remaining: Math.min(one.remaining, other.remaining),
    wholeAtMs: times.length === 0 ? null : Math.max(...times),
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
