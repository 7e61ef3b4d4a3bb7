/** Messages, reactions and votes. */
import {
  type APIAttachment,
  type APIEmbed,
  type APIMessage,
  ButtonStyle,
  ComponentType,
  EmbedType,
  type GatewayMessageCreateDispatchData,
  type GatewayMessageReactionRemoveDispatchData,
  type GatewayMessageUpdateDispatchData,
  MessageReferenceType,
  MessageType,
  ReactionType,
} from 'discord-api-types/v10';
import type { Random } from '../../../protocols/ports.ts';
import type { MessageBody } from '../world/compose.ts';
import { between, chance, hex, listOf, pick } from '../world/draw.ts';
import { emoji, expressionName, sentence, title, userName, word } from '../world/text.ts';
import { type DataOf, iso, type Made, type Maker, type Room, type Scene } from './scene.ts';

export function messageCreate(scene: Scene): Made<GatewayMessageCreateDispatchData> {
  const room = scene.room();
  const message = write(scene, room);
  const event = scene.world.recordMessage(message, 'MESSAGE_CREATE');
  scene.remember(message);
  return { d: event.d as GatewayMessageCreateDispatchData, guildId: event.guildId };
}

export function messageUpdate(scene: Scene): Made<GatewayMessageUpdateDispatchData> {
  const recent = scene.recent();
  const known = recent && scene.world.message(recent.channelId, recent.messageId);
  const message = known ?? write(scene, scene.room());
  const changed = chance(scene.random, 0.3)
    ? { ...message, tts: false, embeds: [linkEmbed(scene.random)] }
    : {
        ...message,
        tts: false,
        content: sentence(scene.random, between(scene.random, 3, 30)),
        edited_timestamp: iso(scene.nowEpochMs).replace('Z', '000+00:00'),
      };
  const event = scene.world.recordMessage(changed, 'MESSAGE_UPDATE');
  return { d: event.d as GatewayMessageUpdateDispatchData, guildId: event.guildId };
}

export const messageDelete: Maker<'MESSAGE_DELETE'> = (scene) => {
  const recent = scene.recent();
  if (recent !== undefined) {
    const event = scene.world.deleteMessage(recent.channelId, recent.messageId);
    if (event !== undefined) return event as ReturnType<Maker<'MESSAGE_DELETE'>>;
  }
  const room = scene.room();
  return at(room, { id: scene.earlierId(), channel_id: room.channelId });
};

export const messageDeleteBulk: Maker<'MESSAGE_DELETE_BULK'> = (scene) => {
  const room = scene.guildRoom();
  const ids = listOf(between(scene.random, 2, 50), () => scene.earlierId());
  return at(room, { ids, channel_id: room.channelId });
};

export const reactionAdd: Maker<'MESSAGE_REACTION_ADD'> = (scene) => {
  const { room, target } = reactionPlace(scene);
  const burst = chance(scene.random, 0.03);
  const { members } = room;
  return at(room, {
    ...reaction(scene, room, target.messageId, burst),
    ...(members === undefined
      ? {}
      : { member: scene.activeMember(members.guild, members.ordinal) }),
    message_author_id: target.authorId,
    ...(burst ? { burst_colors: [`#${hex(scene.random, 6)}`] } : {}),
  });
};

export const reactionRemove: Maker<'MESSAGE_REACTION_REMOVE'> = (scene) => {
  const { room, target } = reactionPlace(scene);
  return at(room, reaction(scene, room, target.messageId, false));
};

export const reactionRemoveAll: Maker<'MESSAGE_REACTION_REMOVE_ALL'> = (scene) => {
  const room = scene.room();
  return at(room, { channel_id: room.channelId, message_id: scene.earlierId() });
};

export const reactionRemoveEmoji: Maker<'MESSAGE_REACTION_REMOVE_EMOJI'> = (scene) => {
  const room = scene.room();
  return at(room, {
    channel_id: room.channelId,
    message_id: scene.earlierId(),
    emoji: scene.reaction(room),
  });
};

export const pollVote = (scene: Scene): Made<DataOf<'MESSAGE_POLL_VOTE_ADD'>> => {
  const room = scene.room();
  return at(room, {
    user_id: scene.actor(room).id,
    channel_id: room.channelId,
    message_id: scene.earlierId(),
    answer_id: between(scene.random, 1, 4),
  });
};

/** Adds the guild where there is one, and routes by it. */
function at<Data extends object>(room: Room, data: Data): Made<Data & { guild_id?: string }> {
  const guildId = room.members?.guild.id;
  if (guildId === undefined) return { d: data, guildId: null };
  return { d: { ...data, guild_id: guildId }, guildId };
}

function reactionPlace(scene: Scene): {
  room: Room;
  target: { messageId: string; authorId: string };
} {
  const room = scene.room();
  const recent = scene.recent((message) => message.channelId === room.channelId);
  if (recent !== undefined) return { room, target: recent };
  const authorId =
    room.members === undefined
      ? scene.world.bot.id
      : scene.user(room.members.guild, scene.ordinalIn(room.members.guild)).id;
  return { room, target: { messageId: scene.earlierId(), authorId } };
}

function reaction(
  scene: Scene,
  room: Room,
  messageId: string,
  burst: boolean,
): Omit<GatewayMessageReactionRemoveDispatchData, 'guild_id'> {
  return {
    user_id: scene.actor(room).id,
    channel_id: room.channelId,
    message_id: messageId,
    emoji: scene.reaction(room),
    burst,
    type: burst ? ReactionType.Burst : ReactionType.Normal,
  };
}

