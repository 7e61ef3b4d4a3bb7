/**
 * What channels of a guild are made of: which fields each kind has, how a new one begins, and what
 * Discord takes for each field. Fields that a kind does not have are passed over, as Discord does.
 */
import {
  type APIOverwrite,
  type ChannelFlags,
  ChannelType,
  OverwriteType,
  RESTJSONErrorCodes,
  VideoQualityMode,
} from 'discord-api-types/v10';
import { CATEGORY_CHANNELS_MAX } from '../../../../protocols/limits.ts';
import type { GuildChannel } from '../../world/channels.ts';
import type { GuildModel } from '../../world/guild.ts';
import { apiError } from '../answers.ts';
import {
  anything,
  bits,
  choice,
  type Field,
  type FieldTable,
  flag,
  nullable,
  objects,
  snowflake,
  text,
  whole,
} from '../fields.ts';
import { Refusal, refuseField } from './endpoint.ts';

const {
  GuildText,
  GuildVoice,
  GuildCategory,
  GuildAnnouncement,
  GuildStageVoice,
  GuildForum,
  GuildMedia,
} = ChannelType;

export const CHANNEL_NAME_MAX = 100;
export const SLOWMODE_MAX_S = 21_600;
/** Minutes after which a thread archives itself. */
export const ARCHIVE_AFTER: Field = choice(60, 1_440, 4_320, 10_080);

const OVERWRITES_MAX = 100;
const TAGS_MAX = 20;
const BITRATE_MIN = 8_000;
const BITRATE_MAX = 384_000;
const STAGE_USERS_MAX = 10_000;

export type ChannelBody = {
  readonly name: string;
  readonly type: GuildChannel['type'];
  readonly topic: string | null;
  readonly nsfw: boolean | null;
  readonly rate_limit_per_user: number | null;
  readonly bitrate: number | null;
  readonly user_limit: number | null;
  readonly rtc_region: string | null;
  readonly video_quality_mode: number | null;
  readonly default_auto_archive_duration: number | null;
  readonly default_reaction_emoji: object | null;
  readonly default_thread_rate_limit_per_user: number;
  readonly default_sort_order: number | null;
  readonly default_forum_layout: number;
  readonly available_tags: readonly ForumTag[];
  readonly flags: number;
  readonly position: number | null;
  readonly parent_id: string | null;
  readonly permission_overwrites: readonly Partial<APIOverwrite>[] | null;
};

type ForumTag = {
  readonly id: string;
  readonly name: string;
  readonly moderated: boolean;
  readonly emoji_id: string | null;
  readonly emoji_name: string | null;
};

export const OVERWRITE_FIELDS: FieldTable<APIOverwrite> = {
  type: choice(OverwriteType.Role, OverwriteType.Member),
  allow: nullable(bits),
  deny: nullable(bits),
};

export const CHANNEL_FIELDS: FieldTable<ChannelBody> = {
  name: text(CHANNEL_NAME_MAX, 1),
  type: whole(),
  topic: nullable(text(4_096)),
  nsfw: nullable(flag),
  rate_limit_per_user: nullable(whole(0, SLOWMODE_MAX_S)),
  bitrate: nullable(whole(BITRATE_MIN, BITRATE_MAX)),
  user_limit: nullable(whole(0, STAGE_USERS_MAX)),
  rtc_region: nullable(text(64)),
  video_quality_mode: nullable(choice(VideoQualityMode.Auto, VideoQualityMode.Full)),
  default_auto_archive_duration: nullable(ARCHIVE_AFTER),
  default_reaction_emoji: nullable(anything),
  default_thread_rate_limit_per_user: whole(0, SLOWMODE_MAX_S),
  default_sort_order: nullable(choice(0, 1)),
  default_forum_layout: choice(0, 1, 2),
  available_tags: objects<ForumTag>(
    TAGS_MAX,
    {
      id: snowflake,
      name: text(20),
      moderated: flag,
      emoji_id: nullable(snowflake),
      emoji_name: nullable(text(32)),
    },
    ['name'],
  ),
  flags: whole(),
  position: nullable(whole()),
  parent_id: nullable(snowflake),
  permission_overwrites: nullable(
    objects<APIOverwrite>(OVERWRITES_MAX, { id: snowflake, ...OVERWRITE_FIELDS }, ['id']),
  ),
};

const WRITTEN = {
  topic: null,
  nsfw: false,
  last_message_id: null,
  rate_limit_per_user: 0,
} as const;
const THREADED = { ...WRITTEN, default_auto_archive_duration: 4_320 } as const;
const SPOKEN = {
  nsfw: false,
  last_message_id: null,
  rate_limit_per_user: 0,
  bitrate: 64_000,
  user_limit: 0,
  rtc_region: null,
  video_quality_mode: VideoQualityMode.Auto,
} as const;
const POSTED = {
  ...THREADED,
  available_tags: [],
  default_thread_rate_limit_per_user: 0,
  default_reaction_emoji: null,
  default_sort_order: null,
} as const;

/** The fields that each kind has beside those that all have, as they stand in a new channel. */
const BEGINNINGS: Readonly<Record<GuildChannel['type'], object>> = {
  [GuildText]: { ...THREADED, last_pin_timestamp: null },
  [GuildAnnouncement]: { ...THREADED, last_pin_timestamp: null },
  [GuildVoice]: SPOKEN,
  [GuildStageVoice]: SPOKEN,
  [GuildCategory]: { nsfw: false },
  [GuildForum]: { ...POSTED, default_forum_layout: 0 },
  [GuildMedia]: POSTED,
};

/** What a guild can have only as a community. */
const COMMUNITY_KINDS: ReadonlySet<number> = new Set([
  GuildAnnouncement,
  GuildStageVoice,
  GuildForum,
  GuildMedia,
]);

