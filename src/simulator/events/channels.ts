/** Channels, threads, stages, invites and webhooks. */
import {
  type APIThreadChannel,
  type APIThreadMember,
  ChannelType,
  type GatewayChannelCreateDispatchData,
  GatewayIntentBits,
  type GatewayThreadMembersUpdateDispatchData,
  InviteTargetType,
  ThreadMemberFlags,
} from 'discord-api-types/v10';
import { stageInstanceOf } from '../world/belongings.ts';
import { canHoldThreads, type GuildChannel, makeChannel, makeThread } from '../world/channels.ts';
import { alphanumeric, between, chance, pick } from '../world/draw.ts';
import type { GuildModel } from '../world/guild.ts';
import { BOT_ORDINAL, idAt, microsecondTime, presenceAt } from '../world/people.ts';
import { channelName, sentence } from '../world/text.ts';
import type { Made, Maker, Scene } from './scene.ts';

type ChannelMade = Made<GatewayChannelCreateDispatchData>;

export const channelCreate: Maker<'CHANNEL_CREATE'> = (scene) => {
  const guild = scene.guild();
  const channel = newChannel(scene, guild);
  scene.world.addChannel(channel);
  return inGuild(guild, channel);
};

export const channelUpdate: Maker<'CHANNEL_UPDATE'> = (scene) => {
  const guild = scene.guild();
  const old = pick(scene.random, guild.channels);
  const channel = { ...old, name: channelName(scene.random), permission_overwrites: [] };
  scene.world.addChannel(channel);
  return inGuild(guild, channel);
};

/** What is deleted was never told of: all that the world has goes on being there. */
export const channelDelete: Maker<'CHANNEL_DELETE'> = (scene) => {
  const guild = scene.guild();
  return inGuild(guild, newChannel(scene, guild));
};

function inGuild(guild: GuildModel, channel: GuildChannel): ChannelMade {
  return { d: { ...channel, guild_id: guild.id }, guildId: guild.id };
}

function newChannel(scene: Scene, guild: GuildModel): GuildChannel {
  const { random } = scene;
  const kind = chance(random, 0.7) ? ChannelType.GuildText : ChannelType.GuildVoice;
  return makeChannel(
    random,
    { seed: scene.world.seed, guildIndex: guild.index, guildId: guild.id },
    scene.newId(),
    {
      kind,
      position: guild.channels.length,
      parentId: scene.channelOf(guild, ChannelType.GuildCategory).id,
    },
  );
}

export const channelInfo: Maker<'CHANNEL_INFO'> = (scene) => {
  const guild = scene.guild();
  const channels = guild.channels
    .filter((channel) => channel.type === ChannelType.GuildVoice)
    .map(({ id }) => ({
      id,
      status: chance(scene.random, 0.5) ? sentence(scene.random, 4) : null,
      voice_start_time: chance(scene.random, 0.5) ? seconds(scene) : null,
    }));
  return { d: { guild_id: guild.id, channels }, guildId: guild.id };
};

export const voiceChannelStatusUpdate: Maker<'VOICE_CHANNEL_STATUS_UPDATE'> = (scene) => {
  const guild = scene.guild();
  const { id } = scene.channelOf(guild, ChannelType.GuildVoice);
  const status = chance(scene.random, 0.7) ? sentence(scene.random, 4) : null;
  return { d: { id, guild_id: guild.id, status }, guildId: guild.id };
};

export const voiceChannelStartTimeUpdate: Maker<'VOICE_CHANNEL_START_TIME_UPDATE'> = (scene) => {
  const guild = scene.guild();
  const { id } = scene.channelOf(guild, ChannelType.GuildVoice);
  const voice_start_time = chance(scene.random, 0.6) ? seconds(scene) : null;
  return { d: { id, guild_id: guild.id, voice_start_time }, guildId: guild.id };
};

export const channelPinsUpdate: Maker<'CHANNEL_PINS_UPDATE'> = (scene) => {
  const room = scene.room();
  const guildId = room.members?.guild.id ?? null;
  return {
    d: {
      ...(guildId === null ? {} : { guild_id: guildId }),
      channel_id: room.channelId,
      last_pin_timestamp: chance(scene.random, 0.8) ? microsecondTime(scene.nowEpochMs) : null,
    },
    guildId,
  };
};

export const threadCreate: Maker<'THREAD_CREATE'> = (scene) => {
  const guild = scene.guild();
  const thread = newThread(scene, guild);
  scene.world.addChannel(thread);
  return { d: { ...thread, newly_created: true }, guildId: guild.id };
};

export const threadUpdate: Maker<'THREAD_UPDATE'> = (scene) => {
  const { guild, thread } = scene.thread();
  const changed: APIThreadChannel = { ...thread, name: sentence(scene.random, 3) };
  scene.world.addChannel(changed);
  const { member: _, ...d } = changed;
  return { d, guildId: guild.id };
};

export const threadDelete: Maker<'THREAD_DELETE'> = (scene) => {
  const guild = scene.guild();
  const { id, type, parent_id = guild.id } = newThread(scene, guild);
  return { d: { id, guild_id: guild.id, parent_id, type }, guildId: guild.id };
};

export const threadListSync: Maker<'THREAD_LIST_SYNC'> = (scene) => {
  const { guild, thread } = scene.thread();
  const threads = guild.threads.filter(({ parent_id }) => parent_id === thread.parent_id);
  return {
    d: {
      guild_id: guild.id,
      ...(thread.parent_id === undefined ? {} : { channel_ids: [thread.parent_id] }),
      threads,
      members: [botMembership(scene, guild, thread)],
    },
    guildId: guild.id,
  };
};

