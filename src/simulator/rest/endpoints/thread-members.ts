/**
 * Who is in a thread: joining, leaving, adding, removing, showing.
 *
 * The members of a thread that the seed made are those who wrote it: its owner, the bot where it
 * joined, and the first members of the guild up to the thread's count.
 */
import {
  type APIThreadChannel,
  RESTJSONErrorCodes,
  ThreadMemberFlags,
} from 'discord-api-types/v10';
import { THREAD_MEMBERS_MAX } from '../../../../protocols/limits.ts';
import type { GuildModel } from '../../world/guild.ts';
import { memberOrdinal, presentOrdinals } from '../../world/member-chunks.ts';
import {
  activeMemberAt,
  BOT_ORDINAL,
  idAt,
  memberAt,
  microsecondTime,
} from '../../world/people.ts';
import { apiError } from '../answers.ts';
import { emptyResponse, jsonResponse } from '../http.ts';
import {
  type Call,
  type Endpoint,
  guildOfChannel,
  idOf,
  ordinalOf,
  queryFlag,
  queryInteger,
  querySnowflake,
  Refusal,
  requireActive,
  tell,
  threadOf,
} from './endpoint.ts';
import type { RoomMember } from './records.ts';

/** A thread stops counting its members here. */
const COUNTED_MAX = 50;
const PAGE_MAX = 100;

function membership(threadId: string, userId: string, epochMs: number): RoomMember {
  return {
    id: threadId,
    user_id: userId,
    join_timestamp: microsecondTime(epochMs),
    flags: ThreadMemberFlags.HasInteracted,
  };
}

function membersOf(call: Call, model: GuildModel, thread: APIThreadChannel): readonly RoomMember[] {
  const kept = call.records.of(model.id).threadRooms.get(thread.id);
  return kept?.members ?? firstMembers(call, model, thread);
}

function firstMembers(call: Call, model: GuildModel, thread: APIThreadChannel): RoomMember[] {
  const { seed } = call.world;
  const ids = new Set<string>([thread.owner_id ?? model.ownerId]);
  if (thread.member !== undefined) ids.add(call.world.bot.id);
  for (const ordinal of presentOrdinals(model)) {
    if (ids.size >= (thread.member_count ?? 0)) break;
    if (ordinal !== BOT_ORDINAL) ids.add(idAt(seed, model.index, ordinal));
  }
  const createdMs = Date.parse(thread.thread_metadata?.create_timestamp ?? '');
  return [...ids].map((id) => membership(thread.id, id, createdMs));
}

function putMembers(
  call: Call,
  model: GuildModel,
  thread: APIThreadChannel,
  members: readonly RoomMember[],
): number {
  call.records.of(model.id).threadRooms.put({ threadId: thread.id, members });
  const { member: _, ...rest } = thread;
  const own = members.find(({ user_id }) => user_id === call.world.bot.id);
  const member_count = Math.min(members.length, COUNTED_MAX);
  call.world.keepChannel({ ...rest, member_count, ...(own === undefined ? {} : { member: own }) });
  return member_count;
}

/** Puts a member of the guild into a thread and tells of it; who is in it already stays. */
export function joinRoom(
  call: Call,
  model: GuildModel,
  thread: APIThreadChannel,
  userId: string,
): void {
  const members = membersOf(call, model, thread);
  if (members.some(({ user_id }) => user_id === userId)) return;
  if (members.length >= THREAD_MEMBERS_MAX) {
    throw new Refusal(apiError(RESTJSONErrorCodes.MaximumThreadParticipantsReached));
  }
  const joined = membership(thread.id, userId, call.clock.epochMs());
  const member_count = putMembers(call, model, thread, [...members, joined]);
  const ordinal = memberOrdinal(call.world.seed, model, userId) ?? BOT_ORDINAL;
  const member = activeMemberAt(call.world.seed, model, ordinal);
  const added_members = [{ ...joined, member, presence: null }];
  tellOfMembers(call, model, thread, { member_count, added_members });
}

function leaveRoom(call: Call, model: GuildModel, thread: APIThreadChannel, userId: string): void {
  const members = membersOf(call, model, thread);
  const others = members.filter(({ user_id }) => user_id !== userId);
  if (others.length === members.length) return;
  const member_count = putMembers(call, model, thread, others);
  tellOfMembers(call, model, thread, { member_count, removed_member_ids: [userId] });
}

function tellOfMembers(
  call: Call,
  model: GuildModel,
  { id }: APIThreadChannel,
  change: object,
): void {
  tell(call, 'THREAD_MEMBERS_UPDATE', model.id, { id, guild_id: model.id, ...change });
}

/** The bot is shown the thread that it enters. */
const join: typeof joinRoom = (call, model, thread, userId) => {
  joinRoom(call, model, thread, userId);
  const entered = call.world.channel(thread.id) ?? thread;
  if (thread.member === undefined) tell(call, 'THREAD_CREATE', model.id, entered);
};

const onMember =
  (act: typeof joinRoom, userOf: (call: Call, model: GuildModel) => string): Endpoint =>
  (call) => {
    const thread = threadOf(call);
    requireActive(thread);
    const model = guildOfChannel(call, thread);
    act(call, model, thread, userOf(call, model));
    return emptyResponse();
  };

const self = (call: Call): string => call.world.bot.id;

const named = (call: Call, model: GuildModel): string => {
  ordinalOf(call, model);
  return idOf(call, 'user');
};

function shown(call: Call, model: GuildModel, member: RoomMember): object {
  if (!queryFlag(call, 'with_member')) return member;
  const ordinal = memberOrdinal(call.world.seed, model, member.user_id);
  if (ordinal === undefined) return member;
  return { ...member, member: memberAt(call.world.seed, model, ordinal) };
}

const getMember: Endpoint = (call) => {
  const thread = threadOf(call);
  const model = guildOfChannel(call, thread);
  const userId = idOf(call, 'user');
  const member = membersOf(call, model, thread).find(({ user_id }) => user_id === userId);
  if (member === undefined) return apiError(RESTJSONErrorCodes.UnknownMember);
  return jsonResponse(200, shown(call, model, member));
};

/** Page by page only for those who ask to see the members of the guild behind them. */
const listMembers: Endpoint = (call) => {
  const thread = threadOf(call);
  const model = guildOfChannel(call, thread);
  const members = membersOf(call, model, thread);
  if (!queryFlag(call, 'with_member')) return jsonResponse(200, members);
  const limit = queryInteger(call, 'limit', 1, PAGE_MAX, PAGE_MAX);
  const after = querySnowflake(call, 'after') ?? 0n;
  const page = members
    .filter(({ user_id }) => BigInt(user_id) > after)
    .sort((one, other) => (BigInt(one.user_id) < BigInt(other.user_id) ? -1 : 1))
    .slice(0, limit);
  return jsonResponse(
    200,
    page.map((member) => shown(call, model, member)),
  );
};

const MEMBERS = '/channels/:channel/thread-members';

export const THREAD_MEMBER_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  [`GET ${MEMBERS}`]: listMembers,
  [`GET ${MEMBERS}/:user`]: getMember,
  [`PUT ${MEMBERS}/:user`]: onMember(joinRoom, named),
  [`DELETE ${MEMBERS}/:user`]: onMember(leaveRoom, (call) => idOf(call, 'user')),
  [`PUT ${MEMBERS}/@me`]: onMember(join, self),
  [`DELETE ${MEMBERS}/@me`]: onMember(leaveRoom, self),
};
