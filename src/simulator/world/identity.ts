/**
 * Ids of the world's things, and back: which guild an id belongs to, and what it is there.
 *
 * Each guild owns a slot of time, and all that belongs to it was created in that slot; the kind and
 * the ordinal stand in the low bits. So an id tells where it comes from without an index of all
 * ids, and a hundred thousand guilds cost nothing until one of them is looked at. Users have slots
 * of their own, some months earlier.
 *
 * The millisecond of guild `i` is congruent to `i` modulo 5040, the least number that 1 to 10
 * divide and 12, 14, 15, 16, 18 and 20 too: with such a shard count even a small world leaves no
 * shard empty. Other counts get guilds by chance.
 *
 * An id that the world did not make is found out by making it again.
 */
import { DISCORD_EPOCH_MS, makeSnowflake, readSnowflake } from '../snowflake.ts';
import { hash } from './draw.ts';

const KINDS = [
  'guild',
  'user',
  'role',
  'channel',
  'thread',
  'emoji',
  'sticker',
  'sound',
  'scheduledEvent',
  'stageInstance',
  'integration',
  'rule',
  'command',
  'sku',
] as const;

export type Kind = (typeof KINDS)[number];

export type Identity = {
  readonly guildIndex: number;
  readonly kind: Kind;
  readonly ordinal: number;
};

/** The slot before the first guild's: for the application and for what belongs to no guild. */
export const OUTSIDE_GUILDS = -1;

/** The largest ordinal an id can carry. */
export const ORDINAL_MAX = 2 ** 18 - 1;

const ORDINAL_BITS = 18;
const SPREAD = 5040;
const JITTERS = 25;
const SLOT_MS = SPREAD * JITTERS * 2;
/** Early 2016, a multiple of `SPREAD` as a Discord time. */
const FIRST_SLOT_MS = DISCORD_EPOCH_MS + SPREAD * 6_300_000;
const USERS_EARLIER_MS = 200 * 86_400_000;

/** The id of a thing. Those of two seeds differ only within its slot. */
export function makeId(seed: number, guildIndex: number, kind: Kind, ordinal = 0): string {
  const low = (KINDS.indexOf(kind) << ORDINAL_BITS) | ordinal;
  return makeSnowflake(createdMs(seed, guildIndex, kind, ordinal), low);
}

/** When the thing with that id was created. */
export function createdMs(seed: number, guildIndex: number, kind: Kind, ordinal = 0): number {
  const slotMs = FIRST_SLOT_MS + guildIndex * SLOT_MS;
  const guildMs =
    slotMs + SPREAD * (hash(seed, guildIndex) % JITTERS) + ((guildIndex + SPREAD) % SPREAD);
  if (kind === 'guild') return guildMs;
  const laterMs = 1 + (hash(seed, guildIndex, KINDS.indexOf(kind), ordinal) % (SLOT_MS / 2 - 1));
  return guildMs + laterMs - (kind === 'user' ? USERS_EARLIER_MS : 0);
}

/** What `id` is in a world with that seed, or undefined when no such world made it. */
export function readId(seed: number, id: string): Identity | undefined {
  const snowflake = readSnowflake(id);
  if (snowflake === undefined) return undefined;
  const kind = KINDS[snowflake.low >>> ORDINAL_BITS];
  if (kind === undefined) return undefined;
  const ordinal = snowflake.low & ORDINAL_MAX;
  const slotTimeMs = snowflake.epochMs + (kind === 'user' ? USERS_EARLIER_MS : 0);
  const guildIndex = Math.floor((slotTimeMs - FIRST_SLOT_MS) / SLOT_MS);
  if (guildIndex < OUTSIDE_GUILDS) return undefined;
  return makeId(seed, guildIndex, kind, ordinal) === id ? { guildIndex, kind, ordinal } : undefined;
}
