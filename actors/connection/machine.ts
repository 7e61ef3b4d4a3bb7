/**
 * The connection machine: one socket, from the handshake to its end. Pure.
 *
 * Purpose: it greets (HELLO), starts or continues a session when the shard says which, keeps the
 * heartbeat, and ends with a reason. It never reconnects and decides nothing about the session.
 *
 * Inner workings: `phase` is where the connection stands. One deadline guards the phases that wait for
 * the peer: `opening` and `greeting` for HELLO, `starting` for READY or RESUMED, `closing` for the close
 * handshake. While events flow during `starting` (a long replay) the deadline is granted anew;
 * acknowledged heartbeats do not count, or they would hide a session that never starts (GP-63).
 *
 * Failure: every way to fail leads to `closing`, which remembers why, and from there to the effect `end`.
 * A silent peer is cut off locally; nothing here waits for it without a bound.
 */
import { type Draft, produce } from 'immer';
import type { Reply } from '../../protocols/actor.ts';
import type { GatewayCommand } from '../../protocols/gateway/commands.ts';
import type { ControlFrame } from '../../protocols/gateway/frames.ts';
import type {
  ConnectionEnd,
  ConnectionMessage,
  ConnectionReport,
  SessionRecord,
} from '../../protocols/gateway/messages.ts';
import {
  CLOSE_TIMEOUT_MS,
  COMMAND_RETRY_MS,
  GATEWAY_FRAME_MARGIN_MS,
  GATEWAY_FRAME_WINDOW_MS,
  GATEWAY_FRAMES_PER_WINDOW,
  GATEWAY_FRAMES_RESERVED,
  HELLO_TIMEOUT_MS,
  HOLD_MAX_MS,
  READY_TIMEOUT_MS,
  RESUMED_TIMEOUT_MAX_MS,
  RESUMED_TIMEOUT_MS,
} from '../../protocols/limits.ts';

/** Any close code but 1000 and 1001 leaves the session alive (GP-57). */
export const RESUMABLE_CLOSE_CODE = 4000;
/** The close codes that WebSocket leaves to applications begin here. */
const DISCORD_CLOSE_CODES_START = 4000;

type Phase = 'opening' | 'greeting' | 'greeted' | 'starting' | 'live' | 'closing' | 'ended';

export type ConnectionState = {
  readonly phase: Phase;
  /** Why it will end; set with `closing`. */
  readonly ending: ConnectionEnd | undefined;
  /** 0 until HELLO. */
  readonly heartbeatIntervalMs: number;
  /** Whether the last heartbeat of our own rhythm has been acknowledged. */
  readonly acknowledged: boolean;
  readonly beatAtMs: number;
  /** Frames received when the last heartbeat left. */
  readonly framesAtBeat: number;
  /** Dispatches received when the deadline was last granted. */
  readonly dispatchesAtDeadline: number;
  /** When the answer to IDENTIFY or RESUME is waited for no longer, whatever else comes in. */
  readonly giveUpAtMs: number;
  /** IDENTIFY was sent, and not RESUME: until READY has come there is no session to go back to. */
  readonly isNew: boolean;
  /** The broker has no room: nothing is read from the socket, so no ACK can be seen either. */
  readonly held: boolean;
  /** When each frame of the last window was sent. */
  readonly sentAtMs: readonly number[];
};

type ConnectionTimer = 'heartbeat-due' | 'deadline' | 'hold-overdue';

export type ConnectionEffect =
  | { readonly type: 'send-heartbeat' }
  | { readonly type: 'send-identify' }
  | { readonly type: 'send-resume'; readonly session: SessionRecord }
  | {
      readonly type: 'send-command';
      readonly id: number;
      readonly command: GatewayCommand;
      readonly done: Reply<void> | undefined;
    }
  | { readonly type: 'close'; readonly code: number }
  | { readonly type: 'terminate' }
  | { readonly type: 'arm'; readonly timer: ConnectionTimer; readonly delayMs: number }
  | { readonly type: 'disarm'; readonly timer: ConnectionTimer }
  /** Stop reading; try what was held back; read again. */
  | { readonly type: 'pause' | 'drain' | 'resume-reading' }
  | { readonly type: 'report'; readonly report: ConnectionReport }
  /** The connection is over; why stands in `state.ending`. */
  | { readonly type: 'end' };

/** What the shell reads for each step. */
export type ConnectionFacts = {
  readonly nowMs: number;
  /** Uniform in [0, 1). */
  readonly random: number;
  /** Frames of any kind received so far, and how many of them were dispatches. */
  readonly frames: number;
  readonly dispatches: number;
};

export type ConnectionStep = {
  readonly state: ConnectionState;
  readonly effects: readonly ConnectionEffect[];
};

type Work = Draft<ConnectionState>;
type Effects = readonly ConnectionEffect[];

const NOTHING: Effects = [];

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
      return work.phase === 'closing' ? NOTHING : holdBack(work, message.type);
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
      // A session that is resumed from its very beginning is sent its READY again: RESUMED is still to come.
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

