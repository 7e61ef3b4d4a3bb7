/**
 * The answers that are kept: found by their key, ended by time, by changes and by want of room.
 *
 * Purpose: decides what is kept, and nothing else; time comes with each call.
 *
 * Inner workings: the order of the map is that of the last use, so that the first is the one to go
 * when CACHE_ENTRIES_MAX or CACHE_MAX_BYTES is reached. An answer that has ended goes when it is
 * asked for or as the least used one; it takes room until then, and no more than the bounds allow.
 */
import type { Changed } from '../../../protocols/discord/cached-routes.ts';
import type { HeaderList } from '../../../protocols/proxy.ts';
import { ShownIndex } from './shown-index.ts';

export type StoredAnswer = {
  readonly status: number;
  readonly headers: HeaderList;
  readonly url: string;
  readonly body: Uint8Array;
};

export type KeptAnswer = {
  readonly key: string;
  readonly answer: StoredAnswer;
  readonly shows: readonly string[];
  readonly sinceMs: number;
  /** From this moment on it is not given out any more. */
  readonly untilMs: number;
  /** It lives on the word of the events; without them it may not. */
  readonly isTold: boolean;
};

/** Why an answer was forgotten before its time. */
export type DropReason = 'changed' | 'untold' | 'room';

export type TableBounds = { readonly maxEntries: number; readonly maxBytes: number };

/** What a kept answer takes beside its body, all in all: headers, key, names, the maps' own. */
const OVERHEAD_BYTES = 1_024;

const sizeOf = ({ key, answer }: KeptAnswer): number =>
  OVERHEAD_BYTES + key.length + answer.body.length;

export class AnswerTable {
  readonly #bounds: TableBounds;
  readonly #dropped: (reason: DropReason, count: number) => void;
  readonly #kept = new Map<string, KeptAnswer>();
  readonly #index = new ShownIndex<KeptAnswer>();
  #bytes = 0;

  constructor(bounds: TableBounds, dropped: (reason: DropReason, count: number) => void) {
    this.#bounds = bounds;
    this.#dropped = dropped;
  }

  get entries(): number {
    return this.#kept.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  find(key: string, nowMs: number): KeptAnswer | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    if (nowMs >= kept.untilMs) {
      this.#remove(kept);
      return undefined;
    }
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept;
  }

  keep(kept: KeptAnswer): void {
    const earlier = this.#kept.get(kept.key);
    if (earlier !== undefined) this.#remove(earlier);
    this.#kept.set(kept.key, kept);
    this.#index.add(kept, kept.shows);
    this.#bytes += sizeOf(kept);
    const { maxEntries, maxBytes } = this.#bounds;
    for (const leastUsed of this.#kept.values()) {
      if (this.#kept.size <= maxEntries && this.#bytes <= maxBytes) break;
      this.#remove(leastUsed);
      this.#dropped('room', 1);
    }
  }

  change(changed: Changed): void {
    this.#drop(this.#index.showing(changed), 'changed');
  }

  /** Nobody tells of changes any more. */
  dropTold(): void {
    this.#drop(
      [...this.#kept.values()].filter(({ isTold }) => isTold),
      'untold',
    );
  }

  #drop(all: readonly KeptAnswer[], reason: DropReason): void {
    for (const kept of all) this.#remove(kept);
    if (all.length > 0) this.#dropped(reason, all.length);
  }

  #remove(kept: KeptAnswer): void {
    this.#kept.delete(kept.key);
    this.#index.remove(kept);
    this.#bytes -= sizeOf(kept);
  }
}
