/** Guilds and what belongs to them: roles, expressions, integrations, planned events. */
import {
  type APIGuildIntegration,
  type APIGuildScheduledEvent,
  type APISoundboardSound,
  ChannelType,
  type GatewayGuildRoleCreateDispatchData,
  GuildScheduledEventStatus,
  OAuth2Scopes,
} from 'discord-api-types/v10';
import { ALL_INTENTS } from '../../../protocols/discord/intents.ts';
import { emojiOf, roleOf, scheduledEventOf } from '../world/belongings.ts';
import { between, chance, pick } from '../world/draw.ts';
import type { GuildModel } from '../world/guild.ts';
import { OWNER_ORDINAL } from '../world/people.ts';
import { emoji, guildName, sentence, title } from '../world/text.ts';
import type { DataOf, Made, Maker, Scene } from './scene.ts';

/** A guild that was unavailable comes back; when there is none, one is announced again. */
export const guildCreate: Maker<'GUILD_CREATE'> = (scene) => {
  const id = scene.giveBack() ?? scene.guild((guild) => guild.memberCount < 200).id;
  return { d: scene.world.guildCreate(id, ALL_INTENTS), guildId: id };
};

export const guildUpdate: Maker<'GUILD_UPDATE'> = (scene) => {
  const { guild, id } = scene.guild();
  return { d: { ...guild, name: guildName(scene.random) }, guildId: id };
};

/**
 * An outage; the guild comes back with a later GUILD_CREATE. When none may go, the bot is removed
 * from a guild that it had been in for a moment and that the world never knew.
 */
export const guildDelete: Maker<'GUILD_DELETE'> = (scene) => {
  const id = scene.takeAway();
  if (id !== undefined) return { d: { id, unavailable: true }, guildId: id };
  const left = scene.earlierId();
  return { d: { id: left }, guildId: left };
};

export const guildRoleChange = (scene: Scene): Made<GatewayGuildRoleCreateDispatchData> => {
  const guild = scene.guild();
  const role = roleOf(scene.random, scene.newId(), between(scene.random, 1, 20));
  return { d: { guild_id: guild.id, role }, guildId: guild.id };
};

export const guildRoleUpdate: Maker<'GUILD_ROLE_UPDATE'> = (scene) => {
  const guild = scene.guild();
  const old = pick(scene.random, guild.guild.roles);
  return {
    d: { guild_id: guild.id, role: { ...old, hoist: !old.hoist } },
    guildId: guild.id,
  };
};

export const guildRoleDelete: Maker<'GUILD_ROLE_DELETE'> = (scene) => {
  const guild = scene.guild();
  return { d: { guild_id: guild.id, role_id: scene.earlierId() }, guildId: guild.id };
};

export const guildEmojisUpdate: Maker<'GUILD_EMOJIS_UPDATE'> = (scene) => {
  const { guild, id } = scene.guild();
  const added = emojiOf(scene.random, scene.newId());
  return { d: { guild_id: id, emojis: [...guild.emojis.slice(-49), added] }, guildId: id };
};

export const guildStickersUpdate: Maker<'GUILD_STICKERS_UPDATE'> = (scene) => {
  const { guild, id } = scene.guild((candidate) => (candidate.guild.stickers?.length ?? 0) > 0);
  const stickers = (guild.stickers ?? []).map((sticker) => ({
    ...sticker,
    name: title(scene.random),
  }));
  return { d: { guild_id: id, stickers }, guildId: id };
};

export const guildIntegrationsUpdate: Maker<'GUILD_INTEGRATIONS_UPDATE'> = (scene) => {
  const { id } = scene.guild();
  return { d: { guild_id: id }, guildId: id };
};

