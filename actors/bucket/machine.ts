/**
 * One bucket: the requests that wait for their turn, in order, and those in flight.
 *
 * Purpose: each request that comes in leaves with exactly one fate, in the order of arrival as far as
 * sends go, and is sent only when `window.ts` and the gate both let it.
 *
 * Inner workings: `transition` is a pure function of state, input and time. After each input the
 * machine lets time pass (`settleTime`) and then moves what may move (`advance`): a gated bucket asks
 * its gate for as many permits as it could use now, and a permit is spent on whoever is first when it
 * arrives, so the global limit is taken just before the send. A request that comes back from a 429
 * takes its old place, because places are the numbers drawn on arrival. There is one timer, armed for
 * the earliest time that matters; waking early or late is harmless, since every wake looks anew.
 *
 * The queue is a plain array that is copied on change: a pointer copy, cheaper than drafting it.
 *
 * Failure modes: an input about a request that is no longer here changes nothing. A request whose
 * client gave up while it was in flight stays among the flights, marked abandoned, until it lands.
 */
import {
  BUCKET_ASKS_MAX,
  BUCKET_IDLE_MS,
  FAILED_ATTEMPTS_MAX,
  LIMITED_ATTEMPTS_MAX,
  PROXY_WAIT_MAX_MS,
} from '../../protocols/limits.ts';
import type { Limited, LimitedBy, RefusalReason } from '../../protocols/proxy.ts';
import type { Reading } from './reading.ts';
import type { Window } from './window.ts';
import * as windows from './window.ts';

/** What the machine needs to know of a request. */
export type Entry = {
  readonly id: number;
  readonly deadlineMs: number | null;
  /** Sending it twice does no more than sending it once. */
  readonly repeatable: boolean;
};

export type Waiting = Entry & {
  /** The place in the line, drawn on arrival. */
  readonly place: number;
  readonly limitedAttempts: number;
  readonly failedAttempts: number;
};

export type Flight = Waiting & {
  readonly permit: number | null;
  readonly sentMs: number;
  readonly epoch: number;
  /** Its fate is decided already; only its landing is awaited. */
  readonly abandoned: boolean;
};

export type BucketState = {
  /** Whether a gate must be asked before each send. */
  readonly gated: boolean;
  readonly queue: readonly Waiting[];
  readonly flights: readonly Flight[];
  readonly window: Window;
  /** Permits asked for and not yet given. */
  readonly asked: number;
  readonly gateShutUntilMs: number;
  readonly draining: boolean;
  readonly nextPlace: number;
  readonly activeMs: number;
};

/** What an answer said, as far as the machine is concerned. */
export type Heard = {
  readonly status: number;
  readonly reading: Reading | null;
  /** Present on a 429. */
  readonly limited: Limited | null;
};

export type BucketInput =
  | { readonly kind: 'enqueue'; readonly entry: Entry }
  | { readonly kind: 'permit'; readonly permit: number }
  | { readonly kind: 'gate-shut'; readonly untilMs: number }
  | { readonly kind: 'gate-replaced' }
  | { readonly kind: 'answered'; readonly id: number; readonly heard: Heard }
  | { readonly kind: 'failed'; readonly id: number; readonly unsent: boolean }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'drain' }
  | { readonly kind: 'wake' };

export type BucketEffect =
  | { readonly kind: 'ask' }
  | { readonly kind: 'send'; readonly id: number; readonly permit: number | null }
  | { readonly kind: 'return-permit'; readonly permit: number }
  | { readonly kind: 'settle-permit'; readonly permit: number }
  /** The request's fate is the answer, or the failure, that has just landed for it. */
  | { readonly kind: 'deliver'; readonly id: number }
  /** What has just landed for the request is of no use to anybody; the request may be sent again. */
  | { readonly kind: 'discard'; readonly id: number }
  | {
      readonly kind: 'refuse';
      readonly id: number;
      readonly reason: RefusalReason;
      readonly retryAfterMs: number;
    }
  | {
      readonly kind: 'time-out';
      readonly id: number;
      readonly waitMs: number | null;
      readonly sent: boolean;
    }
  | { readonly kind: 'cancelled'; readonly id: number }
  /** Nothing that `by` means may be sent before then. */
  | { readonly kind: 'shut'; readonly by: LimitedBy; readonly untilMs: number }
  | { readonly kind: 'wake-at'; readonly atMs: number }
  /** Nothing waits, nothing flies, and no knowledge of this bucket is worth keeping. */
  | { readonly kind: 'idle' };

