/** What a simulated world can be asked for and told. */
import type {
  APIChannel,
  APIDMChannel,
  APIMessage,
  APIThreadChannel,
  APIUser,
  GatewayGuildCreateDispatchData,
  GatewayGuildMembersChunkDispatchData,
  GatewayReadyDispatchData,
  RESTPatchAPIChannelMessageJSONBody,
} from 'discord-api-types/v10';
import type { SimulatedEvent } from '../events/event.ts';
import type { GuildChannel } from './channels.ts';
import type { MessageBody } from './compose.ts';
import type { GuildModel } from './guild.ts';
import type { MemberRequest } from './member-chunks.ts';

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
  editBot(changes: Partial<Pick<APIUser, 'username' | 'avatar' | 'banner'>>): void;
  guild(guildId: string): GuildModel | undefined;
  /** The bot goes: from now on the guild is as unknown as one that never was. */
  leaveGuild(guildId: string): void;
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
  /** Takes in a channel or thread that the traffic has created or changed. */
  addChannel(channel: GuildChannel | APIThreadChannel): void;
  /** Makes a channel or thread, new or changed, part of its guild. */
  keepChannel(channel: GuildChannel | APIThreadChannel): void;
  /** Takes a channel or thread and its messages out of the world. */
  dropChannel(channel: GuildChannel | APIThreadChannel): void;
}
