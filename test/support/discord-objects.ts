/** The objects that Discord documents, field by field: which must be there, which may be null. */
import { dictionary, type Fields, list, nullable, object, type Shape } from './shape.ts';

const snowflakes = list('snowflake');

export const user = object({
  id: 'snowflake',
  username: 'string',
  discriminator: 'string',
  global_name: '?string',
  avatar: '?string',
  'bot?': 'boolean',
  'system?': 'boolean',
  'mfa_enabled?': 'boolean',
  'banner?': '?string',
  'accent_color?': '?integer',
  'locale?': 'string',
  'verified?': 'boolean',
  'email?': '?string',
  'flags?': 'integer',
  'premium_type?': 'integer',
  'public_flags?': 'integer',
  'avatar_decoration_data?': nullable(object({ asset: 'string', sku_id: 'snowflake' })),
  'collectibles?': nullable(object({ 'nameplate?': 'any' })),
  'primary_guild?': nullable(
    object({
      identity_guild_id: '?snowflake',
      identity_enabled: '?boolean',
      tag: '?string',
      badge: '?string',
    }),
  ),
});

/** Without the user, as MESSAGE_CREATE carries it. */
const partialMemberFields: Fields = {
  'nick?': '?string',
  'avatar?': '?string',
  'banner?': '?string',
  roles: snowflakes,
  joined_at: '?timestamp',
  'premium_since?': '?timestamp',
  deaf: 'boolean',
  mute: 'boolean',
  flags: 'integer',
  'pending?': 'boolean',
  'permissions?': 'string',
  'communication_disabled_until?': '?timestamp',
  'avatar_decoration_data?': '?any',
  'collectibles?': '?any',
};

export const partialMember = object(partialMemberFields);
export const member = object({ ...partialMemberFields, user });
/** In events whose name starts with GUILD_ `pending` is always there. */
export const guildEventMemberFields: Fields = {
  ...omit(partialMemberFields, 'pending?'),
  user,
  pending: 'boolean',
};
export const guildEventMember = object(guildEventMemberFields);

export const role = object({
  id: 'snowflake',
  name: 'string',
  color: 'integer',
  colors: object({
    primary_color: 'integer',
    secondary_color: '?integer',
    tertiary_color: '?integer',
  }),
  hoist: 'boolean',
  'icon?': '?string',
  'unicode_emoji?': '?string',
  position: 'integer',
  permissions: 'string',
  managed: 'boolean',
  mentionable: 'boolean',
  'tags?': object({
    'bot_id?': 'snowflake',
    'integration_id?': 'snowflake',
    'premium_subscriber?': 'any',
    'subscription_listing_id?': 'snowflake',
    'available_for_purchase?': 'any',
    'guild_connections?': 'any',
  }),
  flags: 'integer',
});

export const emoji = object({
  id: '?snowflake',
  name: '?string',
  'roles?': snowflakes,
  'user?': user,
  'require_colons?': 'boolean',
  'managed?': 'boolean',
  'animated?': 'boolean',
  'available?': 'boolean',
});

export const sticker = object({
  id: 'snowflake',
  'pack_id?': 'snowflake',
  name: 'string',
  description: '?string',
  tags: 'string',
  type: 'integer',
  format_type: 'integer',
  'available?': 'boolean',
  'guild_id?': 'snowflake',
  'user?': user,
  'sort_value?': 'integer',
});

export const sound = object({
  name: 'string',
  sound_id: 'snowflake',
  volume: 'number',
  emoji_id: '?snowflake',
  emoji_name: '?string',
  'guild_id?': 'snowflake',
  available: 'boolean',
  'user?': user,
});

export const threadMemberFields: Fields = {
  id: 'snowflake',
  user_id: 'snowflake',
  join_timestamp: 'timestamp',
  flags: 'integer',
  'member?': member,
};
export const threadMember = object(threadMemberFields);

