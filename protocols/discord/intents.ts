/**
 * Gateway intents: their names, their bits, and which of them Discord grants only on request.
 *
 * Names are those of Discord's documentation. Names that Discord or the original Spectacles used
 * earlier still resolve, with a warning that says the current one. A name that is neither is a
 * ConfigurationError.
 */
import { GatewayIntentBits } from 'discord-api-types/v10';
import { ConfigurationError } from '../errors.ts';
import { suggest } from '../suggest.ts';

/** Every current intent and its bit. */
export const INTENTS = {
  GUILDS: GatewayIntentBits.Guilds,
  GUILD_MEMBERS: GatewayIntentBits.GuildMembers,
  GUILD_MODERATION: GatewayIntentBits.GuildModeration,
  GUILD_EXPRESSIONS: GatewayIntentBits.GuildExpressions,
  GUILD_INTEGRATIONS: GatewayIntentBits.GuildIntegrations,
  GUILD_WEBHOOKS: GatewayIntentBits.GuildWebhooks,
  GUILD_INVITES: GatewayIntentBits.GuildInvites,
  GUILD_VOICE_STATES: GatewayIntentBits.GuildVoiceStates,
  GUILD_PRESENCES: GatewayIntentBits.GuildPresences,
  GUILD_MESSAGES: GatewayIntentBits.GuildMessages,
  GUILD_MESSAGE_REACTIONS: GatewayIntentBits.GuildMessageReactions,
  GUILD_MESSAGE_TYPING: GatewayIntentBits.GuildMessageTyping,
  DIRECT_MESSAGES: GatewayIntentBits.DirectMessages,
  DIRECT_MESSAGE_REACTIONS: GatewayIntentBits.DirectMessageReactions,
  DIRECT_MESSAGE_TYPING: GatewayIntentBits.DirectMessageTyping,
  MESSAGE_CONTENT: GatewayIntentBits.MessageContent,
  GUILD_SCHEDULED_EVENTS: GatewayIntentBits.GuildScheduledEvents,
  AUTO_MODERATION_CONFIGURATION: GatewayIntentBits.AutoModerationConfiguration,
  AUTO_MODERATION_EXECUTION: GatewayIntentBits.AutoModerationExecution,
  GUILD_MESSAGE_POLLS: GatewayIntentBits.GuildMessagePolls,
  DIRECT_MESSAGE_POLLS: GatewayIntentBits.DirectMessagePolls,
} as const;

export type IntentName = keyof typeof INTENTS;

/** Earlier names, each with the current one. */
export const INTENT_ALIASES: ReadonlyMap<string, IntentName> = new Map([
  ['GUILD', 'GUILDS'],
  ['GUILD_BANS', 'GUILD_MODERATION'],
  ['GUILD_EMOJIS', 'GUILD_EXPRESSIONS'],
  ['GUILD_EMOJIS_AND_STICKERS', 'GUILD_EXPRESSIONS'],
]);

/**
 * Those that a bot gets only when they are switched on in the developer portal; else close 4014.
 */
export const PRIVILEGED_INTENTS: ReadonlySet<IntentName> = new Set([
  'GUILD_MEMBERS',
  'GUILD_PRESENCES',
  'MESSAGE_CONTENT',
]);

/** Every bit that means something; any other bit closes with 4013. */
export const ALL_INTENTS: number = Object.values(INTENTS).reduce<number>(
  (mask, bit) => mask | bit,
  0,
);

/** The privileged bits together. */
export const PRIVILEGED_INTENT_BITS: number = [...PRIVILEGED_INTENTS].reduce<number>(
  (mask, name) => mask | INTENTS[name],
  0,
);

export type ResolvedIntents = {
  readonly bits: number;
  /** One sentence for each earlier name that was used. */
  readonly warnings: readonly string[];
};

/** Turns names into a bit set. Throws ConfigurationError on a name that is not an intent. */
export function intentBits(names: readonly string[]): ResolvedIntents {
  const warnings: string[] = [];
  let bits = 0;
  for (const name of names) {
    const current = INTENT_ALIASES.get(name) ?? name;
    if (!isIntentName(current)) throw unknownIntent(name);
    if (current !== name) warnings.push(`intent ${name} is now called ${current}`);
    bits |= INTENTS[current];
  }
  return { bits, warnings };
}

function isIntentName(name: string): name is IntentName {
  return Object.hasOwn(INTENTS, name);
}

function unknownIntent(name: string): ConfigurationError {
  const near = suggest(name, Object.keys(INTENTS));
  const hint = near === undefined ? '.' : `; did you mean ${near}?`;
  const allowed = Object.keys(INTENTS).join(', ');
  return new ConfigurationError(
    `intents: ${JSON.stringify(name)} is not an intent${hint} Allowed are ${allowed}`,
  );
}
