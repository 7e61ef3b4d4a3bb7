/** Sessions kept in this process: they outlive the shards' actors, and end with the process. */
import type { SessionStore } from '../../actors/shard/ports.ts';
import type { SessionRecord } from '../../protocols/gateway/messages.ts';

export function localSessions(): SessionStore {
  // One record a shard.
  const records = new Map<number, SessionRecord>();
  return {
    load: (shard) => records.get(shard),
    save: (shard, record) => void records.set(shard, record),
    forget: (shard) => void records.delete(shard),
  };
}
