/**
 * Which answers of Discord may be kept, for how long, and what else may have changed with a write.
 *
 * Purpose: the proxy's cache knows nothing of Discord; all that it has to know stands in these
 * tables.
 *
 * Inner workings: an answer shows things, named like `channel:7`; what changes a thing names it,
 * and every answer that shows it is gone. A read that has no line here is never kept. A write that
 * has no line is taken to change all that belongs to its channel, its guild or, where it has
 * neither, its family of routes; one that is not documented is taken to change everything. A line
 * thus either spares what a frequent write certainly leaves alone, or adds what it changes
 * elsewhere.
 *
 * Failure modes: an id that is not written as Discord writes it (`007`) could pass by the names of
 * its thing: such a read is not kept, such a write changes everything.
 */
import type { DispatchEventName } from './dispatch-events.ts';
import { parsePath, type Route } from './routes.ts';

/**
 * How long an answer stays true when nobody tells of changes.
 *
 * - `fixed`: it changes with Discord's own releases only.
 * - `slow`: a bot's own deployment changes it, or a person who edits a profile.
 * - `changing`: anybody may change it at any moment in Discord's client.
 */
export type Lifetime = 'fixed' | 'slow' | 'changing';

/** What the path of a request has in its places; empty text for a place that it does not have. */
export type Places = (placeholder: string) => string;

export type CachedRoute = {
  readonly lifetime: Lifetime;
  /** The things that the answer shows. */
  readonly shows: (place: Places) => readonly string[];
  /** The events that tell of every change; without any, none do, and only time ends it. */
  readonly toldBy: readonly DispatchEventName[];
};

/** What changed: named things, or nobody knows what. */
export type Changed = readonly string[] | 'everything';

/** Shown by whatever belongs to the guild, or to the channel: the major parameter of its routes. */
export const guildThings = (guild: string): string => `guilds:${guild}`;
export const channelThings = (channel: string): string => `channels:${channel}`;
const family = (name: string): string => `family:${name}`;

/** Shown by every single channel, whose guild an answer's path does not tell. */
export const ANY_CHANNEL = 'any-channel';
/** Shown by every guild's list of channels. */
export const ANY_CHANNEL_LIST = 'any-channel-list';
/** Shown by what tells of the bot's own user. */
export const OWN_USER = 'own-user';
/** Reads that have no line here, while they are under way. */
export const UNLISTED = 'unlisted';

const ROLE_EVENTS = ['GUILD_ROLE_CREATE', 'GUILD_ROLE_UPDATE', 'GUILD_ROLE_DELETE'] as const;
const CHANNEL_EVENTS = ['CHANNEL_CREATE', 'CHANNEL_UPDATE', 'CHANNEL_DELETE'] as const;
const THREAD_EVENTS = ['THREAD_CREATE', 'THREAD_UPDATE', 'THREAD_DELETE'] as const;
const MEMBER_EVENTS = ['GUILD_MEMBER_ADD', 'GUILD_MEMBER_UPDATE', 'GUILD_MEMBER_REMOVE'] as const;
const RULE_EVENTS = [
  'AUTO_MODERATION_RULE_CREATE',
  'AUTO_MODERATION_RULE_UPDATE',
  'AUTO_MODERATION_RULE_DELETE',
] as const;
const SCHEDULED_EVENTS = [
  'GUILD_SCHEDULED_EVENT_CREATE',
  'GUILD_SCHEDULED_EVENT_UPDATE',
  'GUILD_SCHEDULED_EVENT_DELETE',
] as const;
const STAGE_EVENTS = [
  'STAGE_INSTANCE_CREATE',
  'STAGE_INSTANCE_UPDATE',
  'STAGE_INSTANCE_DELETE',
] as const;
const SOUND_EVENTS = [
  'GUILD_SOUNDBOARD_SOUND_CREATE',
  'GUILD_SOUNDBOARD_SOUND_UPDATE',
  'GUILD_SOUNDBOARD_SOUND_DELETE',
  'GUILD_SOUNDBOARD_SOUNDS_UPDATE',
] as const;
/** A guild that comes or goes comes or goes with all that is in it. */
const PRESENCE_OF_GUILD = ['GUILD_CREATE', 'GUILD_DELETE'] as const;

const fixed: CachedRoute = { lifetime: 'fixed', shows: () => [], toldBy: [] };

const ofApplication: CachedRoute = {
  lifetime: 'slow',
  shows: () => [family('applications')],
  toldBy: [],
};

