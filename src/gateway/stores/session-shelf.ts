/**
 * Sessions of one place as a value in memory, and the rules of claiming and saving, for the stores
 * that have no server to hold to them. The Redis store's scripts say the same in Redis' language.
 */
import type {
  SessionBatch,
  SessionClaim,
  SessionClaimRequest,
  SessionClaims,
  SessionRefusal,
} from '../../../actors/sessions/ports.ts';
import type { SessionRecord } from '../../../protocols/gateway/messages.ts';

export type ShelfEntry = {
  /** Who has claimed the shard last. */
  readonly owner: string;
  /** When that process began, unless an earlier claim bore a later time. */
  readonly generation: number;
  /** The last batch of that owner. */
  readonly batch: number;
  readonly touchedAtEpochMs: number;
  /** Undefined: there is no session. */
  readonly record?: SessionRecord | undefined;
};

/** By shard. */
export type Shelf = Map<number, ShelfEntry>;

/** Who uses a shelf, and when. */
export type ShelfUse = { readonly owner: string; readonly epochMs: number };

export function claimShards(
  shelf: Shelf,
  { shards, ageMs }: SessionClaimRequest,
  { owner, epochMs }: ShelfUse,
): SessionClaims {
  const beganAtMs = Math.floor(epochMs - ageMs);
  const claims: SessionClaim[] = [];
  const refusals: SessionRefusal[] = [];
  for (const shard of shards) {
    const entry = shelf.get(shard);
    const isOurs = entry?.owner === owner;
    // A number ahead of the clock says that the clock was set back, and not who is newer.
    const isKnown = entry !== undefined && entry.generation <= epochMs;
    if (isKnown && !isOurs && entry.generation > beganAtMs) {
      refusals.push({ shard, owner: entry.owner });
      continue;
    }
    const next = Math.max((entry?.generation ?? 0) + 1, beganAtMs);
    const generation = isOurs ? entry.generation : next;
    const batch = isOurs ? entry.batch : 0;
    const record = entry?.record;
    shelf.set(shard, { owner, generation, batch, touchedAtEpochMs: epochMs, record });
    claims.push({ shard, generation, record });
  }
  return { claims, refusals };
}

export function saveBatch(
  shelf: Shelf,
  { number, changes }: SessionBatch,
  { owner, epochMs }: ShelfUse,
): readonly SessionRefusal[] {
  const refusals: SessionRefusal[] = [];
  for (const { shard, generation, record } of changes) {
    const entry = shelf.get(shard);
    const stored = entry?.generation ?? 0;
    const isTaken = stored > generation || (stored === generation && entry?.owner !== owner);
    if (isTaken) refusals.push({ shard, owner: entry?.owner ?? '' });
    else if (stored < generation || number > (entry?.batch ?? 0)) {
      shelf.set(shard, { owner, generation, batch: number, touchedAtEpochMs: epochMs, record });
    }
  }
  return refusals;
}
