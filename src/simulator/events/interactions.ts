/**
 * Interactions: commands, completions of what is being typed, and buttons, in guilds and outside.
 */
import {
  type APIApplicationCommandAutocompleteInteraction,
  type APIChannel,
  type APIChatInputApplicationCommandInteraction,
  type APIInteraction,
  type APIMessageComponentButtonInteraction,
  ApplicationCommandOptionType,
  ApplicationCommandType,
  ApplicationIntegrationType,
  ButtonStyle,
  ComponentType,
  InteractionContextType,
  InteractionType,
  Locale,
} from 'discord-api-types/v10';
import { alphanumeric, between, pick } from '../world/draw.ts';
import { makeId, OUTSIDE_GUILDS } from '../world/identity.ts';
import { sentence, word } from '../world/text.ts';
import type { Made, Room, Scene } from './scene.ts';

const ALL_PERMISSIONS = '4503599627370495';
const ATTACHMENT_MAX_BYTES = 10 * 1024 * 1024;
const TOKEN_LENGTH = 200;

export const interactionCreate = (scene: Scene): Made<APIInteraction> => {
  const room = scene.room();
  const guildId = room.members?.guild.id ?? null;
  const kind = scene.random();
  if (kind < 0.7) return { d: command(scene, room), guildId };
  return { d: kind < 0.85 ? completion(scene, room) : button(scene, room), guildId };
};

function common(scene: Scene, room: Room) {
  return {
    id: scene.newId(),
    application_id: scene.world.application.id,
    token: alphanumeric(scene.random, TOKEN_LENGTH),
    version: 1 as const,
    app_permissions: ALL_PERMISSIONS,
    locale: pick(scene.random, [Locale.EnglishUS, Locale.German, Locale.Japanese]),
    entitlements: [],
    attachment_size_limit: ATTACHMENT_MAX_BYTES,
    channel_id: room.channelId,
    channel: channelOf(scene, room),
    ...origin(scene, room),
  };
}

/** In a guild it comes with a member, elsewhere with a user. */
function origin(scene: Scene, room: Room) {
  if (room.members === undefined) {
    return {
      user: scene.actor(room),
      context: InteractionContextType.BotDM,
      authorizing_integration_owners: { [ApplicationIntegrationType.GuildInstall]: '0' },
    };
  }
  const { guild, ordinal } = room.members;
  return {
    guild_id: guild.id,
    guild: {
      id: guild.id,
      features: guild.guild.features,
      locale: guild.guild.preferred_locale,
    },
    guild_locale: guild.guild.preferred_locale,
    member: { ...scene.activeMember(guild, ordinal), permissions: ALL_PERMISSIONS },
    context: InteractionContextType.Guild,
    authorizing_integration_owners: { [ApplicationIntegrationType.GuildInstall]: guild.id },
  };
}

function channelOf(scene: Scene, room: Room): APIChannel {
  const channel = scene.world.channel(room.channelId);
  if (channel === undefined) throw new RangeError(`the world has no channel ${room.channelId}`);
  return channel;
}

function commandOf(scene: Scene) {
  const ordinal = between(scene.random, 1, 9);
  return {
    id: makeId(scene.world.seed, OUTSIDE_GUILDS, 'command', ordinal),
    name: `command-${ordinal}`,
    type: ApplicationCommandType.ChatInput as const,
  };
}

function command(scene: Scene, room: Room): APIChatInputApplicationCommandInteraction {
  const user = scene.actor(room);
  return {
    ...common(scene, room),
    type: InteractionType.ApplicationCommand,
    data: {
      ...commandOf(scene),
      options: [
        {
          name: 'text',
          type: ApplicationCommandOptionType.String,
          value: sentence(scene.random, between(scene.random, 1, 8)),
        },
        { name: 'who', type: ApplicationCommandOptionType.User, value: user.id },
      ],
      resolved: { users: { [user.id]: user } },
    },
  };
}

function completion(scene: Scene, room: Room): APIApplicationCommandAutocompleteInteraction {
  return {
    ...common(scene, room),
    type: InteractionType.ApplicationCommandAutocomplete,
    data: {
      ...commandOf(scene),
      options: [
        {
          name: 'text',
          type: ApplicationCommandOptionType.String,
          value: word(scene.random).slice(0, 3),
          focused: true,
        },
      ],
    },
  };
}

/** The message under which the button stands is one of the bot's. */
function button(scene: Scene, room: Room): APIMessageComponentButtonInteraction {
  const customId = `${word(scene.random)}:${between(scene.random, 1, 99)}`;
  const body = {
    content: sentence(scene.random, 6),
    components: [
      {
        type: ComponentType.ActionRow as const,
        components: [
          {
            type: ComponentType.Button as const,
            style: ButtonStyle.Primary as const,
            label: word(scene.random),
            custom_id: customId,
          },
        ],
      },
    ],
  };
  const { world } = scene;
  const message = world.composeMessage(room.channelId, world.bot, body, scene.nowEpochMs);
  if (message === undefined) throw new RangeError(`no messages in channel ${room.channelId}`);
  return {
    ...common(scene, room),
    type: InteractionType.MessageComponent,
    message: { ...message, application_id: world.application.id },
    data: { custom_id: customId, component_type: ComponentType.Button },
  };
}