export type BucketStep = { readonly state: BucketState; readonly effects: readonly BucketEffect[] };

export function newBucket(gated: boolean, window: Window, nowMs: number): BucketState {
  return {
    gated,
    queue: [],
    flights: [],
    window,
    asked: 0,
    gateShutUntilMs: 0,
    draining: false,
    nextPlace: 0,
    activeMs: nowMs,
  };
}

export function transition(state: BucketState, input: BucketInput, nowMs: number): BucketStep {
  const effects: BucketEffect[] = [];
  const rolled = { ...state, window: windows.roll(state.window, nowMs) };
  const taken = take(rolled, input, nowMs, effects);
  const settled = settleTime(taken, nowMs, effects);
  const advanced = advance(settled, nowMs, effects);
  arm(advanced, nowMs, effects);
  return { state: advanced, effects };
}

type Effects = BucketEffect[];

function take(
  state: BucketState,
  input: BucketInput,
  nowMs: number,
  effects: Effects,
): BucketState {
  switch (input.kind) {
    case 'enqueue':
      return enqueue(state, input.entry, nowMs);
    case 'permit':
      return usePermit(state, input.permit, nowMs, effects);
    case 'gate-shut':
      return { ...state, gateShutUntilMs: Math.max(state.gateShutUntilMs, input.untilMs) };
    case 'gate-replaced':
      return { ...state, asked: 0 };
    case 'answered':
      return answered(state, input.id, input.heard, nowMs, effects);
    case 'failed':
      return failed(state, input.id, input.unsent, nowMs, effects);
    case 'cancel':
      return cancel(state, input.id, effects);
    case 'drain':
      return { ...state, draining: true };
    case 'wake':
      return state;
  }
}

function enqueue(state: BucketState, entry: Entry, nowMs: number): BucketState {
  const waiting = { ...entry, place: state.nextPlace, limitedAttempts: 0, failedAttempts: 0 };
  return {
    ...state,
    queue: [...state.queue, waiting],
    nextPlace: state.nextPlace + 1,
    activeMs: nowMs,
  };
}

function usePermit(
  state: BucketState,
  permit: number,
  nowMs: number,
  effects: Effects,
): BucketState {
  // Whoever is hopeless must not be sent with a permit that a later one can use.
  const live = settleTime(state, nowMs, effects);
  const used = { ...live, asked: Math.max(0, live.asked - 1) };
  if (used.queue.length === 0 || free(used, nowMs) < 1) {
    effects.push({ kind: 'return-permit', permit });
    return used;
  }
  return sendFirst(used, permit, nowMs, effects);
}

const free = (state: BucketState, nowMs: number): number =>
  windows.capacity(state.window, state.flights.length, nowMs);

function sendFirst(
  state: BucketState,
  permit: number | null,
  nowMs: number,
  effects: Effects,
): BucketState {
  const [first, ...rest] = state.queue;
  if (first === undefined) return state;
  effects.push({ kind: 'send', id: first.id, permit });
  const { epoch } = state.window;
  const flight: Flight = { ...first, permit, sentMs: nowMs, epoch, abandoned: false };
  return {
    ...state,
    queue: rest,
    flights: [...state.flights, flight],
    window: windows.noteSent(state.window, first.id, nowMs),
  };
}

