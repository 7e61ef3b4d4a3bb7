/**
 * When the sessions are taken to the archive: a pure machine.
 *
 * Purpose: one claim or save at a time, at most one batch each interval unless more than a batch
 * waits, and a growing wait while the archive is away. What there is to do is a fact that the desk
 * tells.
 *
 * Failure: an archive that fails is told of once, and once more when it is back. There is no number
 * of failures after which it would not be tried again.
 */
import { type BackoffState, FRESH_BACKOFF, nextBackoff } from '../../protocols/backoff.ts';
import {
  SESSION_BATCH_MAX,
  SESSION_STORE_BACKOFF,
  SESSION_STORE_INTERVAL_MS,
} from '../../protocols/limits.ts';

export type SessionsState = {
  /** Resting: a timer runs. Working: a claim or a save is under way. */
  readonly phase: 'resting' | 'working';
  /** Undefined while the archive is there. */
  readonly awaySinceMs: number | undefined;
  readonly backoff: BackoffState;
};

export type SessionsInput =
  /** The timer. */
  | { readonly type: 'due' }
  /** What was under way has been done, or has failed. */
  | { readonly type: 'done' | 'failed' };

export type SessionsFacts = {
  /** Whether every shard is claimed. */
  readonly isClaimed: boolean;
  readonly unsaved: number;
  readonly nowMs: number;
  /** Uniform in [0, 1). */
  readonly random: number;
};

export type SessionsEffect =
  | { readonly type: 'claim' | 'save' }
  | { readonly type: 'arm'; readonly delayMs: number }
  | { readonly type: 'away' }
  | { readonly type: 'back'; readonly awayMs: number };

export type SessionsStep = {
  readonly state: SessionsState;
  readonly effects: readonly SessionsEffect[];
};

/** The first thing is a claim, at once. */
export function startSessions(facts: SessionsFacts): SessionsStep {
  const state: SessionsState = {
    phase: 'resting',
    awaySinceMs: undefined,
    backoff: FRESH_BACKOFF,
  };
  return work(state, facts, []);
}

export function stepSessions(
  state: SessionsState,
  input: SessionsInput,
  facts: SessionsFacts,
): SessionsStep {
  const isExpected = (state.phase === 'resting') === (input.type === 'due');
  if (!isExpected) return { state, effects: [] };
  switch (input.type) {
    case 'due':
      return work(state, facts, []);
    case 'done':
      return done(state, facts);
    case 'failed':
      return failed(state, facts);
  }
}

function work(
  state: SessionsState,
  facts: SessionsFacts,
  effects: readonly SessionsEffect[],
): SessionsStep {
  if (facts.isClaimed && facts.unsaved === 0) {
    return rest(state, SESSION_STORE_INTERVAL_MS, effects);
  }
  const type = facts.isClaimed ? 'save' : 'claim';
  return { state: { ...state, phase: 'working' }, effects: [...effects, { type }] };
}

function rest(
  state: SessionsState,
  delayMs: number,
  effects: readonly SessionsEffect[],
): SessionsStep {
  const next: SessionsState = { ...state, phase: 'resting' };
  return { state: next, effects: [...effects, { type: 'arm', delayMs }] };
}

function done(state: SessionsState, facts: SessionsFacts): SessionsStep {
  const { awaySinceMs } = state;
  const effects: readonly SessionsEffect[] =
    awaySinceMs === undefined ? [] : [{ type: 'back', awayMs: facts.nowMs - awaySinceMs }];
  const next: SessionsState = { ...state, awaySinceMs: undefined, backoff: FRESH_BACKOFF };
  // Less than a full batch waits for others to join it.
  const isUrgent = !facts.isClaimed || facts.unsaved >= SESSION_BATCH_MAX;
  return isUrgent ? work(next, facts, effects) : rest(next, SESSION_STORE_INTERVAL_MS, effects);
}

function failed(state: SessionsState, { nowMs, random }: SessionsFacts): SessionsStep {
  const { state: backoff, delayMs } = nextBackoff(
    state.backoff,
    SESSION_STORE_BACKOFF,
    () => random,
  );
  const isNews = state.awaySinceMs === undefined;
  const next: SessionsState = { ...state, backoff, awaySinceMs: state.awaySinceMs ?? nowMs };
  return rest(next, delayMs, isNews ? [{ type: 'away' }] : []);
}
