/**
 * Users, members and presences, each made from its place alone: nothing is kept, and the
 * two-hundred-thousandth member of a guild costs as much as the first.
 *
 * Ordinal 0 is the bot, ordinal 1 the owner; the members after the bot are those in voice channels.
 */
import {
  ActivityFlags,
  ActivityType,
  type APIGuildMember,
  type APIUser,
  type GatewayActivity,
  type GatewayGuildMembersChunkPresence,
  GuildMemberFlags,
  type PresenceUpdateReceiveStatus,
  PresenceUpdateStatus,
  UserFlags,
} from 'discord-api-types/v10';
import type { Random } from '../../../protocols/ports.ts';
import { between, chance, fraction, hex, pick, randomOf, sample } from './draw.ts';
import { createdMs, makeId, OUTSIDE_GUILDS } from './identity.ts';
import type { MemberChange } from './membership.ts';
import { displayName, emoji, sentence, title, userName, word } from './text.ts';

/** What a member needs to know of its guild. */
export type Community = {
  readonly index: number;
  readonly memberCount: number;
  readonly voiceCount: number;
  readonly joinedMs: number;
  /** Roles that members may have, the bot's and @everyone left out. */
  readonly memberRoleIds: readonly string[];
  readonly botRoleId: string;
  /** The bot as it has been changed. */
  readonly bot: APIUser;
  /** What has been changed about a member. */
  memberChange(ordinal: number): MemberChange | undefined;
  /** Whether a role still exists. */
  hasRole(roleId: string): boolean;
};

export const BOT_ORDINAL = 0;
export const OWNER_ORDINAL = 1;

const DAY_MS = 86_400_000;

const USER_FLAGS: readonly UserFlags[] = [
  0 as UserFlags,
  0 as UserFlags,
  UserFlags.HypeSquadOnlineHouse1,
  UserFlags.HypeSquadOnlineHouse2,
];
const MEMBER_FLAGS: readonly GuildMemberFlags[] = [
  0 as GuildMemberFlags,
  0 as GuildMemberFlags,
  GuildMemberFlags.DidRejoin,
  GuildMemberFlags.CompletedOnboarding | GuildMemberFlags.StartedOnboarding,
];

/** Salts, so that two questions about one member have answers that do not depend on each other. */
const STATUS = 1;
const ROLES = 2;
const NICK = 3;
const DETAILS = 4;
const ACTIVITY = 5;

export function botUser(seed: number): APIUser {
  const random = randomOf(seed, OUTSIDE_GUILDS, DETAILS);
  return {
    id: makeId(seed, OUTSIDE_GUILDS, 'user'),
    username: 'spectacles',
    discriminator: '0001',
    global_name: null,
    avatar: hex(random, 32),
    bot: true,
    public_flags: UserFlags.VerifiedBot,
    banner: null,
    accent_color: null,
    avatar_decoration_data: null,
    collectibles: null,
    primary_guild: null,
  };
}

export function userAt(seed: number, guildIndex: number, ordinal: number): APIUser {
  if (ordinal === BOT_ORDINAL) return botUser(seed);
  const random = randomOf(seed, guildIndex, ordinal, DETAILS);
  const username = userName(random);
  const bot = chance(random, 0.01);
  return {
    id: makeId(seed, guildIndex, 'user', ordinal),
    username,
    discriminator: bot ? String(between(random, 1, 9999)).padStart(4, '0') : '0',
    global_name: bot || chance(random, 0.2) ? null : displayName(random),
    avatar: chance(random, 0.15) ? null : hex(random, 32),
    ...(bot ? { bot: true } : {}),
    public_flags: pick(random, USER_FLAGS),
    avatar_decoration_data: chance(random, 0.05)
      ? { asset: `a_${hex(random, 32)}`, sku_id: makeId(seed, OUTSIDE_GUILDS, 'sku', 1) }
      : null,
    collectibles: null,
    primary_guild: null,
  };
}

/** The member as GUILD_ events and REST show it, `pending` included. */
export function memberAt(seed: number, guild: Community, ordinal: number): APIGuildMember {
  return {
    ...activeMemberAt(seed, guild, ordinal),
    pending: ordinal > OWNER_ORDINAL && fraction(seed, guild.index, ordinal, NICK, 1) < 0.02,
  };
}

/**
 * The member as events show it that nobody can cause who has yet to pass screening: no `pending`.
 */
export function activeMemberAt(seed: number, guild: Community, ordinal: number): APIGuildMember {
  const random = randomOf(seed, guild.index, ordinal, DETAILS, 1);
  const member = {
    user: ordinal === BOT_ORDINAL ? guild.bot : userAt(seed, guild.index, ordinal),
    nick: nickAt(seed, guild, ordinal),
    avatar: null,
    banner: null,
    roles: rolesAt(seed, guild, ordinal),
    joined_at: microsecondTime(
      ordinal === BOT_ORDINAL
        ? guild.joinedMs
        : createdMs(seed, guild.index, 'guild') + between(random, 0, 700) * DAY_MS,
    ),
    premium_since: chance(random, 0.02)
      ? microsecondTime(guild.joinedMs + between(random, 1, 300) * DAY_MS)
      : null,
    deaf: false,
    mute: false,
    flags: pick(random, MEMBER_FLAGS),
    communication_disabled_until: null,
  };
  const change = guild.memberChange(ordinal);
  return change === undefined ? member : { ...member, ...change, roles: member.roles };
}

/** The member's presence without its guild. */
export function presenceAt(
  seed: number,
  guild: Community,
  ordinal: number,
  nowEpochMs: number,
): GatewayGuildMembersChunkPresence {
  const status = statusAt(seed, guild.index, ordinal);
  const random = randomOf(seed, guild.index, ordinal, ACTIVITY);
  return presenceOf(random, idAt(seed, guild.index, ordinal), status, nowEpochMs);
}

