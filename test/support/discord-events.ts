/** The `d` of every dispatch event that Discord documents, field by field. */
import {
  channelFields,
  chunkPresence,
  chunkPresenceFields,
  emoji,
  entitlement,
  guildChannelFields,
  guildEventMember,
  guildEventMemberFields,
  guildFields,
  interaction,
  member,
  messageFields,
  partialMember,
  partialVoiceState,
  role,
  scheduledEvent,
  sound,
  stageInstance,
  sticker,
  threadFields,
  threadMember,
  threadMemberFields,
  user,
  voiceState,
} from './discord-objects.ts';
import { differences, type Fields, list, nullable, object, type Shape } from './shape.ts';

const rule = object({
  id: 'snowflake',
  guild_id: 'snowflake',
  name: 'string',
  creator_id: 'snowflake',
  event_type: 'integer',
  trigger_type: 'integer',
  trigger_metadata: 'any',
  actions: list(object({ type: 'integer', 'metadata?': 'any' })),
  enabled: 'boolean',
  exempt_roles: list('snowflake'),
  exempt_channels: list('snowflake'),
});

const guildChannel = object(guildChannelFields);
const thread = object(threadFields);
const ban = object({ guild_id: 'snowflake', user });
const roleChange = object({ guild_id: 'snowflake', role });
const eventUser = object({
  guild_scheduled_event_id: 'snowflake',
  user_id: 'snowflake',
  guild_id: 'snowflake',
});
const sounds = object({ soundboard_sounds: list(sound), guild_id: 'snowflake' });

const integration = object({
  id: 'snowflake',
  name: 'string',
  type: 'string',
  enabled: 'boolean',
  'syncing?': 'boolean',
  'role_id?': 'snowflake',
  'enable_emoticons?': 'boolean',
  'expire_behavior?': 'integer',
  'expire_grace_period?': 'integer',
  account: object({ id: 'string', name: 'string' }),
  'synced_at?': 'timestamp',
  'subscriber_count?': 'integer',
  'revoked?': 'boolean',
  'application?': object({
    id: 'snowflake',
    name: 'string',
    icon: '?string',
    description: 'string',
    'bot?': user,
  }),
  'scopes?': list('string'),
  guild_id: 'snowflake',
});

const mention: Shape = object({
  ...('fields' in (user as object) ? (user as { fields: Fields }).fields : {}),
  'member?': partialMember,
});

const messageEvent = object({
  ...messageFields,
  mentions: list(mention),
  'guild_id?': 'snowflake',
  'member?': partialMember,
  'channel_type?': 'integer',
});

const reactionFields: Fields = {
  user_id: 'snowflake',
  channel_id: 'snowflake',
  message_id: 'snowflake',
  'guild_id?': 'snowflake',
  emoji,
  burst: 'boolean',
  type: 'integer',
};

const pollVote = object({
  user_id: 'snowflake',
  channel_id: 'snowflake',
  message_id: 'snowflake',
  'guild_id?': 'snowflake',
  answer_id: 'integer',
});

const subscription = object({
  id: 'snowflake',
  user_id: 'snowflake',
  sku_ids: list('snowflake'),
  entitlement_ids: list('snowflake'),
  renewal_sku_ids: '?any',
  current_period_start: 'timestamp',
  current_period_end: 'timestamp',
  status: 'integer',
  canceled_at: '?timestamp',
  'country?': 'string',
});

const presence = object({ ...chunkPresenceFields, guild_id: 'snowflake' });

const channelInGuildCreate = object({
  ...channelFields,
  name: 'string',
  position: 'integer',
});
const threadInGuildCreate = object({ ...channelFields, name: 'string', parent_id: 'snowflake' });

