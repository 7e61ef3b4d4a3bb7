/**
 * The connection machine: one socket, from the handshake to its end. Pure.
 *
 * Purpose: it greets (HELLO), starts or continues a session when the shard says which, keeps the
 * heartbeat, and ends with a reason. It never reconnects and decides nothing about the session.
 *
 * Inner workings: `phase` is where the connection stands. One deadline guards the phases that wait
 * for the peer: `opening` and `greeting` for HELLO, `starting` for READY or RESUMED, `closing` for
 * the close handshake. While events flow during `starting` (a long replay) the deadline is granted
 * anew; acknowledged heartbeats do not count, or they would hide a session that never starts
 * (GP-63). The heartbeat, the limit of frames, the broker without room and the end have files of
 * their own.
 *
 * Failure: every way to fail leads to `closing`, which remembers why, and from there to the effect
 * `end`. A silent peer is cut off locally; nothing here waits for it without a bound.
 */
import { produce } from 'immer';
import type { ControlFrame } from '../../protocols/gateway/frames.ts';
import type { ConnectionMessage } from '../../protocols/gateway/messages.ts';
import {
  COMMAND_RETRY_MS,
  HELLO_TIMEOUT_MS,
  READY_TIMEOUT_MS,
  RESUMED_TIMEOUT_MAX_MS,
  RESUMED_TIMEOUT_MS,
} from '../../protocols/limits.ts';
import { close, closeReason, end } from './ending.ts';
import { reserved, roomInMs, send } from './frame-limit.ts';
import { acknowledge, beatOnTime } from './heartbeat.ts';
import { holdBack } from './holding.ts';
import {
  type ConnectionFacts,
  type ConnectionState,
  type ConnectionStep,
  type Effects,
  NOTHING,
  type Work,
} from './state.ts';

/** The state before the first message; the shell opens the socket. */
export function openConnection(): ConnectionStep {
  return {
    state: {
      phase: 'opening',
      ending: undefined,
      heartbeatIntervalMs: 0,
      acknowledged: true,
      beatAtMs: 0,
      framesAtBeat: 0,
      dispatchesAtDeadline: 0,
      giveUpAtMs: 0,
      isNew: false,
      held: false,
      sentAtMs: [],
    },
    effects: [{ type: 'arm', timer: 'deadline', delayMs: HELLO_TIMEOUT_MS }],
  };
}

export function stepConnection(
  state: ConnectionState,
  message: ConnectionMessage,
  facts: ConnectionFacts,
): ConnectionStep {
  let effects = NOTHING;
  const next = produce(state, (work) => {
    effects = step(work, message, facts);
  });
  return { state: next, effects };
}

function step(work: Work, message: ConnectionMessage, facts: ConnectionFacts): Effects {
  if (work.phase === 'ended') return NOTHING;
  switch (message.type) {
    case 'opened':
      if (work.phase === 'opening') work.phase = 'greeting';
      return NOTHING;
    case 'frame':
      return work.phase === 'closing'
        ? takeLateFrame(message.frame)
        : takeFrame(work, message.frame, facts);
    case 'closed':
      return end(work, closeReason(work, message.code, message.detail));
    case 'unreachable':
      return end(work, { kind: 'unreachable', detail: message.detail });
    case 'garbled':
      return close(work, { kind: 'garbled', detail: message.detail });
    case 'replay':
      return close(work, { kind: 'replay' });
    case 'held':
    case 'room':
    case 'released':
    case 'hold-overdue':
      return work.phase === 'closing' ? NOTHING : holdBack(work, message.type, facts);
    case 'identify':
    case 'resume':
      return start(work, message, facts);
    case 'send':
      return sendCommand(work, message, facts);
    case 'heartbeat-due':
      return beatOnTime(work, facts);
    case 'deadline':
      return deadline(work, facts);
    case 'fault':
      throw message.error;
  }
}

/** A session that starts while the socket closes is a session all the same, and can be resumed. */
function takeLateFrame(frame: ControlFrame): Effects {
  return frame.kind === 'ready' || frame.kind === 'resumed'
    ? [{ type: 'report', report: frame }]
    : NOTHING;
}

