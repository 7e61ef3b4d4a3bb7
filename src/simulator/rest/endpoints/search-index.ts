/**
 * Which guilds can be searched: indexing takes a while, and begins with the first who searches.
 *
 * Bounded: the guild indexed longest ago is forgotten, and indexed anew.
 */
import { SIMULATOR_SEARCHED_GUILDS_MAX } from '../../../../protocols/limits.ts';
import { dropOldest } from '../../world/guild-store.ts';

const INDEXING_MS = 2_000;

export class SearchIndex {
  readonly #readyMs = new Map<string, number>();

  /** Begins to index the guild if nobody did, and says how long it takes yet. */
  waitMs(guildId: string, nowMs: number): number {
    const readyMs = this.#readyMs.get(guildId) ?? nowMs + INDEXING_MS;
    this.#readyMs.set(guildId, readyMs);
    dropOldest(this.#readyMs, SIMULATOR_SEARCHED_GUILDS_MAX);
    return Math.max(0, readyMs - nowMs);
  }
}
