/**
 * One guild: its roles, channels, threads, expressions and events, made from the seed and its
 * place, and what has been changed about them since.
 *
 * Members are not part of it; they are made one by one, and only what changed about them is kept.
 * Sizes follow those of a real bot's guilds: half have fewer than about thirty members, one in a
 * hundred has thousands, and a few have more than Discord is ready to list. The first guild of
 * every world has every kind of thing and needs several chunks for its members, so that a small
 * world has them too.
 */
import {
  type APIGuild,
  type APIGuildScheduledEvent,
  type APISoundboardSound,
  type APIStageInstance,
  type APIThreadChannel,
  type APIUser,
  type APIVoiceState,
  ChannelType,
} from 'discord-api-types/v10';
import type { Random } from '../../../protocols/ports.ts';
import { roleIdAt } from './belongings.ts';
import { channelAt, channelKinds, type GuildChannel } from './channels.ts';
import { between, fraction, listOf, NothingToPickError, pick, randomOf } from './draw.ts';
import { type GuildSettings, makeGuildSettings } from './guild-object.ts';
import { type GuildShelves, makeGuildShelves } from './guild-shelves.ts';
import { createdMs, makeId, ORDINAL_MAX } from './identity.ts';
import { type MemberChange, Membership } from './membership.ts';
import { type Community, idAt, OWNER_ORDINAL } from './people.ts';
import type { Place } from './place.ts';

const DAY_MS = 86_400_000;
const FIRST_GUILD_MEMBERS = 2_600;
const LARGEST_GUILD_MEMBERS = 250_000;

/** The bot included. */
export function memberCountOf(seed: number, guildIndex: number): number {
  if (guildIndex === 0) return FIRST_GUILD_MEMBERS;
  const share = Math.max(fraction(seed, guildIndex, 21), 1e-9);
  const count = Math.floor(15 * share ** -1.1);
  return Math.min(count, LARGEST_GUILD_MEMBERS, ORDINAL_MAX);
}

/** What a guild hears from the world that it is part of, and tells it. */
export type GuildSurroundings = {
  readonly seed: number;
  readonly startEpochMs: number;
  readonly bot: () => APIUser;
  readonly changed: (guild: GuildModel) => void;
};

/** A guild whose parts are each made when they are first asked for. */
export class GuildModel implements Community {
  readonly index: number;
  readonly id: string;
  /** The bot and those who left included: members have the ordinals below it. */
  readonly memberCount: number;
  readonly voiceCount: number;
  readonly joinedMs: number;
  /** The kinds of the channels that the seed made, by their ordinals. */
  readonly channelKinds: readonly GuildChannel['type'][];
  readonly shelves: GuildShelves;
  readonly membership = new Membership();
  readonly #around: GuildSurroundings;
  readonly #place: Place;
  readonly #roleCount: number;
  readonly #channels: (GuildChannel | undefined)[] = [];
  #memberRoleIds: readonly string[] | undefined;
  #settings: GuildSettings | undefined;
  #guild: APIGuild | undefined;
  #activeThreads: readonly APIThreadChannel[] | undefined;

