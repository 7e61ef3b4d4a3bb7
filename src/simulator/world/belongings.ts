/**
 * What a guild has beside its channels: roles, expressions, voice states, stages, planned events.
 */
import {
  type APIEmoji,
  type APIGuildScheduledEvent,
  type APIRole,
  type APISoundboardSound,
  type APIStageInstance,
  type APISticker,
  type APIVoiceState,
  ChannelType,
  GuildScheduledEventEntityType,
  GuildScheduledEventPrivacyLevel,
  GuildScheduledEventStatus,
  type RoleFlags,
  StageInstancePrivacyLevel,
  StickerFormatType,
  StickerType,
} from 'discord-api-types/v10';
import type { Random } from '../../../protocols/ports.ts';
import type { GuildChannel } from './channels.ts';
import { between, chance, fraction, hex, listOf, pick, randomOf } from './draw.ts';
import { makeId } from './identity.ts';
import { type Community, idAt, memberAt, OWNER_ORDINAL, userAt } from './people.ts';
import type { Place } from './place.ts';
import { emoji, expressionName, sentence, title, word } from './text.ts';

const DAY_MS = 86_400_000;
const TYPICAL_PERMISSIONS = '2248473465835073';

/** @everyone first, the bot's own role last. */
export function makeRoles(place: Place, count: number): APIRole[] {
  const everyone: APIRole = {
    ...roleOf(randomOf(place.seed, place.guildIndex, 0, 23), place.guildId, 0),
    name: '@everyone',
    color: 0,
    colors: { primary_color: 0, secondary_color: null, tertiary_color: null },
    hoist: false,
    mentionable: false,
  };
  const others = listOf(count, (ordinal) =>
    roleOf(
      randomOf(place.seed, place.guildIndex, ordinal + 1, 23),
      roleIdAt(place, ordinal + 1),
      ordinal + 1,
    ),
  );
  const botId = idAt(place.seed, place.guildIndex, 0);
  const bot: APIRole = {
    ...roleOf(
      randomOf(place.seed, place.guildIndex, count + 1, 23),
      roleIdAt(place, count + 1),
      count + 1,
    ),
    name: 'spectacles',
    managed: true,
    mentionable: false,
    tags: { bot_id: botId },
  };
  return [everyone, ...others, bot];
}

export function roleIdAt(place: Place, ordinal: number): string {
  return makeId(place.seed, place.guildIndex, 'role', ordinal);
}

export function roleOf(random: Random, id: string, position: number): APIRole {
  const color = chance(random, 0.6) ? between(random, 1, 0xffffff) : 0;
  return {
    id,
    name: title(random),
    color,
    colors: { primary_color: color, secondary_color: null, tertiary_color: null },
    hoist: chance(random, 0.3),
    icon: null,
    unicode_emoji: chance(random, 0.05) ? emoji(random) : null,
    position,
    permissions: TYPICAL_PERMISSIONS,
    managed: false,
    mentionable: chance(random, 0.2),
    flags: 0 as RoleFlags,
  };
}

export function emojiAt(place: Place, ordinal: number): APIEmoji {
  return emojiOf(
    randomOf(place.seed, place.guildIndex, ordinal, 24),
    makeId(place.seed, place.guildIndex, 'emoji', ordinal),
  );
}

export function emojiOf(random: Random, id: string): APIEmoji {
  return {
    id,
    name: expressionName(random),
    roles: [],
    require_colons: true,
    managed: false,
    animated: chance(random, 0.3),
    available: true,
  };
}

export function stickerAt(place: Place, ordinal: number): APISticker {
  const random = randomOf(place.seed, place.guildIndex, ordinal, 25);
  return {
    id: makeId(place.seed, place.guildIndex, 'sticker', ordinal),
    name: title(random),
    description: chance(random, 0.5) ? sentence(random, 4) : null,
    tags: word(random),
    type: StickerType.Guild,
    format_type: pick(random, [
      StickerFormatType.PNG,
      StickerFormatType.APNG,
      StickerFormatType.GIF,
    ]),
    available: true,
    guild_id: place.guildId,
  };
}

export function soundAt(place: Place, ordinal: number): APISoundboardSound {
  const random = randomOf(place.seed, place.guildIndex, ordinal, 26);
  const custom = chance(random, 0.3);
  return {
    name: title(random),
    sound_id: makeId(place.seed, place.guildIndex, 'sound', ordinal),
    volume: between(random, 20, 100) / 100,
    emoji_id: custom ? makeId(place.seed, place.guildIndex, 'emoji', 0) : null,
    emoji_name: custom ? null : emoji(random),
    guild_id: place.guildId,
    available: true,
    user: userAt(place.seed, place.guildIndex, OWNER_ORDINAL),
  };
}