export const channelFields: Fields = {
  id: 'snowflake',
  type: 'integer',
  'guild_id?': 'snowflake',
  'position?': 'integer',
  'permission_overwrites?': list(
    object({ id: 'snowflake', type: 'integer', allow: 'string', deny: 'string' }),
  ),
  'name?': '?string',
  'topic?': '?string',
  'nsfw?': 'boolean',
  'last_message_id?': '?snowflake',
  'bitrate?': 'integer',
  'user_limit?': 'integer',
  'rate_limit_per_user?': 'integer',
  'recipients?': list(user),
  'icon?': '?string',
  'owner_id?': 'snowflake',
  'application_id?': '?snowflake',
  'managed?': 'boolean',
  'parent_id?': '?snowflake',
  'last_pin_timestamp?': '?timestamp',
  'rtc_region?': '?string',
  'video_quality_mode?': 'integer',
  'message_count?': 'integer',
  'member_count?': 'integer',
  'thread_metadata?': object({
    archived: 'boolean',
    auto_archive_duration: 'integer',
    archive_timestamp: 'timestamp',
    locked: 'boolean',
    'invitable?': 'boolean',
    'create_timestamp?': '?timestamp',
  }),
  'member?': object({
    'id?': 'snowflake',
    'user_id?': 'snowflake',
    join_timestamp: 'timestamp',
    flags: 'integer',
  }),
  'default_auto_archive_duration?': 'integer',
  'permissions?': 'string',
  'app_permissions?': 'string',
  'flags?': 'integer',
  'total_message_sent?': 'integer',
  'available_tags?': list(
    object({
      id: 'snowflake',
      name: 'string',
      moderated: 'boolean',
      emoji_id: '?snowflake',
      emoji_name: '?string',
    }),
  ),
  'applied_tags?': snowflakes,
  'default_reaction_emoji?': nullable(object({ emoji_id: '?snowflake', emoji_name: '?string' })),
  'default_thread_rate_limit_per_user?': 'integer',
  'default_sort_order?': '?integer',
  'default_forum_layout?': 'integer',
};
export const channel = object(channelFields);
/** A channel of a guild's: there is no guild channel without these. */
export const guildChannelFields: Fields = {
  ...omit(channelFields, 'guild_id?', 'position?', 'name?', 'permission_overwrites?'),
  guild_id: 'snowflake',
  position: 'integer',
  name: 'string',
  permission_overwrites: channelFields['permission_overwrites?'] ?? 'any',
};
export const threadFields: Fields = {
  ...omit(channelFields, 'guild_id?', 'name?', 'parent_id?', 'owner_id?', 'thread_metadata?'),
  guild_id: 'snowflake',
  name: 'string',
  parent_id: 'snowflake',
  owner_id: 'snowflake',
  thread_metadata: channelFields['thread_metadata?'] ?? 'any',
};

const embedMedia = object({
  'url?': 'string',
  'proxy_url?': 'string',
  'height?': 'integer',
  'width?': 'integer',
  'content_type?': 'string',
  'placeholder?': 'string',
  'placeholder_version?': 'integer',
  'description?': 'string',
  'flags?': 'integer',
});

const embed = object({
  'title?': 'string',
  'type?': 'string',
  'description?': 'string',
  'url?': 'string',
  'timestamp?': 'timestamp',
  'color?': 'integer',
  'footer?': object({ text: 'string', 'icon_url?': 'string', 'proxy_icon_url?': 'string' }),
  'image?': embedMedia,
  'thumbnail?': embedMedia,
  'video?': embedMedia,
  'provider?': object({ 'name?': 'string', 'url?': 'string' }),
  'author?': object({
    name: 'string',
    'url?': 'string',
    'icon_url?': 'string',
    'proxy_icon_url?': 'string',
  }),
  'fields?': list(object({ name: 'string', value: 'string', 'inline?': 'boolean' })),
  'flags?': 'integer',
});

const attachment = object({
  id: 'snowflake',
  filename: 'string',
  'title?': 'string',
  'description?': 'string',
  'content_type?': 'string',
  size: 'integer',
  url: 'string',
  proxy_url: 'string',
  'height?': '?integer',
  'width?': '?integer',
  'placeholder?': 'string',
  'placeholder_version?': 'integer',
  'ephemeral?': 'boolean',
  'duration_secs?': 'number',
  'waveform?': 'string',
  'flags?': 'integer',
  'clip_participants?': list(user),
  'clip_created_at?': 'timestamp',
  'application?': '?any',
});

