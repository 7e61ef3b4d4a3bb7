/**
 * What is known of one rate-limit bucket, and how many requests may go out on that knowledge.
 *
 * Purpose: to answer one question, "how many may be sent now?", so that Discord never counts one too
 * many, whether its window is fixed, sliding, or a leaking bucket, and whatever the network does.
 *
 * Inner workings. A window is `unknown` (one pioneer at a time), `unlimited` (a success came without
 * limits) or `limited`. For the last, two bounds hold at once and the lower one counts:
 *
 * - Discord's word. An answer says how many remained when its request was counted, and when the bucket
 *   is whole again. Requests in flight may or may not be in that number, so all of them are taken off.
 *   The time of the reset is reckoned from when the answer arrived, so it is never early. When it has
 *   passed, plus a margin, a new epoch begins with the full limit. Requests carry the epoch they were
 *   sent in; an answer that surely describes an earlier window changes nothing in this one. Of answers
 *   that crossed on the way, the lower number and the later time count, because a leaking bucket's
 *   reset moves on with each request.
 * - Our own log of sends. If Discord counts over a sliding span, the full limit at the reset would be
 *   too much; so no more than the limit are sent in any span of the window's length, as Discord sees
 *   it. Once an answer shows more remaining than a sliding window could leave, the log is given up.
 *
 * A request whose answer said nothing (lost, or without headers) stays spent for one window's length.
 *
 * Failure modes: the log is given up wrongly if the window's length changes under the same limit; then
 * one 429 comes, and the log is kept from then on.
 */
import { produce } from 'immer';
import {
  ARRIVAL_MAX_MS,
  REPEAT_BACKOFF_MAX_MS,
  REPEAT_BACKOFF_MIN_MS,
  RESET_MARGIN_MS,
  SLIDING_LOG_MAX,
  WINDOW_GUESS_MS,
} from '../../protocols/limits.ts';
import type { Limited } from '../../protocols/proxy.ts';
import type { Reading } from './reading.ts';

/** One send, as the log keeps it. */
type LogEntry = {
  readonly id: number;
  readonly sentMs: number;
  /** When its answer or failure arrived; until then Discord may count it at any moment. */
  readonly landedMs: number | null;
  /** Whether its answer showed that this bucket counted it. */
  readonly counted: boolean;
};

/** A request that may have been counted without our hearing of it. */
type Spent = { readonly landedMs: number; readonly untilMs: number };

export type Window = {
  readonly kind: 'unknown' | 'unlimited' | 'limited';
  readonly limit: number;
  /** What Discord last said was left in this epoch; the limit while it has said nothing. */
  readonly remaining: number;
  /** The flight that `remaining` comes from; null while nothing was heard in this epoch. */
  readonly heard: { readonly sentMs: number; readonly landedMs: number } | null;
  /** When the bucket is whole again; null while nothing was heard in this epoch. */
  readonly resetAtMs: number | null;
  readonly epoch: number;
  readonly epochStartMs: number;
  /** The longest time to a reset seen under this limit: the window's length. */
  readonly lengthMs: number | null;
  /**
   * The longest time to a reset seen, divided by the requests it was seen after: what each request
   * adds if the bucket leaks. Null once an answer showed that it does not.
   */
  readonly shareMs: number | null;
  /** Whether Discord may count over a sliding span. */
  readonly sliding: 'maybe' | 'no' | 'proven';
  readonly log: readonly LogEntry[];
  readonly spent: readonly Spent[];
  /** Nothing is sent before this, whatever else is known. */
  readonly blockedUntilMs: number;
  /** Pioneers in a row that brought no knowledge because something failed. */
  readonly failures: number;
  /** Discord's name of the bucket, and another one that a single success has named since. */
  readonly hash: string | null;
  readonly candidate: string | null;
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
    sliding: 'maybe',
    log: [],
    spent: [],
    blockedUntilMs: 0,
    failures: 0,
    hash: null,
    candidate: null,
  };
}

const followsLog = (window: Window): boolean =>
  window.sliding !== 'no' && window.limit <= SLIDING_LOG_MAX && window.lengthMs !== null;

const logUntilMs = (window: Window, entry: LogEntry): number =>
  entry.landedMs === null
    ? Number.POSITIVE_INFINITY
    : entry.landedMs + (window.lengthMs ?? 0) + RESET_MARGIN_MS;

/**
 * How long a request that nothing was heard of is taken to be counted. A single request makes a bucket
 * that leaks look shorter than it is.
 */
const spentMs = (window: Window): number =>
  Math.max(window.lengthMs ?? WINDOW_GUESS_MS, (window.shareMs ?? 0) * window.limit) +
  RESET_MARGIN_MS;