  constructor(guildIndex: number, around: GuildSurroundings) {
    const { seed, startEpochMs } = around;
    const random = randomOf(seed, guildIndex, 22);
    const memberCount = memberCountOf(seed, guildIndex);
    const community = guildIndex === 0 || memberCount > 200;
    const scale = Math.log2(memberCount);
    this.#around = around;
    this.index = guildIndex;
    this.id = makeId(seed, guildIndex, 'guild');
    this.memberCount = memberCount;
    this.voiceCount = Math.min(memberCount - 1, 25, Math.ceil(memberCount * 0.02));
    this.joinedMs = createdMs(seed, guildIndex, 'guild') + between(random, 1, 300) * DAY_MS;
    this.channelKinds = channelKinds(
      Math.round(scale * 1.5) + between(random, 1, 5),
      between(random, 1, 3) + Math.round(scale / 3),
      community,
    );
    this.#roleCount = Math.round(scale) + between(random, 1, 6);
    this.#place = { seed, guildIndex, guildId: this.id, memberCount, community, startEpochMs };
    this.shelves = makeGuildShelves(this.#place, this, this.#roleCount);
  }

  get ownerId(): string {
    return idAt(this.#place.seed, this.index, OWNER_ORDINAL);
  }

  /** Whether it has forums, stages, stickers and the like. */
  get isCommunity(): boolean {
    return this.#place.community;
  }

  get memberRoleIds(): readonly string[] {
    this.#memberRoleIds ??= listOf(this.#roleCount, (at) => roleIdAt(this.#place, at + 1));
    return this.#memberRoleIds;
  }

  get botRoleId(): string {
    return roleIdAt(this.#place, this.#roleCount + 1);
  }

  get bot(): APIUser {
    return this.#around.bot();
  }

  /** Members without those who left. */
  get presentCount(): number {
    return this.memberCount - this.membership.goneCount;
  }

  memberChange(ordinal: number): MemberChange | undefined {
    return this.membership.of(ordinal);
  }

  hasRole(roleId: string): boolean {
    return this.shelves.roles.isOriginal || this.shelves.roles.get(roleId) !== undefined;
  }

  /** The guild as GUILD_UPDATE shows it. */
  get guild(): APIGuild {
    const { roles, emojis, stickers } = this.shelves;
    const text = this.channelAt(this.channelKinds.indexOf(ChannelType.GuildText))?.id ?? null;
    this.#settings ??= makeGuildSettings(this.#place, this.ownerId, text);
    this.#guild ??= {
      ...this.#settings,
      roles: [...roles.list()],
      emojis: [...emojis.list()],
      stickers: [...stickers.list()],
    };
    return this.#guild;
  }

  /** Changes settings of the guild itself. */
  edit(settings: Partial<GuildSettings>): void {
    this.#settings = { ...this.guild, ...settings };
    this.tellOfChange();
  }

  changeMember(ordinal: number, change: MemberChange): void {
    this.membership.change(ordinal, change);
    this.tellOfChange();
  }

  removeMember(ordinal: number): void {
    this.membership.remove(ordinal);
    this.tellOfChange();
  }

  restoreMember(ordinal: number): void {
    this.membership.restore(ordinal);
    this.tellOfChange();
  }

  tellOfChange(): void {
    this.#guild = undefined;
    this.#activeThreads = undefined;
    this.#around.changed(this);
  }

  get channels(): readonly GuildChannel[] {
    return this.shelves.channels.list();
  }

  /** The channel of that ordinal as the seed makes it. */
  channelAt(ordinal: number): GuildChannel | undefined {
    const kind = this.channelKinds[ordinal];
    if (kind === undefined) return undefined;
    this.#channels[ordinal] ??= channelAt(this.#place, ordinal, kind);
    return this.#channels[ordinal];
  }

  hasChannelOf(kind: GuildChannel['type']): boolean {
    const { channels } = this.shelves;
    if (channels.isOriginal) return this.channelKinds.includes(kind);
    return channels.list().some(({ type }) => type === kind);
  }

  /** One of the channels of such kinds; as long as none has changed, no other is made for it. */
  pickChannel(random: Random, suits: (kind: GuildChannel['type']) => boolean): GuildChannel {
    const { channels } = this.shelves;
    if (!channels.isOriginal) {
      return pick(
        random,
        channels.list().filter(({ type }) => suits(type)),
      );
    }
    const ordinals = this.channelKinds.flatMap((kind, ordinal) => (suits(kind) ? [ordinal] : []));
    const channel = this.channelAt(pick(random, ordinals));
    if (channel === undefined) throw new NothingToPickError();
    return channel;
  }

  /** The active ones. */
  get threads(): readonly APIThreadChannel[] {
    this.#activeThreads ??= this.shelves.threads
      .list()
      .filter(({ thread_metadata: metadata }) => metadata?.archived !== true);
    return this.#activeThreads;
  }

  get sounds(): readonly APISoundboardSound[] {
    return this.shelves.sounds.list();
  }

  get voiceStates(): readonly APIVoiceState[] {
    return this.shelves.voiceStates.list();
  }

  get stageInstances(): readonly APIStageInstance[] {
    return this.shelves.stageInstances.list();
  }

  get scheduledEvents(): readonly APIGuildScheduledEvent[] {
    return this.shelves.scheduledEvents.list();
  }
}
