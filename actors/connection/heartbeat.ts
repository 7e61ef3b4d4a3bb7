/**
 * The heartbeat of one connection: our own rhythm, and what its acknowledgements say of the peer.
 * Pure.
 *
 * Failure: a peer that acknowledges nothing is taken for dead at the next beat and cut off locally.
 */
import { HOLD_MAX_MS } from '../../protocols/limits.ts';
import { end } from './ending.ts';
import { send } from './frame-limit.ts';
import { type ConnectionFacts, type Effects, NOTHING, type Work } from './state.ts';

export function acknowledge(work: Work, facts: ConnectionFacts): Effects {
  if (work.acknowledged) return NOTHING;
  work.acknowledged = true;
  const milliseconds = facts.nowMs - work.beatAtMs;
  return [{ type: 'report', report: { kind: 'latency', milliseconds } }];
}

/**
 * A beat that is due while the last one is unacknowledged means a dead peer, unless frames have
 * come in since: under a flood the ACK may stand behind them (GP-12). Then it gets one interval
 * more, no second.
 */
export function beatOnTime(work: Work, facts: ConnectionFacts): Effects {
  if (work.phase === 'closing') return NOTHING;
  const silent = facts.frames === work.framesAtBeat;
  const overdue = facts.nowMs - work.beatAtMs >= 2 * work.heartbeatIntervalMs - 1;
  if (!work.held && !work.acknowledged && (silent || overdue)) {
    return [{ type: 'terminate' }, ...end(work, { kind: 'zombie' })];
  }
  return beat(work, facts);
}

export function beat(work: Work, facts: ConnectionFacts): Effects {
  const sent = send(work, { type: 'send-heartbeat' }, facts);
  // For a beat that was left out nobody owes an ACK.
  if (sent.length > 0) {
    if (work.acknowledged) work.beatAtMs = facts.nowMs;
    work.acknowledged = false;
    work.framesAtBeat = facts.frames;
  }
  const { held, heartbeatIntervalMs } = work;
  // Among what is not read Discord's own request for a beat may be.
  const delayMs = held ? Math.min(heartbeatIntervalMs, HOLD_MAX_MS) : heartbeatIntervalMs;
  return [...sent, { type: 'arm', timer: 'heartbeat-due', delayMs }];
}