export const integrationChange = (
  scene: Scene,
): Made<APIGuildIntegration & { guild_id: string }> => {
  const guild = scene.guild();
  const bot = scene.user(guild, scene.ordinalIn(guild));
  return {
    d: {
      id: scene.newId(),
      name: bot.username,
      type: 'discord',
      enabled: true,
      account: { id: bot.id, name: bot.username },
      application: {
        id: bot.id,
        name: bot.username,
        icon: bot.avatar,
        description: sentence(scene.random, 8),
        bot: { ...bot, bot: true },
      },
      scopes: [OAuth2Scopes.Bot, OAuth2Scopes.ApplicationsCommands],
      guild_id: guild.id,
    },
    guildId: guild.id,
  };
};

export const integrationDelete: Maker<'INTEGRATION_DELETE'> = (scene) => {
  const { id } = scene.guild();
  const application = chance(scene.random, 0.7) ? { application_id: scene.earlierId() } : {};
  return { d: { id: scene.earlierId(), guild_id: id, ...application }, guildId: id };
};

function eventOf(scene: Scene): { guild: GuildModel; event: APIGuildScheduledEvent } {
  const guild = scene.guild(({ scheduledEvents }) => scheduledEvents.length > 0);
  return { guild, event: pick(scene.random, guild.scheduledEvents) };
}

export const scheduledEventCreate: Maker<'GUILD_SCHEDULED_EVENT_CREATE'> = (scene) => {
  const guild = scene.guild();
  const inVoice = chance(scene.random, 0.5);
  const event = scheduledEventOf(
    scene.random,
    {
      id: scene.newId(),
      guildId: guild.id,
      creator: scene.user(guild, OWNER_ORDINAL),
      channel: inVoice ? scene.channelOf(guild, ChannelType.GuildVoice) : undefined,
    },
    scene.nowEpochMs,
  );
  return { d: event, guildId: guild.id };
};

export const scheduledEventUpdate: Maker<'GUILD_SCHEDULED_EVENT_UPDATE'> = (scene) => {
  const { guild, event } = eventOf(scene);
  return { d: { ...event, status: GuildScheduledEventStatus.Active }, guildId: guild.id };
};

export const scheduledEventDelete: Maker<'GUILD_SCHEDULED_EVENT_DELETE'> = (scene) => {
  const { guild, event } = eventOf(scene);
  return {
    d: { ...event, id: scene.earlierId(), status: GuildScheduledEventStatus.Canceled },
    guildId: guild.id,
  };
};

export const scheduledEventUser = (
  scene: Scene,
): Made<DataOf<'GUILD_SCHEDULED_EVENT_USER_ADD'>> => {
  const { guild, event } = eventOf(scene);
  return {
    d: {
      guild_scheduled_event_id: event.id,
      user_id: scene.user(guild, scene.ordinalIn(guild)).id,
      guild_id: guild.id,
    },
    guildId: guild.id,
  };
};

function guildWithSounds(scene: Scene): GuildModel {
  return scene.guild(({ sounds }) => sounds.length > 0);
}

export const soundCreate = (scene: Scene): Made<APISoundboardSound> => {
  const guild = guildWithSounds(scene);
  const d: APISoundboardSound = {
    ...pick(scene.random, guild.sounds),
    sound_id: scene.newId(),
    name: title(scene.random),
    emoji_id: null,
    emoji_name: chance(scene.random, 0.8) ? emoji(scene.random) : null,
  };
  return { d, guildId: guild.id };
};

export const soundUpdate: Maker<'GUILD_SOUNDBOARD_SOUND_UPDATE'> = (scene) => {
  const guild = guildWithSounds(scene);
  const volume = between(scene.random, 1, 100) / 100;
  return { d: { ...pick(scene.random, guild.sounds), volume }, guildId: guild.id };
};

export const soundDelete: Maker<'GUILD_SOUNDBOARD_SOUND_DELETE'> = (scene) => {
  const guild = guildWithSounds(scene);
  return { d: { sound_id: scene.earlierId(), guild_id: guild.id }, guildId: guild.id };
};

export const soundList = (scene: Scene): Made<DataOf<'SOUNDBOARD_SOUNDS'>> => {
  const { id, sounds } = guildWithSounds(scene);
  return { d: { soundboard_sounds: [...sounds], guild_id: id }, guildId: id };
};
