/**
 * The gate of one identity: Discord's limit over all routes of one bot, user or address.
 *
 * Purpose: in any span of one second, as Discord sees it, no more requests than the limit; and
 * nothing at all while Discord has shut the gate.
 *
 * Inner workings: buckets ask, each for a lane. The lane whose turn it is (`protocols/lanes.ts`) is
 * served, and within it the buckets by turns, so that one in which much waits does not keep out the
 * others. The bulk lane leaves a part of the limit free for the others. A permit counts against the
 * limit until one second has passed since Discord certainly counted its request: since the answer,
 * or since ARRIVAL_MAX_MS after it went onto a connection, whichever was first; until then it may
 * have to wait for one. The send is no earlier than the grant and the count no later than the
 * answer, so any span holds no more than the limit, however the requests' ways to Discord differ in
 * length. A permit that comes back unused counts no more.
 *
 * While the gate is shut nothing passes. When it opens, permits are spaced evenly for one window,
 * so that what has piled up does not arrive as one heap.
 *
 * Failure modes: a request that needs longer than ARRIVAL_MAX_MS to reach Discord may be counted
 * late; the alternative, to count every slow answer for as long as it takes, would let a few
 * hanging requests stop a bot. A bucket or a gate that crashes takes along which requests wait for
 * a connection: those are counted from the crash.
 *
 * A step costs the same however many permits count: of those that are answered only the times at
 * which they end are kept, in order (`times.ts`), and only those on their way are looked through.
 */
import {
  afterTurn,
  type ByLane,
  isOwed,
  NOBODY_PASSED,
  nextLane,
  type Patience,
  PRIORITIES,
  type Priority,
} from '../../protocols/lanes.ts';
import {
  ARRIVAL_MAX_MS,
  GLOBAL_MARGIN_MS,
  GLOBAL_RESERVED_SHARE,
  GLOBAL_WINDOW_MS,
  LANE_PATIENCE,
} from '../../protocols/limits.ts';
import { after, append, count, first, NO_TIMES, type Times, toArray } from './times.ts';

type Permit<Asker> = {
  readonly id: number;
  readonly asker: Asker;
  readonly sentMs: number | null;
  /** When it counts no more; infinite until it is sent. */
  readonly untilMs: number;
};

/** A permit that another proxy has given out. */
export type OthersPermit = { readonly proxy: string; readonly untilMs: number };

/** Those who wait in one lane, in the order of their turns, with how many permits each wants. */
export type Line<Asker> = readonly { readonly asker: Asker; readonly wants: number }[];

export type GateState<Asker> = {
  readonly limit: number;
  /** Permits that count, and of which Discord may not have counted the request yet. */
  readonly open: readonly Permit<Asker>[];
  /** When those count no more of which it certainly has. */
  readonly counted: Times;
  /** Of other proxies that share the limit; they count `slackMs` longer than they say. */
  readonly others: readonly OthersPermit[];
  readonly slackMs: number;
  /** The part of the limit that may be used here; less than 1 where others use the rest unseen. */
  readonly share: number;
  /** How many other proxies wait that have waited longer. */
  readonly ahead: number;
  readonly lines: ByLane<Line<Asker>>;
  readonly patience: Patience;
  readonly shutUntilMs: number;
  /** Until then permits are spaced. */
  readonly pacedUntilMs: number;
  readonly lastGrantMs: number;
  readonly nextId: number;
};

export type GateInput<Asker> =
  | { readonly kind: 'ask'; readonly asker: Asker; readonly lane: Priority }
  | { readonly kind: 'sent'; readonly permit: number }
  | { readonly kind: 'settled'; readonly permit: number }
  | { readonly kind: 'returned'; readonly permit: number }
  | { readonly kind: 'withdraw'; readonly asker: Asker }
  | { readonly kind: 'shut'; readonly untilMs: number }
  | { readonly kind: 'wake' };

export type GateEffect<Asker> =
  | {
      readonly kind: 'grant';
      readonly asker: Asker;
      readonly permit: number;
      readonly lane: Priority;
      /** Higher lanes let it go first. */
      readonly owed: boolean;
    }
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
    open: [],
    counted: NO_TIMES,
    others: [],
    slackMs: 0,
    share: 1,
    ahead: 0,
    lines: { high: [], normal: [], bulk: [] },
    patience: NOBODY_PASSED,
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
  const next = take(roll(state, nowMs), input, nowMs, effects);
  const granted = grant(next, nowMs, effects);
  const atMs = nextChangeMs(granted, nowMs);
  if (atMs !== null) effects.push({ kind: 'wake-at', atMs });
  return { state: granted, effects };
}

/** Forgets the permits that count no more. */
export function roll<Asker>(state: GateState<Asker>, nowMs: number): GateState<Asker> {
  const { open, others, slackMs } = state;
  const counted = after(state.counted, nowMs);
  const isPast = open.some(({ untilMs }) => untilMs <= nowMs);
  const isOthersPast = others.some(({ untilMs }) => untilMs + slackMs <= nowMs);
  if (!isPast && !isOthersPast) return counted === state.counted ? state : { ...state, counted };
  return {
    ...state,
    counted,
    open: open.filter(({ untilMs }) => untilMs > nowMs),
    others: others.filter(({ untilMs }) => untilMs + slackMs > nowMs),
  };
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
      return join(state, input.asker, input.lane);
    case 'sent':
      return noteSent(state, input.permit, nowMs);
    case 'settled':
      return settle(state, input.permit, nowMs);
    case 'returned':
      return { ...state, open: state.open.filter(({ id }) => id !== input.permit) };
    case 'withdraw':
      return withdraw(state, input.asker, nowMs);
    case 'shut':
      return shut(state, input.untilMs, effects);
    case 'wake':
      return state;
  }
}

