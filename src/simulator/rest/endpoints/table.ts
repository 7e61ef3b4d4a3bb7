/** Every endpoint that is simulated, by `METHOD template`. */
import { ACCOUNT_ENDPOINTS } from './account.ts';
import { CHANNEL_ENDPOINTS } from './channels.ts';
import { COMPATIBLE_WEBHOOK_ENDPOINTS } from './compatible-webhooks.ts';
import type { Endpoint } from './endpoint.ts';
import { GUILD_ENDPOINTS } from './guilds.ts';
import { INTERACTION_ENDPOINTS } from './interactions.ts';
import { MEMBER_ENDPOINTS } from './members.ts';
import { MESSAGE_ENDPOINTS } from './messages.ts';
import { PIN_ENDPOINTS } from './pins.ts';
import { REACTION_ENDPOINTS } from './reactions.ts';
import { WEBHOOK_ENDPOINTS } from './webhooks.ts';

export const ENDPOINTS: ReadonlyMap<string, Endpoint> = new Map(
  Object.entries({
    ...ACCOUNT_ENDPOINTS,
    ...CHANNEL_ENDPOINTS,
    ...COMPATIBLE_WEBHOOK_ENDPOINTS,
    ...GUILD_ENDPOINTS,
    ...INTERACTION_ENDPOINTS,
    ...MEMBER_ENDPOINTS,
    ...MESSAGE_ENDPOINTS,
    ...PIN_ENDPOINTS,
    ...REACTION_ENDPOINTS,
    ...WEBHOOK_ENDPOINTS,
  }),
);
