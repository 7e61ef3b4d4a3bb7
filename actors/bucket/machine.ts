/**
 * The buckets of one identity and one major parameter: who waits in them, in order, and who flies.
 *
 * Purpose: each request that comes in leaves with exactly one fate, in the order of arrival as far
 * as the sends of one route and class go, and is sent only when `ledger.ts` and the gate both let
 * it.
 *
 * Inner workings: `transition` is a pure function of state, input and time. After each input the
 * machine lets time pass (`settleTime`) and then moves what may move (`sending.ts`): it asks the
 * gate for as many permits as it could use now, and a permit is spent on whoever is next when it
 * arrives, so the global limit is taken just before the send; what the global limit leaves alone
 * goes without. A request that comes back from a 429 takes its old place, because places are the
 * numbers drawn on arrival.
 *
 * Each lane (`protocols/lanes.ts`) of each route has a queue in the order of arrival. Who is next
 * is decided at the moment of sending, by looking. So a request whose class changes while it waits
 * needs not be moved, and one class that is shut does not hold up another. The queues are in
 * the order of the routes' turns. They, and what waits in them, are arrays that are copied on
 * change: cheaper than drafting them.
 *
 * Failure modes: an input about a request that is no longer here changes nothing. A request whose
 * client gave up while it was in flight stays among the flights, marked abandoned, until it lands.
 */
import { type ByLane, NOBODY_PASSED, PRIORITIES, SHARE } from '../../protocols/lanes.ts';
import {
  BUCKET_IDLE_MS,
  BUCKET_QUEUES_MAX,
  BUCKET_REQUESTS_MAX,
  FAILED_ATTEMPTS_MAX,
  LIMITED_ATTEMPTS_MAX,
  PROXY_WAIT_MAX_MS,
} from '../../protocols/limits.ts';
import { NO_SIBLINGS, type Siblings } from '../../protocols/siblings.ts';
import * as answers from './answers.ts';
import * as ledgers from './ledger.ts';
import { keep, NOTHING } from './lists.ts';
import { Prospects } from './prospects.ts';
import { Room } from './room.ts';
import { advance, nextToSend, send } from './sending.ts';
import {
  type BucketEffect,
  type BucketInput,
  type BucketState,
  type BucketStep,
  type Entry,
  type Flight,
  type Knowledge,
  keysOf,
  type OthersFlight,
  type Queue,
  queueOf,
  type Waiting,
  withQueue,
} from './state.ts';
import { lookBack, nextTimeMs } from './waking.ts';

const NOBODY_AHEAD: BucketState['ahead'] = new Map();
const NOTHING_ASKED: ByLane<number> = { high: 0, normal: 0, bulk: 0 };
const NOTHING_KNOWN: Knowledge = {
  ledger: ledgers.EMPTY_LEDGER,
  flights: NOTHING,
  others: NOTHING,
};

/**
 * `before` is what a predecessor knew; what it had in flight is counted, and never to land here.
 */
export function newBucket(
  before: Knowledge | null,
  nowMs: number,
  siblings: Siblings = NO_SIBLINGS,
): BucketState {
  const known = before ?? NOTHING_KNOWN;
  return {
    queues: NOTHING,
    flights: NOTHING,
    others: known.others,
    ledger: known.flights.reduce(
      (ledger, flight) => ledgers.noteLost(ledger, flight, nowMs),
      known.ledger,
    ),
    siblings,
    share: 1,
    ahead: NOBODY_AHEAD,
    patience: NOBODY_PASSED,
    asked: NOTHING_ASKED,
    gateShutUntilMs: 0,
    draining: false,
    nextPlace: 0,
    activeMs: nowMs,
  };
}

export function transition(state: BucketState, input: BucketInput, nowMs: number): BucketStep {
  const effects: BucketEffect[] = [];
  const taken = take(roll(state, nowMs), input, nowMs, effects);
  // A new request, and a permit, change nobody else's prospects.
  const isQuick = input.kind === 'enqueue' || input.kind === 'permit';
  const settled = isQuick ? taken : settleTime(taken, nowMs, effects);
  const [advanced, room] = advance(settled, nowMs, effects);
  const [next, lookMs] =
    input.kind === 'wake' ? lookBack(advanced, nowMs, effects) : [advanced, nowMs + BUCKET_IDLE_MS];
  effects.push({ kind: 'wake-at', atMs: Math.min(lookMs, nextTimeMs(next, room, nowMs)) });
  return { state: next, effects };
}