/** Takes the flight out and gives its permit back to the gate, the one place where that is done. */
function land(
  state: BucketState,
  id: number,
  unsent: boolean,
  nowMs: number,
  effects: Effects,
): readonly [BucketState, Flight | undefined] {
  const flight = state.flights.find((one) => one.id === id);
  if (flight === undefined) return [state, undefined];
  if (flight.permit !== null) {
    effects.push({ kind: unsent ? 'return-permit' : 'settle-permit', permit: flight.permit });
  }
  const flights = state.flights.filter((one) => one !== flight);
  return [{ ...state, flights, activeMs: nowMs }, flight];
}

function answered(
  state: BucketState,
  id: number,
  heard: Heard,
  nowMs: number,
  effects: Effects,
): BucketState {
  const [landed, flight] = land(state, id, false, nowMs, effects);
  if (flight === undefined) return landed;
  const { status, reading, limited } = heard;
  if (limited === null) {
    effects.push({ kind: flight.abandoned ? 'discard' : 'deliver', id });
    return { ...landed, window: windows.noteAnswer(landed.window, flight, status, reading, nowMs) };
  }
  const { gated } = landed;
  const window = windows.noteLimited(landed.window, flight, limited, reading, gated, nowMs);
  const untilMs = nowMs + limited.waitMs;
  if (limited.by === 'edge' || (limited.by === 'global' && gated)) {
    effects.push({ kind: 'shut', by: limited.by, untilMs });
  }
  const next = { ...landed, window };
  const again = { ...flight, limitedAttempts: flight.limitedAttempts + 1 };
  const hopeless =
    flight.abandoned ||
    landed.draining ||
    again.limitedAttempts >= LIMITED_ATTEMPTS_MAX ||
    limited.waitMs > PROXY_WAIT_MAX_MS ||
    (flight.deadlineMs !== null && untilMs >= flight.deadlineMs);
  if (hopeless) {
    effects.push({ kind: flight.abandoned ? 'discard' : 'deliver', id });
    return next;
  }
  effects.push({ kind: 'discard', id });
  return requeue(next, again);
}

function failed(
  state: BucketState,
  id: number,
  unsent: boolean,
  nowMs: number,
  effects: Effects,
): BucketState {
  const [landed, flight] = land(state, id, unsent, nowMs, effects);
  if (flight === undefined) return landed;
  const window = unsent
    ? windows.noteUnsent(landed.window, flight)
    : windows.noteLost(landed.window, flight, nowMs);
  const again = { ...flight, failedAttempts: flight.failedAttempts + 1 };
  const repeat =
    !flight.abandoned &&
    !landed.draining &&
    (unsent || flight.repeatable) &&
    again.failedAttempts < FAILED_ATTEMPTS_MAX;
  if (!repeat) {
    effects.push({ kind: flight.abandoned ? 'discard' : 'deliver', id });
    return { ...landed, window };
  }
  effects.push({ kind: 'discard', id });
  const slower = window.blockedUntilMs > nowMs ? window : windows.backOff(window, nowMs);
  return requeue({ ...landed, window: slower }, again);
}

/** Puts a request back in the place it had. */
function requeue(state: BucketState, flight: Flight): BucketState {
  const { id, deadlineMs, repeatable, place, limitedAttempts, failedAttempts } = flight;
  const waiting = { id, deadlineMs, repeatable, place, limitedAttempts, failedAttempts };
  const behind = state.queue.findIndex((one) => one.place > place);
  const index = behind < 0 ? state.queue.length : behind;
  return { ...state, queue: state.queue.toSpliced(index, 0, waiting) };
}

function cancel(state: BucketState, id: number, effects: Effects): BucketState {
  const queue = state.queue.filter((one) => one.id !== id);
  if (queue.length < state.queue.length) {
    effects.push({ kind: 'cancelled', id });
    return { ...state, queue };
  }
  return abandon(state, id, { kind: 'cancelled', id }, effects);
}

/**
 * Decides the fate of a request that is in the air. The flight itself goes on: Discord may have counted
 * it, and what its answer says of the bucket is worth more than its connection.
 */
