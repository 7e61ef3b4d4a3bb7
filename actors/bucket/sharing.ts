/**
 * How a bucket is shared with other proxies: its ledger is one for all of them, and each knows what
 * the others have in the air.
 *
 * What waits stays where it came in. A request on a route that Discord does not limit need not be
 * told to anybody. What is in the air has a lease, so that it counts as lost when its proxy has
 * died.
 */
import { isDeepStrictEqual } from 'node:util';
import {
  BUCKET_IDLE_MS,
  RESET_MARGIN_MS,
  SHARED_GAP_MAX_MS,
  SHARED_KEPT_MAX_MS,
  SHARED_KEPT_MS,
  SHARED_LEASE_MS,
  SHARED_WAITS_MAX,
} from '../../protocols/limits.ts';
import type { SharedMachine, StoreTime } from '../shared/turns.ts';
import { mapValues, valueAt } from './keyed.ts';
import { readKnowledge, writeKnowledge } from './knowledge.ts';
import { type Account, type Charged, type Ledger, noteLost, quietAtMs } from './ledger.ts';
import { roll, transition } from './machine.ts';
import { Room } from './room.ts';
import {
  type BucketEffect,
  type BucketInput,
  type BucketState,
  type Flight,
  keysOf,
  type OthersFlight,
} from './state.ts';
import { unite } from './unite.ts';
import { block } from './window.ts';

export function bucketSharing(
  proxy: string,
): SharedMachine<BucketState, BucketInput, BucketEffect> {
  return {
    look: { kind: 'wake' },
    transition,
    arrange: (state, share, ahead) => ({ ...state, share, ahead: countAhead(ahead) }),
    isNews(before, after, _effects, nowMs) {
      const past = roll(before, nowMs);
      return flownIds(past) !== flownIds(after) || hasNews(past.ledger, after.ledger);
    },
    isTurn: (effects) => effects.some(({ kind }) => kind === 'send'),
    waitsFor,
    holds: (state) => counted(state).length > 0,
    write: (state, time, nowMs) => write(state, proxy, time, nowMs),
    adopt: (state, text, apart, time, nowMs) => adopt(state, text, apart, proxy, time, nowMs),
    unsure,
  };
}

const SEPARATOR = '\n';

/** For how many proxies each account is to be left. */
function countAhead(ahead: readonly string[]): BucketState['ahead'] {
  const counts = new Map<string, number>();
  for (const keys of ahead) {
    for (const key of keys.split(SEPARATOR)) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

/** The accounts that somebody waits for, as far as it is not the gate that is waited for. */
function waitsFor(state: BucketState, nowMs: number): string | null {
  const room = new Room(state, nowMs);
  const keys = new Set<string>();
  for (const { entries } of state.queues) {
    const [first] = entries;
    if (first === undefined || room.for(first) >= 1) continue;
    for (const key of first.keys ?? keysOf(first, nowMs)) keys.add(key);
  }
  return keys.size === 0 ? null : [...keys].slice(0, SHARED_WAITS_MAX).join(SEPARATOR);
}

/** Our own requests in the air that others have to reckon with. */
function counted({ flights, ledger }: BucketState): readonly Flight[] {
  return flights.filter(({ charges }) =>
    charges.some(
      ({ account, window }) =>
        valueAt(ledger.windows, window)?.kind !== 'unlimited' ||
        valueAt(ledger.accounts, account)?.careful === true,
    ),
  );
}

const flownIds = (state: BucketState): string =>
  counted(state)
    .map(({ id }) => id)
    .join();

function hasNews(before: Ledger, after: Ledger): boolean {
  if (before.accounts === after.accounts && before.windows === after.windows) return false;
  // What was forgotten the others forget by themselves.
  return after.accounts.some(({ key, value: account }) => {
    const known = valueAt(before.accounts, key);
    if (known === undefined) return !isBlank(after, account);
    const { usedMs, ...facts } = account;
    const { usedMs: knownMs, ...knownFacts } = known;
    return (
      usedMs - knownMs > BUCKET_IDLE_MS / 3 ||
      !isDeepStrictEqual(facts, knownFacts) ||
      hasChanged(before, known.window, after, account.window) ||
      (account.tight !== null && hasChanged(before, account.tight, after, account.tight))
    );
  });
}

function hasChanged(before: Ledger, was: number, after: Ledger, is: number): boolean {
  return !isDeepStrictEqual(valueAt(after.windows, is), valueAt(before.windows, was));
}

function isBlank({ windows }: Ledger, { window, blockedUntilMs }: Account): boolean {
  const known = valueAt(windows, window);
  return known?.kind === 'unknown' && known.log.length === 0 && blockedUntilMs === 0;
}

function write(
  state: BucketState,
  proxy: string,
  { offsetMs }: StoreTime,
  nowMs: number,
): { text: string; keptMs: number } {
  const leaseUntilMs = nowMs + SHARED_LEASE_MS;
  const own = counted(state).map(
    ({ id, sentMs, charges }): OthersFlight => ({ id, sentMs, charges, proxy, leaseUntilMs }),
  );
  const { ledger } = state;
  const text = writeKnowledge({ ledger, flights: [...own, ...state.others] }, offsetMs);
  const matterMs = Math.max(0, quietAtMs(ledger) - nowMs) + SHARED_KEPT_MS;
  return { text, keptMs: Math.min(matterMs, SHARED_KEPT_MAX_MS) };
}

function adopt(
  state: BucketState,
  text: string | null,
  apart: boolean,
  proxy: string,
  { offsetMs }: StoreTime,
  nowMs: number,
): BucketState {
  const stored = text === null ? null : readKnowledge(text, offsetMs);
  if (stored === null) return state;
  const others = stored.flights.filter((one) => one.proxy !== proxy);
  const mine = new Set(state.flights.map(({ id }) => id));
  // Offered before the store went away, and never sent for want of an answer.
  const orphans = stored.flights.filter((one) => one.proxy === proxy && !mine.has(one.id));
  const next = apart
    ? united(state, stored.ledger, others)
    : { ...state, ledger: stored.ledger, others };
  const ledger = orphans.reduce((sum, one) => noteLost(sum, one, nowMs), next.ledger);
  return roll({ ...next, ledger }, nowMs);
}

/**
 * Keeps every limited window shut until what others may have sent is over, where that is not long.
 */
function unsure(state: BucketState, heardUntilMs: number): BucketState {
  const windows = mapValues(state.ledger.windows, (window) => {
    const lengthMs = Math.min(window.lengthMs ?? 0, SHARED_GAP_MAX_MS);
    const untilMs = heardUntilMs + lengthMs + RESET_MARGIN_MS;
    return window.kind === 'limited' ? block(window, untilMs) : window;
  });
  return { ...state, ledger: { ...state.ledger, windows } };
}

/** Joins what is known here to what the store has. */
function united(state: BucketState, ledger: Ledger, others: readonly OthersFlight[]): BucketState {
  const stored = new Set(others.map(({ id }) => id));
  const known = state.others.filter(({ id }) => !stored.has(id));
  const flying: readonly Charged[] = [...state.flights, ...known];
  const result = unite(ledger, state.ledger, flying);
  const chargesOf = new Map(result.flights.map(({ id, charges }) => [id, charges]));
  const moved = <One extends Charged>(one: One): One => ({
    ...one,
    charges: chargesOf.get(one.id) ?? one.charges,
  });
  return {
    ...state,
    ledger: result.ledger,
    flights: state.flights.map(moved),
    others: [...others, ...known.map(moved)],
  };
}
