/** Session records and places for tests of the session stores. */
import type { SessionRecord } from '../../protocols/gateway/messages.ts';
import type { SessionPlace } from '../../src/gateway/stores/session-place.ts';

export const PLACE: SessionPlace = {
  prefix: 'gateway',
  application: '198622483471925248',
  shardCount: 16,
};

export function recordOf(sequence: number, changes: Partial<SessionRecord> = {}): SessionRecord {
  return {
    sessionId: `session-${sequence}`,
    sequence,
    resumeUrl: 'wss://gateway-us-east1-b.discord.gg',
    shardCount: PLACE.shardCount,
    savedAtEpochMs: 1_700_000_000_000 + sequence,
    ...changes,
  };
}