/** Names of channels that people write in have neither capitals nor spaces. */
const LOWER_KINDS: ReadonlySet<number> = new Set([
  GuildText,
  GuildAnnouncement,
  GuildForum,
  GuildMedia,
]);

export function newChannel(
  model: GuildModel,
  id: string,
  position: number,
  fields: Partial<ChannelBody>,
): GuildChannel {
  const type = fields.type ?? GuildText;
  if (!isKindOf(model, type)) {
    throw refuseField(
      'type',
      'BASE_TYPE_CHOICES',
      'Value must be a type that this guild can have.',
    );
  }
  const begun = {
    id,
    type,
    guild_id: model.id,
    name: '',
    position,
    permission_overwrites: [],
    flags: 0 as ChannelFlags,
    parent_id: null,
    ...BEGINNINGS[type],
  };
  // The kind decides over the fields, which the types cannot follow through a table.
  return changedChannel(model, begun as unknown as GuildChannel, fields);
}

function isKindOf(model: GuildModel, type: number): type is GuildChannel['type'] {
  return type in BEGINNINGS && (model.isCommunity || !COMMUNITY_KINDS.has(type));
}

/** The channel with those of the fields that its kind has. */
export function changedChannel(
  model: GuildModel,
  channel: GuildChannel,
  fields: Partial<ChannelBody>,
): GuildChannel {
  const { type, name, permission_overwrites: overwrites, available_tags: tags, ...rest } = fields;
  const kind = kindAfter(model, channel, type);
  checkParent(model, channel, fields.parent_id);
  checkTopic(kind, fields.topic);
  const beginning: Readonly<Record<string, unknown>> = { ...channel, ...BEGINNINGS[kind] };
  const given = Object.entries(rest)
    .filter(([field]) => field in beginning)
    // A null puts back what a new channel begins with.
    .map(([field, value]) => [field, value ?? Reflect.get(BEGINNINGS[kind], field) ?? null]);
  const changed = {
    ...channel,
    ...Object.fromEntries(given),
    type: kind,
    ...(name === undefined ? {} : { name: LOWER_KINDS.has(kind) ? lowered(name) : name }),
    ...(overwrites === undefined
      ? {}
      : { permission_overwrites: (overwrites ?? []).map(wholeOverwrite) }),
    ...(tags === undefined || !('available_tags' in beginning)
      ? {}
      : { available_tags: tags.map((tag, index) => wholeTag(channel.id, tag, index)) }),
  };
  return changed as GuildChannel;
}

function kindAfter(
  model: GuildModel,
  channel: GuildChannel,
  type: GuildChannel['type'] | undefined,
): GuildChannel['type'] {
  if (type === undefined || type === channel.type) return channel.type;
  const convertible: readonly number[] = [GuildText, GuildAnnouncement];
  const isAllowed = convertible.includes(type) && convertible.includes(channel.type);
  if (isAllowed && model.isCommunity) return type;
  throw refuseField('type', 'BASE_TYPE_CHOICES', `Cannot convert to the type ${type}.`);
}

const TOPIC_MAX = 1_024;

/** Only where posts are made may a topic be as long as guidelines are. */
function checkTopic(kind: ChannelType, topic: string | null | undefined): void {
  const isLong = kind === GuildForum || kind === GuildMedia;
  if (isLong || (topic ?? '').length <= TOPIC_MAX) return;
  throw refuseField('topic', 'BASE_TYPE_MAX_LENGTH', `Must be ${TOPIC_MAX} or fewer in length.`);
}

function checkParent(
  model: GuildModel,
  channel: GuildChannel,
  parentId: string | null | undefined,
): void {
  if (parentId === undefined || parentId === null || parentId === channel.parent_id) return;
  const parent = model.shelves.channels.get(parentId);
  if (parent === undefined) {
    throw refuseField('parent_id', 'CHANNEL_PARENT_INVALID', 'Category does not exist');
  }
  if (parent.type !== GuildCategory || channel.type === GuildCategory) {
    throw refuseField('parent_id', 'CHANNEL_PARENT_INVALID_TYPE', 'Not a category');
  }
  const siblings = model.channels.filter(({ parent_id }) => parent_id === parentId);
  if (siblings.length < CATEGORY_CHANNELS_MAX) return;
  const message = `Maximum number of channels in category reached (${CATEGORY_CHANNELS_MAX})`;
  throw refuseField('parent_id', 'CHANNEL_PARENT_MAX_CHANNELS', message);
}

function lowered(name: string): string {
  return name.toLowerCase().replaceAll(/\s+/g, '-');
}

export function wholeOverwrite(overwrite: Partial<APIOverwrite>): APIOverwrite {
  return {
    id: overwrite.id ?? '',
    type: overwrite.type ?? OverwriteType.Role,
    allow: overwrite.allow ?? '0',
    deny: overwrite.deny ?? '0',
  };
}

function wholeTag(channelId: string, tag: Partial<ForumTag>, index: number): ForumTag {
  return {
    id: tag.id ?? String(BigInt(channelId) + BigInt(index + 1)),
    name: tag.name ?? '',
    moderated: tag.moderated ?? false,
    emoji_id: tag.emoji_id ?? null,
    emoji_name: tag.emoji_name ?? null,
  };
}

/** Refuses to delete what a community has to have. */
export function requireDispensable(model: GuildModel, channelId: string): void {
  const { rules_channel_id: rules, public_updates_channel_id: updates } = model.guild;
  if (!model.isCommunity || (channelId !== rules && channelId !== updates)) return;
  const code = RESTJSONErrorCodes.CannotDeleteChannelRequiredForCommunityGuilds;
  throw new Refusal(apiError(code));
}
