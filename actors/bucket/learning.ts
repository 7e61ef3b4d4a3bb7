/**
 * What answers teach of a counter: its limit, its window's length, what remains, when it is whole
 * again, and how Discord counts.
 *
 * Purpose: to believe of each answer as much as it proves, whatever order answers arrive in.
 *
 * Inner workings. An answer says how many remained when its request was counted, and how far off
 * the reset was. The time of the reset is reckoned from the arrival of the answer and a margin, so
 * it is never early. An answer that surely describes an earlier window changes nothing in this one.
 * Of answers that crossed on the way the lower number counts, and the later time, because a leaking
 * bucket's reset moves on with each request; once the window must be fixed, the earlier.
 *
 * Failure modes: an answer that may describe either of two windows takes one request off this one,
 * for as long as that may be so. What no kind of counter can say excludes none.
 */
import { RESET_MARGIN_MS } from '../../protocols/limits.ts';
import type { Reading } from './reading.ts';
import {
  backOff,
  COUNTINGS,
  type Counting,
  countSends,
  type Heard,
  keepsLog,
  land,
  spend,
  type Window,
  type WindowFlight,
} from './window.ts';

/** Takes in an answer that is no 429. */
export function noteAnswer(
  window: Window,
  flight: WindowFlight,
  status: number,
  reading: Reading | null,
  landedMs: number,
): Window {
  const known = status < 500 && window.failures > 0 ? { ...window, failures: 0 } : window;
  if (reading !== null) {
    const learned = learn(land(known, flight, true, landedMs), flight, reading, landedMs);
    return learned.refusedOnly ? { ...learned, refusedOnly: false } : learned;
  }
  const landed = land(known, flight, false, landedMs);
  if (known.kind !== 'unknown') return spend(landed, landedMs);
  if (status >= 500) return backOff(landed, landedMs);
  return { ...landed, kind: status < 300 ? 'unlimited' : 'unknown' };
}

/** This counter refused the request. `explained`: by what others did, and not by how it counts. */
export function noteRefused(
  window: Window,
  flight: WindowFlight,
  reading: Reading,
  explained: boolean,
  landedMs: number,
): Window {
  const refusedOnly = window.refusedOnly || window.kind !== 'limited';
  // It is an answer: the errors before it are no longer in a row with those after.
  const answered = { ...land(window, flight, false, landedMs), failures: 0 };
  const learned = learn(answered, flight, reading, landedMs);
  if (explained || window.excluded.length === 0) return { ...learned, refusedOnly };
  return { ...learned, refusedOnly, distrusted: true, excluded: [] };
}

/**
 * How many requests that are not ours an answer shows: what has been used of the limit beyond
 * anything we sent. None where we have not seen a whole window yet, or do not follow every send.
 */
export function strangersIn(
  window: Window,
  flight: WindowFlight,
  reading: Reading,
  refused: boolean,
): number {
  if (window.kind !== 'limited' || window.epoch < 2 || !keepsLog(window)) return 0;
  if (reading.limit !== window.limit) return 0;
  const others = countSends(window, (entry) => entry.id !== flight.id);
  const ours = others + window.spent.length + (refused ? 0 : 1);
  return Math.max(0, reading.limit - reading.remaining - ours);
}

/**
 * Whether an answer comes from another counter: its own request is all that it shows, although an
 * answer that was made before it was sent told of a counter that surely is not whole yet.
 */
export function isOfAnother(
  { heard, limit }: Window,
  sentMs: number,
  reading: Reading,
  landedMs: number,
): boolean {
  if (heard === null || heard.countedByMs > sentMs || reading.limit !== limit) return false;
  return landedMs + RESET_MARGIN_MS < heard.resetFromMs && usedBy(reading) === 1;
}

function learn(window: Window, flight: WindowFlight, reading: Reading, landedMs: number): Window {
  const { remaining } = reading;
  const heard = hear(reading, flight.sentMs, landedMs);
  const { resetByMs } = heard;
  if (window.kind !== 'limited') {
    const fresh = { ...freshMeasures(reading), heard, wholeAtMs: resetByMs, remaining };
    const epochStartMs = flight.sentMs;
    const epoch = window.epoch + 1;
    return { ...window, ...fresh, kind: 'limited', epoch, epochStartMs };
  }
  const next = measure(window, flight, reading, heard);
  if (flight.epoch < next.epoch) {
    const surelyThisEpoch = heard.resetFromMs > next.epochStartMs;
    // What is of an earlier one counts until that has ended, which may be long ago.
    if (!surelyThisEpoch) return spend(next, landedMs, resetByMs);
  }
  const strangers = strangersIn(window, flight, reading, false);
  if (next.heard === null || flight.sentMs >= next.heard.countedByMs) {
    // Discord counted this request after everything that was counted when it was sent.
    const spent = next.spent.filter((one) => one.countedByMs > flight.sentMs);
    const wholeAtMs = sameReset(next, heard) ?? resetByMs;
    return { ...next, remaining, wholeAtMs, heard, spent, strangers };
  }
  return {
    ...next,
    remaining: Math.min(next.remaining, remaining),
    wholeAtMs: sameReset(next, heard) ?? Math.max(next.wholeAtMs ?? 0, resetByMs),
    heard: { ...heard, countedByMs: Math.max(next.heard.countedByMs, landedMs) },
    strangers: Math.max(next.strangers, strangers),
  };
}

