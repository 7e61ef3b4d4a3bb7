/**
 * One guild: its roles, channels, threads, expressions and events, made from the seed and its
 * place.
 *
 * Members are not part of it; they are made one by one. Sizes follow those of a real bot's guilds:
 * half have fewer than about thirty members, one in a hundred has thousands, and a few have more
 * than Discord is ready to list. The first guild of every world has every kind of thing and
 * needs several chunks for its members, so that a small world has them too.
 */
import {
  type APIGuild,
  type APIGuildScheduledEvent,
  type APIRole,
  type APISoundboardSound,
  type APIStageInstance,
  type APIThreadChannel,
  type APIVoiceState,
  ChannelType,
  GuildDefaultMessageNotifications,
  GuildExplicitContentFilter,
  GuildFeature,
  GuildMFALevel,
  GuildNSFWLevel,
  GuildPremiumTier,
  type GuildSystemChannelFlags,
  GuildVerificationLevel,
  Locale,
} from 'discord-api-types/v10';
import {
  emojiAt,
  makeRoles,
  makeStageInstances,
  makeVoiceStates,
  roleIdAt,
  scheduledEventAt,
  soundAt,
  stickerAt,
} from './belongings.ts';
import {
  canHoldThreads,
  channelAt,
  channelKinds,
  type GuildChannel,
  threadAt,
} from './channels.ts';
import { between, chance, fraction, hex, listOf, pick, randomOf } from './draw.ts';
import { createdMs, makeId, ORDINAL_MAX } from './identity.ts';
import { type Community, idAt, OWNER_ORDINAL } from './people.ts';
import type { Place } from './place.ts';
import { expressionName, guildName, sentence } from './text.ts';

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

/** A guild whose parts are each made when they are first asked for. */
export class GuildModel implements Community {
  readonly index: number;
  readonly id: string;
  readonly memberCount: number;
  readonly voiceCount: number;
  readonly joinedMs: number;
  /** The kinds of its channels, in the order of `channels`. */
  readonly channelKinds: readonly GuildChannel['type'][];
  readonly #place: Place;
  readonly #roleCount: number;
  readonly #channels: (GuildChannel | undefined)[] = [];
  readonly #parts = new Map<string, unknown>();

  constructor(seed: number, guildIndex: number, startEpochMs: number) {
    const random = randomOf(seed, guildIndex, 22);
    const memberCount = memberCountOf(seed, guildIndex);
    const community = guildIndex === 0 || memberCount > 200;
    const scale = Math.log2(memberCount);
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
  }