const poll = object({
  question: object({ 'text?': 'string', 'emoji?': emoji }),
  answers: list(
    object({ answer_id: 'integer', poll_media: object({ 'text?': 'string', 'emoji?': emoji }) }),
  ),
  expiry: '?timestamp',
  allow_multiselect: 'boolean',
  layout_type: 'integer',
  'results?': object({
    is_finalized: 'boolean',
    answer_counts: list(object({ id: 'integer', count: 'integer', me_voted: 'boolean' })),
  }),
});

const messageBaseFields: Fields = {
  id: 'snowflake',
  channel_id: 'snowflake',
  author: user,
  content: 'string',
  timestamp: 'timestamp',
  edited_timestamp: '?timestamp',
  tts: 'boolean',
  mention_everyone: 'boolean',
  mentions: list(user),
  mention_roles: snowflakes,
  'mention_channels?': 'any',
  attachments: list(attachment),
  embeds: list(embed),
  'reactions?': 'any',
  'nonce?': 'any',
  pinned: 'boolean',
  'webhook_id?': 'snowflake',
  type: 'integer',
  'activity?': 'any',
  'application?': 'any',
  'application_id?': 'snowflake',
  'flags?': 'integer',
  'message_reference?': object({
    'type?': 'integer',
    'message_id?': 'snowflake',
    channel_id: 'snowflake',
    'guild_id?': 'snowflake',
    'fail_if_not_exists?': 'boolean',
  }),
  'message_snapshots?': list(object({ message: 'any' })),
  'interaction_metadata?': 'any',
  'thread?': channel,
  'components?': list('any'),
  'sticker_items?': list(object({ id: 'snowflake', name: 'string', format_type: 'integer' })),
  'position?': 'integer',
  'role_subscription_data?': 'any',
  'resolved?': 'any',
  'poll?': poll,
  'call?': 'any',
  'shared_client_theme?': 'any',
};
export const messageFields: Fields = {
  ...messageBaseFields,
  'referenced_message?': nullable(object(messageBaseFields)),
};
export const message = object(messageFields);

const activity = object({
  // Undocumented, yet always sent and in everybody's types.
  'id?': 'string',
  'sync_id?': 'string',
  'session_id?': 'string',
  name: 'string',
  type: 'integer',
  'url?': '?string',
  created_at: 'integer',
  'timestamps?': object({ 'start?': 'integer', 'end?': 'integer' }),
  'application_id?': 'snowflake',
  'status_display_type?': '?integer',
  'details?': '?string',
  'details_url?': '?string',
  'state?': '?string',
  'state_url?': '?string',
  'emoji?': nullable(object({ name: 'string', 'id?': 'snowflake', 'animated?': 'boolean' })),
  'party?': object({ 'id?': 'string', 'size?': list('integer') }),
  'assets?': object({
    'large_image?': 'string',
    'large_text?': 'string',
    'large_url?': 'string',
    'small_image?': 'string',
    'small_text?': 'string',
    'small_url?': 'string',
    'invite_cover_image?': 'string',
  }),
  'secrets?': 'any',
  'instance?': 'boolean',
  'flags?': 'integer',
  'buttons?': list('string'),
});

export const chunkPresenceFields: Fields = {
  // Of the user only the id is certain.
  user: object({ ...optional(user), id: 'snowflake' }),
  status: 'string',
  activities: list(activity),
  client_status: object({
    'desktop?': 'string',
    'mobile?': 'string',
    'web?': 'string',
    'vr?': 'string',
  }),
};
export const chunkPresence = object(chunkPresenceFields);

const voiceStateFields: Fields = {
  channel_id: '?snowflake',
  user_id: 'snowflake',
  'member?': member,
  session_id: 'string',
  deaf: 'boolean',
  mute: 'boolean',
  self_deaf: 'boolean',
  self_mute: 'boolean',
  'self_stream?': 'boolean',
  self_video: 'boolean',
  suppress: 'boolean',
  request_to_speak_timestamp: '?timestamp',
};
/** As in GUILD_CREATE, which leaves the guild out. */
export const partialVoiceState = object(voiceStateFields);
export const voiceState = object({ ...voiceStateFields, 'guild_id?': 'snowflake' });