const EVENT_SHAPES: { readonly [event: string]: Shape } = {
  READY: object({
    v: 'integer',
    user,
    guilds: list(object({ id: 'snowflake', unavailable: 'boolean' })),
    session_id: 'string',
    resume_gateway_url: 'string',
    'shard?': list('integer'),
    application: object({ id: 'snowflake', flags: 'integer', 'flags_new?': 'string' }),
  }),
  RESUMED: object({}),
  RATE_LIMITED: object({
    opcode: 'integer',
    retry_after: 'number',
    meta: object({ guild_id: 'snowflake', 'nonce?': 'string' }),
  }),
  APPLICATION_COMMAND_PERMISSIONS_UPDATE: object({
    id: 'snowflake',
    application_id: 'snowflake',
    guild_id: 'snowflake',
    permissions: list(object({ id: 'snowflake', type: 'integer', permission: 'boolean' })),
  }),
  AUTO_MODERATION_RULE_CREATE: rule,
  AUTO_MODERATION_RULE_UPDATE: rule,
  AUTO_MODERATION_RULE_DELETE: rule,
  AUTO_MODERATION_ACTION_EXECUTION: object({
    guild_id: 'snowflake',
    action: object({ type: 'integer', 'metadata?': 'any' }),
    rule_id: 'snowflake',
    rule_trigger_type: 'integer',
    user_id: 'snowflake',
    'channel_id?': 'snowflake',
    'message_id?': 'snowflake',
    'alert_system_message_id?': 'snowflake',
    content: 'string',
    matched_keyword: '?string',
    matched_content: '?string',
  }),
  CHANNEL_CREATE: guildChannel,
  CHANNEL_UPDATE: guildChannel,
  CHANNEL_DELETE: guildChannel,
  CHANNEL_INFO: object({
    guild_id: 'snowflake',
    channels: list(
      object({ id: 'snowflake', 'status?': '?string', 'voice_start_time?': '?integer' }),
    ),
  }),
  CHANNEL_PINS_UPDATE: object({
    'guild_id?': 'snowflake',
    channel_id: 'snowflake',
    'last_pin_timestamp?': '?timestamp',
  }),
  THREAD_CREATE: object({ ...threadFields, 'newly_created?': 'boolean' }),
  THREAD_UPDATE: thread,
  THREAD_DELETE: object({
    id: 'snowflake',
    guild_id: 'snowflake',
    parent_id: 'snowflake',
    type: 'integer',
  }),
  THREAD_LIST_SYNC: object({
    guild_id: 'snowflake',
    'channel_ids?': list('snowflake'),
    threads: list(thread),
    members: list(threadMember),
  }),
  THREAD_MEMBER_UPDATE: object({ ...threadMemberFields, guild_id: 'snowflake' }),
  THREAD_MEMBERS_UPDATE: object({
    id: 'snowflake',
    guild_id: 'snowflake',
    member_count: 'integer',
    'added_members?': list(
      object({ ...threadMemberFields, member, presence: nullable(chunkPresence) }),
    ),
    'removed_member_ids?': list('snowflake'),
  }),
  ENTITLEMENT_CREATE: entitlement,
  ENTITLEMENT_UPDATE: entitlement,
  ENTITLEMENT_DELETE: entitlement,
  GUILD_CREATE: object({
    ...guildFields,
    joined_at: 'timestamp',
    large: 'boolean',
    'unavailable?': 'boolean',
    member_count: 'integer',
    voice_states: list(partialVoiceState),
    members: list(guildEventMember),
    channels: list(channelInGuildCreate),
    threads: list(threadInGuildCreate),
    presences: list(presence),
    stage_instances: list(stageInstance),
    guild_scheduled_events: list(scheduledEvent),
    soundboard_sounds: list(sound),
  }),
  GUILD_UPDATE: object(guildFields),
  GUILD_DELETE: object({ id: 'snowflake', 'unavailable?': 'boolean' }),
  GUILD_AUDIT_LOG_ENTRY_CREATE: object({
    target_id: '?string',
    'changes?': list(object({ key: 'string', 'new_value?': 'any', 'old_value?': 'any' })),
    user_id: '?snowflake',
    id: 'snowflake',
    action_type: 'integer',
    'options?': 'any',
    'reason?': 'string',
    guild_id: 'snowflake',
  }),
  GUILD_BAN_ADD: ban,
  GUILD_BAN_REMOVE: ban,
  GUILD_EMOJIS_UPDATE: object({ guild_id: 'snowflake', emojis: list(emoji) }),
  GUILD_STICKERS_UPDATE: object({ guild_id: 'snowflake', stickers: list(sticker) }),
  GUILD_INTEGRATIONS_UPDATE: object({ guild_id: 'snowflake' }),
  GUILD_MEMBER_ADD: object({ ...guildEventMemberFields, guild_id: 'snowflake' }),
  GUILD_MEMBER_REMOVE: ban,
  GUILD_MEMBER_UPDATE: object({
    guild_id: 'snowflake',
    roles: list('snowflake'),
    user,
    'nick?': '?string',
    avatar: '?string',
    banner: '?string',
    joined_at: '?timestamp',
    'premium_since?': '?timestamp',
    'deaf?': 'boolean',
    'mute?': 'boolean',
    'pending?': 'boolean',
    'communication_disabled_until?': '?timestamp',
    'avatar_decoration_data?': '?any',
    'collectibles?': '?any',
    // Left out of the event's table, yet part of every member.
    'flags?': 'integer',
  }),
  GUILD_MEMBERS_CHUNK: object({
    guild_id: 'snowflake',
    members: list(guildEventMember),
    chunk_index: 'integer',
    chunk_count: 'integer',
    'not_found?': list('any'),
    'presences?': list(chunkPresence),
    'nonce?': 'string',
  }),
  GUILD_ROLE_CREATE: roleChange,
  GUILD_ROLE_UPDATE: roleChange,
  GUILD_ROLE_DELETE: object({ guild_id: 'snowflake', role_id: 'snowflake' }),
  GUILD_SCHEDULED_EVENT_CREATE: scheduledEvent,
  GUILD_SCHEDULED_EVENT_UPDATE: scheduledEvent,
  GUILD_SCHEDULED_EVENT_DELETE: scheduledEvent,
  GUILD_SCHEDULED_EVENT_USER_ADD: eventUser,
  GUILD_SCHEDULED_EVENT_USER_REMOVE: eventUser,
  GUILD_SOUNDBOARD_SOUND_CREATE: sound,
  GUILD_SOUNDBOARD_SOUND_UPDATE: sound,
  GUILD_SOUNDBOARD_SOUND_DELETE: object({ sound_id: 'snowflake', guild_id: 'snowflake' }),
  GUILD_SOUNDBOARD_SOUNDS_UPDATE: sounds,
  SOUNDBOARD_SOUNDS: sounds,
  INTEGRATION_CREATE: integration,
  INTEGRATION_UPDATE: integration,
  INTEGRATION_DELETE: object({
    id: 'snowflake',
    guild_id: 'snowflake',
    'application_id?': 'snowflake',
  }),
  INTERACTION_CREATE: interaction,
  INVITE_CREATE: object({
    channel_id: 'snowflake',
    code: 'string',
    created_at: 'timestamp',
    'guild_id?': 'snowflake',
    'inviter?': user,
    max_age: 'integer',
    max_uses: 'integer',
    'target_type?': 'integer',
    'target_user?': user,
    'target_application?': 'any',
    temporary: 'boolean',
    uses: 'integer',
    expires_at: '?timestamp',
    'role_ids?': list('snowflake'),
  }),
  INVITE_DELETE: object({ channel_id: 'snowflake', 'guild_id?': 'snowflake', code: 'string' }),
  MESSAGE_CREATE: messageEvent,
  MESSAGE_UPDATE: messageEvent,
  MESSAGE_DELETE: object({ id: 'snowflake', channel_id: 'snowflake', 'guild_id?': 'snowflake' }),
  MESSAGE_DELETE_BULK: object({
    ids: list('snowflake'),
    channel_id: 'snowflake',
    'guild_id?': 'snowflake',
  }),
  MESSAGE_REACTION_ADD: object({
    ...reactionFields,
    'member?': member,
    'message_author_id?': 'snowflake',
    'burst_colors?': list('string'),
  }),
  MESSAGE_REACTION_REMOVE: object(reactionFields),
  MESSAGE_REACTION_REMOVE_ALL: object({
    channel_id: 'snowflake',
    message_id: 'snowflake',
    'guild_id?': 'snowflake',
  }),
  MESSAGE_REACTION_REMOVE_EMOJI: object({
    channel_id: 'snowflake',
    'guild_id?': 'snowflake',
    message_id: 'snowflake',
    emoji,
  }),
  PRESENCE_UPDATE: presence,
  STAGE_INSTANCE_CREATE: stageInstance,
  STAGE_INSTANCE_UPDATE: stageInstance,
  STAGE_INSTANCE_DELETE: stageInstance,
  SUBSCRIPTION_CREATE: subscription,
  SUBSCRIPTION_UPDATE: subscription,
  SUBSCRIPTION_DELETE: subscription,
  TYPING_START: object({
    channel_id: 'snowflake',
    'guild_id?': 'snowflake',
    user_id: 'snowflake',
    timestamp: 'integer',
    'member?': member,
  }),
  USER_UPDATE: user,
  VOICE_CHANNEL_EFFECT_SEND: object({
    channel_id: 'snowflake',
    guild_id: 'snowflake',
    user_id: 'snowflake',
    'emoji?': nullable(emoji),
    'animation_type?': '?integer',
    'animation_id?': 'integer',
    'sound_id?': 'any',
    'sound_volume?': 'number',
  }),
  VOICE_CHANNEL_START_TIME_UPDATE: object({
    id: 'snowflake',
    guild_id: 'snowflake',
    'voice_start_time?': '?integer',
  }),
  VOICE_CHANNEL_STATUS_UPDATE: object({
    id: 'snowflake',
    guild_id: 'snowflake',
    status: '?string',
  }),
  VOICE_STATE_UPDATE: voiceState,
  VOICE_SERVER_UPDATE: object({ token: 'string', guild_id: 'snowflake', endpoint: '?string' }),
  WEBHOOKS_UPDATE: object({ guild_id: 'snowflake', channel_id: 'snowflake' }),
  MESSAGE_POLL_VOTE_ADD: pollVote,
  MESSAGE_POLL_VOTE_REMOVE: pollVote,
};

/** The events that are described here. */
export const DESCRIBED_EVENTS: readonly string[] = Object.keys(EVENT_SHAPES);

/** One line for each place where `d` is not as Discord documents that event. */
export function eventDifferences(event: string, d: unknown): string[] {
  const shape = EVENT_SHAPES[event];
  return shape === undefined ? [`${event} is not described`] : differences(shape, d);
}
