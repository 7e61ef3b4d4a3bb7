/**
 * What a connection does while the broker has no room for its events. Pure.
 *
 * The socket is not read, and heartbeats go on. That is for a short while: after it the connection
 * is closed, and Discord keeps what comes next for the resume (GP-77). Only a new session's READY
 * is waited for as long as it may take anyway.
 */
import { HOLD_MAX_MS } from '../../protocols/limits.ts';
import { close } from './ending.ts';
import { beat } from './heartbeat.ts';
import { type ConnectionFacts, type Effects, NOTHING, type Work } from './state.ts';

export function holdBack(
  work: Work,
  word: 'held' | 'room' | 'released' | 'hold-overdue',
  facts: ConnectionFacts,
): Effects {
  switch (word) {
    case 'held':
      if (work.held) return NOTHING;
      work.held = true;
      // A READY that is held is waited for as any other: to ask anew would cost an IDENTIFY.
      if (work.phase === 'starting' && work.isNew) return [{ type: 'pause' }, ...beat(work, facts)];
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