/** A part of a guild, or one of its things: `of` tells it from the guild's other parts. */
function ofGuild(
  of: (guild: string, place: Places) => readonly string[],
  ...toldBy: readonly DispatchEventName[]
): CachedRoute {
  return {
    lifetime: 'changing',
    shows: (place) => {
      const guild = place(':guild');
      return [guildThings(guild), ...of(guild, place)];
    },
    toldBy: [...PRESENCE_OF_GUILD, ...toldBy],
  };
}

const roles = ofGuild((guild) => [`roles:${guild}`], ...ROLE_EVENTS);
// Roles that are deleted vanish from those that an emoji is for.
const emojis = ofGuild((guild) => [`emojis:${guild}`], 'GUILD_EMOJIS_UPDATE', 'GUILD_ROLE_DELETE');
const stickers = ofGuild((guild) => [`stickers:${guild}`], 'GUILD_STICKERS_UPDATE');
const sounds = ofGuild((guild) => [`sounds:${guild}`], ...SOUND_EVENTS);
const rules = ofGuild((guild) => [`rules:${guild}`], ...RULE_EVENTS);
const scheduled = ofGuild((guild) => [`scheduled:${guild}`], ...SCHEDULED_EVENTS);

/**
 * Not here, and why: messages, reactions, pins and polls, since they change too often to be kept;
 * bans, invites, lists of members and audit logs, which are asked for page by page and count;
 * webhooks, integrations and whatever has a token in its path, for the secrets in them; voice
 * states and lists of threads, which no event tells whole; `/gateway/bot`, whose budget shrinks
 * with each session.
 */
const CACHED: Readonly<Record<string, CachedRoute>> = {
  '/gateway': fixed,
  '/voice/regions': fixed,
  '/sticker-packs': fixed,
  '/sticker-packs/:pack': fixed,
  '/soundboard-default-sounds': fixed,

  '/applications/@me': ofApplication,
  '/applications/:application/commands': ofApplication,
  '/applications/:application/commands/:command': ofApplication,
  '/applications/:application/guilds/:guild/commands': ofApplication,
  '/applications/:application/guilds/:guild/commands/:command': ofApplication,
  '/applications/:application/emojis': ofApplication,
  '/applications/:application/emojis/:emoji': ofApplication,
  '/applications/:application/role-connections/metadata': ofApplication,
  '/applications/:application/skus': ofApplication,
  '/users/:user': {
    lifetime: 'slow',
    shows: (place) => [family('users'), `user:${place(':user')}`],
    // Of a user with whom the bot shares no guild nothing is told.
    toldBy: [],
  },
  '/users/@me': {
    lifetime: 'slow',
    shows: () => [family('users'), OWN_USER],
    toldBy: ['USER_UPDATE'],
  },

  '/guilds/:guild': ofGuild(
    (guild) => [`guild:${guild}`, `roles:${guild}`, `emojis:${guild}`, `stickers:${guild}`],
    'GUILD_UPDATE',
    'GUILD_EMOJIS_UPDATE',
    'GUILD_STICKERS_UPDATE',
    ...ROLE_EVENTS,
  ),
  '/guilds/:guild/channels': ofGuild(
    (guild) => [`channel-list:${guild}`, ANY_CHANNEL_LIST],
    'CHANNEL_PINS_UPDATE',
    'GUILD_ROLE_DELETE',
    ...CHANNEL_EVENTS,
  ),
  '/guilds/:guild/roles': roles,
  '/guilds/:guild/roles/:role': roles,
  '/guilds/:guild/emojis': emojis,
  '/guilds/:guild/emojis/:emoji': emojis,
  '/guilds/:guild/stickers': stickers,
  '/guilds/:guild/stickers/:sticker': stickers,
  '/guilds/:guild/soundboard-sounds': sounds,
  '/guilds/:guild/soundboard-sounds/:sound': sounds,
  '/guilds/:guild/auto-moderation/rules': rules,
  '/guilds/:guild/auto-moderation/rules/:rule': rules,
  '/guilds/:guild/scheduled-events': scheduled,
  '/guilds/:guild/scheduled-events/:event': scheduled,
  '/guilds/:guild/members/:user': ofGuild(
    (guild, place) => {
      const user = place(':user');
      return [`member:${guild}:${user}`, `members:${guild}`, `user:${user}`];
    },
    // A role that is deleted leaves its members, and nobody says so of each.
    'GUILD_ROLE_DELETE',
    ...MEMBER_EVENTS,
  ),
  '/channels/:channel': {
    lifetime: 'changing',
    shows: (place) => {
      const channel = place(':channel');
      return [channelThings(channel), ANY_CHANNEL];
    },
    toldBy: [
      ...PRESENCE_OF_GUILD,
      ...CHANNEL_EVENTS,
      ...THREAD_EVENTS,
      'CHANNEL_PINS_UPDATE',
      'GUILD_ROLE_DELETE',
    ],
  },
  '/stage-instances/:channel': {
    lifetime: 'changing',
    shows: (place) => [
      family('stage-instances'),
      `stage:${place(':channel')}`,
      // Its guild is not told either.
      ANY_CHANNEL,
    ],
    toldBy: [...PRESENCE_OF_GUILD, ...STAGE_EVENTS],
  },
};