function join<Asker>(state: GateState<Asker>, asker: Asker, lane: Priority): GateState<Asker> {
  const line = state.lines[lane];
  const known = line.some((one) => one.asker === asker);
  const longer = known
    ? line.map((one) => (one.asker === asker ? { asker, wants: one.wants + 1 } : one))
    : line.concat({ asker, wants: 1 });
  return { ...state, lines: { ...state.lines, [lane]: longer } };
}

function noteSent<Asker>(state: GateState<Asker>, permit: number, nowMs: number): GateState<Asker> {
  const untilMs = nowMs + ARRIVAL_MAX_MS + COUNTED_MS;
  const open = state.open.map((one) =>
    one.id === permit && one.sentMs === null ? { ...one, sentMs: nowMs, untilMs } : one,
  );
  return { ...state, open };
}

function settle<Asker>(state: GateState<Asker>, permit: number, nowMs: number): GateState<Asker> {
  const untilMs = nowMs + COUNTED_MS;
  const one = state.open.find(({ id }) => id === permit);
  // After a late answer it counts no longer than it would have without.
  if (one === undefined || one.untilMs <= untilMs) return state;
  const open = state.open.filter((other) => other !== one);
  return { ...state, open, counted: append(state.counted, untilMs) };
}

/** The asker is gone: its asks with it, and what it was granted is taken to have been sent. */
function withdraw<Asker>(state: GateState<Asker>, asker: Asker, nowMs: number): GateState<Asker> {
  const untilMs = nowMs + ARRIVAL_MAX_MS + COUNTED_MS;
  const open = state.open.map((one) =>
    one.asker === asker && one.sentMs === null ? { ...one, sentMs: nowMs, untilMs } : one,
  );
  const without = (lane: Priority): Line<Asker> =>
    state.lines[lane].filter((one) => one.asker !== asker);
  const lines = { high: without('high'), normal: without('normal'), bulk: without('bulk') };
  return { ...state, open, lines };
}

function shut<Asker>(
  state: GateState<Asker>,
  untilMs: number,
  effects: GateEffect<Asker>[],
): GateState<Asker> {
  if (untilMs <= state.shutUntilMs) return state;
  const askers = PRIORITIES.flatMap((lane) => state.lines[lane].map(({ asker }) => asker));
  for (const asker of new Set(askers)) effects.push({ kind: 'tell-shut', asker, untilMs });
  return { ...state, shutUntilMs: untilMs, pacedUntilMs: untilMs + GLOBAL_WINDOW_MS };
}

/** How many permits may count while one more is given in this lane. */
function mostFor<Asker>(state: GateState<Asker>, lane: Priority): number {
  const { patience, share } = state;
  const limit = share < 1 ? Math.max(1, Math.floor(state.limit * share)) : state.limit;
  // Whoever comes in a higher lane finds a permit there and need not wait for the window to move
  // on.
  const isReserved = lane === 'bulk' && patience.bulk < LANE_PATIENCE;
  return isReserved ? limit - Math.floor(limit * GLOBAL_RESERVED_SHARE) : limit;
}

/** Permits that count, and one for each proxy whose turn comes before ours. */
const taken = <Asker>({ open, counted, others, ahead }: GateState<Asker>): number =>
  open.length + count(counted) + others.length + ahead;

const hasRoom = <Asker>(state: GateState<Asker>, lane: Priority): boolean =>
  taken(state) < mostFor(state, lane);

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
  while (openMs(next) <= nowMs) {
    const current = next;
    const { lines } = current;
    const waits = (lane: Priority): boolean => lines[lane].length > 0;
    const lane = nextLane(current.patience, (one) => waits(one) && hasRoom(current, one));
    if (lane === null) break;
    const [first] = lines[lane];
    if (first === undefined) break;
    const { asker, wants } = first;
    const others = lines[lane].slice(1);
    const id = next.nextId;
    effects.push({ kind: 'grant', asker, permit: id, lane, owed: isOwed(lane, waits) });
    const permit = { id, asker, sentMs: null, untilMs: Number.POSITIVE_INFINITY };
    next = {
      ...next,
      // Who wants more has had a turn, and goes behind the others.
      lines: { ...lines, [lane]: wants > 1 ? others.concat({ asker, wants: wants - 1 }) : others },
      patience: afterTurn(next.patience, lane, waits),
      open: next.open.concat(permit),
      nextId: id + 1,
      lastGrantMs: nowMs,
    };
  }
  return next;
}

/** When so many of the permits will have stopped to count. */
function goneMs<Asker>(state: GateState<Asker>, many: number): number {
  const { open, counted, others, slackMs } = state;
  const untilMs = open.map((permit) => permit.untilMs);
  for (const other of others) untilMs.push(other.untilMs + slackMs);
  // Nearly always it is the next one that is asked for.
  if (many === 1) return Math.min(first(counted), ...untilMs);
  const all = [...toArray(counted), ...untilMs].sort((one, other) => one - other);
  return all[many - 1] ?? Number.POSITIVE_INFINITY;
}

function nextChangeMs<Asker>(state: GateState<Asker>, nowMs: number): number | null {
  let most = 0;
  for (const lane of PRIORITIES) {
    if (state.lines[lane].length > 0) most = Math.max(most, mostFor(state, lane));
  }
  // Nobody waits.
  if (most === 0) return null;
  const tooMany = taken(state) - most + 1;
  const roomMs = tooMany > 0 ? goneMs(state, tooMany) : nowMs;
  const atMs = Math.max(roomMs, openMs(state));
  return Number.isFinite(atMs) ? atMs : null;
}