/** Lets time pass: ends the epoch and forgets what no longer counts. */
export function roll(window: Window, nowMs: number): Window {
  return produce(window, (draft) => {
    if (window.kind !== 'limited') return;
    if (window.spent.some((spent) => spent.untilMs <= nowMs)) {
      draft.spent = window.spent.filter((spent) => spent.untilMs > nowMs);
    }
    if (window.log.some((entry) => logUntilMs(window, entry) <= nowMs)) {
      draft.log = window.log.filter((entry) => logUntilMs(window, entry) > nowMs);
    }
    if (window.resetAtMs !== null && nowMs >= window.resetAtMs + RESET_MARGIN_MS) {
      draft.epoch += 1;
      draft.epochStartMs = nowMs;
      draft.remaining = window.limit;
      draft.heard = null;
      draft.resetAtMs = null;
    }
  });
}

/** How many more may be sent now, `inFlight` being under way. The window must have been rolled to now. */
export function capacity(window: Window, inFlight: number, nowMs: number): number {
  if (window.blockedUntilMs > nowMs) return 0;
  if (window.kind === 'unknown') return inFlight === 0 ? 1 : 0;
  if (window.kind === 'unlimited') return Number.POSITIVE_INFINITY;
  const byWord = window.remaining - inFlight - window.spent.length;
  const byLog = followsLog(window) ? window.limit - window.log.length : byWord;
  return Math.max(0, Math.min(byWord, byLog));
}

/** The next time after `nowMs` at which the capacity may grow by itself; infinite if there is none. */
export function nextChangeMs(window: Window, nowMs: number): number {
  if (window.blockedUntilMs > nowMs) return window.blockedUntilMs;
  const times = window.spent.map((spent) => spent.untilMs);
  if (window.resetAtMs !== null) times.push(window.resetAtMs + RESET_MARGIN_MS);
  if (followsLog(window)) for (const entry of window.log) times.push(logUntilMs(window, entry));
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
  if (window.kind !== 'limited') return openMs;
  const free = Math.max(0, window.remaining - inFlight);
  if (ahead < free || window.resetAtMs === null) return openMs;
  const rounds = Math.floor((ahead - free) / window.limit);
  const resetMs = window.resetAtMs + RESET_MARGIN_MS + rounds * (window.lengthMs ?? 0);
  return Math.max(openMs, resetMs);
}

export function noteSent(window: Window, id: number, nowMs: number): Window {
  if (window.kind === 'limited' && !followsLog(window)) return window;
  if (window.kind === 'unlimited') return window;
  return produce(window, (draft) => {
    draft.log.push({ id, sentMs: nowMs, landedMs: null, counted: false });
  });
}

/** The request never left: as if it had not been sent. */
export function noteUnsent(window: Window, flight: WindowFlight): Window {
  return produce(window, (draft) => {
    draft.log = window.log.filter((entry) => entry.id !== flight.id);
  });
}

/** The request was sent and nothing was heard: it counts for one window's length. */
export function noteLost(window: Window, flight: WindowFlight, nowMs: number): Window {
  // A connection can break at once, while the request is still on its way to Discord's counter.
  const countedMs = Math.max(nowMs, flight.sentMs + ARRIVAL_MAX_MS);
  const landed = land(window, flight, false, countedMs);
  return window.kind === 'unknown' ? backOff(landed, nowMs) : spend(landed, countedMs);
}

/** Carries the knowledge over a crash: what was in flight will never be heard of in here. */
export function inherit(window: Window, inFlight: number, nowMs: number): Window {
  const countedMs = nowMs + ARRIVAL_MAX_MS;
  const log = window.log.map((entry) => ({ ...entry, landedMs: entry.landedMs ?? countedMs }));
  let next: Window = { ...window, log };
  for (let index = 0; index < inFlight; index++) next = spend(next, countedMs);
  return window.kind === 'unknown' && inFlight > 0 ? backOff(next, nowMs) : next;
}

/** Nothing goes out for a while that doubles with each failure in a row. */
export function backOff(window: Window, nowMs: number): Window {
  const waitMs = Math.min(REPEAT_BACKOFF_MAX_MS, REPEAT_BACKOFF_MIN_MS * 2 ** window.failures);
  return {
    ...window,
    failures: Math.min(window.failures + 1, 16),
    blockedUntilMs: Math.max(window.blockedUntilMs, nowMs + waitMs),
  };
}

function land(window: Window, flight: WindowFlight, counted: boolean, nowMs: number): Window {
  const log = window.log.map((entry) =>
    entry.id === flight.id ? { ...entry, landedMs: nowMs, counted } : entry,
  );
  // Before a window is limited its log is only there to hand the pioneer over to it.
  return { ...window, log: window.kind === 'limited' || counted ? log : [] };
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
  const [identified, usable] = identify(window, status, reading);
  const known = status < 500 ? { ...identified, failures: 0 } : identified;
  if (usable !== null) return learn(land(known, flight, true, nowMs), flight, usable, nowMs);
  const landed = land(known, flight, false, nowMs);
  if (known.kind !== 'unknown') return spend(landed, nowMs);
  if (status >= 500) return backOff(landed, nowMs);
  return { ...landed, kind: status < 300 ? 'unlimited' : 'unknown' };
}

