/**
 * The gate of one identity: Discord's limit over all routes of one bot, user or address.
 *
 * Purpose: in any span of one second, as Discord sees it, no more requests than the limit; and nothing
 * at all while Discord has shut the gate.
 *
 * Inner workings: buckets ask, and are served in the order of asking. A permit counts against the
 * limit until one second has passed since Discord certainly counted its request: since the answer,
 * or since ARRIVAL_MAX_MS after the send, whichever was first. The send is no earlier than the grant
 * and the count no later than the answer, so any span holds no more than the limit, however the
 * requests' ways to Discord differ in length. A permit that comes back unused counts no more.
 *
 * While the gate is shut nothing passes. When it opens, permits are spaced evenly for one window, so
 * that what has piled up does not arrive as one heap.
 *
 * Failure modes: a request that needs longer than ARRIVAL_MAX_MS to reach Discord may be counted
 * late; the alternative, to count every slow answer for as long as it takes, would let a few hanging
 * requests stop a bot.
 */
import { ARRIVAL_MAX_MS, GLOBAL_MARGIN_MS, GLOBAL_WINDOW_MS } from '../../protocols/limits.ts';

type Permit<Asker> = {
  readonly id: number;
  readonly asker: Asker;
  readonly sentMs: number | null;
  /** When it counts no more; infinite until it is sent. */
  readonly untilMs: number;
};

export type GateState<Asker> = {
  readonly limit: number;
  readonly permits: readonly Permit<Asker>[];
  readonly waiting: readonly Asker[];
  readonly shutUntilMs: number;
  /** Until then permits are spaced. */
  readonly pacedUntilMs: number;
  readonly lastGrantMs: number;
  readonly nextId: number;
};

export type GateInput<Asker> =
  | { readonly kind: 'ask'; readonly asker: Asker }
  | { readonly kind: 'sent'; readonly permit: number }
  | { readonly kind: 'settled'; readonly permit: number }
  | { readonly kind: 'returned'; readonly permit: number }
  | { readonly kind: 'withdraw'; readonly asker: Asker }
  | { readonly kind: 'shut'; readonly untilMs: number }
  | { readonly kind: 'wake' };

export type GateEffect<Asker> =
  | { readonly kind: 'grant'; readonly asker: Asker; readonly permit: number }
  | { readonly kind: 'tell-shut'; readonly asker: Asker; readonly untilMs: number }
  | { readonly kind: 'wake-at'; readonly atMs: number };

export type GateStep<Asker> = {
  readonly state: GateState<Asker>;
  readonly effects: readonly GateEffect<Asker>[];
};

const COUNTED_MS = GLOBAL_WINDOW_MS + GLOBAL_MARGIN_MS;

/** `shutUntilMs` keeps a new gate shut while what its predecessor let through may still count. */
export function newGate<Asker>(limit: number, shutUntilMs: number): GateState<Asker> {
  return {
    limit,
    permits: [],
    waiting: [],
    shutUntilMs,
    pacedUntilMs: 0,
    lastGrantMs: 0,
    nextId: 1,
  };
}

export function transition<Asker>(
  state: GateState<Asker>,
  input: GateInput<Asker>,
  nowMs: number,
): GateStep<Asker> {
  const effects: GateEffect<Asker>[] = [];
  const counted = state.permits.filter((permit) => permit.untilMs > nowMs);
  const taken = take({ ...state, permits: counted }, input, nowMs, effects);
  const granted = grant(taken, nowMs, effects);
  const atMs = nextChangeMs(granted, nowMs);
  if (atMs !== null) effects.push({ kind: 'wake-at', atMs });
  return { state: granted, effects };
}

function take<Asker>(
  state: GateState<Asker>,
  input: GateInput<Asker>,
  nowMs: number,
  effects: GateEffect<Asker>[],
): GateState<Asker> {
  switch (input.kind) {
    case 'ask':
      if (state.shutUntilMs > nowMs) {
        effects.push({ kind: 'tell-shut', asker: input.asker, untilMs: state.shutUntilMs });
      }
      return { ...state, waiting: [...state.waiting, input.asker] };
    case 'sent':
      return count(state, input.permit, nowMs, nowMs + ARRIVAL_MAX_MS + COUNTED_MS);
    case 'settled':
      return count(state, input.permit, nowMs, nowMs + COUNTED_MS);
    case 'returned':
      return { ...state, permits: state.permits.filter(({ id }) => id !== input.permit) };
    case 'withdraw':
      return withdraw(state, input.asker, nowMs);
    case 'shut':
      return shut(state, input.untilMs, effects);
    case 'wake':
      return state;
  }
}

function count<Asker>(
  state: GateState<Asker>,
  permit: number,
  nowMs: number,
  untilMs: number,
): GateState<Asker> {
  const permits = state.permits.map((one) =>
    one.id === permit
      ? { ...one, sentMs: one.sentMs ?? nowMs, untilMs: Math.min(one.untilMs, untilMs) }
      : one,
  );
  return { ...state, permits };
}

/** The asker is gone: its asks with it, and what it was granted is taken to have been sent. */
function withdraw<Asker>(state: GateState<Asker>, asker: Asker, nowMs: number): GateState<Asker> {
  const untilMs = nowMs + ARRIVAL_MAX_MS + COUNTED_MS;
  const permits = state.permits.map((one) =>
    one.asker === asker && one.sentMs === null ? { ...one, sentMs: nowMs, untilMs } : one,
  );
  return { ...state, permits, waiting: state.waiting.filter((one) => one !== asker) };
}

function shut<Asker>(
  state: GateState<Asker>,
  untilMs: number,
  effects: GateEffect<Asker>[],
): GateState<Asker> {
  if (untilMs <= state.shutUntilMs) return state;
  for (const asker of new Set(state.waiting)) effects.push({ kind: 'tell-shut', asker, untilMs });
  return { ...state, shutUntilMs: untilMs, pacedUntilMs: untilMs + GLOBAL_WINDOW_MS };
}

/** The earliest the next permit can be given, were there room for it. */
function openMs<Asker>(state: GateState<Asker>): number {
  const spacedMs = state.lastGrantMs + GLOBAL_WINDOW_MS / state.limit;
  const pacedMs = spacedMs < state.pacedUntilMs ? spacedMs : 0;
  return Math.max(state.shutUntilMs, pacedMs);
}

function grant<Asker>(
  state: GateState<Asker>,
  nowMs: number,
  effects: GateEffect<Asker>[],
): GateState<Asker> {
  let next = state;
  while (next.waiting.length > 0 && next.permits.length < next.limit && openMs(next) <= nowMs) {
    const [asker, ...waiting] = next.waiting;
    if (asker === undefined) break;
    const id = next.nextId;
    effects.push({ kind: 'grant', asker, permit: id });
    const permit = { id, asker, sentMs: null, untilMs: Number.POSITIVE_INFINITY };
    const permits = [...next.permits, permit];
    next = { ...next, waiting, permits, nextId: id + 1, lastGrantMs: nowMs };
  }
  return next;
}

function nextChangeMs<Asker>(state: GateState<Asker>, nowMs: number): number | null {
  if (state.waiting.length === 0) return null;
  const roomMs =
    state.permits.length < state.limit
      ? nowMs
      : Math.min(...state.permits.map((permit) => permit.untilMs));
  const atMs = Math.max(roomMs, openMs(state));
  return Number.isFinite(atMs) ? atMs : null;
}