  get ownerId(): string {
    return idAt(this.#place.seed, this.index, OWNER_ORDINAL);
  }

  get memberRoleIds(): readonly string[] {
    return this.#part('memberRoleIds', () =>
      listOf(this.#roleCount, (ordinal) => roleIdAt(this.#place, ordinal + 1)),
    );
  }

  get botRoleId(): string {
    return roleIdAt(this.#place, this.#roleCount + 1);
  }

  /** The guild as GUILD_UPDATE shows it. */
  get guild(): APIGuild {
    return this.#part('guild', () => makeGuildObject(this.#place, this));
  }

  get roles(): APIRole[] {
    return this.#part('roles', () => makeRoles(this.#place, this.#roleCount));
  }

  get channels(): readonly GuildChannel[] {
    return this.#part('channels', () =>
      this.channelKinds
        .map((_, ordinal) => this.channelAt(ordinal))
        .filter((channel) => channel !== undefined),
    );
  }

  channelAt(ordinal: number): GuildChannel | undefined {
    const kind = this.channelKinds[ordinal];
    if (kind === undefined) return undefined;
    this.#channels[ordinal] ??= channelAt(this.#place, ordinal, kind);
    return this.#channels[ordinal];
  }

  get threads(): readonly APIThreadChannel[] {
    return this.#part('threads', () => makeThreads(this.#place, this.channels));
  }

  get sounds(): readonly APISoundboardSound[] {
    return this.#part('sounds', () =>
      listOf(this.#place.community ? 4 : 0, (ordinal) => soundAt(this.#place, ordinal)),
    );
  }

  get voiceStates(): readonly APIVoiceState[] {
    return this.#part('voiceStates', () => makeVoiceStates(this.#place, this, this.channels));
  }

  get stageInstances(): readonly APIStageInstance[] {
    return this.#part('stageInstances', () => makeStageInstances(this.#place, this.channels));
  }

  get scheduledEvents(): readonly APIGuildScheduledEvent[] {
    return this.#part('scheduledEvents', () =>
      listOf(this.#place.community ? 3 : 0, (ordinal) =>
        scheduledEventAt(this.#place, ordinal, this.channels),
      ),
    );
  }

  #part<Part>(name: string, make: () => Part): Part {
    if (!this.#parts.has(name)) this.#parts.set(name, make());
    return this.#parts.get(name) as Part;
  }
}

function makeGuildObject(place: Place, model: GuildModel): APIGuild {
  const random = randomOf(place.seed, place.guildIndex, 31);
  const text = model.channelAt(model.channelKinds.indexOf(ChannelType.GuildText))?.id ?? null;
  const tier = place.community ? pick(random, [1, 2, 3]) : pick(random, [0, 0, 0, 1]);
  return {
    id: place.guildId,
    name: guildName(random),
    icon: chance(random, 0.8) ? hex(random, 32) : null,
    splash: tier > 1 ? hex(random, 32) : null,
    discovery_splash: null,
    owner_id: model.ownerId,
    region: 'deprecated',
    afk_channel_id: null,
    afk_timeout: 300,
    widget_enabled: false,
    widget_channel_id: null,
    verification_level: GuildVerificationLevel.Medium,
    default_message_notifications: GuildDefaultMessageNotifications.OnlyMentions,
    explicit_content_filter: GuildExplicitContentFilter.AllMembers,
    roles: model.roles,
    emojis: listOf(Math.min(50, Math.round(place.memberCount / 8)), (ordinal) =>
      emojiAt(place, ordinal),
    ),
    features: features(place, tier),
    mfa_level: GuildMFALevel.Elevated,
    application_id: null,
    system_channel_id: text,
    system_channel_flags: 0 as GuildSystemChannelFlags,
    rules_channel_id: place.community ? text : null,
    max_presences: null,
    max_members: 25_000_000,
    vanity_url_code: tier === 3 ? expressionName(random).replaceAll('_', '-') : null,
    description: place.community ? sentence(random, 12) : null,
    banner: tier > 1 ? hex(random, 32) : null,
    premium_tier: PREMIUM_TIERS[tier] ?? GuildPremiumTier.None,
    premium_subscription_count: tier * 6,
    preferred_locale: pick(random, LOCALES),
    public_updates_channel_id: place.community ? text : null,
    max_video_channel_users: 25,
    max_stage_video_channel_users: 50,
    nsfw_level: GuildNSFWLevel.Default,
    stickers: listOf(place.community ? 3 : 0, (ordinal) => stickerAt(place, ordinal)),
    premium_progress_bar_enabled: false,
    hub_type: null,
    safety_alerts_channel_id: null,
    incidents_data: null,
  };
}

const PREMIUM_TIERS = [
  GuildPremiumTier.None,
  GuildPremiumTier.Tier1,
  GuildPremiumTier.Tier2,
  GuildPremiumTier.Tier3,
];
const LOCALES = [Locale.EnglishUS, Locale.EnglishUS, Locale.German, Locale.Japanese, Locale.French];

function features(place: Place, tier: number): GuildFeature[] {
  const list: GuildFeature[] = [];
  if (place.community)
    list.push(GuildFeature.Community, GuildFeature.News, GuildFeature.Soundboard);
  if (place.community) list.push(GuildFeature.AutoModeration, GuildFeature.GuestsEnabled);
  if (tier > 0) list.push(GuildFeature.AnimatedIcon, GuildFeature.InviteSplash);
  if (tier > 1) list.push(GuildFeature.Banner, GuildFeature.RoleIcons);
  if (tier > 2) list.push(GuildFeature.VanityURL, GuildFeature.AnimatedBanner);
  return list;
}

function makeThreads(place: Place, channels: readonly GuildChannel[]): APIThreadChannel[] {
  const parents = channels.filter(canHoldThreads);
  const random = randomOf(place.seed, place.guildIndex, 27);
  return listOf(place.community ? between(random, 3, 12) : 0, (ordinal) =>
    threadAt(place, ordinal, pick(random, parents), place.memberCount),
  );
}
