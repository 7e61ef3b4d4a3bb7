/** What the sessions actor needs of the world: a place where sessions outlive the process. */
import type { SessionRecord } from '../../protocols/gateway/messages.ts';

export type SessionClaimRequest = {
  readonly shards: readonly number[];
  /** How long ago the process began, on its monotonic clock. */
  readonly ageMs: number;
};

/** Each shard that was asked for is in one of the two. */
export type SessionClaims = {
  readonly claims: readonly SessionClaim[];
  readonly refusals: readonly SessionRefusal[];
};

/** A shard that was claimed, and what its last owner has left there. */
export type SessionClaim = {
  readonly shard: number;
  /**
   * Above the last owner's: whoever has a lower number is refused from now on. It is when the
   * process began, on the store's clock, so that it is above those of older processes though the
   * store has lost them.
   */
  readonly generation: number;
  readonly record: SessionRecord | undefined;
};

export type SessionChange = {
  readonly shard: number;
  /** The claim under which it is saved. */
  readonly generation: number;
  /** Undefined: the session is dead and is forgotten. */
  readonly record: SessionRecord | undefined;
};

export type SessionBatch = {
  /** Rises with each batch of a process: a batch that arrives after a later one changes nothing. */
  readonly number: number;
  /** No shard twice. */
  readonly changes: readonly SessionChange[];
};

/** A change or a claim that was not made, since a newer process has claimed the shard. */
export type SessionRefusal = { readonly shard: number; readonly owner: string };

/**
 * The stored sessions of one application, shard count and prefix.
 *
 * A shard is claimed before anything of it is saved. A claim that comes after that of a process
 * which began later is refused, and changes nothing; one whose number is ahead of the store's clock
 * refuses nobody, or a clock that was set back would lock processes out. Claiming again is the same
 * claim for as long as no other process has claimed the shard. A store that has lost a claim takes
 * what is saved under it. `claim` and `save` settle within SESSION_STORE_TIMEOUT_MS, and reject
 * with a `SpectaclesError`; one of them is under way at a time.
 */
export interface SessionArchive {
  /** What a person calls it. */
  readonly label: string;
  claim(request: SessionClaimRequest): Promise<SessionClaims>;
  /** Makes every change that is not refused. */
  save(batch: SessionBatch): Promise<readonly SessionRefusal[]>;
  /** Never rejects. */
  close(): Promise<void>;
}