function write(scene: Scene, room: Room): APIMessage {
  const { random } = scene;
  const author = scene.actor(room);
  const ping = chance(random, scene.pingShare);
  const kind = ping ? 0 : random();
  const body = ping ? { content: 'ping' } : bodyOf(scene, room, kind);
  const message = scene.world.composeMessage(room.channelId, author, body, scene.nowEpochMs);
  if (message === undefined) throw new RangeError(`no messages in channel ${room.channelId}`);
  if (kind >= 0.9 && kind < 0.96) {
    return {
      ...message,
      attachments: listOf(between(random, 1, 3), () => attachment(scene, room)),
    };
  }
  if (kind >= 0.96 && kind < 0.98) return { ...message, embeds: [linkEmbed(random)] };
  if (kind >= 0.98 && room.members !== undefined) {
    return { ...message, type: MessageType.UserJoin, content: '', mentions: [] };
  }
  return message;
}

/** Most messages are a line of text; the rest spreads over what else Discord offers. */
function bodyOf(scene: Scene, room: Room, kind: number): MessageBody {
  const { random } = scene;
  const content = sentence(random, between(random, 2, 28));
  if (kind < 0.6) return { content };
  if (kind < 0.72) return { content, message_reference: reference(scene, room) };
  if (kind < 0.8) return { content: `<@${someone(scene, room)}> ${content}` };
  if (kind < 0.81) return { content: `<@${scene.world.bot.id}> ${content}` };
  if (kind < 0.83) return withRole(room, content, random);
  if (kind < 0.87) return { embeds: [richEmbed(random)], components: [buttons(random)] };
  if (kind < 0.88) return { ...poll(random) };
  if (kind < 0.89) return withSticker(room, content);
  if (kind < 0.9) {
    const forwarded = reference(scene, room);
    return { message_reference: { ...forwarded, type: MessageReferenceType.Forward } };
  }
  if (kind < 0.96) return { content: chance(random, 0.5) ? content : '' };
  return { content: `${content} https://example.com/${word(random)}/${hex(random, 8)}` };
}

function reference(scene: Scene, room: Room): NonNullable<MessageBody['message_reference']> {
  const recent = scene.recent((message) => message.channelId === room.channelId);
  return {
    channel_id: room.channelId,
    message_id: recent?.messageId ?? scene.earlierId(),
  };
}

function someone(scene: Scene, room: Room): string {
  const { members } = room;
  if (members === undefined) return scene.world.bot.id;
  return scene.user(members.guild, scene.ordinalIn(members.guild)).id;
}

function withRole(room: Room, content: string, random: Random): MessageBody {
  const roles = room.members?.guild.memberRoleIds ?? [];
  return {
    content: roles.length === 0 ? `@here ${content}` : `<@&${pick(random, roles)}> ${content}`,
  };
}

function withSticker(room: Room, content: string): MessageBody {
  const sticker = room.members?.guild.guild.stickers?.[0];
  return sticker === undefined ? { content } : { sticker_ids: [sticker.id] };
}

function poll(random: Random): MessageBody {
  return {
    poll: {
      question: { text: `${sentence(random, 5)}?` },
      answers: listOf(between(random, 2, 4), () => ({
        poll_media: { text: title(random), emoji: { id: null, name: emoji(random) } },
      })),
      duration: 24,
      allow_multiselect: chance(random, 0.3),
    },
  };
}

function richEmbed(random: Random): APIEmbed {
  return {
    title: title(random),
    description: sentence(random, between(random, 10, 60)),
    color: between(random, 0, 0xffffff),
    author: { name: userName(random) },
    fields: listOf(between(random, 0, 4), () => ({
      name: title(random),
      value: sentence(random, 8),
      inline: chance(random, 0.5),
    })),
    footer: { text: sentence(random, 3) },
  };
}

function linkEmbed(random: Random): APIEmbed {
  const url = `https://example.com/${word(random)}/${hex(random, 8)}`;
  return {
    type: EmbedType.Article,
    url,
    title: title(random),
    description: sentence(random, 20),
    provider: { name: title(random) },
    thumbnail: {
      url: `${url}.png`,
      proxy_url: `https://images-ext-1.discordapp.net/external/${hex(random, 43)}/${word(random)}.png`,
      width: 1200,
      height: 630,
      content_type: 'image/png',
      placeholder: hex(random, 28),
      placeholder_version: 1,
    },
  };
}

function buttons(random: Random): NonNullable<MessageBody['components']>[number] {
  return {
    type: ComponentType.ActionRow,
    components: listOf(between(random, 1, 5), (index) => ({
      type: ComponentType.Button as const,
      style: ButtonStyle.Primary as const,
      label: title(random),
      custom_id: `${expressionName(random)}:${index}`,
    })),
  };
}

function attachment(scene: Scene, room: Room): APIAttachment {
  const { random } = scene;
  const id = scene.newId();
  const filename = `${word(random)}-${word(random)}.png`;
  const signature = `ex=${hex(random, 8)}&is=${hex(random, 8)}&hm=${hex(random, 64)}&`;
  const path = `attachments/${room.channelId}/${id}/${filename}?${signature}`;
  return {
    id,
    filename,
    size: between(random, 2_000, 8_000_000),
    url: `https://cdn.discordapp.com/${path}`,
    proxy_url: `https://media.discordapp.net/${path}`,
    width: 1920,
    height: 1080,
    content_type: 'image/png',
    placeholder: hex(random, 28),
    placeholder_version: 1,
  };
}
