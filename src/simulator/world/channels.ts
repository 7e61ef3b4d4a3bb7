/** Channels and threads of a guild, and the direct-message channels of the bot. */
import {
  type APIChannel,
  type APIDMChannel,
  type APIGuildCategoryChannel,
  type APIGuildForumChannel,
  type APIGuildMediaChannel,
  type APIGuildStageVoiceChannel,
  type APIGuildVoiceChannel,
  type APINewsChannel,
  type APIOverwrite,
  type APITextChannel,
  type APIThreadChannel,
  type ChannelFlags,
  ChannelType,
  ForumLayoutType,
  OverwriteType,
  SortOrderType,
  type TextChannelType,
  ThreadAutoArchiveDuration,
  ThreadMemberFlags,
  VideoQualityMode,
} from 'discord-api-types/v10';
import type { Random } from '../../../protocols/ports.ts';
import { between, chance, pick, randomOf } from './draw.ts';
import { createdMs, makeId } from './identity.ts';
import { idAt, microsecondTime, OWNER_ORDINAL, userAt } from './people.ts';
import type { Place } from './place.ts';
import { channelName, emoji, sentence, title, word } from './text.ts';

export type GuildChannel =
  | APITextChannel
  | APINewsChannel
  | APIGuildVoiceChannel
  | APIGuildStageVoiceChannel
  | APIGuildCategoryChannel
  | APIGuildForumChannel
  | APIGuildMediaChannel;

/** Permissions as Discord writes them: view, and view with send. */
const VIEW = String(1 << 10);
const SEND = String(1 << 11);

type ChannelPlace = Pick<Place, 'seed' | 'guildIndex' | 'guildId'>;

const CATEGORIES = 3;
const NO_FLAGS = 0 as ChannelFlags;

/** The kinds of a guild's channels in order; the first three are the categories of the others. */
export function channelKinds(
  texts: number,
  voices: number,
  community: boolean,
): readonly GuildChannel['type'][] {
  const kinds: GuildChannel['type'][] = [];
  for (let count = 0; count < CATEGORIES; count += 1) kinds.push(ChannelType.GuildCategory);
  for (let count = 0; count < texts; count += 1) kinds.push(ChannelType.GuildText);
  for (let count = 0; count < voices; count += 1) kinds.push(ChannelType.GuildVoice);
  if (community) {
    kinds.push(ChannelType.GuildAnnouncement, ChannelType.GuildForum);
    kinds.push(ChannelType.GuildStageVoice, ChannelType.GuildMedia);
  }
  return kinds;
}

export function channelAt(
  place: ChannelPlace,
  ordinal: number,
  kind: GuildChannel['type'],
): GuildChannel {
  const random = randomOf(place.seed, place.guildIndex, ordinal, 11);
  return makeChannel(random, place, makeId(place.seed, place.guildIndex, 'channel', ordinal), {
    kind,
    position: ordinal,
    parentId: makeId(place.seed, place.guildIndex, 'channel', categoryOf(kind)),
  });
}

function categoryOf(kind: GuildChannel['type']): number {
  if (kind === ChannelType.GuildVoice || kind === ChannelType.GuildStageVoice) return 1;
  return kind === ChannelType.GuildText ? 0 : 2;
}

type Shape = {
  readonly kind: GuildChannel['type'];
  readonly position: number;
  readonly parentId: string;
};

export function makeChannel(
  random: Random,
  place: ChannelPlace,
  id: string,
  shape: Shape,
): GuildChannel {
  const common = {
    id,
    guild_id: place.guildId,
    name: channelName(random),
    position: shape.position,
    permission_overwrites: overwrites(random, place),
    flags: NO_FLAGS,
  };
  switch (shape.kind) {
    case ChannelType.GuildCategory:
      return { ...common, type: shape.kind, name: title(random), parent_id: null, nsfw: false };
    case ChannelType.GuildText:
    case ChannelType.GuildAnnouncement:
      return { ...common, ...textFields(random, shape), type: shape.kind };
    case ChannelType.GuildVoice:
    case ChannelType.GuildStageVoice:
      return { ...common, ...voiceFields(random, shape), type: shape.kind };
    case ChannelType.GuildForum:
      return {
        ...common,
        ...forumFields(random, shape, id),
        type: shape.kind,
        default_forum_layout: ForumLayoutType.ListView,
      };
    case ChannelType.GuildMedia:
      return { ...common, ...forumFields(random, shape, id), type: shape.kind };
  }
}

function textFields(random: Random, shape: Shape) {
  return {
    topic: chance(random, 0.6) ? sentence(random, between(random, 3, 20)) : null,
    nsfw: chance(random, 0.05),
    last_message_id: null,
    rate_limit_per_user: pick(random, [0, 0, 0, 5, 30]),
    parent_id: chance(random, 0.9) ? shape.parentId : null,
    last_pin_timestamp: null,
    default_auto_archive_duration: ThreadAutoArchiveDuration.ThreeDays,
  };
}

function voiceFields(random: Random, shape: Shape) {
  return {
    nsfw: false,
    last_message_id: null,
    rate_limit_per_user: 0,
    parent_id: shape.parentId,
    bitrate: 64_000,
    user_limit: pick(random, [0, 0, 5, 10, 99]),
    rtc_region: chance(random, 0.8) ? null : 'rotterdam',
    video_quality_mode: VideoQualityMode.Auto,
  };
}

