/**
 * When a bucket has to look again by itself.
 *
 * There is one timer, armed for the earliest time that matters; waking early or late is harmless,
 * since every wake looks anew. Who could be sent now and waits for a permit is woken by that: for
 * them no timer is needed, and most requests never wait for anything else.
 */
import { classChangeMs } from '../../protocols/discord/request-class.ts';
import { PRIORITIES } from '../../protocols/lanes.ts';
import { ARRIVAL_MAX_MS, BUCKET_IDLE_MS } from '../../protocols/limits.ts';
import * as ledgers from './ledger.ts';
import type { Room } from './room.ts';
import { type BucketEffect, type BucketState, inTheAir, keysOf, type Queue } from './state.ts';

/**
 * The next time at which something may change for those that wait or fly; `room` is what there is
 * now.
 */
export function nextTimeMs(state: BucketState, room: Room, nowMs: number): number {
  let atMs = Number.POSITIVE_INFINITY;
  for (const { deadlineMs, abandoned } of state.flights) {
    if (!abandoned) atMs = Math.min(atMs, deadlineMs ?? atMs);
  }
  for (const { leaseUntilMs } of state.others) atMs = Math.min(atMs, leaseUntilMs);
  if (state.queues.length === 0) return atMs;
  const accounts = new Set<string>();
  for (const queue of state.queues) {
    atMs = Math.min(atMs, queue.hurryMs);
    for (const { rule } of queue.entries[0]?.rule.by === 'age' ? queue.entries : []) {
      atMs = Math.min(atMs, classChangeMs(rule, nowMs, ARRIVAL_MAX_MS));
    }
    if (!queue.gated || !room.isEnoughFor(queue)) addWaitedFor(accounts, queue, nowMs);
  }
  for (const key of accounts) {
    atMs = Math.min(atMs, ledgers.nextChangeMs(state.ledger, key, nowMs));
  }
  return atMs;
}

/** Adds the accounts that those of a queue count against. */
function addWaitedFor(accounts: Set<string>, { entries }: Queue, nowMs: number): void {
  for (const one of entries[0]?.rule.by === 'route' ? entries.slice(0, 1) : entries) {
    for (const key of one.keys ?? keysOf(one, nowMs)) accounts.add(key);
  }
}

/**
 * Forgets what need not be known any more, and says when to look again. That is done when the timer
 * wakes us, which it does every BUCKET_IDLE_MS at least, and so before anything is to be forgotten.
 */
export function lookBack(
  state: BucketState,
  nowMs: number,
  effects: BucketEffect[],
): readonly [BucketState, number] {
  const needed = new Set<string>();
  for (const queue of state.queues) addWaitedFor(needed, queue, nowMs);
  const flying = inTheAir(state);
  for (const { charges } of flying) for (const { account } of charges) needed.add(account);
  const isNeeded = (key: string): boolean => needed.has(key);
  const [ledger, lookMs] = ledgers.forget(state.ledger, isNeeded, flying, nowMs);
  const next = { ...state, ledger };
  // A permit that was asked for comes here and goes back first, so that nobody has to take it back.
  const isAsking = PRIORITIES.some((lane) => state.asked[lane] > 0);
  const isIdle = needed.size === 0 && !isAsking && lookMs === Number.POSITIVE_INFINITY;
  if (!isIdle) return [next, Math.min(lookMs, nowMs + BUCKET_IDLE_MS)];
  const idleMs = state.activeMs + BUCKET_IDLE_MS;
  if (idleMs <= nowMs) effects.push({ kind: 'idle' });
  return [next, Math.max(idleMs, nowMs + BUCKET_IDLE_MS / 2)];
}