const none = (): readonly string[] => [];
const oneMember = (place: Places): readonly string[] => [
  `member:${place(':guild')}:${place(':user')}`,
];
/** A channel's permissions, place and parent also show in other channels. */
const channelSettings = (place: Places): readonly string[] => [
  channelThings(place(':channel')),
  ANY_CHANNEL,
  ANY_CHANNEL_LIST,
];

const WRITES: Readonly<Record<string, (place: Places) => Changed>> = {
  'PATCH /channels/:channel': channelSettings,
  'DELETE /channels/:channel': channelSettings,
  'PUT /channels/:channel/permissions/:overwrite': channelSettings,
  'DELETE /channels/:channel/permissions/:overwrite': channelSettings,
  'PATCH /guilds/:guild/channels': (place) => [guildThings(place(':guild')), ANY_CHANNEL],
  // Its permissions in each channel go with it.
  'DELETE /guilds/:guild/roles/:role': (place) => [guildThings(place(':guild')), ANY_CHANNEL],
  'POST /channels/:channel/typing': none,
  'PUT /channels/:channel/messages/:message/reactions/:emoji/@me': none,
  'DELETE /channels/:channel/messages/:message/reactions/:emoji/@me': none,
  'DELETE /channels/:channel/messages/:message/reactions/:emoji/:user': none,
  'DELETE /channels/:channel/messages/:message/reactions/:emoji': none,
  'DELETE /channels/:channel/messages/:message/reactions': none,
  'PATCH /guilds/:guild/members/:user': oneMember,
  'PUT /guilds/:guild/members/:user': oneMember,
  'DELETE /guilds/:guild/members/:user': oneMember,
  'PUT /guilds/:guild/members/:user/roles/:role': oneMember,
  'DELETE /guilds/:guild/members/:user/roles/:role': oneMember,
  'PUT /guilds/:guild/bans/:user': oneMember,
  'DELETE /guilds/:guild/bans/:user': none,
  'POST /users/@me/channels': none,
  // Every guild shows the bot's name among its members.
  'PATCH /users/@me': () => 'everything',
  'DELETE /users/@me/guilds/:guild': (place) => [guildThings(place(':guild')), ANY_CHANNEL],
};

/** The line of a read, and the things that its answer shows; undefined for one that is not kept. */
export type Cacheable = { readonly line: CachedRoute; readonly shows: readonly string[] };

export function cacheableRead(route: Route, target: string): Cacheable | undefined {
  const line = Object.hasOwn(CACHED, route.template) ? CACHED[route.template] : undefined;
  const places = line && placesOf(route, target);
  return line && places && { line, shows: line.shows(places) };
}

/** What a write may have changed, of all that answers show. */
export function changedByWrite(route: Route, target: string): Changed {
  // What a webhook or an interaction posts is no part of any answer that is kept.
  if (route.tokenInPath) return [];
  const places = route.known ? placesOf(route, target) : undefined;
  if (places === undefined) return 'everything';
  const line = `${route.method} ${route.template}`;
  if (Object.hasOwn(WRITES, line)) return WRITES[line]?.(places) ?? 'everything';
  return [route.major === '' ? family(route.family) : route.major];
}

const CANONICAL_ID = /^[1-9]\d{0,19}$/;

/** Undefined when an id is not written as Discord writes it. */
function placesOf({ template }: Route, target: string): Places | undefined {
  const { segments } = parsePath(target);
  const places = new Map<string, string>();
  for (const [index, name] of template.split('/').slice(1).entries()) {
    const value = segments[index] ?? '';
    if (!name.startsWith(':')) continue;
    if (!FREE_PLACES.has(name) && !CANONICAL_ID.test(value)) return undefined;
    places.set(name, value);
  }
  return (name) => places.get(name) ?? '';
}

/** Places of what has no number. */
const FREE_PLACES: ReadonlySet<string> = new Set([':emoji', ':code', ':instance']);