function takeFrame(work: Work, frame: ControlFrame, facts: ConnectionFacts): Effects {
  switch (frame.kind) {
    case 'hello':
      return greet(work, frame.heartbeatIntervalMs, facts);
    case 'heartbeat-request':
      // Nothing may be sent before HELLO, not even what was asked for.
      if (work.phase === 'opening' || work.phase === 'greeting') return NOTHING;
      return send(work, { type: 'send-heartbeat' }, facts, reserved(work));
    case 'heartbeat-ack':
      return acknowledge(work, facts);
    case 'reconnect':
      return close(work, { kind: 'reconnect' });
    case 'invalid-session':
      return close(work, { kind: 'invalid-session', resumable: frame.resumable });
    case 'ready':
    case 'resumed':
      if (work.phase !== 'starting') return NOTHING;
      // A session that is resumed from its very beginning is sent its READY again: RESUMED is still
      // to come.
      if (frame.kind === 'ready' && !work.isNew) return NOTHING;
      work.phase = 'live';
      return [
        { type: 'disarm', timer: 'deadline' },
        { type: 'report', report: frame },
      ];
    case 'members-limited':
      return [{ type: 'report', report: frame }];
    case 'unknown':
      return NOTHING;
  }
}

function greet(work: Work, heartbeatIntervalMs: number, facts: ConnectionFacts): Effects {
  if (work.phase !== 'opening' && work.phase !== 'greeting') return NOTHING;
  work.phase = 'greeted';
  work.heartbeatIntervalMs = heartbeatIntervalMs;
  return [
    { type: 'disarm', timer: 'deadline' },
    { type: 'arm', timer: 'heartbeat-due', delayMs: heartbeatIntervalMs * facts.random },
    { type: 'report', report: { kind: 'greeted' } },
  ];
}

function start(
  work: Work,
  message: Extract<ConnectionMessage, { type: 'identify' | 'resume' }>,
  facts: ConnectionFacts,
): Effects {
  if (work.phase !== 'greeted') return NOTHING;
  work.phase = 'starting';
  work.dispatchesAtDeadline = facts.dispatches;
  if (message.type === 'resume') {
    work.giveUpAtMs = facts.nowMs + RESUMED_TIMEOUT_MAX_MS;
    return [
      ...send(work, { type: 'send-resume', session: message.session }, facts),
      { type: 'arm', timer: 'deadline', delayMs: RESUMED_TIMEOUT_MS },
    ];
  }
  work.isNew = true;
  return [
    ...send(work, { type: 'send-identify' }, facts),
    { type: 'report', report: { kind: 'identified' } },
    { type: 'arm', timer: 'deadline', delayMs: READY_TIMEOUT_MS },
  ];
}

function deadline(work: Work, facts: ConnectionFacts): Effects {
  switch (work.phase) {
    case 'opening':
    case 'greeting': {
      const detail = `no HELLO within ${HELLO_TIMEOUT_MS} ms`;
      return [{ type: 'terminate' }, ...end(work, { kind: 'unreachable', detail })];
    }
    case 'starting':
      if (facts.dispatches === work.dispatchesAtDeadline || facts.nowMs >= work.giveUpAtMs) {
        return close(work, { kind: 'no-answer' });
      }
      work.dispatchesAtDeadline = facts.dispatches;
      return [{ type: 'arm', timer: 'deadline', delayMs: RESUMED_TIMEOUT_MS }];
    case 'closing':
      return [{ type: 'terminate' }, ...end(work, { kind: 'zombie' })];
    case 'greeted':
    case 'live':
    case 'ended':
      return NOTHING;
  }
}

/** Commands are not left out: the shard keeps the one for which there is no room yet. */
function sendCommand(
  work: Work,
  { id, command, done }: Extract<ConnectionMessage, { type: 'send' }>,
  facts: ConnectionFacts,
): Effects {
  // A connection that is not live says so by its end, or its READY; the shard waits for that.
  const isLive = work.phase === 'live';
  const retryInMs = isLive ? roomInMs(work, facts, 2 * reserved(work)) : COMMAND_RETRY_MS;
  if (retryInMs > 0) return [{ type: 'report', report: { kind: 'unwritten', id, retryInMs } }];
  work.sentAtMs.push(facts.nowMs);
  return [{ type: 'send-command', id, command, done }];
}