export function makeVoiceStates(
  place: Place,
  people: Community,
  channels: readonly GuildChannel[],
): APIVoiceState[] {
  const rooms = channels.filter((channel) => channel.type === ChannelType.GuildVoice);
  return listOf(people.voiceCount, (ordinal) => {
    const random = randomOf(place.seed, place.guildIndex, ordinal, 28);
    return {
      ...voiceStateOf(random, idAt(place.seed, place.guildIndex, ordinal + OWNER_ORDINAL)),
      guild_id: place.guildId,
      channel_id: pick(random, rooms).id,
      member: memberAt(place.seed, people, ordinal + OWNER_ORDINAL),
    };
  });
}

export function voiceStateOf(random: Random, userId: string): Omit<APIVoiceState, 'channel_id'> {
  const muted = chance(random, 0.4);
  return {
    user_id: userId,
    session_id: hex(random, 32),
    deaf: false,
    mute: false,
    self_deaf: muted && chance(random, 0.4),
    self_mute: muted,
    ...(chance(random, 0.1) ? { self_stream: true } : {}),
    self_video: chance(random, 0.05),
    suppress: false,
    request_to_speak_timestamp: null,
  };
}

export function makeStageInstances(
  place: Place,
  channels: readonly GuildChannel[],
): APIStageInstance[] {
  if (place.guildIndex !== 0 && fraction(place.seed, place.guildIndex, 29) > 0.1) return [];
  return channels
    .filter((channel) => channel.type === ChannelType.GuildStageVoice)
    .map((channel, ordinal) =>
      stageInstanceOf(
        randomOf(place.seed, place.guildIndex, ordinal, 29),
        makeId(place.seed, place.guildIndex, 'stageInstance', ordinal),
        place.guildId,
        channel.id,
      ),
    );
}

/** Discord documents `guild_scheduled_event_id` as always there and null when there is none. */
export function stageInstanceOf(
  random: Random,
  id: string,
  guildId: string,
  channelId: string,
): APIStageInstance {
  const instance = {
    id,
    guild_id: guildId,
    channel_id: channelId,
    topic: sentence(random, 4),
    privacy_level: StageInstancePrivacyLevel.GuildOnly,
    discoverable_disabled: true,
    guild_scheduled_event_id: null,
  };
  // The types leave the field out where Discord's documentation has null.
  return instance as unknown as APIStageInstance;
}

export function scheduledEventAt(
  place: Place,
  ordinal: number,
  channels: readonly GuildChannel[],
): APIGuildScheduledEvent {
  const voice = channels.find((channel) => channel.type === ChannelType.GuildVoice);
  const stage = channels.find((channel) => channel.type === ChannelType.GuildStageVoice);
  return scheduledEventOf(
    randomOf(place.seed, place.guildIndex, ordinal, 30),
    {
      id: makeId(place.seed, place.guildIndex, 'scheduledEvent', ordinal),
      guildId: place.guildId,
      creator: userAt(place.seed, place.guildIndex, OWNER_ORDINAL),
      channel: [voice, stage, undefined][ordinal % 3],
    },
    place.startEpochMs,
  );
}

type ScheduledEventShape = {
  readonly id: string;
  readonly guildId: string;
  readonly creator: NonNullable<APIGuildScheduledEvent['creator']>;
  /** Where it takes place; undefined for somewhere outside Discord. */
  readonly channel: GuildChannel | undefined;
};

export function scheduledEventOf(
  random: Random,
  shape: ScheduledEventShape,
  nowEpochMs: number,
): APIGuildScheduledEvent {
  const startMs = nowEpochMs + between(random, 1, 60) * DAY_MS;
  const common = {
    id: shape.id,
    guild_id: shape.guildId,
    creator_id: shape.creator.id,
    name: title(random),
    description: chance(random, 0.5) ? sentence(random, 20) : null,
    scheduled_start_time: new Date(startMs).toISOString(),
    privacy_level: GuildScheduledEventPrivacyLevel.GuildOnly,
    status: GuildScheduledEventStatus.Scheduled,
    entity_id: null,
    creator: shape.creator,
    user_count: between(random, 0, 500),
    image: chance(random, 0.3) ? hex(random, 32) : null,
    recurrence_rule: null,
  };
  if (shape.channel === undefined) {
    return {
      ...common,
      channel_id: null,
      scheduled_end_time: new Date(startMs + 7_200_000).toISOString(),
      entity_type: GuildScheduledEventEntityType.External,
      entity_metadata: { location: title(random) },
    };
  }
  return {
    ...common,
    channel_id: shape.channel.id,
    scheduled_end_time: null,
    entity_type:
      shape.channel.type === ChannelType.GuildStageVoice
        ? GuildScheduledEventEntityType.StageInstance
        : GuildScheduledEventEntityType.Voice,
    entity_metadata: null,
  };
}
