/** A guild's own settings as the seed makes them: all of the guild object but its lists. */
import {
  type APIGuild,
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
import { chance, hex, pick, randomOf } from './draw.ts';
import type { Place } from './place.ts';
import { expressionName, guildName, sentence } from './text.ts';

export type GuildSettings = Omit<APIGuild, 'roles' | 'emojis' | 'stickers'>;

/** `text`: the channel in which newcomers are told things; null when there is none. */
export function makeGuildSettings(
  place: Place,
  ownerId: string,
  text: string | null,
): GuildSettings {
  const random = randomOf(place.seed, place.guildIndex, 31);
  const tier = place.community ? pick(random, [1, 2, 3]) : pick(random, [0, 0, 0, 1]);
  return {
    id: place.guildId,
    name: guildName(random),
    icon: chance(random, 0.8) ? hex(random, 32) : null,
    splash: tier > 1 ? hex(random, 32) : null,
    discovery_splash: null,
    owner_id: ownerId,
    region: 'deprecated',
    afk_channel_id: null,
    afk_timeout: 300,
    widget_enabled: false,
    widget_channel_id: null,
    verification_level: GuildVerificationLevel.Medium,
    default_message_notifications: GuildDefaultMessageNotifications.OnlyMentions,
    explicit_content_filter: GuildExplicitContentFilter.AllMembers,
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
