/**
 * What each event of the gateway says has changed, of all that kept answers show.
 *
 * Names are those of `cached-routes.ts`. An event tells what to forget and never what to keep in
 * its place: hardly one carries its thing as the REST API shows it. Events that are not here change
 * nothing that is kept.
 *
 * `last_message_id` of a channel changes with each message. Discord calls it a hint that need not
 * lead to a message; a single channel follows it where MESSAGE_CREATE is listened to, a guild's
 * list does not.
 *
 * Failure modes: an event without the ids that it should have is taken to have changed everything.
 */
import {
  ANY_CHANNEL,
  ANY_CHANNEL_LIST,
  type Changed,
  channelThings,
  guildThings,
  OWN_USER,
} from './cached-routes.ts';
import { DISPATCH_EVENTS, type DispatchEventName, isDispatchEvent } from './dispatch-events.ts';

/** Reads an id from the event, at the end of a path of keys. */
type Id = (...path: readonly string[]) => string;
type Reading = (id: Id) => readonly string[];

const channel: Reading = (id) => [channelThings(id('id')), `channel-list:${id('guild_id')}`];
const thread: Reading = (id) => [channelThings(id('id')), channelThings(id('parent_id'))];
const wholeGuild: Reading = (id) => [guildThings(id('id')), ANY_CHANNEL];
const role: Reading = (id) => [`roles:${id('guild_id')}`];
const emojis: Reading = (id) => [`emojis:${id('guild_id')}`];
const sounds: Reading = (id) => [`sounds:${id('guild_id')}`];
const member: Reading = (id) => [
  `member:${id('guild_id')}:${id('user', 'id')}`,
  `user:${id('user', 'id')}`,
];
const rule: Reading = (id) => [`rules:${id('guild_id')}`];
const scheduled: Reading = (id) => [`scheduled:${id('guild_id')}`];
const stage: Reading = (id) => [`stage:${id('channel_id')}`];

const READINGS: Readonly<Partial<Record<DispatchEventName, Reading>>> = {
  CHANNEL_CREATE: channel,
  CHANNEL_UPDATE: channel,
  CHANNEL_DELETE: channel,
  CHANNEL_PINS_UPDATE: (id) => [channelThings(id('channel_id')), ANY_CHANNEL_LIST],
  THREAD_CREATE: thread,
  THREAD_UPDATE: thread,
  THREAD_DELETE: thread,
  THREAD_LIST_SYNC: () => [ANY_CHANNEL],
  THREAD_MEMBERS_UPDATE: (id) => [channelThings(id('id'))],
  MESSAGE_CREATE: (id) => [channelThings(id('channel_id'))],
  GUILD_CREATE: wholeGuild,
  GUILD_DELETE: wholeGuild,
  GUILD_UPDATE: (id) => [`guild:${id('id')}`],
  GUILD_ROLE_CREATE: role,
  GUILD_ROLE_UPDATE: role,
  // It vanishes from members, from the permissions of channels and from what emojis are for.
  GUILD_ROLE_DELETE: (id) => [guildThings(id('guild_id')), ANY_CHANNEL],
  GUILD_EMOJIS_UPDATE: emojis,
  GUILD_STICKERS_UPDATE: (id) => [`stickers:${id('guild_id')}`],
  GUILD_SOUNDBOARD_SOUND_CREATE: sounds,
  GUILD_SOUNDBOARD_SOUND_UPDATE: sounds,
  GUILD_SOUNDBOARD_SOUND_DELETE: sounds,
  GUILD_SOUNDBOARD_SOUNDS_UPDATE: sounds,
  GUILD_MEMBER_ADD: member,
  GUILD_MEMBER_UPDATE: member,
  GUILD_MEMBER_REMOVE: member,
  USER_UPDATE: (id) => [OWN_USER, `user:${id('id')}`],
  AUTO_MODERATION_RULE_CREATE: rule,
  AUTO_MODERATION_RULE_UPDATE: rule,
  AUTO_MODERATION_RULE_DELETE: rule,
  GUILD_SCHEDULED_EVENT_CREATE: scheduled,
  GUILD_SCHEDULED_EVENT_UPDATE: scheduled,
  GUILD_SCHEDULED_EVENT_DELETE: scheduled,
  STAGE_INSTANCE_CREATE: stage,
  STAGE_INSTANCE_UPDATE: stage,
  STAGE_INSTANCE_DELETE: stage,
};

/** The events that say anything of what is kept. */
export const CACHE_EVENTS: readonly DispatchEventName[] = DISPATCH_EVENTS.filter((event) =>
  Object.hasOwn(READINGS, event),
);

/** What an event says has changed; `data` is its `d`. */
export function changedByEvent(event: string, data: unknown): Changed {
  const reading = isDispatchEvent(event) ? READINGS[event] : undefined;
  if (reading === undefined) return [];
  let isWhole = true;
  const changed = reading((...path) => {
    let value = data;
    for (const key of path) value = isObject(value) ? value[key] : undefined;
    // `map` payloads may carry ids as numbers too large to be exact; those are of no use.
    if (typeof value === 'string' && value !== '') return value;
    isWhole = false;
    return '';
  });
  return isWhole ? changed : 'everything';
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;