/** Lets time pass. What another proxy has said no more of, for too long, is taken to be lost. */
export function roll(state: BucketState, nowMs: number): BucketState {
  const { others } = state;
  const isLost = ({ leaseUntilMs }: OthersFlight): boolean => leaseUntilMs <= nowMs;
  if (!others.some(isLost)) {
    const ledger = ledgers.roll(state.ledger, nowMs);
    return ledger === state.ledger ? state : { ...state, ledger };
  }
  let { ledger } = state;
  for (const one of others) if (isLost(one)) ledger = ledgers.noteLost(ledger, one, nowMs);
  const kept = keep(others, (one) => !isLost(one));
  return { ...state, ledger: ledgers.roll(ledger, nowMs), others: kept };
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
      return enqueue(state, input.entry, nowMs, effects);
    case 'permit':
      return usePermit(state, input, nowMs, effects);
    case 'gate-shut':
      return { ...state, gateShutUntilMs: Math.max(state.gateShutUntilMs, input.untilMs) };
    case 'siblings': {
      const { siblings } = input;
      return { ...state, siblings, ledger: ledgers.joinSiblings(state.ledger, siblings) };
    }
    case 'gate-replaced':
      return { ...state, asked: NOTHING_ASKED };
    case 'answered':
      return answered(state, input.id, input.heard, nowMs, effects);
    case 'failed':
      return failed(state, input.id, input.unsent, nowMs, effects);
    case 'grounded':
      return grounded(state, input.id, nowMs, effects);
    case 'cancel':
      return cancel(state, input.id, effects);
    case 'drain':
      return { ...state, draining: true };
    case 'wake':
      return state;
  }
}

function enqueue(state: BucketState, entry: Entry, nowMs: number, effects: Effects): BucketState {
  const queue = queueOf(state, entry);
  const length = queue?.entries.length ?? 0;
  const isFull =
    queue === undefined
      ? state.queues.length >= BUCKET_QUEUES_MAX
      : length >= SHARE[entry.lane] * BUCKET_REQUESTS_MAX;
  const [key = '', second] = keysOf(entry, nowMs);
  const keys = entry.rule.by === 'age' ? null : [key];
  const waiting = waitingOf(entry, keys, state.nextPlace);
  const prospects = new Prospects(state, nowMs);
  const ahead = second === undefined ? length : 0;
  const fate = isFull ? prospects.full(waiting) : prospects.fateOf(waiting, ahead);
  if (fate !== null) {
    effects.push(fate);
    return state;
  }
  const queues = withQueue(state, waiting, (queue?.entries ?? []).concat(waiting));
  return { ...state, queues, nextPlace: state.nextPlace + 1, activeMs: nowMs };
}

/** Written out: a copy that then grows costs several times as much. */
function waitingOf(entry: Entry, keys: Waiting['keys'], place: number): Waiting {
  const { id, route, rule, gated, deadlineMs, sendByMs, repeatable, lane } = entry;
  return {
    id,
    route,
    rule,
    gated,
    deadlineMs,
    sendByMs,
    repeatable,
    lane,
    keys,
    place,
    limitedAttempts: 0,
    failedAttempts: 0,
  };
}

function usePermit(
  state: BucketState,
  { permit, lane, owed }: Extract<BucketInput, { readonly kind: 'permit' }>,
  nowMs: number,
  effects: Effects,
): BucketState {
  const left = { ...state.asked, [lane]: Math.max(0, state.asked[lane] - 1) };
  const isAsking = PRIORITIES.some((one) => left[one] > 0);
  const used = { ...state, asked: isAsking ? left : NOTHING_ASKED };
  // It was on its way when the gate was shut: whoever it was for asks again.
  if (used.gateShutUntilMs > nowMs) {
    effects.push({ kind: 'return-permit', permit });
    return used;
  }
  // Whoever is too late must not be sent with a permit that a later one can use.
  let hurryMs = Number.POSITIVE_INFINITY;
  for (const queue of used.queues) hurryMs = Math.min(hurryMs, queue.hurryMs);
  const live = hurryMs <= nowMs ? settleTime(used, nowMs, effects) : used;
  const next = nextToSend(live, true, new Room(live, nowMs), owed ? lane : null);
  if (next !== null) return send(live, next, permit, nowMs, effects);
  effects.push({ kind: 'return-permit', permit });
  return live;
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
  const flights = keep(state.flights, (one) => one !== flight);
  return [{ ...state, flights, activeMs: nowMs }, flight];
}

