/**
 * The shard machine: one session, over as many connections as it takes. Pure.
 *
 * Purpose: it decides what to do when a connection ends. The ladder is: resume on the session's own
 * host, resume on the main host, start a new session. Whatever keeps the session is tried before
 * what does not.
 *
 * Inner workings: `phase` says where the shard stands; `session` is what a resume needs, and its
 * absence means IDENTIFY. Every end leads to a wait (growing, jittered, capped; it starts over once
 * a session has been ready for a while) and from there to the next generation of the connection. An
 * IDENTIFY asks the governor first, and a socket is opened only when the shard's turn is near.
 *
 * Failure: a host that cannot be reached is left for the main one and costs nothing else (GP-01,
 * GP-02). A session is given up when Discord says so, or after several resumes in a row that came
 * to nothing (GP-03); one that was cut off with more done than before counts as none of them. Close
 * codes that no retry can heal end the shard for good (GP-20, GP-55).
 */
import { GatewayCloseCodes } from 'discord-api-types/v10';
import { type Draft, produce } from 'immer';
import { FRESH_BACKOFF, nextBackoff } from '../../protocols/backoff.ts';
import type { BrokerState } from '../../protocols/broker.ts';
import type { ConnectionEnd, ConnectionReport } from '../../protocols/gateway/messages.ts';
import {
  INVALID_SESSION_WAIT_MAX_MS,
  INVALID_SESSION_WAIT_MIN_MS,
  RESUME_ATTEMPTS_MAX,
  SHARD_BACKOFF,
  SHARD_STABLE_MS,
} from '../../protocols/limits.ts';
import type { ShardEffect, ShardInput, ShardNotice, ShardState, ShardStep } from './state.ts';

type Work = Draft<ShardState>;
type Effects = readonly ShardEffect[];

/** The close codes after which a retry would be refused in the same way; from Discord's table. */
const FATAL_CLOSE_CODES: ReadonlySet<number> = new Set([
  GatewayCloseCodes.AuthenticationFailed,
  GatewayCloseCodes.InvalidShard,
  GatewayCloseCodes.ShardingRequired,
  GatewayCloseCodes.InvalidAPIVersion,
  GatewayCloseCodes.InvalidIntents,
  GatewayCloseCodes.DisallowedIntents,
]);

/** Seen when session and token do not belong together; Discord does not document it (GP-53). */
const SESSION_REFUSED = 4006;

/** The close codes that end the session: the next connection has to identify (GP-55). */
const SESSION_CLOSE_CODES: ReadonlySet<number> = new Set([
  SESSION_REFUSED,
  GatewayCloseCodes.InvalidSeq,
  GatewayCloseCodes.SessionTimedOut,
]);

/**
 * @param session what was stored of an earlier session, if it can still be resumed
 * @param done how far all of that session is done
 */
export function startShard(
  session: ShardState['session'],
  broker: BrokerState,
  done = 0,
): ShardStep {
  const state: ShardState = {
    phase: 'paused',
    session,
    hostDemoted: false,
    generation: 0,
    failedResumes: 0,
    judgedDone: done,
    backoff: FRESH_BACKOFF,
    broker,
  };
  let effects: Effects = [];
  const next = produce(state, (work) => {
    effects = proceed(work);
  });
  return { state: next, effects };
}

/** @param random uniform in [0, 1) */
export function stepShard(state: ShardState, input: ShardInput, random: number): ShardStep {
  let effects: Effects = [];
  const next = produce(state, (work) => {
    effects = step(work, input, random);
  });
  return { state: next, effects };
}

function step(work: Work, input: ShardInput, random: number): Effects {
  if (work.phase === 'failed') return [];
  switch (input.type) {
    case 'report':
      return isPresent(work, input.generation) ? report(work, input.report) : [];
    case 'ended':
      return isPresent(work, input.generation) ? ended(work, input.end, input.done, random) : [];
    case 'prepare':
      return prepare(work);
    case 'permitted':
      return permitted(work);
    case 'governor':
      return newGovernor(work);
    case 'broker':
      work.broker = input.state;
      if (input.state === 'away') return holdIdentify(work);
      return work.phase === 'paused' ? proceed(work) : [];
    case 'lost':
      return work.phase === 'ready' || work.phase === 'starting' ? [{ type: 'replay' }] : [];
    case 'retry':
      return work.phase === 'waiting' ? proceed(work) : [];
    case 'settled':
      work.backoff = FRESH_BACKOFF;
      work.hostDemoted = false;
      return [];
  }
}

/** Whether the words of a generation count: it is the latest, and has not ended. */
function isPresent(work: Work, generation: number): boolean {
  const isConnected =
    work.phase === 'connecting' ||
    work.phase === 'greeted' ||
    work.phase === 'starting' ||
    work.phase === 'ready';
  return isConnected && generation === work.generation;
}

/** The next attempt: by the ladder, and only with a broker to publish to. */
function proceed(work: Work): Effects {
  if (work.broker === 'away') {
    work.phase = 'paused';
    return [];
  }
  if (work.session !== undefined) return connect(work, work.hostDemoted ? 'main' : 'session');
  work.phase = 'queued';
  return [{ type: 'governor', word: 'request' }];
}

function connect(work: Work, host: 'main' | 'session'): Effects {
  work.phase = 'connecting';
  work.generation++;
  return [{ type: 'connect', generation: work.generation, host }];
}

/**
 * A session that starts while the broker is away has nowhere to go, and costs of the day's budget.
 */
