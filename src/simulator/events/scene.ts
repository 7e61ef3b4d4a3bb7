/**
 * What an event is made from: the world, the moment, the draws, and what happened a moment ago.
 */
import type {
  APIDMChannel,
  APIEmoji,
  APIGuildMember,
  APIMessage,
  APIThreadChannel,
  APIUser,
  GatewayDispatchPayload,
} from 'discord-api-types/v10';
import type { DispatchEventName } from '../../../protocols/discord/dispatch-events.ts';
import {
  SIMULATOR_GUILDS_AWAY_MAX,
  SIMULATOR_RECENT_MESSAGES_MAX,
} from '../../../protocols/limits.ts';
import type { Random } from '../../../protocols/ports.ts';
import { makeSnowflake } from '../snowflake.ts';
import { canHoldMessages, type GuildChannel } from '../world/channels.ts';
import { between, chance, NothingToPickError, pick } from '../world/draw.ts';
import { type GuildModel, memberCountOf } from '../world/guild.ts';
import { ORDINAL_MAX } from '../world/identity.ts';
import { activeMemberAt, memberAt, OWNER_ORDINAL, userAt } from '../world/people.ts';
import { emoji } from '../world/text.ts';
import type { World } from '../world.ts';

/** The type of each event's `d`, as discord-api-types has it. */
type DataByName = { [Payload in GatewayDispatchPayload as `${Payload['t']}`]: Payload['d'] };

export type DataOf<Name extends DispatchEventName> = DataByName[Name] extends object
  ? DataByName[Name]
  : object;

/** An event without its name. `intents` only where it differs from what the event's name says. */
export type Made<Data extends object = object> = {
  readonly d: Data;
  readonly guildId: string | null;
  readonly intents?: number;
};

export type Maker<Name extends DispatchEventName> = (scene: Scene) => Made<DataOf<Name>>;

/** Where people write: a channel or thread of a guild, or a direct-message channel. */
export type Room = { readonly channelId: string; readonly members: Members | undefined };

/** A guild together with one of its members, who does something. */
export type Members = { readonly guild: GuildModel; readonly ordinal: number };

export type RecentMessage = {
  readonly channelId: string;
  readonly messageId: string;
  readonly authorId: string;
};

const DIRECT_SHARE = 0.02;
const GUILD_TRIES = 8;
/** Small guilds only come and go, since coming back is a GUILD_CREATE. */
const AWAY_MEMBERS = 200;

export class Scene {
  readonly world: World;
  readonly random: Random;
  readonly pingShare: number;
  nowEpochMs = 0;
  readonly #recent: RecentMessage[] = [];
  /** Guilds that are unavailable, the one that went first standing first. */
  readonly #away = new Set<string>();
  /** The activity of all guilds up to and including each. */
  readonly #activity: Float64Array;

  constructor(world: World, random: Random, pingShare: number) {
    this.world = world;
    this.random = random;
    this.pingShare = pingShare;
    this.#activity = new Float64Array(world.guildIds.length);
    let sum = 0;
    for (let index = 0; index < this.#activity.length; index += 1) {
      sum += memberCountOf(world.seed, index) ** 0.7;
      this.#activity[index] = sum;
    }
  }

  /** A guild where something happens, the busier the likelier, that satisfies `suits`. */
  guild(suits: (guild: GuildModel) => boolean = () => true): GuildModel {
    for (let tries = 0; tries < GUILD_TRIES; tries += 1) {
      const guild = this.#anyGuild();
      if (!this.#away.has(guild.id) && suits(guild)) return guild;
    }
    return this.#guildAt(0);
  }

  #anyGuild(): GuildModel {
    const wanted = this.random() * (this.#activity.at(-1) ?? 0);
    let low = 0;
    let high = this.#activity.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#activity[middle] ?? 0) > wanted) high = middle;
      else low = middle + 1;
    }
    return this.#guildAt(low);
  }