function forumFields(random: Random, shape: Shape, id: string) {
  return {
    topic: sentence(random, between(random, 3, 20)),
    nsfw: false,
    last_message_id: null,
    rate_limit_per_user: 0,
    parent_id: shape.parentId,
    available_tags: [0, 1, 2].map((tag) => ({
      id: String(BigInt(id) + BigInt(tag + 1)),
      name: word(random),
      moderated: tag === 2,
      emoji_id: null,
      emoji_name: chance(random, 0.5) ? emoji(random) : null,
    })),
    default_auto_archive_duration: ThreadAutoArchiveDuration.ThreeDays,
    default_thread_rate_limit_per_user: 0,
    default_reaction_emoji: chance(random, 0.5)
      ? { emoji_id: null, emoji_name: emoji(random) }
      : null,
    default_sort_order: chance(random, 0.5) ? SortOrderType.CreationDate : null,
  };
}

function overwrites(random: Random, place: ChannelPlace): APIOverwrite[] {
  if (chance(random, 0.6)) return [];
  const list: APIOverwrite[] = [
    { id: place.guildId, type: OverwriteType.Role, allow: '0', deny: VIEW },
    {
      id: idAt(place.seed, place.guildIndex, 0),
      type: OverwriteType.Member,
      allow: VIEW,
      deny: '0',
    },
  ];
  return chance(random, 0.5)
    ? list
    : [{ id: place.guildId, type: OverwriteType.Role, allow: '0', deny: SEND }];
}

/** An active thread under `parent`; the bot is a member of the first of a guild. */
export function threadAt(
  place: ChannelPlace,
  ordinal: number,
  parent: GuildChannel,
  memberCount: number,
): APIThreadChannel {
  const random = randomOf(place.seed, place.guildIndex, ordinal, 12);
  return makeThread(random, {
    id: makeId(place.seed, place.guildIndex, 'thread', ordinal),
    guildId: place.guildId,
    parent,
    ownerId: idAt(place.seed, place.guildIndex, between(random, OWNER_ORDINAL, memberCount - 1)),
    createdEpochMs: createdMs(place.seed, place.guildIndex, 'thread', ordinal),
    ...(ordinal === 0 ? { joinedUserId: idAt(place.seed, place.guildIndex, 0) } : {}),
  });
}

export type ThreadShape = {
  readonly id: string;
  readonly guildId: string;
  readonly parent: GuildChannel;
  readonly ownerId: string;
  readonly createdEpochMs: number;
  /** The bot's user id, when it is a member. */
  readonly joinedUserId?: string;
};

export function makeThread(random: Random, shape: ThreadShape): APIThreadChannel {
  const { parent } = shape;
  const isPrivate = parent.type === ChannelType.GuildText && chance(random, 0.2);
  const created = microsecondTime(shape.createdEpochMs);
  const messages = between(random, 0, 400);
  return {
    id: shape.id,
    type: threadType(parent.type, isPrivate),
    guild_id: shape.guildId,
    parent_id: parent.id,
    owner_id: shape.ownerId,
    name: title(random),
    last_message_id: shape.id,
    rate_limit_per_user: 0,
    message_count: messages,
    total_message_sent: messages + between(random, 0, 20),
    member_count: between(random, 1, 50),
    flags: NO_FLAGS,
    thread_metadata: {
      archived: false,
      auto_archive_duration: ThreadAutoArchiveDuration.ThreeDays,
      archive_timestamp: created,
      locked: false,
      ...(isPrivate ? { invitable: true } : {}),
      create_timestamp: created,
    },
    ...('available_tags' in parent
      ? { applied_tags: parent.available_tags.slice(0, 1).map((tag) => tag.id) }
      : {}),
    ...(shape.joinedUserId === undefined
      ? {}
      : {
          member: {
            id: shape.id,
            user_id: shape.joinedUserId,
            join_timestamp: created,
            flags: ThreadMemberFlags.HasInteracted,
          },
        }),
  };
}

function threadType(parent: GuildChannel['type'], isPrivate: boolean): APIThreadChannel['type'] {
  if (parent === ChannelType.GuildAnnouncement) return ChannelType.AnnouncementThread;
  return isPrivate ? ChannelType.PrivateThread : ChannelType.PublicThread;
}

/** The direct-message channel with the user of that ordinal outside the guilds. */
export function directChannelAt(seed: number, guildIndex: number, ordinal: number): APIDMChannel {
  return {
    id: makeId(seed, guildIndex, 'channel', ordinal),
    type: ChannelType.DM,
    name: null,
    last_message_id: null,
    recipients: [userAt(seed, guildIndex, ordinal)],
    flags: NO_FLAGS,
  };
}

export function isThread(channel: APIChannel): channel is APIThreadChannel {
  return 'thread_metadata' in channel;
}

/** A channel that messages can be posted to. */
export type MessageChannel = Extract<APIChannel, { type: TextChannelType }>;

export function holdsMessages(channel: APIChannel): channel is MessageChannel {
  return canHoldMessages(channel.type);
}

export function canHoldMessages(kind: ChannelType): boolean {
  switch (kind) {
    case ChannelType.GuildCategory:
    case ChannelType.GuildForum:
    case ChannelType.GuildMedia:
      return false;
    default:
      return true;
  }
}

export function canHoldThreads(channel: GuildChannel): boolean {
  switch (channel.type) {
    case ChannelType.GuildText:
    case ChannelType.GuildAnnouncement:
    case ChannelType.GuildForum:
      return true;
    default:
      return false;
  }
}
