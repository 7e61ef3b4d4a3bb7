/**
 * The answer to Request Guild Members: one chunk, or as many as a whole list needs.
 *
 * Chunks are made as they are asked for, so that a list of a quarter of a million members is never
 * in memory at once. A request that Discord leaves without an answer gets no chunks: the whole list
 * without GUILD_MEMBERS, or neither a query nor ids.
 */
import type {
  APIGuildMember,
  GatewayGuildMembersChunkDispatchData,
  GatewayGuildMembersChunkPresence,
} from 'discord-api-types/v10';
import { PresenceUpdateStatus } from 'discord-api-types/v10';
import { INTENTS } from '../../../protocols/discord/intents.ts';
import {
  MEMBER_QUERY_MATCHES_MAX,
  MEMBER_REQUEST_NONCE_MAX_BYTES,
  MEMBER_REQUEST_USERS_MAX,
  MEMBERS_PER_CHUNK_MAX,
  SIMULATOR_MEMBERS_SEARCHED_MAX,
} from '../../../protocols/limits.ts';
import type { GuildModel } from './guild.ts';
import { readId } from './identity.ts';
import { BOT_ORDINAL, idAt, memberAt, nickAt, presenceAt, userAt } from './people.ts';

/** The `d` of Request Guild Members, as a client sent it. */
export type MemberRequest = {
  readonly guild_id: string;
  readonly query?: string | undefined;
  readonly limit?: number | undefined;
  readonly user_ids?: string | readonly string[] | undefined;
  readonly presences?: boolean | undefined;
  readonly nonce?: string | undefined;
};

type Found = {
  readonly count: number;
  /** The ordinal of the member in that place. */
  readonly ordinalAt: (place: number) => number;
  readonly notFound?: readonly string[];
};

export function* makeMemberChunks(
  seed: number,
  model: GuildModel,
  request: MemberRequest,
  intents: number,
  startEpochMs: number,
): Generator<GatewayGuildMembersChunkDispatchData> {
  const found = findMembers(seed, model, request, intents);
  if (found === undefined) return;
  const withPresences = request.presences === true && (intents & INTENTS.GUILD_PRESENCES) !== 0;
  const chunkCount = Math.max(1, Math.ceil(found.count / MEMBERS_PER_CHUNK_MAX));
  for (let chunk = 0; chunk < chunkCount; chunk += 1) {
    const members: APIGuildMember[] = [];
    const presences: GatewayGuildMembersChunkPresence[] = [];
    const end = Math.min(found.count, (chunk + 1) * MEMBERS_PER_CHUNK_MAX);
    for (let place = chunk * MEMBERS_PER_CHUNK_MAX; place < end; place += 1) {
      const ordinal = found.ordinalAt(place);
      members.push(memberAt(seed, model, ordinal));
      const presence = presenceAt(seed, model, ordinal, startEpochMs);
      if (presence.status !== PresenceUpdateStatus.Offline) presences.push(presence);
    }
    yield {
      guild_id: model.id,
      members,
      chunk_index: chunk,
      chunk_count: chunkCount,
      ...(found.notFound === undefined ? {} : { not_found: [...found.notFound] }),
      ...(withPresences ? { presences } : {}),
      ...(isNonce(request.nonce) ? { nonce: request.nonce } : {}),
    };
  }
}

function findMembers(
  seed: number,
  model: GuildModel,
  request: MemberRequest,
  intents: number,
): Found | undefined {
  if (request.user_ids !== undefined) return findByIds(seed, model, request.user_ids);
  if (request.query === undefined) return undefined;
  if (request.query !== '') {
    return findByPrefix(seed, model, request.query, request.limit ?? 0);
  }
  if ((intents & INTENTS.GUILD_MEMBERS) === 0) return undefined;
  const limit = request.limit ?? 0;
  const count = limit > 0 ? Math.min(limit, model.presentCount) : model.presentCount;
  if (model.membership.goneCount === 0) return { count, ordinalAt: (place) => place };
  return { ...listed([...presentOrdinals(model)]), count };
}

/** Those of the members who have not left. */
export function* presentOrdinals(model: GuildModel): Generator<number> {
  for (let ordinal = 0; ordinal < model.memberCount; ordinal += 1) {
    if (!model.membership.isGone(ordinal)) yield ordinal;
  }
}

function findByIds(seed: number, model: GuildModel, ids: string | readonly string[]): Found {
  const ordinals: number[] = [];
  const notFound: string[] = [];
  const named = typeof ids === 'string' ? [ids] : ids.slice(0, MEMBER_REQUEST_USERS_MAX);
  for (const id of new Set(named)) {
    const ordinal = memberOrdinal(seed, model, id);
    if (ordinal === undefined) notFound.push(id);
    else ordinals.push(ordinal);
  }
  return { ...listed(ordinals), notFound };
}

/** Which member of the guild has that user id. */
export function memberOrdinal(seed: number, model: GuildModel, userId: string): number | undefined {
  const ordinal = ordinalOfUser(seed, model, userId);
  return ordinal === undefined || model.membership.isGone(ordinal) ? undefined : ordinal;
}

/** As `memberOrdinal`, for those too who have left. */
export function ordinalOfUser(seed: number, model: GuildModel, userId: string): number | undefined {
  if (userId === idAt(seed, model.index, BOT_ORDINAL)) return BOT_ORDINAL;
  const identity = readId(seed, userId);
  if (identity?.kind !== 'user' || identity.guildIndex !== model.index) return undefined;
  return identity.ordinal < model.memberCount ? identity.ordinal : undefined;
}

function findByPrefix(seed: number, model: GuildModel, query: string, limit: number): Found {
  const prefix = query.toLowerCase();
  const most = limit > 0 ? Math.min(limit, MEMBER_QUERY_MATCHES_MAX) : MEMBER_QUERY_MATCHES_MAX;
  const ordinals: number[] = [];
  const end = Math.min(model.memberCount, SIMULATOR_MEMBERS_SEARCHED_MAX);
  for (let ordinal = 0; ordinal < end && ordinals.length < most; ordinal += 1) {
    if (model.membership.isGone(ordinal)) continue;
    const nick = nickAt(seed, model, ordinal)?.toLowerCase();
    const matches =
      nick?.startsWith(prefix) ||
      userAt(seed, model.index, ordinal).username.toLowerCase().startsWith(prefix);
    if (matches) ordinals.push(ordinal);
  }
  return listed(ordinals);
}

function listed(ordinals: readonly number[]): Found {
  return { count: ordinals.length, ordinalAt: (place) => ordinals[place] ?? BOT_ORDINAL };
}

function isNonce(nonce: string | undefined): nonce is string {
  return nonce !== undefined && Buffer.byteLength(nonce) <= MEMBER_REQUEST_NONCE_MAX_BYTES;
}
