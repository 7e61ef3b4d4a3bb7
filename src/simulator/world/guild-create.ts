/**
 * GUILD_CREATE: a whole guild as a session with certain intents gets it, and one that is very
 * large.
 *
 * Whom it names depends on the session. Without GUILD_PRESENCES, or above 75,000 members, only the
 * bot and those in voice channels; with more members than the session's large threshold those who
 * are online, in voice, or have a role or a nickname; else all.
 */
import type {
  APIGuildMember,
  APIThreadChannel,
  GatewayGuildCreateDispatchData,
  GatewayPresenceUpdate,
} from 'discord-api-types/v10';
import { ActivityType, PresenceUpdateStatus } from 'discord-api-types/v10';
import { INTENTS } from '../../../protocols/discord/intents.ts';
import { GUILD_CREATE_MEMBERS_MAX } from '../../../protocols/limits.ts';
import type { Random } from '../../../protocols/ports.ts';
import { randomOf } from './draw.ts';
import type { GuildModel } from './guild.ts';
import { ORDINAL_MAX } from './identity.ts';
import {
  BOT_ORDINAL,
  isInVoice,
  memberAt,
  microsecondTime,
  nickAt,
  presenceAt,
  rolesAt,
  statusAt,
} from './people.ts';
import { multiByteText } from './text.ts';

export type GuildCreateShape = {
  readonly seed: number;
  readonly intents: number;
  readonly largeThreshold: number;
  readonly startEpochMs: number;
  /** The channel's newest message, which the model does not know. */
  readonly lastMessageId: (channelId: string) => string | undefined;
};

export function guildCreatePayload(
  model: GuildModel,
  shape: GuildCreateShape,
): GatewayGuildCreateDispatchData {
  const seesPresences =
    (shape.intents & INTENTS.GUILD_PRESENCES) !== 0 &&
    model.memberCount <= GUILD_CREATE_MEMBERS_MAX;
  const large = model.presentCount > shape.largeThreshold;
  const ordinals = namedMembers(shape.seed, model, seesPresences, large);
  return {
    ...model.guild,
    joined_at: microsecondTime(model.joinedMs),
    large,
    unavailable: false,
    member_count: model.presentCount,
    voice_states: model.voiceStates.map(({ guild_id: _, member: __, ...state }) => state),
    members: ordinals.map((ordinal) => memberAt(shape.seed, model, ordinal)),
    channels: model.channels.map(({ guild_id: _, ...channel }) => ({
      ...channel,
      ...('last_message_id' in channel
        ? { last_message_id: shape.lastMessageId(channel.id) ?? null }
        : {}),
    })) as GatewayGuildCreateDispatchData['channels'],
    threads: model.threads.map((thread) => threadOf(thread, shape)),
    presences: seesPresences ? presencesOf(model, shape, ordinals, large) : [],
    stage_instances: [...model.stageInstances],
    guild_scheduled_events: [...model.scheduledEvents],
    soundboard_sounds: [...model.sounds],
  };
}

function namedMembers(
  seed: number,
  model: GuildModel,
  seesPresences: boolean,
  large: boolean,
): number[] {
  const ordinals: number[] = [];
  const end = seesPresences ? model.memberCount : model.voiceCount + 1;
  for (let ordinal = 0; ordinal < end; ordinal += 1) {
    if (model.membership.isGone(ordinal)) continue;
    const named =
      ordinal === BOT_ORDINAL ||
      isInVoice(model, ordinal) ||
      (seesPresences && (!large || isNoticeable(seed, model, ordinal)));
    if (named) ordinals.push(ordinal);
  }
  return ordinals;
}

function isNoticeable(seed: number, model: GuildModel, ordinal: number): boolean {
  return (
    statusAt(seed, model.index, ordinal) !== PresenceUpdateStatus.Offline ||
    rolesAt(seed, model, ordinal).length > 0 ||
    nickAt(seed, model, ordinal) !== null
  );
}

function presencesOf(
  model: GuildModel,
  shape: GuildCreateShape,
  ordinals: readonly number[],
  large: boolean,
): GatewayPresenceUpdate[] {
  return ordinals
    .map((ordinal) => ({
      ...presenceAt(shape.seed, model, ordinal, shape.startEpochMs),
      guild_id: model.id,
    }))
    .filter((presence) => !large || presence.status !== PresenceUpdateStatus.Offline);
}

/** The bot's own membership of a thread comes without the ids that are known anyway. */
function threadOf(thread: APIThreadChannel, shape: GuildCreateShape): APIThreadChannel {
  const { member, ...rest } = thread;
  const lastMessageId = shape.lastMessageId(thread.id) ?? thread.last_message_id ?? null;
  if (member === undefined) return { ...rest, last_message_id: lastMessageId };
  const { id: _, user_id: __, ...membership } = member;
  return { ...rest, last_message_id: lastMessageId, member: membership };
}

const TOPIC_MAX_LENGTH = 1024;
const NICK_MAX_LENGTH = 32;
const STATUS_MAX_LENGTH = 128;

/**
 * The same guild with long topics, and as many members with a custom status as it takes for
 * `minBytes` of JSON. What people wrote in it mostly takes several bytes a character.
 */
export function hugeGuildCreatePayload(
  model: GuildModel,
  shape: GuildCreateShape,
  minBytes: number,
): GatewayGuildCreateDispatchData {
  const base = guildCreatePayload(model, shape);
  const channels = base.channels.map((channel, ordinal) =>
    'topic' in channel
      ? { ...channel, topic: multiByteText(drawsFor(model, shape, ordinal, 41), TOPIC_MAX_LENGTH) }
      : channel,
  );
  const members: APIGuildMember[] = [];
  const presences: GatewayPresenceUpdate[] = [];
  let bytes = jsonBytes({ ...base, channels, members, presences });
  for (let ordinal = 0; bytes < minBytes && ordinal <= ORDINAL_MAX; ordinal += 1) {
    const random = drawsFor(model, shape, ordinal, 42);
    const member = {
      ...memberAt(shape.seed, model, ordinal),
      nick: multiByteText(random, NICK_MAX_LENGTH),
    };
    const presence = talkativePresence(model, member.user.id, random, shape.startEpochMs);
    members.push(member);
    presences.push(presence);
    bytes += jsonBytes(member) + jsonBytes(presence) + 2;
  }
  const member_count = Math.max(model.presentCount, members.length);
  return { ...base, channels, members, presences, large: true, member_count };
}

function drawsFor(
  model: GuildModel,
  shape: GuildCreateShape,
  ordinal: number,
  salt: number,
): Random {
  return randomOf(shape.seed, model.index, ordinal, salt);
}

function talkativePresence(
  model: GuildModel,
  userId: string,
  random: Random,
  nowEpochMs: number,
): GatewayPresenceUpdate {
  return {
    user: { id: userId },
    guild_id: model.id,
    status: PresenceUpdateStatus.Online,
    activities: [
      {
        id: 'custom',
        name: 'Custom Status',
        type: ActivityType.Custom,
        state: multiByteText(random, STATUS_MAX_LENGTH),
        created_at: nowEpochMs,
      },
    ],
    client_status: { mobile: PresenceUpdateStatus.Online },
  };
}

function jsonBytes(value: object): number {
  return Buffer.byteLength(JSON.stringify(value));
}
