/**
 * The sessions as the shards see them: in memory, at once, whatever the archive does.
 *
 * Purpose: shards load, save and forget here without ever waiting. The sessions actor takes what
 * has changed from here to the archive. The desk outlives the actor, so that its crash costs
 * nothing.
 *
 * Inner workings: of each shard there is the newest record, and whether it still has to be saved. A
 * batch is made of the newest records when it is sent, so an older one can never follow a newer
 * one; a shard leaves the list only when what was sent is saved and is still the newest.
 *
 * Failure: while the archive is away the list grows to one entry a shard and no further. A shard
 * that a newer process has claimed is told so, and is neither claimed nor saved any more.
 */
import type { SessionRecord } from '../../protocols/gateway/messages.ts';
import { SESSION_BATCH_MAX, SESSION_RESUMABLE_MS } from '../../protocols/limits.ts';
import type { SessionStore } from '../shard/ports.ts';
import type { SessionBatch, SessionChange, SessionClaims, SessionRefusal } from './ports.ts';

/** A stored session that is not resumed. */
export type LostSession = {
  readonly shard: number;
  readonly record: SessionRecord;
  /** It is too old; or it was read only when the shard had started without it. */
  readonly why: 'expired' | 'late';
};

export class SessionDesk implements SessionStore {
  readonly #records = new Map<number, SessionRecord>();
  /** Shards that have changed, the one that waits longest first. */
  readonly #unsaved = new Set<number>();
  /** Shards that are neither claimed nor refused. */
  readonly #unclaimed: Set<number>;
  readonly #generations = new Map<number, number>();
  /** By which newer process. */
  readonly #fenced = new Map<number, string>();
  /** One a shard at most. */
  readonly #listeners = new Map<number, (owner: string) => void>();
  #batches = 0;
  #isOpen = false;

  /** @param shards those of this process */
  constructor(shards: readonly number[]) {
    this.#unclaimed = new Set(shards);
  }

  load(shard: number): SessionRecord | undefined {
    return this.#records.get(shard);
  }

  save(shard: number, record: SessionRecord): void {
    this.#records.set(shard, record);
    this.#changed(shard);
  }

  forget(shard: number): void {
    this.#records.delete(shard);
    this.#changed(shard);
  }

  onFenced(shard: number, listener: (owner: string) => void): void {
    this.#listeners.set(shard, listener);
    const owner = this.#fenced.get(shard);
    if (owner !== undefined) this.#tellFenced(shard, owner);
  }

  /** How many shards have changed since they were last saved. */
  get unsaved(): number {
    return this.#unsaved.size;
  }

  get isClaimed(): boolean {
    return this.#unclaimed.size === 0;
  }

  /** The next shards to claim, none when each was claimed or refused. */
  unclaimed(): readonly number[] {
    return [...this.#unclaimed].slice(0, SESSION_BATCH_MAX);
  }

  /** From now on the shards run: what is read later comes too late for them. */
  open(): void {
    this.#isOpen = true;
  }

  /** Takes over what was stored. @returns the sessions that will not be resumed */
  adopt({ claims, refusals }: SessionClaims, nowEpochMs: number): readonly LostSession[] {
    const lost: LostSession[] = [];
    for (const { shard, generation, record } of claims) {
      this.#unclaimed.delete(shard);
      this.#generations.set(shard, generation);
      if (record === undefined) continue;
      const isExpired = nowEpochMs - record.savedAtEpochMs > SESSION_RESUMABLE_MS;
      if (isExpired) lost.push({ shard, record, why: 'expired' });
      else if (this.#isOpen) lost.push({ shard, record, why: 'late' });
      else this.#records.set(shard, record);
    }
    for (const refusal of refusals) this.#fence(refusal);
    return lost;
  }

  /** What is to be saved next, as it is now. */
  batch(): SessionBatch {
    const changes: SessionChange[] = [];
    for (const shard of this.#unsaved) {
      if (changes.length === SESSION_BATCH_MAX) break;
      const generation = this.#generations.get(shard);
      if (generation === undefined) continue;
      changes.push({ shard, generation, record: this.#records.get(shard) });
    }
    return { number: ++this.#batches, changes };
  }

  /** The archive has taken the batch, but for the refusals. */
  settle({ changes }: SessionBatch, refusals: readonly SessionRefusal[]): void {
    for (const { shard, record } of changes) {
      this.#unsaved.delete(shard);
      // Records are never changed in place, so a newer one is another object. It has its turn after
      // others.
      if (this.#records.get(shard) !== record) this.#unsaved.add(shard);
    }
    for (const refusal of refusals) this.#fence(refusal);
  }

  #fence({ shard, owner }: SessionRefusal): void {
    this.#fenced.set(shard, owner);
    this.#unclaimed.delete(shard);
    this.#unsaved.delete(shard);
    this.#tellFenced(shard, owner);
  }

  #tellFenced(shard: number, owner: string): void {
    const listener = this.#listeners.get(shard);
    this.#listeners.delete(shard);
    listener?.(owner);
  }

  #changed(shard: number): void {
    if (!this.#fenced.has(shard)) this.#unsaved.add(shard);
  }
}
