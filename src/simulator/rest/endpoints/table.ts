/** Every endpoint that is simulated, by `METHOD template`. */
import { ACCOUNT_ENDPOINTS } from './account.ts';
import { ANNOUNCEMENT_ENDPOINTS } from './announcements.ts';
import { APPLICATION_ENDPOINTS } from './application.ts';
import { AUDIT_LOG_ENDPOINTS } from './audit-log.ts';
import { BAN_ENDPOINTS } from './bans.ts';
import { CHANNEL_ENDPOINTS } from './channels.ts';
import { COMPATIBLE_WEBHOOK_ENDPOINTS } from './compatible-webhooks.ts';
import { EMOJI_ENDPOINTS } from './emojis.ts';
import type { Endpoint } from './endpoint.ts';
import { ENTITLEMENT_ENDPOINTS } from './entitlements.ts';
import { GUILD_CHANNEL_ENDPOINTS } from './guild-channels.ts';
import { GUILD_PAGE_ENDPOINTS } from './guild-pages.ts';
import { GUILD_ENDPOINTS } from './guilds.ts';
import { INTERACTION_ENDPOINTS } from './interactions.ts';
import { INVITE_ENDPOINTS } from './invites.ts';
import { MEMBER_ENDPOINTS } from './members.ts';
import { SEARCH_ENDPOINTS } from './message-search.ts';
import { MESSAGE_ENDPOINTS } from './messages.ts';
import { OWN_GUILD_ENDPOINTS } from './own-guilds.ts';
import { PIN_ENDPOINTS } from './pins.ts';
import { POLL_ENDPOINTS } from './polls.ts';
import { REACTION_ENDPOINTS } from './reactions.ts';
import { ROLE_ENDPOINTS } from './roles.ts';
import { RULE_ENDPOINTS } from './rules.ts';
import { SCHEDULED_EVENT_ENDPOINTS } from './scheduled-events.ts';
import { SOUND_ENDPOINTS } from './sounds.ts';
import { STAGE_ENDPOINTS } from './stages.ts';
import { STICKER_ENDPOINTS } from './stickers.ts';
import { TEMPLATE_ENDPOINTS } from './templates.ts';
import { THREAD_LIST_ENDPOINTS } from './thread-lists.ts';
import { THREAD_MEMBER_ENDPOINTS } from './thread-members.ts';
import { THREAD_ENDPOINTS } from './threads.ts';
import { VOICE_STATE_ENDPOINTS } from './voice-states.ts';
import { WEBHOOK_MESSAGE_ENDPOINTS } from './webhook-messages.ts';
import { WEBHOOK_ENDPOINTS } from './webhooks.ts';

export const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map(
  Object.entries({
    ...ACCOUNT_ENDPOINTS,
    ...ANNOUNCEMENT_ENDPOINTS,
    ...APPLICATION_ENDPOINTS,
    ...AUDIT_LOG_ENDPOINTS,
    ...BAN_ENDPOINTS,
    ...CHANNEL_ENDPOINTS,
    ...COMPATIBLE_WEBHOOK_ENDPOINTS,
    ...EMOJI_ENDPOINTS,
    ...ENTITLEMENT_ENDPOINTS,
    ...GUILD_CHANNEL_ENDPOINTS,
    ...GUILD_ENDPOINTS,
    ...GUILD_PAGE_ENDPOINTS,
    ...INTERACTION_ENDPOINTS,
    ...INVITE_ENDPOINTS,
    ...MEMBER_ENDPOINTS,
    ...MESSAGE_ENDPOINTS,
    ...OWN_GUILD_ENDPOINTS,
    ...PIN_ENDPOINTS,
    ...POLL_ENDPOINTS,
    ...REACTION_ENDPOINTS,
    ...ROLE_ENDPOINTS,
    ...RULE_ENDPOINTS,
    ...SCHEDULED_EVENT_ENDPOINTS,
    ...SEARCH_ENDPOINTS,
    ...SOUND_ENDPOINTS,
    ...STAGE_ENDPOINTS,
    ...STICKER_ENDPOINTS,
    ...TEMPLATE_ENDPOINTS,
    ...THREAD_ENDPOINTS,
    ...THREAD_LIST_ENDPOINTS,
    ...THREAD_MEMBER_ENDPOINTS,
    ...VOICE_STATE_ENDPOINTS,
    ...WEBHOOK_ENDPOINTS,
    ...WEBHOOK_MESSAGE_ENDPOINTS,
  }),
);