/** Discord made the answer somewhere between the two. */
const hear = ({ resetAfterMs }: Reading, sentMs: number, landedMs: number): Heard => ({
  countedByMs: landedMs,
  resetFromMs: sentMs + resetAfterMs,
  resetByMs: landedMs + resetAfterMs + RESET_MARGIN_MS,
});

const mustBeFixed = ({ excluded }: Window): boolean =>
  excluded.includes('sliding') && excluded.includes('leaky');

/**
 * The reset of a fixed window that two answers tell of: each is late by what is not known of its
 * moment, so the earlier is nearer to the truth. Null if they may tell of different windows.
 */
function sameReset(window: Window, heard: Heard): number | null {
  const { heard: known, wholeAtMs, lengthMs } = window;
  if (known === null || wholeAtMs === null || !mustBeFixed(window)) return null;
  // Resets of two windows are a length apart at least.
  const apartMs = Math.max(
    heard.resetByMs - known.resetFromMs,
    known.resetByMs - heard.resetFromMs,
  );
  return apartMs < (lengthMs ?? 0) ? Math.min(wholeAtMs, heard.resetByMs) : null;
}

const usedBy = ({ limit, remaining }: Reading): number => Math.max(1, limit - remaining);

function freshMeasures(reading: Reading): Pick<Window, 'limit' | 'lengthMs' | 'shareMs'> {
  const { limit, resetAfterMs } = reading;
  return { limit, lengthMs: resetAfterMs, shareMs: resetAfterMs / usedBy(reading) };
}

/** Learns the limit and the window's length, and excludes what the answer cannot come from. */
function measure(window: Window, flight: WindowFlight, reading: Reading, heard: Heard): Window {
  const { limit, resetAfterMs } = reading;
  if (limit !== window.limit) {
    return { ...window, ...freshMeasures(reading), excluded: [], strangers: 0 };
  }
  const lengthMs = Math.max(window.lengthMs ?? 0, resetAfterMs);
  const shareMs = Math.max(window.shareMs, resetAfterMs / usedBy(reading));
  const measured = { ...window, lengthMs, shareMs };
  if (window.distrusted) return measured;
  const cannot: Readonly<Record<Counting, boolean>> = {
    leaky: cannotLeak(window, reading),
    fixed: cannotBeFixed(window, heard),
    sliding: cannotSlide(measured, flight, reading, heard),
  };
  const isNews = (counting: Counting) => cannot[counting] && !window.excluded.includes(counting);
  if (!COUNTINGS.some(isNews)) return measured;
  const excluded = [...window.excluded, ...COUNTINGS.filter(isNews)];
  // What fits no kind has changed: then nothing is known of how it counts.
  return { ...measured, excluded: excluded.length === COUNTINGS.length ? [] : excluded };
}

/** Within one window the reset has moved, by more than the ways of two answers can explain. */
const cannotBeFixed = ({ heard: known }: Window, heard: Heard): boolean =>
  known !== null && heard.countedByMs <= known.resetFromMs && heard.resetFromMs > known.resetByMs;

/**
 * Had each request added its share, so short a time to the reset would mean fewer requests. The
 * share was told rounded up, by less than a millisecond, and many of them make that many.
 */
const cannotLeak = (window: Window, reading: Reading): boolean =>
  reading.resetAfterMs <= (usedBy(reading) - 1) * (window.shareMs - 1);

/** More remain than if all that was counted within one length before this request still counted. */
function cannotSlide(
  window: Window,
  flight: WindowFlight,
  reading: Reading,
  heard: Heard,
): boolean {
  const sinceMs = heard.countedByMs - (window.lengthMs ?? 0) + RESET_MARGIN_MS;
  const before = countSends(
    window,
    (entry) =>
      entry.id !== flight.id &&
      entry.counted &&
      entry.countedByMs !== null &&
      entry.countedByMs <= flight.sentMs &&
      entry.sentMs > sinceMs,
  );
  return reading.remaining > reading.limit - 1 - before;
}