  /** The guild at that place, or the next one that the bot has not left. */
  #guildAt(index: number): GuildModel {
    const { guildIds } = this.world;
    for (let step = 0; step < guildIds.length; step += 1) {
      const guild = this.world.guild(guildIds[(index + step) % guildIds.length] ?? '');
      if (guild !== undefined) return guild;
    }
    throw new NothingToPickError();
  }

  /** Makes a guild unavailable, the first never; undefined when enough are. */
  takeAway(): string | undefined {
    if (this.#away.size >= SIMULATOR_GUILDS_AWAY_MAX) return undefined;
    const guild = this.guild(({ index, memberCount }) => index !== 0 && memberCount < AWAY_MEMBERS);
    if (guild.index === 0) return undefined;
    this.#away.add(guild.id);
    return guild.id;
  }

  /** Makes the guild available again that has been away for longest. */
  giveBack(): string | undefined {
    const [longest] = this.#away;
    if (longest !== undefined) this.#away.delete(longest);
    return longest;
  }

  /** Somebody who does something, the earlier members the likelier; never the bot. */
  ordinalIn(guild: GuildModel): number {
    const drawn = OWNER_ORDINAL + Math.floor(this.random() ** 2 * (guild.memberCount - 1));
    // Whoever has left does nothing; the owner, who cannot leave, does it instead.
    return guild.membership.isGone(drawn) ? OWNER_ORDINAL : drawn;
  }

  /** Somebody who is not yet a member. */
  newcomerIn(guild: GuildModel): number {
    return Math.min(ORDINAL_MAX, guild.memberCount + between(this.random, 0, 1000));
  }

  user(guild: GuildModel, ordinal: number): APIUser {
    return userAt(this.world.seed, guild.index, ordinal);
  }

  member(guild: GuildModel, ordinal: number): APIGuildMember {
    return memberAt(this.world.seed, guild, ordinal);
  }

  /** The member as events other than GUILD_ ones show it. */
  activeMember(guild: GuildModel, ordinal: number): APIGuildMember {
    return activeMemberAt(this.world.seed, guild, ordinal);
  }

  channel(guild: GuildModel, suits: (channel: GuildChannel) => boolean): GuildChannel {
    return pick(this.random, guild.channels.filter(suits));
  }

  channelOf(guild: GuildModel, type: GuildChannel['type']): GuildChannel {
    return guild.pickChannel(this.random, (kind) => kind === type);
  }

  thread(): { guild: GuildModel; thread: APIThreadChannel } {
    const guild = this.guild((candidate) => candidate.threads.length > 0);
    return { guild, thread: pick(this.random, guild.threads) };
  }

  room(): Room {
    if (chance(this.random, DIRECT_SHARE))
      return { channelId: this.direct().id, members: undefined };
    return this.guildRoom();
  }

  guildRoom(): Room & { readonly members: Members } {
    const guild = this.guild();
    const threads = chance(this.random, 0.1) ? guild.threads : [];
    const room =
      threads.length > 0
        ? pick(this.random, threads)
        : guild.pickChannel(this.random, canHoldMessages);
    return { channelId: room.id, members: { guild, ordinal: this.ordinalIn(guild) } };
  }

  direct(): APIDMChannel {
    return pick(this.random, this.world.directChannels);
  }

  /** Who acts in a room. */
  actor(room: Room): APIUser {
    if (room.members !== undefined) return this.user(room.members.guild, room.members.ordinal);
    const channel = this.world.directChannels.find(({ id }) => id === room.channelId);
    return channel?.recipients?.[0] ?? this.world.bot;
  }

  /** The id of something that began up to a day ago and that nobody has been told of. */
  earlierId(): string {
    const ageMs = between(this.random, 1_000, 86_400_000);
    return makeSnowflake(this.nowEpochMs - ageMs, between(this.random, 0, 4_000_000));
  }

  newId(): string {
    return this.world.newId(this.nowEpochMs);
  }

  remember(message: APIMessage): void {
    this.#recent.push({
      channelId: message.channel_id,
      messageId: message.id,
      authorId: message.author.id,
    });
    if (this.#recent.length > SIMULATOR_RECENT_MESSAGES_MAX) this.#recent.shift();
  }

  /** A message of the last moments that satisfies `suits`. */
  recent(suits: (message: RecentMessage) => boolean = () => true): RecentMessage | undefined {
    const candidates = this.#recent.filter(suits);
    return candidates.length === 0 ? undefined : pick(this.random, candidates);
  }

  /** The emoji of a reaction: a standard one, or one of the guild's. */
  reaction(room: Room): APIEmoji {
    const own = room.members?.guild.guild.emojis ?? [];
    if (own.length === 0 || chance(this.random, 0.6)) return { id: null, name: emoji(this.random) };
    const { id, name, animated } = pick(this.random, own);
    return animated === true ? { id, name, animated } : { id, name };
  }
}

export function iso(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
