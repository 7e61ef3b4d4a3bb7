/** What threads are made of, how one begins, and what can be changed about it. */
import {
  type APIChannel,
  type APIMessage,
  type APIThreadChannel,
  type ChannelFlags,
  ChannelType,
  RESTJSONErrorCodes,
  ThreadAutoArchiveDuration,
} from 'discord-api-types/v10';
import { GUILD_ACTIVE_THREADS_MAX } from '../../../../protocols/limits.ts';
import { type GuildChannel, isThread } from '../../world/channels.ts';
import type { GuildModel } from '../../world/guild.ts';
import { microsecondTime } from '../../world/people.ts';
import { apiError } from '../answers.ts';
import { type FieldTable, flag, listOfSnowflakes, nullable, text, whole } from '../fields.ts';
import { ARCHIVE_AFTER, CHANNEL_NAME_MAX, SLOWMODE_MAX_S } from './channel-fields.ts';
import { type Call, Refusal, refuseField, requireActive, tell } from './endpoint.ts';

const TAGS_MAX = 5;

export type ThreadBody = {
  readonly name: string;
  readonly archived: boolean;
  readonly auto_archive_duration: ThreadAutoArchiveDuration;
  readonly locked: boolean;
  readonly invitable: boolean;
  readonly rate_limit_per_user: number | null;
  readonly flags: ChannelFlags;
  readonly applied_tags: readonly string[];
};

export const THREAD_FIELDS: FieldTable<ThreadBody> = {
  name: text(CHANNEL_NAME_MAX, 1),
  archived: flag,
  auto_archive_duration: ARCHIVE_AFTER,
  locked: flag,
  invitable: flag,
  rate_limit_per_user: nullable(whole(0, SLOWMODE_MAX_S)),
  flags: whole(),
  applied_tags: listOfSnowflakes(TAGS_MAX),
};

export type ThreadStart = {
  readonly id: string;
  readonly type: APIThreadChannel['type'];
  readonly parent: GuildChannel;
  readonly fields: Partial<ThreadBody>;
  readonly ownerId: string;
};

/** The tags, which the forum must have. */
export function tagsOf(parent: GuildChannel, fields: Partial<ThreadBody>): readonly string[] {
  const known = 'available_tags' in parent ? parent.available_tags.map(({ id }) => id) : [];
  const tags = fields.applied_tags ?? [];
  if (tags.every((tag) => known.includes(tag))) return tags;
  throw refuseField('applied_tags', 'INVALID_TAG', 'Unknown tag');
}

/** Begins a thread without members, keeps it and tells of it. */
export function beginThread(
  call: Call,
  model: GuildModel,
  { id, type, parent, fields, ownerId }: ThreadStart,
): APIThreadChannel {
  if (model.threads.length >= GUILD_ACTIVE_THREADS_MAX) {
    throw new Refusal(apiError(RESTJSONErrorCodes.MaximumActiveThreads));
  }
  const now = microsecondTime(call.clock.epochMs());
  const usual = 'default_auto_archive_duration' in parent && parent.default_auto_archive_duration;
  const thread: APIThreadChannel = {
    id,
    type,
    guild_id: model.id,
    parent_id: parent.id,
    owner_id: ownerId,
    name: fields.name ?? '',
    last_message_id: null,
    rate_limit_per_user: fields.rate_limit_per_user ?? 0,
    message_count: 0,
    total_message_sent: 0,
    member_count: 0,
    flags: 0 as ChannelFlags,
    thread_metadata: {
      archived: false,
      auto_archive_duration:
        fields.auto_archive_duration ?? (usual || ThreadAutoArchiveDuration.ThreeDays),
      archive_timestamp: now,
      locked: false,
      ...(type === ChannelType.PrivateThread ? { invitable: fields.invitable ?? true } : {}),
      create_timestamp: now,
    },
    ...('available_tags' in parent ? { applied_tags: [...tagsOf(parent, fields)] } : {}),
  };
  call.world.keepChannel(thread);
  tell(call, 'THREAD_CREATE', model.id, { ...thread, newly_created: true });
  return thread;
}

/** The thread with what was given; an archived one can only be changed by waking it. */
export function changedThread(
  call: Call,
  thread: APIThreadChannel,
  fields: Partial<ThreadBody>,
): APIThreadChannel {
  if (fields.archived !== false) requireActive(thread);
  const { archived, auto_archive_duration, locked, invitable, applied_tags, ...own } = fields;
  const { thread_metadata: before } = thread;
  if (before === undefined) return thread;
  const parent = call.world.channel(thread.parent_id ?? '');
  const isPost = parent !== undefined && 'available_tags' in parent;
  const restarts =
    (archived !== undefined && archived !== before.archived) || auto_archive_duration !== undefined;
  return {
    ...thread,
    ...own,
    rate_limit_per_user: own.rate_limit_per_user ?? thread.rate_limit_per_user ?? 0,
    ...(isPost && applied_tags !== undefined ? { applied_tags: [...tagsOf(parent, fields)] } : {}),
    thread_metadata: {
      ...before,
      archived: archived ?? before.archived,
      locked: locked ?? before.locked,
      auto_archive_duration: auto_archive_duration ?? before.auto_archive_duration,
      ...(before.invitable === undefined ? {} : { invitable: invitable ?? before.invitable }),
      ...(restarts ? { archive_timestamp: microsecondTime(call.clock.epochMs()) } : {}),
    },
  };
}

/**
 * A message has been posted in the channel. If it is a thread, it counts the message, of which
 * nobody is told, and wakes if it was archived.
 */
export function countMessage(call: Call, thread: APIChannel, message: APIMessage): void {
  if (!isThread(thread)) return;
  const { archived } = thread.thread_metadata ?? {};
  const counted = {
    ...thread,
    last_message_id: message.id,
    message_count: (thread.message_count ?? 0) + 1,
    total_message_sent: (thread.total_message_sent ?? 0) + 1,
  };
  const awake = archived === true ? changedThread(call, counted, { archived: false }) : counted;
  call.world.keepChannel(awake);
  if (archived !== true) return;
  const { member: _, ...shown } = awake;
  tell(call, 'THREAD_UPDATE', thread.guild_id ?? null, shown);
}

/** Messages have been deleted from the channel; a thread counts how many are left. */
export function uncountMessages(call: Call, channel: APIChannel, count: number): void {
  if (!isThread(channel)) return;
  const message_count = Math.max(0, (channel.message_count ?? 0) - count);
  call.world.keepChannel({ ...channel, message_count });
}