/** Takes in a 429. `gated` says whether a gate keeps this bucket's requests when everything is shut. */
export function noteLimited(
  window: Window,
  flight: WindowFlight,
  limited: Limited,
  reading: Reading | null,
  gated: boolean,
  nowMs: number,
): Window {
  const landed = land(window, flight, false, nowMs);
  if (limited.by === 'global' && gated) return spend(landed, nowMs);
  const blockedUntilMs = Math.max(landed.blockedUntilMs, nowMs + limited.waitMs + RESET_MARGIN_MS);
  const blocked = { ...landed, blockedUntilMs };
  if (limited.by !== 'user') return blocked;
  const same = reading !== null && (window.hash === null || reading.hash === window.hash);
  const learned = same ? learn(blocked, flight, reading, nowMs) : blocked;
  return { ...learned, sliding: learned.sliding === 'no' ? 'proven' : learned.sliding };
}

/**
 * Decides whether a reading is about this bucket. Errors may name another bucket than successes do,
 * and Discord flips between names for a while; so a new name counts after two successes in a row.
 */
function identify(
  window: Window,
  status: number,
  reading: Reading | null,
): readonly [Window, Reading | null] {
  if (reading === null || reading.hash === null || reading.hash === window.hash) {
    return [reading === null ? window : { ...window, candidate: null }, reading];
  }
  const success = status < 300;
  if (window.hash === null) {
    return [success ? { ...window, hash: reading.hash } : window, reading];
  }
  if (!success) return [window, null];
  if (reading.hash !== window.candidate) return [{ ...window, candidate: reading.hash }, null];
  const fresh = { ...newWindow(), blockedUntilMs: window.blockedUntilMs, epoch: window.epoch };
  return [{ ...fresh, hash: reading.hash, log: window.log }, reading];
}

function learn(window: Window, flight: WindowFlight, reading: Reading, nowMs: number): Window {
  const resetAtMs = nowMs + reading.resetAfterMs;
  const state = { remaining: reading.remaining, resetAtMs, heard: heardOf(flight, nowMs) };
  if (window.kind !== 'limited') {
    const fresh = freshMeasures(reading);
    const epochStartMs = flight.sentMs;
    const epoch = window.epoch + 1;
    return { ...window, ...state, ...fresh, kind: 'limited', epoch, epochStartMs };
  }
  const next = measure(window, flight, reading, nowMs);
  if (flight.epoch < next.epoch) {
    if (resetAtMs <= next.epochStartMs) return next;
    const surelyThisEpoch = flight.sentMs + reading.resetAfterMs > next.epochStartMs;
    if (!surelyThisEpoch) return spend(next, nowMs, resetAtMs + RESET_MARGIN_MS);
  }
  const { heard } = next;
  if (heard === null || flight.sentMs >= heard.landedMs) {
    // Discord counted this request after everything that had landed when it was sent.
    const spent = next.spent.filter((one) => one.landedMs > flight.sentMs);
    return { ...next, ...state, spent };
  }
  return {
    ...next,
    remaining: Math.min(next.remaining, reading.remaining),
    resetAtMs: Math.max(next.resetAtMs ?? 0, resetAtMs),
    heard: heardOf(flight, nowMs),
  };
}

const heardOf = (flight: WindowFlight, landedMs: number) => ({ sentMs: flight.sentMs, landedMs });

const usedBy = ({ limit, remaining }: Reading): number => Math.max(1, limit - remaining);

function freshMeasures(reading: Reading): Pick<Window, 'limit' | 'lengthMs' | 'shareMs'> {
  const { limit, resetAfterMs } = reading;
  return { limit, lengthMs: resetAfterMs, shareMs: resetAfterMs / usedBy(reading) };
}

/** Learns the limit, the window's length, and of what kind it can be. */
function measure(window: Window, flight: WindowFlight, reading: Reading, nowMs: number): Window {
  const { limit, resetAfterMs } = reading;
  if (limit !== window.limit) {
    const sliding = window.sliding === 'no' ? 'maybe' : window.sliding;
    return { ...window, ...freshMeasures(reading), sliding };
  }
  const lengthMs = Math.max(window.lengthMs ?? 0, resetAfterMs);
  const measured = { ...window, lengthMs, shareMs: shareOf(window, reading) };
  if (window.sliding !== 'maybe') return measured;
  // These were certainly counted before this request, and within one length of it.
  const before = window.log.filter(
    (entry) =>
      entry.id !== flight.id &&
      entry.counted &&
      entry.landedMs !== null &&
      entry.landedMs <= flight.sentMs &&
      entry.sentMs > nowMs - lengthMs + RESET_MARGIN_MS,
  ).length;
  if (reading.remaining <= limit - 1 - before) return measured;
  return { ...measured, sliding: 'no', log: [] };
}

function shareOf(window: Window, reading: Reading): number | null {
  if (window.shareMs === null) return null;
  const used = usedBy(reading);
  // Had each request added its share, so short a time to the reset would mean fewer requests.
  if (reading.resetAfterMs <= (used - 1) * window.shareMs) return null;
  return Math.max(window.shareMs, reading.resetAfterMs / used);
}