export const threadMemberUpdate: Maker<'THREAD_MEMBER_UPDATE'> = (scene) => {
  const { guild, thread } = scene.thread();
  return { d: { ...botMembership(scene, guild, thread), guild_id: guild.id }, guildId: guild.id };
};

/** Sessions without GUILD_MEMBERS get it only when it is the bot that comes or goes. */
export const threadMembersUpdate: Maker<'THREAD_MEMBERS_UPDATE'> = (scene) => {
  const { guild, thread } = scene.thread();
  const ordinal = chance(scene.random, 0.3) ? BOT_ORDINAL : scene.ordinalIn(guild);
  const common = {
    id: thread.id,
    guild_id: guild.id,
    member_count: Math.min(50, thread.member_count ?? 1),
  };
  const d: GatewayThreadMembersUpdateDispatchData = chance(scene.random, 0.75)
    ? { ...common, added_members: [addedMember(scene, guild, thread, ordinal)] }
    : { ...common, removed_member_ids: [idAt(scene.world.seed, guild.index, ordinal)] };
  if (ordinal === BOT_ORDINAL) return { d, guildId: guild.id };
  return { d, guildId: guild.id, intents: GatewayIntentBits.GuildMembers };
};

function newThread(scene: Scene, guild: GuildModel): APIThreadChannel {
  return makeThread(scene.random, {
    id: scene.newId(),
    guildId: guild.id,
    parent: scene.channel(guild, canHoldThreads),
    ownerId: idAt(scene.world.seed, guild.index, scene.ordinalIn(guild)),
    createdEpochMs: scene.nowEpochMs,
  });
}

function membership(scene: Scene, threadId: string, userId: string): APIThreadMember {
  return {
    id: threadId,
    user_id: userId,
    join_timestamp: microsecondTime(scene.nowEpochMs),
    flags: ThreadMemberFlags.HasInteracted,
  };
}

function botMembership(scene: Scene, guild: GuildModel, thread: APIThreadChannel): APIThreadMember {
  return membership(scene, thread.id, idAt(scene.world.seed, guild.index, BOT_ORDINAL));
}

function addedMember(
  scene: Scene,
  guild: GuildModel,
  thread: APIThreadChannel,
  ordinal: number,
): APIThreadMember & { presence: object | null } {
  const { seed } = scene.world;
  return {
    ...membership(scene, thread.id, idAt(seed, guild.index, ordinal)),
    member: scene.activeMember(guild, ordinal),
    presence: chance(scene.random, 0.5) ? presenceAt(seed, guild, ordinal, scene.nowEpochMs) : null,
  };
}

function stageInstance(scene: Scene): Made<ReturnType<typeof stageInstanceOf>> {
  const guild = scene.guild(hasStage);
  const { id } = scene.channelOf(guild, ChannelType.GuildStageVoice);
  return {
    d: stageInstanceOf(scene.random, scene.newId(), guild.id, id),
    guildId: guild.id,
  };
}

function hasStage(guild: GuildModel): boolean {
  return guild.hasChannelOf(ChannelType.GuildStageVoice);
}

export const stageInstanceCreate: Maker<'STAGE_INSTANCE_CREATE'> = stageInstance;
export const stageInstanceDelete: Maker<'STAGE_INSTANCE_DELETE'> = stageInstance;

export const stageInstanceUpdate: Maker<'STAGE_INSTANCE_UPDATE'> = (scene) => {
  const guild = scene.guild(({ stageInstances }) => stageInstances.length > 0);
  const instance = pick(scene.random, guild.stageInstances);
  return { d: { ...instance, topic: sentence(scene.random, 4) }, guildId: guild.id };
};

export const inviteCreate: Maker<'INVITE_CREATE'> = (scene) => {
  const { random } = scene;
  const guild = scene.guild();
  const inviter = scene.user(guild, scene.ordinalIn(guild));
  const streamed = chance(random, 0.1);
  const kind = streamed ? ChannelType.GuildVoice : ChannelType.GuildText;
  const maxAge = pick(random, [0, 3_600, 86_400, 604_800]);
  const expiresMs = scene.nowEpochMs + maxAge * 1_000;
  return {
    d: {
      channel_id: scene.channelOf(guild, kind).id,
      code: alphanumeric(random, 8),
      created_at: microsecondTime(scene.nowEpochMs),
      guild_id: guild.id,
      inviter,
      max_age: maxAge,
      max_uses: pick(random, [0, 1, 10]),
      ...(streamed ? { target_type: InviteTargetType.Stream, target_user: inviter } : {}),
      temporary: chance(random, 0.1),
      uses: 0,
      expires_at: maxAge === 0 ? null : microsecondTime(expiresMs),
      ...(chance(random, 0.1) ? { role_ids: guild.memberRoleIds.slice(0, 1) } : {}),
    },
    guildId: guild.id,
  };
};

export const inviteDelete: Maker<'INVITE_DELETE'> = (scene) => {
  const guild = scene.guild();
  const { id } = scene.channelOf(guild, ChannelType.GuildText);
  return {
    d: { channel_id: id, guild_id: guild.id, code: alphanumeric(scene.random, 8) },
    guildId: guild.id,
  };
};

export const webhooksUpdate: Maker<'WEBHOOKS_UPDATE'> = (scene) => {
  const guild = scene.guild();
  const { id } = scene.channelOf(guild, ChannelType.GuildText);
  return { d: { guild_id: guild.id, channel_id: id }, guildId: guild.id };
};

/** Up to an hour ago, in seconds since the Unix epoch. */
function seconds(scene: Scene): number {
  return Math.floor(scene.nowEpochMs / 1_000) - between(scene.random, 0, 3_600);
}
