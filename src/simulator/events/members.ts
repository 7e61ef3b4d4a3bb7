/** Members, bans, presences, typing, voice and the bot's own user. */
import {
  ChannelType,
  PresenceUpdateStatus,
  VoiceChannelEffectSendAnimationType,
} from 'discord-api-types/v10';
import { voiceStateOf } from '../world/belongings.ts';
import { alphanumeric, between, chance, hex, pick, sample } from '../world/draw.ts';
import { BOT_ORDINAL, microsecondTime, presenceOf } from '../world/people.ts';
import { displayName, emoji } from '../world/text.ts';
import type { DataOf, Made, Maker, Scene } from './scene.ts';

export const guildMemberAdd: Maker<'GUILD_MEMBER_ADD'> = (scene) => {
  const guild = scene.guild();
  const member = scene.member(guild, scene.newcomerIn(guild));
  return {
    d: {
      ...member,
      nick: null,
      roles: [],
      premium_since: null,
      joined_at: microsecondTime(scene.nowEpochMs),
      guild_id: guild.id,
    },
    guildId: guild.id,
  };
};

/** Who leaves had come a moment ago: all that the world has goes on being there. */
export const guildMemberRemove: Maker<'GUILD_MEMBER_REMOVE'> = (scene) => {
  const guild = scene.guild();
  const user = scene.user(guild, scene.newcomerIn(guild));
  return { d: { guild_id: guild.id, user }, guildId: guild.id };
};

export const guildMemberUpdate: Maker<'GUILD_MEMBER_UPDATE'> = (scene) => {
  const { random } = scene;
  const guild = scene.guild();
  const isBot = chance(random, 0.02);
  const member = scene.member(guild, isBot ? BOT_ORDINAL : scene.ordinalIn(guild));
  const timedOut = chance(random, 0.1);
  return {
    d: {
      ...member,
      guild_id: guild.id,
      nick: chance(random, 0.3) ? displayName(random) : null,
      roles: isBot ? member.roles : sample(random, guild.memberRoleIds, between(random, 0, 4)),
      avatar: chance(random, 0.1) ? hex(random, 32) : null,
      banner: null,
      premium_since: member.premium_since ?? null,
      communication_disabled_until: timedOut ? microsecondTime(scene.nowEpochMs + 600_000) : null,
    },
    guildId: guild.id,
    ...(isBot ? { intents: 0 } : {}),
  };
};

export const guildBan = (scene: Scene): Made<DataOf<'GUILD_BAN_ADD'>> => {
  const guild = scene.guild();
  const user = scene.user(guild, scene.newcomerIn(guild));
  return { d: { guild_id: guild.id, user }, guildId: guild.id };
};

const STATUSES = [
  PresenceUpdateStatus.Online,
  PresenceUpdateStatus.Online,
  PresenceUpdateStatus.Idle,
  PresenceUpdateStatus.DoNotDisturb,
  PresenceUpdateStatus.Offline,
] as const;

export const presenceUpdate: Maker<'PRESENCE_UPDATE'> = (scene) => {
  const guild = scene.guild();
  const user = scene.user(guild, scene.ordinalIn(guild));
  const status = pick(scene.random, STATUSES);
  const presence = presenceOf(scene.random, user.id, status, scene.nowEpochMs);
  return {
    d: {
      ...presence,
      // Only the id is certain; the rest of the user comes when it has changed.
      user: chance(scene.random, 0.05) ? user : { id: user.id },
      guild_id: guild.id,
    },
    guildId: guild.id,
  };
};

export const typingStart: Maker<'TYPING_START'> = (scene) => {
  const room = scene.room();
  const { members } = room;
  return {
    d: {
      channel_id: room.channelId,
      ...(members === undefined ? {} : { guild_id: members.guild.id }),
      user_id: scene.actor(room).id,
      timestamp: Math.floor(scene.nowEpochMs / 1_000),
      ...(members === undefined
        ? {}
        : { member: scene.activeMember(members.guild, members.ordinal) }),
    },
    guildId: members?.guild.id ?? null,
  };
};

export const userUpdate: Maker<'USER_UPDATE'> = (scene) => ({
  d: { ...scene.world.bot, avatar: hex(scene.random, 32), mfa_enabled: true, verified: true },
  guildId: null,
});

export const voiceStateUpdate: Maker<'VOICE_STATE_UPDATE'> = (scene) => {
  const guild = scene.guild();
  const ordinal = scene.ordinalIn(guild);
  const leaves = chance(scene.random, 0.3);
  return {
    d: {
      ...voiceStateOf(scene.random, scene.user(guild, ordinal).id),
      guild_id: guild.id,
      channel_id: leaves ? null : scene.channelOf(guild, ChannelType.GuildVoice).id,
      member: scene.activeMember(guild, ordinal),
    },
    guildId: guild.id,
  };
};

export const voiceServerUpdate: Maker<'VOICE_SERVER_UPDATE'> = (scene) => {
  const guild = scene.guild();
  const away = chance(scene.random, 0.3);
  const host = `rotterdam${between(scene.random, 1, 9999)}.discord.media:443`;
  return {
    d: {
      token: alphanumeric(scene.random, 16),
      guild_id: guild.id,
      endpoint: away ? null : host,
    },
    guildId: guild.id,
  };
};

export const voiceChannelEffectSend: Maker<'VOICE_CHANNEL_EFFECT_SEND'> = (scene) => {
  const { random } = scene;
  const guild = scene.guild();
  const sound = guild.sounds.length > 0 && chance(random, 0.5) ? pick(random, guild.sounds) : null;
  return {
    d: {
      channel_id: scene.channelOf(guild, ChannelType.GuildVoice).id,
      guild_id: guild.id,
      user_id: scene.user(guild, scene.ordinalIn(guild)).id,
      emoji: sound !== null && chance(random, 0.5) ? null : { id: null, name: emoji(random) },
      animation_type: VoiceChannelEffectSendAnimationType.Basic,
      animation_id: between(random, 0, 20),
      ...(sound === null ? {} : { sound_id: sound.sound_id, sound_volume: sound.volume }),
    },
    guildId: guild.id,
  };
};