function holdIdentify(work: Work): Effects {
  if (work.phase === 'queued') {
    work.phase = 'paused';
    return [{ type: 'governor', word: 'release' }];
  }
  return isBeforeIdentify(work) ? [{ type: 'replay' }] : [];
}

/** Whether it has a socket on which it is to identify. */
function isBeforeIdentify({ phase, session }: Work): boolean {
  return phase === 'greeted' || (phase === 'connecting' && session === undefined);
}

/** The governor says that the turn is near. A shard that has moved on gives its place back. */
function prepare(work: Work): Effects {
  if (work.phase === 'queued') return connect(work, 'main');
  if (work.phase === 'greeted') return [{ type: 'governor', word: 'prepared' }];
  // It says so itself when it is greeted.
  return isBeforeIdentify(work) ? [] : [{ type: 'governor', word: 'release' }];
}

function permitted(work: Work): Effects {
  if (work.phase !== 'greeted' || work.broker === 'away') {
    return [{ type: 'governor', word: 'release' }];
  }
  work.phase = 'starting';
  return [{ type: 'identify' }];
}

/** A governor that was restarted knows nobody: whoever is on the way to an IDENTIFY asks again. */
function newGovernor(work: Work): Effects {
  const isOnTheWay = work.phase === 'queued' || isBeforeIdentify(work);
  return isOnTheWay ? [{ type: 'governor', word: 'request' }] : [];
}

function report(work: Work, word: ConnectionReport): Effects {
  switch (word.kind) {
    case 'greeted':
      if (work.session === undefined) {
        work.phase = 'greeted';
        return [{ type: 'governor', word: 'prepared' }];
      }
      work.phase = 'starting';
      return [{ type: 'resume' }];
    case 'identified':
      return [{ type: 'governor', word: 'used' }];
    case 'ready':
      work.session = { sessionId: word.sessionId, resumeUrl: word.resumeUrl };
      work.hostDemoted = false;
      return live(work, { kind: 'ready', sessionId: word.sessionId });
    case 'resumed':
      return live(work, { kind: 'resumed' });
    case 'latency':
      return [{ type: 'notice', notice: word }];
    // Of commands the queue beside this machine hears.
    case 'written':
    case 'unwritten':
    case 'members-limited':
      return [];
  }
}

function live(work: Work, notice: ShardNotice): Effects {
  work.phase = 'ready';
  work.failedResumes = 0;
  return [
    { type: 'save' },
    { type: 'arm', timer: 'settled', delayMs: SHARD_STABLE_MS },
    { type: 'notice', notice },
  ];
}

function ended(work: Work, end: ConnectionEnd, done: number, random: number): Effects {
  const effects: ShardEffect[] = [{ type: 'disarm', timer: 'settled' }];
  if (work.session === undefined) effects.push({ type: 'governor', word: 'release' });
  if (end.kind === 'closed' && FATAL_CLOSE_CODES.has(end.code)) {
    work.phase = 'failed';
    const notice: ShardNotice = { kind: 'failed', code: end.code, detail: end.detail };
    return [...effects, { type: 'save' }, { type: 'notice', notice }];
  }
  effects.push(...judge(work, end, done));
  if (work.broker === 'away') {
    work.phase = 'paused';
    return [...effects, { type: 'notice', notice: { kind: 'down', end, nextInMs: undefined } }];
  }
  const delayMs = waitAfter(work, end, random);
  work.phase = 'waiting';
  return [
    ...effects,
    { type: 'arm', timer: 'retry', delayMs },
    { type: 'notice', notice: { kind: 'down', end, nextInMs: delayMs } },
  ];
}

/**
 * Decides what is left of the session after an end. A resume that was cut off in a long replay has
 * not failed if more is done than when one was last judged: Discord has the session, and the next
 * one goes on from there.
 */
function judge(work: Work, end: ConnectionEnd, done: number): Effects {
  if (work.session === undefined) return [];
  // A host that never came to HELLO is left for the main one, whatever it said instead (GP-02).
  if (work.phase === 'connecting' && !endsSession(end)) {
    work.hostDemoted = true;
    return [{ type: 'save' }];
  }
  const wasResuming = work.phase === 'starting' && end.kind !== 'replay';
  const resumeFailed = wasResuming && done <= work.judgedDone;
  if (wasResuming) work.failedResumes = resumeFailed ? work.failedResumes + 1 : 0;
  work.judgedDone = done;
  if (!endsSession(end) && work.failedResumes < RESUME_ATTEMPTS_MAX) {
    // A host that greets and then fails to resume is no better than one that does not answer.
    if (resumeFailed) work.hostDemoted = true;
    return [{ type: 'save' }];
  }
  work.session = undefined;
  return [{ type: 'forget', end }];
}

function endsSession(end: ConnectionEnd): boolean {
  if (end.kind === 'invalid-session') return !end.resumable;
  return end.kind === 'closed' && SESSION_CLOSE_CODES.has(end.code);
}

function waitAfter(work: Work, end: ConnectionEnd, random: number): number {
  const { state, delayMs } = nextBackoff(work.backoff, SHARD_BACKOFF, () => random);
  work.backoff = state;
  if (end.kind !== 'invalid-session' || end.resumable) return delayMs;
  const spanMs = INVALID_SESSION_WAIT_MAX_MS - INVALID_SESSION_WAIT_MIN_MS;
  return Math.max(delayMs, INVALID_SESSION_WAIT_MIN_MS + spanMs * random);
}
