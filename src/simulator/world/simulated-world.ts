/**
 * The world behind its interface: guilds, the channels that events brought, and the last messages.
 */
import {
  type APIChannel,
  type APIDMChannel,
  type APIMessage,
  type APIThreadChannel,
  type APIUser,
  ApplicationFlags,
  type GatewayGuildCreateDispatchData,
  type GatewayGuildMembersChunkDispatchData,
  type GatewayMessageCreateDispatchData,
  type GatewayReadyDispatchData,
  type RESTPatchAPIChannelMessageJSONBody,
} from 'discord-api-types/v10';
import { intentsFor } from '../../../protocols/discord/dispatch-events.ts';
import { ALL_INTENTS } from '../../../protocols/discord/intents.ts';
import { LARGE_THRESHOLD_MIN, SIMULATOR_NEW_CHANNELS_MAX } from '../../../protocols/limits.ts';
import type { SimulatedEvent } from '../events/event.ts';
import { makeSnowflake } from '../snowflake.ts';
import { directChannelAt, type GuildChannel, holdsMessages, isThread } from './channels.ts';
import { composeEdit, composeMessage, type MessageBody } from './compose.ts';
import type { PostedMessage, World, WorldOptions } from './contract.ts';
import { listOf } from './draw.ts';
import type { GuildModel } from './guild.ts';
import {
  type GuildCreateShape,
  guildCreatePayload,
  hugeGuildCreatePayload,
} from './guild-create.ts';
import { dropOldest, GuildStore } from './guild-store.ts';
import { OUTSIDE_GUILDS, readId } from './identity.ts';
import { type MemberRequest, makeMemberChunks, memberOrdinal } from './member-chunks.ts';
import { MessageStore } from './message-store.ts';
import { activeMemberAt, botUser, userAt } from './people.ts';

const DIRECT_CHANNELS = 20;

export class SimulatedWorld implements World {
  readonly seed: number;
  readonly startEpochMs: number;
  readonly application: World['application'];
  readonly guildIds: readonly string[];
  readonly directChannels: readonly APIDMChannel[];
  readonly #guilds: GuildStore;
  #bot: APIUser;
  readonly #added = new Map<string, GuildChannel | APIThreadChannel>();
  readonly #messages = new MessageStore();
  #idMs = 0;
  #idCount = 0;

