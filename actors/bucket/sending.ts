/**
 * Who is sent next, and what is asked of the gate for those that may be.
 *
 * Purpose: to spend a turn, or a permit, on whoever is next in the moment of sending.
 *
 * Inner workings. The lane whose turn it is goes first, in it the route that was served longest
 * ago, and in its queue the first whose class has room: found by looking, each time anew. What
 * needs no permit is sent at once; for the rest as many permits are asked for as could be used now.
 *
 * Nothing in here fails: where nobody can be sent, nothing happens.
 */
import {
  afterTurn,
  type ByLane,
  nextLane,
  PRIORITIES,
  type Priority,
} from '../../protocols/lanes.ts';
import { BUCKET_ASKS_MAX } from '../../protocols/limits.ts';
import * as ledgers from './ledger.ts';
import { keep } from './lists.ts';
import { Room } from './room.ts';
import {
  type BucketEffect,
  type BucketState,
  type Flight,
  keysOf,
  queueOf,
  type Waiting,
} from './state.ts';

/** Who is to be sent next of those that need a permit, or of those that do not. */
export function nextToSend(
  state: BucketState,
  gated: boolean,
  room: Room,
  owedTo: Priority | null = null,
): Waiting | null {
  const firsts: Record<Priority, Waiting | null> = { high: null, normal: null, bulk: null };
  for (const queue of state.queues) {
    if (queue.gated === gated) firsts[queue.lane] ??= room.firstOf(queue);
  }
  const owed = owedTo === null ? null : firsts[owedTo];
  if (owed !== null) return owed;
  const lane = nextLane(state.patience, (one) => firsts[one] !== null);
  return lane === null ? null : firsts[lane];
}

/** Charges a request, and takes it from its queue into the air. */
export function send(
  state: BucketState,
  next: Waiting,
  permit: number | null,
  nowMs: number,
  effects: BucketEffect[],
): BucketState {
  const { id, route, lane } = next;
  effects.push({ kind: 'send', id, permit });
  const keys = next.keys ?? keysOf(next, nowMs);
  let opened = state.ledger;
  for (const key of keys) opened = ledgers.open(opened, route, key, nowMs, state.siblings);
  const [ledger, charges] = ledgers.charge(opened, keys, id, nowMs);
  const flights = state.flights.concat(flightOf(next, permit, charges, nowMs));
  const patience = afterTurn(state.patience, lane, (one) => waitsIn(state, one));
  return { ...state, queues: queuesAfter(state, next), ledger, patience, flights };
}

/** The route goes behind all others that wait for their turn. */
function queuesAfter(state: BucketState, sent: Waiting): BucketState['queues'] {
  const queue = queueOf(state, sent);
  const others = keep(state.queues, (one) => one !== queue);
  if (queue === undefined || queue.entries.length === 1) return others;
  return others.concat({ ...queue, entries: keep(queue.entries, (one) => one !== sent) });
}

/** Written out: a copy that then grows costs several times as much. */
function flightOf(
  waiting: Waiting,
  permit: number | null,
  charges: Flight['charges'],
  sentMs: number,
): Flight {
  const { id, route, rule, gated, deadlineMs, sendByMs, repeatable, lane } = waiting;
  const { keys, place, limitedAttempts, failedAttempts } = waiting;
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
    limitedAttempts,
    failedAttempts,
    permit,
    charges,
    sentMs,
    abandoned: false,
  };
}

function waitsIn({ queues }: BucketState, lane: Priority): boolean {
  for (const queue of queues) if (queue.lane === lane) return true;
  return false;
}

/**
 * Sends what needs no permit, and asks for the permits that could be used now. Returns as well how
 * much room is left.
 */
export function advance(
  state: BucketState,
  nowMs: number,
  effects: BucketEffect[],
): readonly [BucketState, Room] {
  let next = state;
  let room = new Room(next, nowMs);
  if (state.queues.length === 0) return [state, room];
  for (let one = nextToSend(next, false, room); one !== null; one = nextToSend(next, false, room)) {
    next = send(next, one, null, nowMs, effects);
    room = new Room(next, nowMs);
  }
  const asked = ask(next, room, effects);
  return [{ ...next, asked, ledger: room.ledger }, room];
}

/** What is asked for from now on, lane by lane. */
function ask(state: BucketState, room: Room, effects: BucketEffect[]): ByLane<number> {
  const useful = { high: 0, normal: 0, bulk: 0 };
  for (const queue of state.queues) {
    const { gated, lane } = queue;
    if (gated) useful[lane] += room.usefulIn(queue, BUCKET_ASKS_MAX - useful[lane]);
  }
  const asked = { ...state.asked };
  // Each lane asks for itself, lest one that comes late stand behind what a lower one has asked
  // for.
  for (const lane of PRIORITIES) {
    for (; asked[lane] < useful[lane]; asked[lane]++) effects.push({ kind: 'ask', lane });
  }
  return asked;
}