export const stageInstance = object({
  id: 'snowflake',
  guild_id: 'snowflake',
  channel_id: 'snowflake',
  topic: 'string',
  privacy_level: 'integer',
  discoverable_disabled: 'boolean',
  guild_scheduled_event_id: '?snowflake',
});

export const scheduledEvent = object({
  id: 'snowflake',
  guild_id: 'snowflake',
  channel_id: '?snowflake',
  'creator_id?': '?snowflake',
  name: 'string',
  'description?': '?string',
  scheduled_start_time: 'timestamp',
  scheduled_end_time: '?timestamp',
  privacy_level: 'integer',
  status: 'integer',
  entity_type: 'integer',
  entity_id: '?snowflake',
  entity_metadata: nullable(object({ 'location?': 'string' })),
  'creator?': user,
  'user_count?': 'integer',
  'image?': '?string',
  recurrence_rule: '?any',
});

export const guildFields: Fields = {
  id: 'snowflake',
  name: 'string',
  icon: '?string',
  'icon_hash?': '?string',
  splash: '?string',
  discovery_splash: '?string',
  owner_id: 'snowflake',
  'region?': '?string',
  afk_channel_id: '?snowflake',
  afk_timeout: 'integer',
  'widget_enabled?': 'boolean',
  'widget_channel_id?': '?snowflake',
  verification_level: 'integer',
  default_message_notifications: 'integer',
  explicit_content_filter: 'integer',
  roles: list(role),
  emojis: list(emoji),
  features: list('string'),
  mfa_level: 'integer',
  application_id: '?snowflake',
  system_channel_id: '?snowflake',
  system_channel_flags: 'integer',
  rules_channel_id: '?snowflake',
  'max_presences?': '?integer',
  'max_members?': 'integer',
  vanity_url_code: '?string',
  description: '?string',
  banner: '?string',
  premium_tier: 'integer',
  'premium_subscription_count?': 'integer',
  preferred_locale: 'string',
  public_updates_channel_id: '?snowflake',
  'max_video_channel_users?': 'integer',
  'max_stage_video_channel_users?': 'integer',
  nsfw_level: 'integer',
  'stickers?': list(sticker),
  premium_progress_bar_enabled: 'boolean',
  safety_alerts_channel_id: '?snowflake',
  incidents_data: '?any',
  // Undocumented, yet always sent and in everybody's types.
  'hub_type?': '?integer',
};

export const entitlement = object({
  id: 'snowflake',
  sku_id: 'snowflake',
  application_id: 'snowflake',
  'user_id?': 'snowflake',
  type: 'integer',
  deleted: 'boolean',
  starts_at: '?timestamp',
  ends_at: '?timestamp',
  'guild_id?': 'snowflake',
  'consumed?': 'boolean',
});

export const interaction = object({
  id: 'snowflake',
  application_id: 'snowflake',
  type: 'integer',
  data: 'any',
  'guild?': object({ id: 'snowflake', features: list('string'), locale: 'string' }),
  'guild_id?': 'snowflake',
  channel,
  channel_id: 'snowflake',
  'member?': member,
  'user?': user,
  token: 'string',
  version: 'integer',
  'message?': message,
  app_permissions: 'string',
  locale: 'string',
  'guild_locale?': 'string',
  entitlements: list(entitlement),
  authorizing_integration_owners: dictionary('string'),
  context: 'integer',
  attachment_size_limit: 'integer',
});

function omit(fields: Fields, ...names: readonly string[]): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));
}

function optional(shape: Shape): Fields {
  if (typeof shape === 'string' || !('fields' in shape)) throw new TypeError('objects only');
  return Object.fromEntries(
    Object.entries(shape.fields)
      .filter(([name]) => name !== 'id')
      .map(([name, field]) => [name.endsWith('?') ? name : `${name}?`, field]),
  );
}