function abandon(
  state: BucketState,
  id: number,
  fate: BucketEffect,
  effects: Effects,
): BucketState {
  const flight = state.flights.find((one) => one.id === id);
  if (flight === undefined || flight.abandoned) return state;
  effects.push(fate);
  const flights = state.flights.map((one) => (one === flight ? { ...one, abandoned: true } : one));
  return { ...state, flights };
}

/** The wait that is known to be ahead of everybody in this bucket. */
function knownOpenMs(state: BucketState, ahead: number, nowMs: number): number {
  const gateMs = state.gated ? state.gateShutUntilMs : 0;
  return Math.max(gateMs, windows.earliestMs(state.window, state.flights.length, ahead, nowMs));
}

/** Gives up what cannot be done in time, and, when draining, everything that waits. */
function settleTime(state: BucketState, nowMs: number, effects: Effects): BucketState {
  let next = state;
  for (const flight of state.flights) {
    if (flight.abandoned || flight.deadlineMs === null || flight.deadlineMs > nowMs) continue;
    const { id } = flight;
    next = abandon(next, id, { kind: 'time-out', id, waitMs: null, sent: true }, effects);
  }
  const kept: Waiting[] = [];
  for (const one of next.queue) {
    const fate = hopelessness(next, one, kept.length, nowMs);
    if (fate === null) kept.push(one);
    else effects.push(fate);
  }
  return kept.length === next.queue.length ? next : { ...next, queue: kept };
}

function hopelessness(
  state: BucketState,
  one: Waiting,
  ahead: number,
  nowMs: number,
): BucketEffect | null {
  const { id, deadlineMs } = one;
  if (state.draining) return { kind: 'refuse', id, reason: 'stopping', retryAfterMs: 0 };
  const sent = one.failedAttempts > 0;
  if (deadlineMs !== null && deadlineMs <= nowMs) {
    return { kind: 'time-out', id, waitMs: null, sent };
  }
  const openMs = knownOpenMs(state, ahead, nowMs);
  const waitMs = openMs - nowMs;
  if (deadlineMs !== null && openMs > deadlineMs) return { kind: 'time-out', id, waitMs, sent };
  if (waitMs <= PROXY_WAIT_MAX_MS) return null;
  return { kind: 'refuse', id, reason: 'long-wait', retryAfterMs: waitMs };
}

function advance(state: BucketState, nowMs: number, effects: Effects): BucketState {
  let next = state;
  if (!state.gated) {
    while (next.queue.length > 0 && free(next, nowMs) >= 1) {
      next = sendFirst(next, null, nowMs, effects);
    }
    return next;
  }
  const useful = Math.min(next.queue.length, free(next, nowMs), BUCKET_ASKS_MAX);
  for (let asked = next.asked; asked < useful; asked++) effects.push({ kind: 'ask' });
  return { ...next, asked: Math.max(next.asked, useful) };
}

function arm(state: BucketState, nowMs: number, effects: Effects): void {
  let atMs = Number.POSITIVE_INFINITY;
  for (const { deadlineMs } of state.queue) atMs = Math.min(atMs, deadlineMs ?? atMs);
  for (const { deadlineMs, abandoned } of state.flights) {
    if (!abandoned) atMs = Math.min(atMs, deadlineMs ?? atMs);
  }
  if (state.queue.length > 0) atMs = Math.min(atMs, windows.nextChangeMs(state.window, nowMs));
  else if (state.flights.length === 0) {
    const idleMs = Math.max(state.activeMs, windows.busyUntilMs(state.window)) + BUCKET_IDLE_MS;
    if (idleMs <= nowMs) effects.push({ kind: 'idle' });
    atMs = Math.max(idleMs, nowMs + BUCKET_IDLE_MS / 2);
  }
  if (atMs !== Number.POSITIVE_INFINITY) effects.push({ kind: 'wake-at', atMs });
}
