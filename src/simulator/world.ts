/**
 * The simulated world: an application, its bot, and the guilds that the bot is in.
 *
 * All of it follows from the seed. A guild is made when it is first looked at and may be forgotten
 * and made again; members and presences are never kept. What changes is small and bounded: the last
 * messages of channels, and channels that events brought into the world. What is handed out is
 * shared and must not be changed by whoever gets it.
 *
 * Time comes in as an argument. What names a guild, channel or message that does not exist gets
 * undefined or an empty list, but for GUILD_CREATE, which throws RangeError; a world that cannot be
 * made throws ConfigurationError.
 */
import type {
  APIChannel,
  APIDMChannel,
  APIMessage,
  APIThreadChannel,
  APIUser,
  GatewayGuildCreateDispatchData,
  GatewayGuildMembersChunkDispatchData,
  GatewayMessageCreateDispatchData,
  GatewayReadyDispatchData,
  RESTPatchAPIChannelMessageJSONBody,
} from 'discord-api-types/v10';
import { ApplicationFlags } from 'discord-api-types/v10';
import { intentsFor } from '../../protocols/discord/dispatch-events.ts';
import { ALL_INTENTS } from '../../protocols/discord/intents.ts';
import { ConfigurationError } from '../../protocols/errors.ts';
import {
  LARGE_THRESHOLD_MIN,
  SIMULATOR_GUILDS_KEPT_MAX,
  SIMULATOR_GUILDS_MAX,
  SIMULATOR_NEW_CHANNELS_MAX,
} from '../../protocols/limits.ts';
import type { SimulatedEvent } from './events/event.ts';
import { makeSnowflake, snowflakeTime } from './snowflake.ts';
import { directChannelAt, type GuildChannel, holdsMessages } from './world/channels.ts';
import { composeEdit, composeMessage, type MessageBody } from './world/compose.ts';
import { listOf } from './world/draw.ts';
import { GuildModel } from './world/guild.ts';
import {
  type GuildCreateShape,
  guildCreatePayload,
  hugeGuildCreatePayload,
} from './world/guild-create.ts';
import { makeId, OUTSIDE_GUILDS, readId } from './world/identity.ts';
import { type MemberRequest, makeMemberChunks, memberOrdinal } from './world/member-chunks.ts';
import { MessageStore } from './world/message-store.ts';
import { activeMemberAt, botUser, userAt } from './world/people.ts';

export type { MemberRequest } from './world/member-chunks.ts';

export type WorldOptions = {
  readonly seed: number;
  readonly guildCount: number;
  /** When the simulation begins, in milliseconds since the Unix epoch. */
  readonly startEpochMs: number;
};

/** A change to a channel's messages: the message for the REST answer, the event for the gateway. */
export type PostedMessage = {
  readonly message: APIMessage;
  readonly event: SimulatedEvent;
};

export interface World {
  readonly seed: number;
  readonly startEpochMs: number;
  readonly application: { readonly id: string; readonly name: string; readonly flags: number };
  readonly bot: APIUser;
  readonly guildIds: readonly string[];
  /** The direct-message channels that the bot has with users. */
  readonly directChannels: readonly APIDMChannel[];
  guild(guildId: string): GuildModel | undefined;
  guildsOfShard(shard: number, count: number): readonly string[];
  readyPayload(
    shard: number,
    count: number,
    sessionId: string,
    resumeUrl: string,
  ): GatewayReadyDispatchData;
  /** The whole guild, as a session with those intents gets it. */
  guildCreate(
    guildId: string,
    intents: number,
    largeThreshold?: number,
  ): GatewayGuildCreateDispatchData;
  /** At least `minBytes` of JSON, whose text is mostly of characters of several bytes. */
  hugeGuildCreate(guildId: string, minBytes: number): GatewayGuildCreateDispatchData;
  /** The chunks that answer a Request Guild Members; none when Discord would not answer. */
  memberChunks(
    guildId: string,
    request: MemberRequest,
    intents: number,
  ): Iterable<GatewayGuildMembersChunkDispatchData>;
  user(userId: string): APIUser | undefined;
  channel(channelId: string): APIChannel | undefined;
  message(channelId: string, messageId: string): APIMessage | undefined;
  /** The kept messages of a channel, the newest first. */
  messages(channelId: string): readonly APIMessage[];
  /** The message that Discord would make of a body; undefined when the channel cannot hold one. */
  composeMessage(
    channelId: string,
    author: APIUser,
    body: MessageBody,
    nowEpochMs: number,
  ): APIMessage | undefined;
  /** Composes a message and keeps it. */
  postMessage(
    channelId: string,
    author: APIUser,
    body: MessageBody,
    nowEpochMs: number,
  ): PostedMessage | undefined;
  editMessage(
    channelId: string,
    messageId: string,
    body: RESTPatchAPIChannelMessageJSONBody,
    nowEpochMs: number,
  ): PostedMessage | undefined;
  deleteMessage(channelId: string, messageId: string): SimulatedEvent | undefined;
  /** Keeps a message made elsewhere and says what the gateway sends of it. */
  recordMessage(message: APIMessage, event: 'MESSAGE_CREATE' | 'MESSAGE_UPDATE'): SimulatedEvent;
  /** An id that nothing has yet, of that time or of the latest time that was asked for. */
  newId(nowEpochMs: number): string;
  /** Takes in a channel or thread that an event has created or changed. */
  addChannel(channel: GuildChannel | APIThreadChannel): void;
}