  constructor({ seed, guildCount, startEpochMs }: WorldOptions) {
    this.seed = Math.floor(seed) >>> 0;
    this.startEpochMs = Math.floor(startEpochMs);
    this.#bot = botUser(this.seed);
    this.application = {
      id: this.bot.id,
      name: 'Spectacles',
      flags:
        ApplicationFlags.GatewayPresence |
        ApplicationFlags.GatewayGuildMembers |
        ApplicationFlags.GatewayMessageContent |
        ApplicationFlags.ApplicationCommandBadge,
    };
    this.#guilds = new GuildStore({
      seed: this.seed,
      guildCount,
      startEpochMs: this.startEpochMs,
      bot: () => this.#bot,
    });
    this.guildIds = this.#guilds.ids;
    this.directChannels = listOf(DIRECT_CHANNELS, (ordinal) =>
      directChannelAt(this.seed, OUTSIDE_GUILDS, ordinal + 1),
    );
  }

  get bot(): APIUser {
    return this.#bot;
  }

  editBot(changes: Partial<Pick<APIUser, 'username' | 'avatar' | 'banner'>>): void {
    this.#bot = { ...this.#bot, ...changes };
  }

  guild(guildId: string): GuildModel | undefined {
    return this.#guilds.get(guildId);
  }

  leaveGuild(guildId: string): void {
    this.#guilds.leave(guildId);
  }

  guildsOfShard(shard: number, count: number): readonly string[] {
    return this.#guilds.ofShard(shard, count);
  }

  readyPayload(
    shard: number,
    count: number,
    sessionId: string,
    resumeUrl: string,
  ): GatewayReadyDispatchData {
    return {
      v: 10,
      user: { ...this.bot, mfa_enabled: true, verified: true, email: null },
      guilds: this.guildsOfShard(shard, count).map((id) => ({ id, unavailable: true })),
      session_id: sessionId,
      resume_gateway_url: resumeUrl,
      shard: [shard, count],
      application: {
        id: this.application.id,
        flags: this.application.flags,
        flags_new: String(this.application.flags),
      },
    };
  }

  guildCreate(
    guildId: string,
    intents: number,
    largeThreshold = LARGE_THRESHOLD_MIN,
  ): GatewayGuildCreateDispatchData {
    return guildCreatePayload(this.#require(guildId), this.#shape(intents, largeThreshold));
  }

  hugeGuildCreate(guildId: string, minBytes: number): GatewayGuildCreateDispatchData {
    const shape = this.#shape(ALL_INTENTS, LARGE_THRESHOLD_MIN);
    return hugeGuildCreatePayload(this.#require(guildId), shape, minBytes);
  }

  memberChunks(
    guildId: string,
    request: MemberRequest,
    intents: number,
  ): Iterable<GatewayGuildMembersChunkDispatchData> {
    const model = this.guild(guildId);
    if (model === undefined) return [];
    return makeMemberChunks(this.seed, model, request, intents, this.startEpochMs);
  }

  user(userId: string): APIUser | undefined {
    if (userId === this.bot.id) return this.bot;
    const identity = readId(this.seed, userId);
    if (identity?.kind !== 'user' || identity.guildIndex >= this.guildIds.length) return undefined;
    return userAt(this.seed, identity.guildIndex, identity.ordinal);
  }

  channel(channelId: string): APIChannel | undefined {
    const channel = this.#added.get(channelId) ?? this.#keptChannel(channelId);
    const lastMessageId = this.#messages.list(channelId).at(-1)?.id;
    if (channel === undefined || lastMessageId === undefined) return channel;
    return { ...channel, last_message_id: lastMessageId } as APIChannel;
  }

  message(channelId: string, messageId: string): APIMessage | undefined {
    return this.#messages.get(channelId, messageId);
  }

  messages(channelId: string): readonly APIMessage[] {
    return this.#messages.list(channelId).toReversed();
  }

  composeMessage(
    channelId: string,
    author: APIUser,
    body: MessageBody,
    nowEpochMs: number,
  ): APIMessage | undefined {
    const channel = this.channel(channelId);
    if (channel === undefined || !holdsMessages(channel)) return undefined;
    const guildId = guildOf(channel);
    const model = guildId === null ? undefined : this.guild(guildId);
    return composeMessage(body, {
      id: this.newId(nowEpochMs),
      channelId,
      guildId: guildId ?? undefined,
      author,
      nowEpochMs,
      newId: () => this.newId(nowEpochMs),
      user: (id) => this.user(id),
      roles: () => model?.guild.roles ?? [],
      stickers: () => model?.guild.stickers ?? [],
      message: (channel, id) => this.message(channel, id),
    });
  }

  postMessage(
    channelId: string,
    author: APIUser,
    body: MessageBody,
    nowEpochMs: number,
  ): PostedMessage | undefined {
    const message = this.composeMessage(channelId, author, body, nowEpochMs);
    if (message === undefined) return undefined;
    return { message, event: this.recordMessage(message, 'MESSAGE_CREATE') };
  }

  editMessage(
    channelId: string,
    messageId: string,
    body: RESTPatchAPIChannelMessageJSONBody,
    nowEpochMs: number,
  ): PostedMessage | undefined {
    const old = this.message(channelId, messageId);
    if (old === undefined) return undefined;
    const message = composeEdit(old, body, nowEpochMs);
    return { message, event: this.recordMessage(message, 'MESSAGE_UPDATE') };
  }

  deleteMessage(channelId: string, messageId: string): SimulatedEvent | undefined {
    if (!this.#messages.delete(channelId, messageId)) return undefined;
    const guildId = guildOf(this.channel(channelId));
    return {
      t: 'MESSAGE_DELETE',
      d: {
        id: messageId,
        channel_id: channelId,
        ...(guildId === null ? {} : { guild_id: guildId }),
      },
      guildId,
      intents: intentsFor('MESSAGE_DELETE', guildId !== null),
    };
  }

  recordMessage(message: APIMessage, event: 'MESSAGE_CREATE' | 'MESSAGE_UPDATE'): SimulatedEvent {
    if (event === 'MESSAGE_CREATE') this.#messages.add(message);
    else this.#messages.replace(message);
    const channel = this.channel(message.channel_id);
    const guildId = guildOf(channel);
    const model = guildId === null ? undefined : this.guild(guildId);
    const d: GatewayMessageCreateDispatchData = {
      ...message,
      ...(channel !== undefined && holdsMessages(channel) ? { channel_type: channel.type } : {}),
      ...(model === undefined ? {} : { guild_id: model.id }),
      ...this.#memberField(model, message.author),
      mentions: message.mentions.map((user) => ({ ...user, ...this.#memberField(model, user) })),
    };
    return { t: event, d, guildId, intents: intentsFor(event, guildId !== null) };
  }

  newId(nowEpochMs: number): string {
    const ms = Math.max(this.#idMs, Math.floor(nowEpochMs));
    this.#idCount = ms === this.#idMs ? this.#idCount + 1 : 0;
    this.#idMs = ms;
    return makeSnowflake(ms, this.#idCount);
  }

  addChannel(channel: GuildChannel | APIThreadChannel): void {
    this.#added.delete(channel.id);
    this.#added.set(channel.id, channel);
    dropOldest(this.#added, SIMULATOR_NEW_CHANNELS_MAX);
  }

  keepChannel(channel: GuildChannel | APIThreadChannel): void {
    this.#added.delete(channel.id);
    const shelves = this.guild(channel.guild_id ?? '')?.shelves;
    if (isThread(channel)) shelves?.threads.put(channel);
    else shelves?.channels.put(channel);
  }

  dropChannel(channel: GuildChannel | APIThreadChannel): void {
    this.#added.delete(channel.id);
    this.#messages.drop(channel.id);
    const shelves = this.guild(channel.guild_id ?? '')?.shelves;
    if (isThread(channel)) shelves?.threads.delete(channel.id);
    else shelves?.channels.delete(channel.id);
  }

  #require(guildId: string): GuildModel {
    const model = this.guild(guildId);
    if (model === undefined) throw new RangeError(`the world has no guild ${guildId}`);
    return model;
  }

  #shape(intents: number, largeThreshold: number): GuildCreateShape {
    return {
      seed: this.seed,
      intents,
      largeThreshold,
      startEpochMs: this.startEpochMs,
      lastMessageId: (channelId) => this.#messages.list(channelId).at(-1)?.id,
    };
  }

  #keptChannel(channelId: string): APIChannel | undefined {
    const identity = readId(this.seed, channelId);
    if (identity === undefined) return this.#newChannel(channelId);
    const { guildIndex, kind, ordinal } = identity;
    if (guildIndex === OUTSIDE_GUILDS) {
      return this.directChannels.find((channel) => channel.id === channelId);
    }
    const model = this.#guilds.at(guildIndex);
    if (kind === 'thread') return model?.shelves.threads.get(channelId);
    if (kind !== 'channel' || model === undefined) return undefined;
    const { channels } = model.shelves;
    return channels.isOriginal ? model.channelAt(ordinal) : channels.get(channelId);
  }

  /** One whose id does not tell its guild. */
  #newChannel(channelId: string): GuildChannel | APIThreadChannel | undefined {
    for (const { shelves } of this.#guilds.changed()) {
      const { channels, threads } = shelves;
      const channel = channels.isOriginal ? undefined : channels.get(channelId);
      const found = channel ?? (threads.isOriginal ? undefined : threads.get(channelId));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The author's or the mentioned user's membership, which comes without the user. */
  #memberField(
    model: GuildModel | undefined,
    user: APIUser,
  ): Pick<GatewayMessageCreateDispatchData, 'member'> {
    const ordinal = model === undefined ? undefined : memberOrdinal(this.seed, model, user.id);
    if (model === undefined || ordinal === undefined) return {};
    const { user: _, ...member } = activeMemberAt(this.seed, model, ordinal);
    return { member };
  }
}

function guildOf(channel: APIChannel | undefined): string | null {
  return channel !== undefined && 'guild_id' in channel ? (channel.guild_id ?? null) : null;
}
