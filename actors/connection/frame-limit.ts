/**
 * Discord's limit of frames for one connection: 120 in any 60 s, of every kind. Pure.
 *
 * What is sent is remembered for one window and a margin, since what counts is when Discord
 * receives it. Frames that matter less leave room for those that matter more: commands for
 * heartbeats that Discord asks for, and those for IDENTIFY, RESUME and our own.
 *
 * Failure: a heartbeat for which there is no room is left out, and a command stays with its shard.
 */
import {
  GATEWAY_FRAME_MARGIN_MS,
  GATEWAY_FRAME_WINDOW_MS,
  GATEWAY_FRAMES_PER_WINDOW,
  GATEWAY_FRAMES_RESERVED,
} from '../../protocols/limits.ts';
import {
  type ConnectionEffect,
  type ConnectionFacts,
  type Effects,
  NOTHING,
  type Work,
} from './state.ts';

/**
 * Sends within Discord's limit for one connection. When the window is full, which only a peer that
 * keeps asking for heartbeats can bring about, the frame is left out: the next beat answers for it.
 * @param kept how much of the window is kept free for more important frames
 */
export function send(
  work: Work,
  effect: ConnectionEffect,
  facts: ConnectionFacts,
  kept = 0,
): Effects {
  if (roomInMs(work, facts, kept) > 0) return NOTHING;
  work.sentAtMs.push(facts.nowMs);
  return [effect];
}

/**
 * How long until the window has room for one more frame beside `kept` others; 0 when it has now.
 */
export function roomInMs(work: Work, facts: ConnectionFacts, kept: number): number {
  const spanMs = GATEWAY_FRAME_WINDOW_MS + GATEWAY_FRAME_MARGIN_MS;
  work.sentAtMs = work.sentAtMs.filter((sentAtMs) => sentAtMs > facts.nowMs - spanMs);
  const tooMany = work.sentAtMs.length - (GATEWAY_FRAMES_PER_WINDOW - kept);
  const last = tooMany < 0 ? undefined : work.sentAtMs[tooMany];
  return last === undefined ? 0 : last + spanMs - facts.nowMs;
}

/**
 * The share of the window that is kept for IDENTIFY, RESUME and our own beats; commands leave as
 * much again for the beats that Discord asks for. Faster beats need more of it; never more than a
 * third, or a peer that wants beats faster than it takes them would silence us.
 */
export function reserved({ heartbeatIntervalMs }: Work): number {
  const beats = Math.ceil(GATEWAY_FRAME_WINDOW_MS / heartbeatIntervalMs) + 1;
  return Math.min(Math.max(GATEWAY_FRAMES_RESERVED, beats), GATEWAY_FRAMES_PER_WINDOW / 3);
}