function acknowledge(work: Work, facts: ConnectionFacts): Effects {
  if (work.acknowledged) return NOTHING;
  work.acknowledged = true;
  const milliseconds = facts.nowMs - work.beatAtMs;
  return [{ type: 'report', report: { kind: 'latency', milliseconds } }];
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

/**
 * A beat that is due while the last one is unacknowledged means a dead peer, unless frames have come in
 * since: under a flood the ACK may stand behind them (GP-12). Then it gets one interval more, no second.
 */
function beatOnTime(work: Work, facts: ConnectionFacts): Effects {
  if (work.phase === 'closing') return NOTHING;
  const silent = facts.frames === work.framesAtBeat;
  const overdue = facts.nowMs - work.beatAtMs >= 2 * work.heartbeatIntervalMs - 1;
  if (!work.held && !work.acknowledged && (silent || overdue)) {
    return [{ type: 'terminate' }, ...end(work, { kind: 'zombie' })];
  }
  const sent = send(work, { type: 'send-heartbeat' }, facts);
  // For a beat that was left out nobody owes an ACK.
  if (sent.length > 0) {
    if (work.acknowledged) work.beatAtMs = facts.nowMs;
    work.acknowledged = false;
    work.framesAtBeat = facts.frames;
  }
  return [...sent, { type: 'arm', timer: 'heartbeat-due', delayMs: work.heartbeatIntervalMs }];
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

/**
 * Sends within Discord's limit for one connection. When the window is full, which only a peer that
 * keeps asking for heartbeats can bring about, the frame is left out: the next beat answers for it.
 * @param kept how much of the window is kept free for more important frames
 */
function send(work: Work, effect: ConnectionEffect, facts: ConnectionFacts, kept = 0): Effects {
  if (roomInMs(work, facts, kept) > 0) return NOTHING;
  work.sentAtMs.push(facts.nowMs);
  return [effect];
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

/** How long until the window has room for one more frame beside `kept` others; 0 when it has now. */
function roomInMs(work: Work, facts: ConnectionFacts, kept: number): number {
  const spanMs = GATEWAY_FRAME_WINDOW_MS + GATEWAY_FRAME_MARGIN_MS;
  work.sentAtMs = work.sentAtMs.filter((sentAtMs) => sentAtMs > facts.nowMs - spanMs);
  const tooMany = work.sentAtMs.length - (GATEWAY_FRAMES_PER_WINDOW - kept);
  const last = tooMany < 0 ? undefined : work.sentAtMs[tooMany];
  return last === undefined ? 0 : last + spanMs - facts.nowMs;
}

/**
 * The share of the window that is kept for IDENTIFY, RESUME and our own beats; commands leave as much again
 * for the beats that Discord asks for. Faster beats need more of it; never more than a third, or a
 * peer that wants beats faster than it takes them would silence us.
 */
function reserved({ heartbeatIntervalMs }: Work): number {
  const beats = Math.ceil(GATEWAY_FRAME_WINDOW_MS / heartbeatIntervalMs) + 1;
  return Math.min(Math.max(GATEWAY_FRAMES_RESERVED, beats), GATEWAY_FRAMES_PER_WINDOW / 3);
}

/**
 * While the broker has no room the socket is not read, and heartbeats go on. That is for a short while:
 * after it the connection is closed, and Discord keeps what comes next for the resume (GP-77). Only a
 * new session's READY is waited for as long as it may take anyway.
 */
function holdBack(work: Work, word: 'held' | 'room' | 'released' | 'hold-overdue'): Effects {
  switch (word) {
    case 'held':
      if (work.held) return NOTHING;
      work.held = true;
      // A READY that is held is waited for as any other: to ask anew would cost an IDENTIFY.
      if (work.phase === 'starting' && work.isNew) return [{ type: 'pause' }];
      return [{ type: 'pause' }, { type: 'arm', timer: 'hold-overdue', delayMs: HOLD_MAX_MS }];
    case 'room':
      return [{ type: 'drain' }];
    case 'released':
      work.held = false;
      // An ACK may have stood unread all the time.
      work.acknowledged = true;
      return [{ type: 'disarm', timer: 'hold-overdue' }, { type: 'resume-reading' }];
    case 'hold-overdue':
      return work.held ? close(work, { kind: 'replay' }) : NOTHING;
  }
}

/** Begins to close with a code that keeps the session. The first reason counts. */
function close(work: Work, ending: ConnectionEnd): Effects {
  if (work.phase === 'closing') return NOTHING;
  work.phase = 'closing';
  work.ending = ending;
  return [
    { type: 'disarm', timer: 'heartbeat-due' },
    { type: 'close', code: RESUMABLE_CLOSE_CODE },
    { type: 'arm', timer: 'deadline', delayMs: CLOSE_TIMEOUT_MS },
  ];
}

function closeReason(work: Work, code: number, detail: string): ConnectionEnd {
  const greeted = work.phase !== 'opening' && work.phase !== 'greeting';
  // A code of Discord's own is its answer, whenever it comes: some say that no retry can help.
  return greeted || code >= DISCORD_CLOSE_CODES_START
    ? { kind: 'closed', code, detail }
    : { kind: 'unreachable', detail: `closed with ${code} before HELLO` };
}

/** @param ending why, unless the connection was closing for a reason of its own */
function end(work: Work, ending: ConnectionEnd): Effects {
  work.phase = 'ended';
  work.ending ??= ending;
  return [
    { type: 'disarm', timer: 'heartbeat-due' },
    { type: 'disarm', timer: 'deadline' },
    { type: 'disarm', timer: 'hold-overdue' },
    { type: 'end' },
  ];
}