function answered(
  state: BucketState,
  id: number,
  heard: answers.Heard,
  nowMs: number,
  effects: Effects,
): BucketState {
  const [landed, flight] = land(state, id, false, nowMs, effects);
  if (flight === undefined) return landed;
  const { limited } = heard;
  const { gated } = flight;
  const next = {
    ...landed,
    ledger: answers.noteHeard(landed.ledger, flight, heard, gated, nowMs),
  };
  const evidence = answers.siblingsSeen(landed.ledger, next.ledger, flight);
  if (evidence !== null) effects.push({ kind: 'learned', evidence });
  if (limited === null) {
    effects.push({ kind: flight.abandoned ? 'discard' : 'deliver', id });
    return next;
  }
  const untilMs = nowMs + limited.waitMs;
  const again = { ...flight, limitedAttempts: flight.limitedAttempts + 1 };
  const hopeless =
    flight.abandoned ||
    landed.draining ||
    again.limitedAttempts >= LIMITED_ATTEMPTS_MAX ||
    limited.waitMs > PROXY_WAIT_MAX_MS ||
    (flight.sendByMs !== null && untilMs >= flight.sendByMs);
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
  const ledger = unsent
    ? ledgers.noteUnsent(landed.ledger, flight)
    : ledgers.noteLost(landed.ledger, flight, nowMs);
  const again = { ...flight, failedAttempts: flight.failedAttempts + 1 };
  const repeat =
    !flight.abandoned &&
    !landed.draining &&
    (unsent || flight.repeatable) &&
    again.failedAttempts < FAILED_ATTEMPTS_MAX;
  if (!repeat) {
    effects.push({ kind: flight.abandoned ? 'discard' : 'deliver', id });
    return { ...landed, ledger };
  }
  effects.push({ kind: 'discard', id });
  return requeue({ ...landed, ledger: ledgers.slowDown(ledger, flight, nowMs) }, again);
}

function grounded(state: BucketState, id: number, nowMs: number, effects: Effects): BucketState {
  const [landed, flight] = land(state, id, true, nowMs, effects);
  if (flight === undefined) return landed;
  effects.push({ kind: flight.abandoned ? 'discard' : 'deliver', id });
  return { ...landed, ledger: ledgers.noteUnsent(landed.ledger, flight) };
}

/** Puts a request back in the place it had. */
function requeue(state: BucketState, flight: Flight): BucketState {
  const { permit: _p, charges: _c, sentMs: _s, abandoned: _a, ...waiting } = flight;
  const entries = queueOf(state, waiting)?.entries ?? [];
  const behind = entries.findIndex((one) => one.place > waiting.place);
  const index = behind < 0 ? entries.length : behind;
  const queues = withQueue(state, waiting, entries.toSpliced(index, 0, waiting));
  return { ...state, queues };
}

function cancel(state: BucketState, id: number, effects: Effects): BucketState {
  for (const { entries } of state.queues) {
    const one = entries.find((waiting) => waiting.id === id);
    if (one === undefined) continue;
    effects.push({ kind: 'cancelled', id });
    const kept = keep(entries, (waiting) => waiting !== one);
    return { ...state, queues: withQueue(state, one, kept) };
  }
  return abandon(state, id, { kind: 'cancelled', id }, effects);
}

/**
 * Decides the fate of a request that is in the air. The flight itself goes on: Discord may have
 * counted it, and what its answer says of the bucket is worth more than its connection.
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

/** Gives up what cannot be done in time, and, when draining, everything that waits. */
function settleTime(state: BucketState, nowMs: number, effects: Effects): BucketState {
  let next = state;
  for (const flight of state.flights) {
    if (flight.abandoned || flight.deadlineMs === null || flight.deadlineMs > nowMs) continue;
    const { id } = flight;
    next = abandon(
      next,
      id,
      { kind: 'time-out', id, waitMs: null, failing: false, sent: true },
      effects,
    );
  }
  if (next.queues.length === 0) return next;
  const prospects = new Prospects(next, nowMs);
  const queues: Queue[] = [];
  for (const queue of next.queues) {
    const entries: Waiting[] = [];
    let hurryMs = Number.POSITIVE_INFINITY;
    for (const one of queue.entries) {
      // Which of several classes are ahead is not known: then nobody is taken to be.
      const fate = prospects.fateOf(one, one.rule.by === 'route' ? entries.length : 0);
      if (fate === null) {
        entries.push(one);
        hurryMs = Math.min(hurryMs, one.sendByMs ?? hurryMs);
      } else effects.push(fate);
    }
    if (entries.length > 0) queues.push({ ...queue, entries, hurryMs });
  }
  return { ...next, queues };
}
