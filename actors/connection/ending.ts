/**
 * How a connection ends: with the first reason that there is, and in bounded time. Pure.
 *
 * We close with a code that keeps the session, and wait for the peer's answer no longer than its
 * deadline.
 */
import type { ConnectionEnd } from '../../protocols/gateway/messages.ts';
import { CLOSE_TIMEOUT_MS } from '../../protocols/limits.ts';
import { type Effects, NOTHING, type Work } from './state.ts';

/** Any close code but 1000 and 1001 leaves the session alive (GP-57). */
export const RESUMABLE_CLOSE_CODE = 4000;
/** The close codes that WebSocket leaves to applications begin here. */
const DISCORD_CLOSE_CODES_START = 4000;

/** Begins to close with a code that keeps the session. The first reason counts. */
export function close(work: Work, ending: ConnectionEnd): Effects {
  if (work.phase === 'closing') return NOTHING;
  work.phase = 'closing';
  work.ending = ending;
  return [
    { type: 'disarm', timer: 'heartbeat-due' },
    { type: 'close', code: RESUMABLE_CLOSE_CODE },
    { type: 'arm', timer: 'deadline', delayMs: CLOSE_TIMEOUT_MS },
  ];
}

export function closeReason(work: Work, code: number, detail: string): ConnectionEnd {
  const greeted = work.phase !== 'opening' && work.phase !== 'greeting';
  // A code of Discord's own is its answer, whenever it comes: some say that no retry can help.
  return greeted || code >= DISCORD_CLOSE_CODES_START
    ? { kind: 'closed', code, detail }
    : { kind: 'unreachable', detail: `closed with ${code} before HELLO` };
}

/** @param ending why, unless the connection was closing for a reason of its own */
export function end(work: Work, ending: ConnectionEnd): Effects {
  work.phase = 'ended';
  work.ending ??= ending;
  return [
    { type: 'disarm', timer: 'heartbeat-due' },
    { type: 'disarm', timer: 'deadline' },
    { type: 'disarm', timer: 'hold-overdue' },
    { type: 'end' },
  ];
}
