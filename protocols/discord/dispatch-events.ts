/**
 * Every dispatch event that Discord documents, and the intents that deliver it.
 *
 * An event is delivered to a session that has any of its intents; an event without intents is
 * delivered always. Some events come under one intent in a guild and another in a direct message.
 * What an intent changes inside an event (MESSAGE_CONTENT, the members in GUILD_CREATE) is not told
 * here, nor are the two exceptions that depend on whom an event is about: a GUILD_MEMBER_UPDATE of
 * the bot itself is delivered always, a THREAD_MEMBERS_UPDATE about others only with GUILD_MEMBERS.
 *
 * Discord sends names that are not in this list; they are passed through like any other.
 */
import { INTENTS, type IntentName } from './intents.ts';

type Delivery = {
  readonly guild: readonly IntentName[];
  /** Where it differs for what happens outside guilds. */
  readonly direct?: readonly IntentName[];
};

const ALWAYS: Delivery = { guild: [] };
const GUILDS: Delivery = { guild: ['GUILDS'] };
const MEMBERS: Delivery = { guild: ['GUILD_MEMBERS'] };
const MODERATION: Delivery = { guild: ['GUILD_MODERATION'] };
const EXPRESSIONS: Delivery = { guild: ['GUILD_EXPRESSIONS'] };
const INTEGRATIONS: Delivery = { guild: ['GUILD_INTEGRATIONS'] };
const INVITES: Delivery = { guild: ['GUILD_INVITES'] };
const VOICE: Delivery = { guild: ['GUILD_VOICE_STATES'] };
const SCHEDULED: Delivery = { guild: ['GUILD_SCHEDULED_EVENTS'] };
const RULES: Delivery = { guild: ['AUTO_MODERATION_CONFIGURATION'] };
const MESSAGES: Delivery = { guild: ['GUILD_MESSAGES'], direct: ['DIRECT_MESSAGES'] };
const REACTIONS: Delivery = {
  guild: ['GUILD_MESSAGE_REACTIONS'],
  direct: ['DIRECT_MESSAGE_REACTIONS'],
};
const POLLS: Delivery = { guild: ['GUILD_MESSAGE_POLLS'], direct: ['DIRECT_MESSAGE_POLLS'] };