export function presenceOf(
  random: Random,
  userId: string,
  status: PresenceUpdateReceiveStatus,
  nowEpochMs: number,
): GatewayGuildMembersChunkPresence {
  if (status === PresenceUpdateStatus.Offline) {
    return { user: { id: userId }, status, activities: [], client_status: {} };
  }
  const platform = pick(random, ['desktop', 'desktop', 'mobile', 'web', 'vr'] as const);
  return {
    user: { id: userId },
    status,
    activities: activities(random, nowEpochMs),
    client_status: { [platform]: status, ...(chance(random, 0.2) ? { mobile: status } : {}) },
  };
}

export function idAt(seed: number, guildIndex: number, ordinal: number): string {
  return ordinal === BOT_ORDINAL
    ? makeId(seed, OUTSIDE_GUILDS, 'user')
    : makeId(seed, guildIndex, 'user', ordinal);
}

export function statusAt(
  seed: number,
  guildIndex: number,
  ordinal: number,
): PresenceUpdateReceiveStatus {
  if (ordinal === BOT_ORDINAL) return PresenceUpdateStatus.Online;
  const share = fraction(seed, guildIndex, ordinal, STATUS);
  if (share < 0.62) return PresenceUpdateStatus.Offline;
  if (share < 0.8) return PresenceUpdateStatus.Online;
  return share < 0.91 ? PresenceUpdateStatus.Idle : PresenceUpdateStatus.DoNotDisturb;
}

export function isInVoice(guild: Community, ordinal: number): boolean {
  return ordinal >= OWNER_ORDINAL && ordinal < OWNER_ORDINAL + guild.voiceCount;
}

export function rolesAt(seed: number, guild: Community, ordinal: number): string[] {
  const roles = guild.memberChange(ordinal)?.roles ?? firstRolesAt(seed, guild, ordinal);
  return roles.every((roleId) => guild.hasRole(roleId))
    ? roles
    : roles.filter((roleId) => guild.hasRole(roleId));
}

function firstRolesAt(seed: number, guild: Community, ordinal: number): string[] {
  if (ordinal === BOT_ORDINAL) return [guild.botRoleId];
  const share = fraction(seed, guild.index, ordinal, ROLES);
  if (share < 0.55) return [];
  const count = share < 0.8 ? 1 : Math.ceil((share - 0.8) * 30);
  return sample(randomOf(seed, guild.index, ordinal, ROLES), guild.memberRoleIds, count);
}

export function nickAt(seed: number, guild: Community, ordinal: number): string | null {
  const nick = guild.memberChange(ordinal)?.nick;
  if (nick !== undefined) return nick;
  if (ordinal === BOT_ORDINAL) return null;
  if (fraction(seed, guild.index, ordinal, NICK) > 0.15) return null;
  return displayName(randomOf(seed, guild.index, ordinal, NICK));
}

/** A time as Discord writes it: microseconds and an offset. */
export function microsecondTime(epochMs: number): string {
  return new Date(epochMs).toISOString().replace('Z', '000+00:00');
}

function activities(random: Random, nowEpochMs: number): GatewayActivity[] {
  const list: GatewayActivity[] = [];
  const startedMs = nowEpochMs - between(random, 1, 7_200_000);
  if (chance(random, 0.35)) list.push(customStatus(random, startedMs));
  if (chance(random, 0.3)) list.push(game(random, startedMs));
  if (chance(random, 0.12)) list.push(song(random, startedMs));
  if (chance(random, 0.01)) list.push(stream(random, startedMs));
  return list;
}

function customStatus(random: Random, createdAtMs: number): GatewayActivity {
  return {
    id: 'custom',
    name: 'Custom Status',
    type: ActivityType.Custom,
    state: sentence(random, between(random, 1, 6)),
    created_at: createdAtMs,
    ...(chance(random, 0.3) ? { emoji: { name: emoji(random) } } : {}),
  };
}

function game(random: Random, startedMs: number): GatewayActivity {
  return {
    id: hex(random, 16),
    name: title(random),
    type: ActivityType.Playing,
    created_at: startedMs + 40,
    timestamps: { start: startedMs },
    application_id: makeId(0, OUTSIDE_GUILDS, 'command', between(random, 1, 500)),
    ...(chance(random, 0.4)
      ? {
          details: title(random),
          state: `in a ${word(random)}`,
          party: { id: hex(random, 32), size: [between(random, 1, 3), 4] },
          assets: { large_image: hex(random, 18), large_text: title(random) },
          flags: ActivityFlags.Instance,
        }
      : {}),
  };
}

function song(random: Random, startedMs: number): GatewayActivity {
  return {
    id: `spotify:${between(random, 1, 9)}`,
    name: 'Spotify',
    type: ActivityType.Listening,
    created_at: startedMs + 40,
    timestamps: { start: startedMs, end: startedMs + between(random, 120, 300) * 1000 },
    sync_id: hex(random, 22),
    session_id: hex(random, 32),
    details: title(random),
    state: displayName(random),
    party: { id: `spotify:${hex(random, 18)}` },
    assets: { large_image: `spotify:${hex(random, 40)}`, large_text: title(random) },
    flags: ActivityFlags.Sync | ActivityFlags.Play,
  };
}

function stream(random: Random, startedMs: number): GatewayActivity {
  return {
    id: hex(random, 16),
    name: 'Twitch',
    type: ActivityType.Streaming,
    url: `https://www.twitch.tv/${userName(random)}`,
    created_at: startedMs,
    details: sentence(random, 5),
    state: title(random),
    assets: { large_image: `twitch:${userName(random)}` },
  };
}
