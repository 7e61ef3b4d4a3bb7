/**
 * Bounds of the simulated Discord, and those of Discord's rules that only it has to keep.
 */
import { requireRelations } from './relations.ts';

/**
 * A session keeps this much for a RESUME, whichever is reached first; what is older is forgotten,
 * and a client that asks for it is told that its session is invalid.
 */
export const SIMULATOR_REPLAY_EVENTS_MAX = 65_536;
export const SIMULATOR_REPLAY_MAX_BYTES = 32 * 1024 * 1024;
/**
 * Records of one kind that the simulator's audit log keeps; the oldest goes first, counters stay
 * exact.
 */
export const SIMULATOR_AUDIT_RECORDS_MAX = 10_000;
/** What a client may leave unread before the simulated gateway drops its connection. */
export const SIMULATOR_BACKLOG_MAX_BYTES = 64 * 1024 * 1024;
/**
 * Connections and sessions at once; above it a handshake gets 503, and the oldest lost session
 * ends.
 */
export const SIMULATOR_CONNECTIONS_MAX = 10_000;
export const SIMULATOR_SESSIONS_MAX = 10_000;
/** Faults in one scenario; a longer one is refused. */
export const SIMULATOR_FAULTS_MAX = 10_000;
/**
 * Events that the simulator's traffic makes in one turn; what is above is made up for in later
 * turns.
 */
export const SIMULATOR_TRAFFIC_BATCH_MAX = 5_000;

/**
 * Discord: with more members than this GUILD_CREATE names only the bot and those in voice channels.
 */
export const GUILD_CREATE_MEMBERS_MAX = 75_000;
/** Guilds of a simulated world; a larger one is refused when it is made. */
export const SIMULATOR_GUILDS_MAX = 500_000;
/**
 * Guilds that are kept once made; the one used longest ago is forgotten and made again, the same.
 */
export const SIMULATOR_GUILDS_KEPT_MAX = 1_000;
/**
 * Guilds that the REST API has changed; the one changed longest ago is again as the seed makes it.
 */
export const SIMULATOR_CHANGED_GUILDS_MAX = 1_000;
/**
 * Things of one kind in a guild for which Discord sets no lower number, as voice states; the one
 * that came longest ago goes. More than Discord's largest guilds have of any.
 */
export const SIMULATOR_GUILD_THINGS_MAX = 1_000;
/** Threads of a guild, the archived ones too; the oldest goes. More than can be active. */
export const SIMULATOR_GUILD_THREADS_MAX = 2_000;
/** Discord: members of one thread; above it 30033. */
export const THREAD_MEMBERS_MAX = 1_000;
/** Discord: threads of a guild that are active at once; above it 160006. */
export const GUILD_ACTIVE_THREADS_MAX = 1_000;
/** Discord: roles and channels of a guild, and channels of a category; above it 30005, 30013. */
export const GUILD_ROLES_MAX = 250;
export const GUILD_CHANNELS_MAX = 500;
export const CATEGORY_CHANNELS_MAX = 50;
/** Discord: invites of a guild; above it 30016. */
export const GUILD_INVITES_MAX = 1_000;
/** Discord: planned or running events of a guild; above it 30038. */
export const GUILD_SCHEDULED_EVENTS_MAX = 100;
/** Discord: expressions of a guild by its boost level; above it 30008, 30039, 30045. */
export const GUILD_EMOJIS_MAX: readonly number[] = [50, 100, 150, 250];
export const GUILD_STICKERS_MAX: readonly number[] = [5, 15, 30, 60];
export const GUILD_SOUNDS_MAX: readonly number[] = [8, 24, 36, 48];
/** Discord: emojis of an application; above it 30008. */
export const APPLICATION_EMOJIS_MAX = 2_000;
/** Entitlements that the simulated REST API remembers; the oldest goes. */
export const SIMULATOR_ENTITLEMENTS_MAX = 1_000;
/** Guilds whose messages can be searched at once; the one indexed longest ago is indexed anew. */
export const SIMULATOR_SEARCHED_GUILDS_MAX = 10_000;
/** Audit-log entries that the simulated REST API remembers of a guild; the oldest goes. */
export const SIMULATOR_AUDIT_ENTRIES_MAX = 1_000;
/** Guilds that the traffic has taken away and not yet given back; at the bound no more go. */
export const SIMULATOR_GUILDS_AWAY_MAX = 4;
/** Members looked at for a name prefix; those after them are not found. */
export const SIMULATOR_MEMBERS_SEARCHED_MAX = 50_000;
/** Channels whose messages are kept, and messages of one; the oldest go first. */
export const SIMULATOR_MESSAGE_CHANNELS_MAX = 1_000;
export const SIMULATOR_CHANNEL_MESSAGES_MAX = 50;
/** Channels and threads that events brought into the world; the oldest goes first. */
export const SIMULATOR_NEW_CHANNELS_MAX = 1_000;
/** Messages that the traffic remembers to edit, react to and delete; the oldest is forgotten. */
export const SIMULATOR_RECENT_MESSAGES_MAX = 256;