const DELIVERY = {
  READY: ALWAYS,
  RESUMED: ALWAYS,
  RATE_LIMITED: ALWAYS,
  APPLICATION_COMMAND_PERMISSIONS_UPDATE: ALWAYS,
  AUTO_MODERATION_RULE_CREATE: RULES,
  AUTO_MODERATION_RULE_UPDATE: RULES,
  AUTO_MODERATION_RULE_DELETE: RULES,
  AUTO_MODERATION_ACTION_EXECUTION: { guild: ['AUTO_MODERATION_EXECUTION'] },
  CHANNEL_CREATE: GUILDS,
  CHANNEL_UPDATE: GUILDS,
  CHANNEL_DELETE: GUILDS,
  CHANNEL_INFO: ALWAYS,
  CHANNEL_PINS_UPDATE: { guild: ['GUILDS'], direct: ['DIRECT_MESSAGES'] },
  THREAD_CREATE: GUILDS,
  THREAD_UPDATE: GUILDS,
  THREAD_DELETE: GUILDS,
  THREAD_LIST_SYNC: GUILDS,
  THREAD_MEMBER_UPDATE: GUILDS,
  THREAD_MEMBERS_UPDATE: { guild: ['GUILDS', 'GUILD_MEMBERS'] },
  ENTITLEMENT_CREATE: ALWAYS,
  ENTITLEMENT_UPDATE: ALWAYS,
  ENTITLEMENT_DELETE: ALWAYS,
  GUILD_CREATE: GUILDS,
  GUILD_UPDATE: GUILDS,
  GUILD_DELETE: GUILDS,
  GUILD_AUDIT_LOG_ENTRY_CREATE: MODERATION,
  GUILD_BAN_ADD: MODERATION,
  GUILD_BAN_REMOVE: MODERATION,
  GUILD_EMOJIS_UPDATE: EXPRESSIONS,
  GUILD_STICKERS_UPDATE: EXPRESSIONS,
  GUILD_INTEGRATIONS_UPDATE: INTEGRATIONS,
  GUILD_MEMBER_ADD: MEMBERS,
  GUILD_MEMBER_REMOVE: MEMBERS,
  GUILD_MEMBER_UPDATE: MEMBERS,
  GUILD_MEMBERS_CHUNK: ALWAYS,
  GUILD_ROLE_CREATE: GUILDS,
  GUILD_ROLE_UPDATE: GUILDS,
  GUILD_ROLE_DELETE: GUILDS,
  GUILD_SCHEDULED_EVENT_CREATE: SCHEDULED,
  GUILD_SCHEDULED_EVENT_UPDATE: SCHEDULED,
  GUILD_SCHEDULED_EVENT_DELETE: SCHEDULED,
  GUILD_SCHEDULED_EVENT_USER_ADD: SCHEDULED,
  GUILD_SCHEDULED_EVENT_USER_REMOVE: SCHEDULED,
  GUILD_SOUNDBOARD_SOUND_CREATE: EXPRESSIONS,
  GUILD_SOUNDBOARD_SOUND_UPDATE: EXPRESSIONS,
  GUILD_SOUNDBOARD_SOUND_DELETE: EXPRESSIONS,
  GUILD_SOUNDBOARD_SOUNDS_UPDATE: EXPRESSIONS,
  SOUNDBOARD_SOUNDS: ALWAYS,
  INTEGRATION_CREATE: INTEGRATIONS,
  INTEGRATION_UPDATE: INTEGRATIONS,
  INTEGRATION_DELETE: INTEGRATIONS,
  INTERACTION_CREATE: ALWAYS,
  INVITE_CREATE: INVITES,
  INVITE_DELETE: INVITES,
  MESSAGE_CREATE: MESSAGES,
  MESSAGE_UPDATE: MESSAGES,
  MESSAGE_DELETE: MESSAGES,
  MESSAGE_DELETE_BULK: { guild: ['GUILD_MESSAGES'] },
  MESSAGE_REACTION_ADD: REACTIONS,
  MESSAGE_REACTION_REMOVE: REACTIONS,
  MESSAGE_REACTION_REMOVE_ALL: REACTIONS,
  MESSAGE_REACTION_REMOVE_EMOJI: REACTIONS,
  PRESENCE_UPDATE: { guild: ['GUILD_PRESENCES'] },
  STAGE_INSTANCE_CREATE: GUILDS,
  STAGE_INSTANCE_UPDATE: GUILDS,
  STAGE_INSTANCE_DELETE: GUILDS,
  SUBSCRIPTION_CREATE: ALWAYS,
  SUBSCRIPTION_UPDATE: ALWAYS,
  SUBSCRIPTION_DELETE: ALWAYS,
  TYPING_START: { guild: ['GUILD_MESSAGE_TYPING'], direct: ['DIRECT_MESSAGE_TYPING'] },
  USER_UPDATE: ALWAYS,
  VOICE_CHANNEL_EFFECT_SEND: VOICE,
  VOICE_CHANNEL_START_TIME_UPDATE: GUILDS,
  VOICE_CHANNEL_STATUS_UPDATE: GUILDS,
  VOICE_STATE_UPDATE: VOICE,
  VOICE_SERVER_UPDATE: ALWAYS,
  WEBHOOKS_UPDATE: { guild: ['GUILD_WEBHOOKS'] },
  MESSAGE_POLL_VOTE_ADD: POLLS,
  MESSAGE_POLL_VOTE_REMOVE: POLLS,
} as const satisfies Record<string, Delivery>;

export type DispatchEventName = keyof typeof DELIVERY;

/** The names of all documented dispatch events. */
export const DISPATCH_EVENTS: readonly DispatchEventName[] = Object.freeze(
  Object.keys(DELIVERY).filter(isDispatchEvent),
);

export function isDispatchEvent(name: string): name is DispatchEventName {
  return Object.hasOwn(DELIVERY, name);
}

/** The intents any of which deliver `event`; 0 when it is delivered always. */
export function intentsFor(event: DispatchEventName, isGuild: boolean): number {
  const delivery: Delivery = DELIVERY[event];
  const names = isGuild ? delivery.guild : (delivery.direct ?? delivery.guild);
  return names.reduce((mask, name) => mask | INTENTS[name], 0);
}
