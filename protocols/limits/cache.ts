/**
 * Bounds of the proxy's cache, and of answers that several requests wait for together.
 */
import { requireRelations } from './relations.ts';

/**
 * Ours: how long an answer is kept when nobody tells of changes, by how they come about: with a
 * release of Discord, with a deployment of the bot or an edited profile, or at anybody's hand at
 * any moment. The last is what a burst of handlers of one event takes, and no longer than people
 * put down to Discord itself. With the gateway's events an answer ends with its event; its longest
 * life then only bounds what no event tells.
 */
export const CACHE_FIXED_MS = 10 * 60_000;
export const CACHE_SLOW_MS = 30_000;
export const CACHE_CHANGING_MS = 2_000;
export const CACHE_TOLD_MS = 5 * 60_000;
/**
 * Answers that are kept, and their bytes; at either bound those that were not asked for the longest
 * go.
 */
export const CACHE_ENTRIES_MAX = 50_000;
export const CACHE_MAX_BYTES = 128 * 1024 * 1024;
/**
 * The largest answer that is kept: the channels and roles of the largest guilds fit; above, it is
 * not.
 */
export const CACHE_ENTRY_MAX_BYTES = 2 * 1024 * 1024;

/** The largest answer that several wait for; of a larger one each gets its own from Discord. */
export const SHARED_BODY_MAX_BYTES = 8 * 1024 * 1024;
/**
 * What all answers that are being collected may take together; above, each who waits gets its own.
 */
export const COLLECTING_MAX_BYTES = 64 * 1024 * 1024;
/** Who waits for the request of another, in all; above, requests are not joined any more. */
export const JOINED_MAX = 10_000;

requireRelations([
  [
    CACHE_ENTRY_MAX_BYTES <= SHARED_BODY_MAX_BYTES &&
      CACHE_ENTRY_MAX_BYTES <= CACHE_MAX_BYTES &&
      SHARED_BODY_MAX_BYTES <= COLLECTING_MAX_BYTES,
    'CACHE_ENTRY_MAX_BYTES: an answer that may be kept could not be collected',
  ],
]);