/**
 * Rate-limit counters of the simulated REST API; at the bound the one made longest ago is
 * forgotten.
 */
export const SIMULATOR_COUNTERS_MAX = 100_000;
/** Addresses whose invalid requests the simulator counts; at the bound the oldest is forgotten. */
export const SIMULATOR_ADDRESSES_MAX = 1_000;
/** The largest body of a request to the simulated REST server; above it 413. */
export const SIMULATOR_BODY_MAX_BYTES = 32 * 1024 * 1024;
/** Parts of one multipart form that the simulated REST API reads; above it the form is invalid. */
export const SIMULATOR_FORM_PARTS_MAX = 64;

/** Discord: characters of a message, and the size of the whole request that creates it. */
export const MESSAGE_CONTENT_MAX_CHARACTERS = 2_000;
export const MESSAGE_REQUEST_MAX_BYTES = 25 * 1024 * 1024;
/** Discord: different emoji in reactions to one message; above it 30010. */
export const REACTIONS_PER_MESSAGE_MAX = 20;
/**
 * Messages whose reactions the simulated REST API remembers, and emoji a message; the oldest goes.
 */
export const SIMULATOR_REACTED_MESSAGES_MAX = 10_000;
/** Discord: application commands of one scope; above it 30032. */
export const APPLICATION_COMMANDS_MAX = 110;
/** Guilds whose application commands the simulated REST API remembers; the oldest goes. */
export const SIMULATOR_COMMAND_SCOPES_MAX = 10_000;
/** Discord: webhooks of one channel; above it 30007. */
export const CHANNEL_WEBHOOKS_MAX = 15;
/** Webhooks that the simulated REST API remembers; the oldest goes. */
export const SIMULATOR_WEBHOOKS_MAX = 10_000;
/** Discord: members, or bans, of one page; and users that one request may ban. */
export const MEMBERS_PER_PAGE_MAX = 1_000;
export const BULK_BAN_USERS_MAX = 200;
/** Bans that the simulated REST API remembers of a guild; the oldest goes. */
export const SIMULATOR_BANS_MAX = 10_000;

requireRelations([
  [
    GUILD_ACTIVE_THREADS_MAX <= SIMULATOR_GUILD_THREADS_MAX,
    'SIMULATOR_GUILD_THREADS_MAX: active threads would be forgotten',
  ],
  [
    // Still and animated emojis are counted apart.
    2 * Math.max(...GUILD_EMOJIS_MAX) <= SIMULATOR_GUILD_THINGS_MAX &&
      GUILD_SCHEDULED_EVENTS_MAX <= SIMULATOR_GUILD_THINGS_MAX,
    'SIMULATOR_GUILD_THINGS_MAX: things that Discord would keep would be forgotten',
  ],
]);