const DIRECT_CHANNELS = 20;

export function createWorld(options: WorldOptions): World {
  const { guildCount } = options;
  if (!Number.isInteger(guildCount) || guildCount < 1 || guildCount > SIMULATOR_GUILDS_MAX) {
    throw new ConfigurationError(
      `a simulated world has 1 to ${SIMULATOR_GUILDS_MAX} guilds, not ${guildCount}`,
    );
  }
  return new SimulatedWorld(options);
}

class SimulatedWorld implements World {
  readonly seed: number;
  readonly startEpochMs: number;
  readonly application: World['application'];
  readonly bot: APIUser;
  readonly guildIds: readonly string[];
  readonly directChannels: readonly APIDMChannel[];
  readonly #indexes: ReadonlyMap<string, number>;
  /** Each guild's id without its low 22 bits, which fits into a number. */
  readonly #times: readonly number[];
  readonly #guilds = new Map<string, GuildModel>();
  readonly #added = new Map<string, GuildChannel | APIThreadChannel>();
  readonly #messages = new MessageStore();
  #idMs = 0;
  #idCount = 0;

  constructor({ seed, guildCount, startEpochMs }: WorldOptions) {
    this.seed = Math.floor(seed) >>> 0;
    this.startEpochMs = Math.floor(startEpochMs);
    this.bot = botUser(this.seed);
    this.application = {
      id: this.bot.id,
      name: 'Spectacles',
      flags:
        ApplicationFlags.GatewayPresence |
        ApplicationFlags.GatewayGuildMembers |
        ApplicationFlags.GatewayMessageContent |
        ApplicationFlags.ApplicationCommandBadge,
    };
    this.guildIds = listOf(guildCount, (index) => makeId(this.seed, index, 'guild'));
    this.#indexes = new Map(this.guildIds.map((id, index) => [id, index]));
    this.#times = this.guildIds.map(snowflakeTime);
    this.directChannels = listOf(DIRECT_CHANNELS, (ordinal) =>
      directChannelAt(this.seed, OUTSIDE_GUILDS, ordinal + 1),
    );
  }

  guild(guildId: string): GuildModel | undefined {
    const kept = this.#guilds.get(guildId);
    if (kept !== undefined) {
      this.#guilds.delete(guildId);
      this.#guilds.set(guildId, kept);
      return kept;
    }
    const index = this.#indexes.get(guildId);
    if (index === undefined) return undefined;
    const model = new GuildModel(this.seed, index, this.startEpochMs);
    this.#guilds.set(guildId, model);
    dropOldest(this.#guilds, SIMULATOR_GUILDS_KEPT_MAX);
    return model;
  }

  guildsOfShard(shard: number, count: number): readonly string[] {
    return this.guildIds.filter((_, index) => (this.#times[index] ?? 0) % count === shard);
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
    const channel = this.#added.get(channelId) ?? this.#originalChannel(channelId);
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

  #originalChannel(channelId: string): APIChannel | undefined {
    const identity = readId(this.seed, channelId);
    if (identity === undefined) return undefined;
    if (identity.guildIndex === OUTSIDE_GUILDS) {
      return this.directChannels.find((channel) => channel.id === channelId);
    }
    const guildId = this.guildIds[identity.guildIndex];
    const model = guildId === undefined ? undefined : this.guild(guildId);
    if (identity.kind === 'thread') return model?.threads[identity.ordinal];
    return identity.kind === 'channel' ? model?.channelAt(identity.ordinal) : undefined;
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

function dropOldest<Value>(map: Map<string, Value>, most: number): void {
  if (map.size <= most) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
