/**
 * Every bound of the project, with the policy at the bound, in one place.
 *
 * Numbers that Discord sets are named after the rule; numbers that we chose say why. The relations
 * between them are asserted at the bottom, so that changing one that breaks another fails at start.
 */
import type { BackoffPolicy } from './backoff.ts';

/**
 * Discord: gateway frames a connection may send in any 60 s, heartbeats included; then close 4008.
 */
export const GATEWAY_FRAMES_PER_WINDOW = 120;
export const GATEWAY_FRAME_WINDOW_MS = 60_000;
/**
 * Ours: added to that window, since what counts is when Discord receives a frame, not when we send
 * it.
 */
export const GATEWAY_FRAME_MARGIN_MS = 250;
/**
 * Ours: of those frames, kept for IDENTIFY, RESUME and our own heartbeats; those that Discord asks
 * for stop before them, and commands before as many again.
 */
export const GATEWAY_FRAMES_RESERVED = 10;

/**
 * Ours: the heartbeat intervals that are taken from a HELLO; Discord's are about 41 s. A shorter
 * one would spin a timer, and of a longer one a dead connection would be found out when its session
 * is gone already.
 */
export const HEARTBEAT_INTERVAL_MIN_MS = 100;
export const HEARTBEAT_INTERVAL_MAX_MS = 10 * 60_000;

/** Discord: the largest frame a client may send, in UTF-8 bytes; above it close 4002. */
export const GATEWAY_FRAME_MAX_BYTES = 4096;

/** Discord: one IDENTIFY per `shard_id % max_concurrency` in this span; above it op 9. */
export const IDENTIFY_WINDOW_MS = 5_000;

/**
 * Ours: added to the window, since what counts is when Discord receives the frame, not when we send
 * it.
 */
export const IDENTIFY_MARGIN_MS = 250;

/**
 * Discord: IDENTIFYs of one application in 24 h; the next one ends all sessions and resets the
 * token.
 */
export const IDENTIFIES_PER_DAY = 1_000;

/** Discord: guilds one session may handle; above it close 4011. */
export const GUILDS_PER_SHARD = 2_500;

/** Discord: requests for a guild's whole member list, one in this span; above it RATE_LIMITED. */
export const MEMBER_LIST_WINDOW_MS = 30_000;

/** Discord: users that one member request may name, and the longest nonce it answers with. */
export const MEMBER_REQUEST_USERS_MAX = 100;
export const MEMBER_REQUEST_NONCE_MAX_BYTES = 32;
/** Discord: members in one chunk, and members that match a prefix. */
export const MEMBERS_PER_CHUNK_MAX = 1_000;
export const MEMBER_QUERY_MATCHES_MAX = 100;
/**
 * Discord: with more members than this GUILD_CREATE names only the bot and those in voice channels.
 */
export const GUILD_CREATE_MEMBERS_MAX = 75_000;

/**
 * The simulator. Its sessions keep this much for a RESUME, whichever is reached first; what is
 * older is forgotten, and a client that asks for it is told that its session is invalid.
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
/** Guilds of a simulated world; a larger one is refused when it is made. */
export const SIMULATOR_GUILDS_MAX = 500_000;
/**
 * Guilds that are kept once made; the one used longest ago is forgotten and made again, the same.
 */
export const SIMULATOR_GUILDS_KEPT_MAX = 1_000;
/** Channels whose messages are kept, and messages of one; the oldest go first. */
export const SIMULATOR_MESSAGE_CHANNELS_MAX = 1_000;
export const SIMULATOR_CHANNEL_MESSAGES_MAX = 50;
/** Members looked at for a name prefix; those after them are not found. */
export const SIMULATOR_MEMBERS_SEARCHED_MAX = 50_000;
/** Channels and threads that events brought into the world; the oldest goes first. */
export const SIMULATOR_NEW_CHANNELS_MAX = 1_000;
/** Messages that the traffic remembers to edit, react to and delete; the oldest is forgotten. */
export const SIMULATOR_RECENT_MESSAGES_MAX = 256;
/** Guilds that the traffic has taken away and not yet given back; at the bound no more go. */
export const SIMULATOR_GUILDS_AWAY_MAX = 4;
/**
 * Rate-limit counters of the simulated REST API; at the bound the one made longest ago is
 * forgotten.
 */
export const SIMULATOR_COUNTERS_MAX = 100_000;
/** Addresses whose invalid requests the simulator counts; at the bound the oldest is forgotten. */
export const SIMULATOR_ADDRESSES_MAX = 1_000;
/**
 * Messages whose reactions the simulated REST API remembers, and emoji a message; the oldest goes.
 */
export const SIMULATOR_REACTED_MESSAGES_MAX = 10_000;
/** Discord: different emoji in reactions to one message; above it 30010. */
export const REACTIONS_PER_MESSAGE_MAX = 20;
/** Discord: application commands of one scope; above it 30032. */
export const APPLICATION_COMMANDS_MAX = 110;
/** Guilds whose application commands the simulated REST API remembers; the oldest goes. */
export const SIMULATOR_COMMAND_SCOPES_MAX = 10_000;
/** Discord: webhooks of one channel; above it 30007. */
export const CHANNEL_WEBHOOKS_MAX = 15;
/** Webhooks that the simulated REST API remembers; the oldest goes. */
export const SIMULATOR_WEBHOOKS_MAX = 10_000;
/** Bans that the simulated REST API remembers of a guild; the oldest goes. */
export const SIMULATOR_BANS_MAX = 10_000;
/** Discord: members, or bans, of one page; and users that one request may ban. */
export const MEMBERS_PER_PAGE_MAX = 1_000;
export const BULK_BAN_USERS_MAX = 200;
/** Parts of one multipart form that the simulated REST API reads; above it the form is invalid. */
export const SIMULATOR_FORM_PARTS_MAX = 64;
/** Discord: characters of a message, and the size of the whole request that creates it. */
export const MESSAGE_CONTENT_MAX_CHARACTERS = 2_000;
export const MESSAGE_REQUEST_MAX_BYTES = 25 * 1024 * 1024;
/** The largest body of a request to the simulated REST server; above it 413. */
export const SIMULATOR_BODY_MAX_BYTES = 32 * 1024 * 1024;

/** Ours: shards that a configuration may name; the largest known bots have a quarter of it. */
export const SHARDS_MAX = 65_536;
/** Ours: shards of one process: each may have two messages in the governor's mailbox at a time. */
export const PROCESS_SHARDS_MAX = 5_000;
/** Ours: the largest configuration file that is read; a larger one is some other file. */
export const CONFIGURATION_FILE_MAX_BYTES = 1024 * 1024;
/** Ours: the longest wait or age that can be configured. */
export const CONFIGURED_DURATION_MAX_MS = 365 * 24 * 60 * 60_000;
/**
 * RabbitMQ: the longest expiration that it takes from a publisher; above it the channel is closed.
 */
export const MESSAGE_EXPIRATION_MAX_MS = 2 ** 32 - 1;
/** Ours: connections of one pool. */
export const POOL_SIZE_MAX = 1_024;
/** Ours: nodes of a Redis cluster that a configuration may name. */
export const REDIS_NODES_MAX = 64;
/** Ours: characters of a configured value that a message shows; the rest is cut off. */
export const SHOWN_VALUE_MAX_LENGTH = 60;
/** Ours: secrets that are searched for in every log line; the patterns still find those beyond. */
export const KNOWN_SECRETS_MAX = 256;
/**
 * Ours: lines of the log that wait for a slow reader of stderr; above it they are dropped, and
 * counted.
 */
export const LOG_BACKLOG_MAX_BYTES = 1024 * 1024;
/** Ours: how long a process that ends waits for its last lines to be read. */
export const LOG_FLUSH_MS = 500;
/**
 * Ours: how long Node may take to find the line of a handler that cannot be parsed; else none is
 * told.
 */
export const HANDLER_CHECK_TIMEOUT_MS = 5_000;
/** Ours: after a signal the process ends within this, whatever is still open, as exit status 1. */
export const PROCESS_STOP_DEADLINE_MS = 10_000;
/** Ours: how long all parts of a service together have to stop, so that none needs the deadline. */
export const SERVICE_STOP_MS = 9_500;
/** Ours: a signal this soon after the first is the same one, passed on by npm or a shell. */
export const SIGNAL_ECHO_MS = 500;

/**
 * Node fires a longer timer at once; a longer wait is armed again when this much of it has passed.
 */
export const TIMER_MAX_MS = 2 ** 31 - 1;

/**
 * Event names that Discord adds after this release: each gets an entry of its own up to this many.
 */
export const UNKNOWN_EVENTS_MAX = 256;
/**
 * Ours: the longest of those names; a longer one counts as one too many. Discord's have up to 40
 * bytes.
 */
export const EVENT_NAME_MAX_BYTES = 128;

/**
 * Events of one session that are with the broker and not yet confirmed; a power of two. At the
 * bound the connection is closed resumably, and Discord's own replay buffer holds what comes after.
 */
export const UNCONFIRMED_EVENTS_MAX = 65_536;

/** Handshake and HELLO together; after it the host counts as unreachable. */
export const HELLO_TIMEOUT_MS = 20_000;
/** From RESUME to RESUMED with no event in between. */
export const RESUMED_TIMEOUT_MS = 60_000;
/** The longest replay; after it RESUMED counts as lost. */
export const RESUMED_TIMEOUT_MAX_MS = 10 * RESUMED_TIMEOUT_MS;
/**
 * From IDENTIFY to READY. In an outage READY is late, and each new IDENTIFY is taken from the day's
 * budget.
 */
export const READY_TIMEOUT_MS = 5 * 60_000;
/** How long a closing handshake may take before the socket is destroyed. */
export const CLOSE_TIMEOUT_MS = 2_000;

/** Resumes of one session that may fail in a row before it is given up and a new one started. */
export const RESUME_ATTEMPTS_MAX = 3;
/** A shard that has been ready this long has recovered: its back-off starts over. */
export const SHARD_STABLE_MS = 30_000;
/**
 * The wait before a shard connects again: doubling from the first, with jitter, up to the second.
 */
export const SHARD_BACKOFF: BackoffPolicy = {
  initialMs: 500,
  maxMs: 120_000,
  factor: 2,
  jitter: 0.5,
  stableMs: SHARD_STABLE_MS,
};
/** The random wait before the IDENTIFY that follows an invalidated session. */
export const INVALID_SESSION_WAIT_MIN_MS = 1_000;
export const INVALID_SESSION_WAIT_MAX_MS = 5_000;
/**
 * Ours: the longest address of a session's host that is used; Discord's have some fifty characters.
 */
export const RESUME_URL_MAX_CHARACTERS = 1_024;
/** How often a live session's place is saved. */
export const SESSION_SAVE_INTERVAL_MS = 5_000;

/**
 * Discord keeps a session without a connection for "a few minutes", and does not say how many.
 * Ours: an older record is not resumed. It is generous, since a RESUME that is refused costs one
 * connection and nothing of the identify budget, while a session that is given up too early costs
 * its events.
 */
export const SESSION_RESUMABLE_MS = 10 * 60_000;
/** Ours: how long a store keeps a record, so that a late start can still say what was lost. */
export const SESSION_KEPT_MS = 24 * 60 * 60_000;
/** Ours: how often changes are taken to the session store, and the shards of one batch. */
export const SESSION_STORE_INTERVAL_MS = 1_000;
export const SESSION_BATCH_MAX = 1_000;
/**
 * Ours: how long one claim or save may take, connecting included; then the store counts as away.
 */
export const SESSION_STORE_TIMEOUT_MS = 5_000;
/** Ours: the wait before a store that is away is tried again. */
export const SESSION_STORE_BACKOFF: BackoffPolicy = {
  initialMs: 250,
  maxMs: 5_000,
  factor: 2,
  jitter: 0.5,
  stableMs: 0,
};
/**
 * Ours: how long a start waits for a session store that is away; then the shards start new
 * sessions. Long enough for a store that starts at the same time, and well within Discord's few
 * minutes.
 */
export const SESSION_LOAD_TIMEOUT_MS = 15_000;
/** Ours: how long a stop waits until the last words of the shards are saved. */
export const SESSION_FLUSH_MS = 2_000;
/** Ours: the largest file of sessions that is read: SHARDS_MAX of them, and room to spare. */
export const SESSION_FILE_MAX_BYTES = 64 * 1024 * 1024;
/**
 * Ours: a lock on that file which has not changed for this long is of a process that died holding
 * it.
 */
export const SESSION_LOCK_STALE_MS = 2_000;
export const SESSION_LOCK_POLL_MS = 25;

/**
 * Ours: how long a command may wait for its shard to be able to send it; then it is refused. The
 * same as the default of `broker.message_timeout`: nobody should be surprised by an older one.
 */
export const COMMAND_WAIT_MAX_MS = 120_000;
/**
 * Ours: how long a command that is being written may stay so after that; then its fate is unknown.
 */
export const COMMAND_WRITE_MAX_MS = 120_000;
/**
 * Ours: how long the gateway that has a shard may take to answer for a command that it was passed.
 */
export const COMMAND_FORWARD_MAX_MS = COMMAND_WAIT_MAX_MS + 10_000;
/**
 * Ours: the largest command that is looked into: a frame with every character escaped, and room to
 * spare.
 */
export const COMMAND_BODY_MAX_BYTES = 16 * GATEWAY_FRAME_MAX_BYTES;
/**
 * Ours: commands that wait for one shard. It could not send more of them in time; above it refused.
 */
export const COMMANDS_PER_SHARD_MAX = 180;
/**
 * Ours: commands without a fate, over all shards. A shard may have as many as are still free, so
 * that slow ones never take all of it; above that refused. Below the consumer's prefetch, or a
 * shard that is slow would keep the commands of all others from being delivered.
 */
export const COMMANDS_MAX = 900;
/**
 * Ours: the wait before a command is tried again whose shard is being restarted, or was not
 * written.
 */
export const COMMAND_RETRY_MS = 500;
/** Ours: added to Discord's wait between lists of a guild's members, as with the other windows. */
export const MEMBER_LIST_MARGIN_MS = 500;
/**
 * Ours: requests for members that may still be answered by RATE_LIMITED; the oldest is forgotten.
 */
export const MEMBER_REQUESTS_REMEMBERED_MAX = 128;
export const MEMBER_REQUEST_REMEMBERED_MS = 60_000;
/**
 * Ours: how often a request for members that Discord limited is repeated; then it is left to its
 * sender.
 */
export const MEMBER_REQUEST_REPEATS_MAX = 3;
/**
 * Ours: how long a client waits for all members that it asked for: a gateway may have to wait as
 * long, too.
 */
export const MEMBER_REQUEST_TIMEOUT_MS = COMMAND_WAIT_MAX_MS + 30_000;
/** Ours: requests for members of one client without an answer; above it refused. */
export const MEMBER_REQUESTS_MAX = 1_000;
/** Ours: chunks of one answer: ten million members. A longer answer is refused. */
export const MEMBER_CHUNKS_MAX = 10_000;
/**
 * Ours: the largest presence, since it has to fit into a later IDENTIFY too; a larger one is
 * refused.
 */
export const PRESENCE_MAX_BYTES = 3 * 1024;

/** A permit holder that has not said HELLO by then goes to the end of the line. */
export const IDENTIFY_PREPARE_TIMEOUT_MS = HELLO_TIMEOUT_MS + 5_000;

/** The largest gateway message after decompression; a larger one ends the connection as garbled. */
export const GATEWAY_MESSAGE_MAX_BYTES = 64 * 1024 * 1024;
/**
 * The buffer that messages are decompressed into doubles from the first up to that. One for all
 * connections is kept, unless it has become larger than the second: huge messages come in bursts.
 */
export const DECOMPRESSED_INITIAL_BYTES = 64 * 1024;
export const DECOMPRESSED_KEPT_MAX_BYTES = 1024 * 1024;
/**
 * RFC 8878: the window, as a power of two, that every zstd decoder should have room for; above it
 * garbled.
 */
export const ZSTD_WINDOW_MAX_LOG = 23;

/**
 * Ours: messages waiting in one actor's mailbox. At the bound a new message becomes a dead letter,
 * counted, and warned about once until the mailbox is half empty; the sender is never thrown at.
 */
export const ACTOR_MAILBOX_MAX_MESSAGES = 10_000;

/** Ours: unanswered questions to one actor; at the bound a new one fails with MailboxFullError. */
export const ACTOR_ASKS_MAX = 10_000;

/** Ours: named timers of one actor; one more is a programming error and crashes it. */
export const ACTOR_TIMERS_MAX = 10_000;

/**
 * Ours: characters of an actor's name, room enough for a route with ids; a longer one is refused.
 */
export const ACTOR_NAME_MAX_LENGTH = 256;

/**
 * Ours: how long a stop waits for a handler that is being awaited; then the actor is abandoned and
 * logged.
 */
export const ACTOR_HANDLER_DEADLINE_MS = 2_000;

/**
 * Ours: how long a stop waits for one actor's `stop` hook; then it is left to itself and logged.
 */
export const ACTOR_STOP_HOOK_DEADLINE_MS = 4_000;

/**
 * Ours: how long a stop waits for a whole tree, whatever its depth, within the 10 s in which a
 * process must end; then what is left of the cleanup is started but not awaited.
 */
export const ACTOR_TREE_STOP_DEADLINE_MS = 8_000;

/**
 * The proxy. Requests that may be under way in one bucket, for one identity, and in all; at each
 * bound a new request is refused with a time. Each is a few messages to its bucket and to its
 * identity's gate, and must find room in their mailboxes.
 */
export const BUCKET_REQUESTS_MAX = 2_000;
export const IDENTITY_REQUESTS_MAX = 4_000;
export const PROXY_REQUESTS_MAX = 40_000;
/** What a request that is refused for want of room is told to wait. */
export const REFUSED_RETRY_AFTER_MS = 1_000;
/**
 * Bytes of bodies that waiting requests may hold; at the bound a new request is refused with a
 * time.
 */
export const PROXY_BODIES_MAX_BYTES = 256 * 1024 * 1024;
/**
 * Bucket actors; at the bound the one idle for longest makes room, and if none is idle the request
 * is refused.
 */
export const BUCKETS_MAX = 131_072;
/** Ours: of the buckets used longest ago, how many are looked at for one to make room. */
export const BUCKET_LOOKS_MAX = 64;
/** A bucket with nothing to do and nothing left to wait for is forgotten after this. */
export const BUCKET_IDLE_MS = 60_000;
/**
 * Gates, one an identity; at the bound the one without buckets that was used longest ago makes
 * room.
 */
export const GATES_MAX = 1_000;
/**
 * Permits a bucket may have asked of its gate and not yet used; more would let it crowd out others.
 */
export const BUCKET_ASKS_MAX = 8;

/**
 * Queues of a bucket actor, one a lane of a route; at the bound a request that needs another is
 * refused with a time.
 */
export const BUCKET_QUEUES_MAX = 1_000;
/**
 * Classes of routes that are known to share a counter with others; at the bound the oldest is
 * forgotten.
 */
export const SIBLINGS_MAX = 1_000;
/**
 * The longest body that is read for what it changes; a longer one is taken for the tighter limit.
 */
export const CLASS_BODY_MAX_BYTES = 64 * 1024;

/**
 * Ours: added to every reset and Retry-After, since what counts is when Discord receives the
 * request.
 */
export const RESET_MARGIN_MS = 50;
/**
 * Windows with a larger limit than this are not followed send by send, only by Discord's headers.
 */
export const SLIDING_LOG_MAX = 256;
/**
 * The wait for a lost or uncounted request when the length of the bucket's window is not known yet.
 */
export const WINDOW_GUESS_MS = 5_000;

/** Attempts at one request that Discord answered with 429; then the last 429 is the answer. */
export const LIMITED_ATTEMPTS_MAX = 5;
/** Attempts at one request that failed on the way, where repeating it is safe. */
export const FAILED_ATTEMPTS_MAX = 3;
/**
 * The wait before a repeat, and between pioneers of a bucket that answers with errors: doubling,
 * jittered.
 */
export const REPEAT_BACKOFF_MIN_MS = 250;
export const REPEAT_BACKOFF_MAX_MS = 10_000;
/** A known wait longer than this is not waited out: the request is refused with the time. */
export const PROXY_WAIT_MAX_MS = 15 * 60_000;
/**
 * How long everything stays away from a server in front of Discord that blocks us and gives no
 * time.
 */
export const EDGE_BLOCK_MIN_MS = 60_000;

/** Discord: requests a second of one identity, or of one address without credentials. */
export const GLOBAL_REQUESTS_PER_WINDOW = 50;
export const GLOBAL_WINDOW_MS = 1_000;
/** Ours: the largest global limit that can be configured. */
export const GLOBAL_LIMIT_MAX = 10_000;
/** Ours: the window is kept this much longer, against the jitter of timers. */
export const GLOBAL_MARGIN_MS = 10;
/** A request has reached Discord's counter when it is answered, or this long after it was sent. */
export const ARRIVAL_MAX_MS = 250;

/**
 * Discord: answers 401, 403 and 429 (but for shared limits) to one address in this span; then a
 * ban.
 */
export const INVALID_REQUESTS_PER_WINDOW = 10_000;
export const INVALID_REQUEST_WINDOW_MS = 600_000;
/** Ours: of these, when the log is told, when the bulk lane is refused, and when everything is. */
export const INVALID_REQUESTS_WARN = 0.5 * INVALID_REQUESTS_PER_WINDOW;
export const INVALID_REQUESTS_SHED = 0.8 * INVALID_REQUESTS_PER_WINDOW;
export const INVALID_REQUESTS_STOP = 0.95 * INVALID_REQUESTS_PER_WINDOW;
/** Ours: how exactly their times are kept; each counts for up to this much longer. */
export const INVALID_REQUEST_SLOT_MS = 5_000;

/**
 * Ours: 429s of shared limits in a minute. Discord counts none of them, yet bots that had thousands
 * were banned. At the second the bulk lane is refused, at the third all but the high lane.
 */
export const SHARED_LIMITED_WINDOW_MS = 60_000;
export const SHARED_LIMITED_SLOT_MS = 1_000;
export const SHARED_LIMITED_WARN = 150;
export const SHARED_LIMITED_SHED = 240;
export const SHARED_LIMITED_STOP = 300;
/** What a request is told to wait while all that is in the air could overdraw a budget. */
export const BUDGET_MOMENT_MS = 1_000;

/** Ours: after a 401 a token may be tried again after the first, and doubling up to the second. */
export const TOKEN_PROBE_MIN_MS = 1_000;
export const TOKEN_PROBE_MAX_MS = 5 * 60_000;
/**
 * Locked tokens; at the bound the one locked first is tried again. One nobody uses is forgotten.
 */
export const TOKEN_LOCKS_MAX = 1_000;
export const TOKEN_LOCK_UNUSED_MS = 60 * 60_000;

/**
 * Ours: how long a webhook that is gone is answered for, and how many; the oldest is asked for
 * again.
 */
export const DEAD_WEBHOOK_MS = 60 * 60_000;
export const DEAD_WEBHOOKS_MAX = 10_000;

/**
 * Ours: families of routes that may have a limit of their own, and slots that its window is kept
 * in.
 */
export const FAMILY_LIMITS_MAX = 32;
export const FAMILY_WINDOW_SLOTS = 120;
export const FAMILY_WINDOW_MAX_MS = 24 * 60 * 60_000;

/**
 * Ours: turns that others may take before a lane with somebody in it; each gets about a tenth at
 * least.
 */
export const LANE_PATIENCE = 9;
/** Ours: of the global limit, what the bulk lane leaves free for whoever comes in a higher one. */
export const GLOBAL_RESERVED_SHARE = 0.1;
/**
 * Ours: of PROXY_REQUESTS_MAX and IDENTITY_REQUESTS_MAX, what the lower lanes leave to the higher
 * ones.
 */
export const BULK_SHARE = 0.5;
export const NORMAL_SHARE = 0.9;

/** Discord: an interaction's token is void unless it is answered within this. */
export const INTERACTION_ANSWER_MS = 3_000;

/**
 * The longest path that is resolved to a route; a longer one is refused. Node's own limit is near.
 */
export const ROUTE_PATH_MAX_CHARACTERS = 16_384;
/**
 * Undocumented segments that a route's template shows; the rest is one star, so labels stay few.
 */
export const ROUTE_UNKNOWN_SEGMENTS_MAX = 4;

/** Times a request may live through the crash of its bucket before it is failed. */
export const BUCKET_CRASHES_MAX = 3;

/**
 * Discord: the largest file that any boost or subscription lets somebody upload, and room for its
 * form.
 */
export const REQUEST_BODY_MAX_BYTES = 512 * 1024 * 1024;
/**
 * A body that grows beyond this goes on in a file, so that what waits for its turn costs little
 * memory.
 */
export const BODY_HELD_MAX_BYTES = 256 * 1024;
/**
 * Memory for bodies at the HTTP door, all together; at the bound bodies go into files from the
 * start.
 */
export const BODIES_HELD_MAX_BYTES = 64 * 1024 * 1024;
/**
 * Files of bodies, and their bytes; at either bound a request whose body needs one is refused with
 * a time.
 */
export const SPOOLED_BODIES_MAX = 1_024;
export const SPOOLED_BODIES_MAX_BYTES = 8 * 1024 * 1024 * 1024;
/** How much of such a file is read at once. */
export const SPOOL_READ_BYTES = 64 * 1024;
/** Connections to the HTTP door; above it new ones are closed at once. */
export const HTTP_CONNECTIONS_MAX = 10_000;
/** The head of a request to the HTTP door, in bytes; a larger one is answered with 431. */
export const HTTP_HEAD_MAX_BYTES = 32 * 1024;
/** How long a client may take for a request's head, and for the whole request; then it gets 408. */
export const HTTP_HEAD_TIMEOUT_MS = 15_000;
export const HTTP_REQUEST_TIMEOUT_MS = 10 * 60_000;
/**
 * How long a client may neither send more of its body nor read more of its answer; then it is let
 * go.
 */
export const HTTP_STALL_MS = 30_000;
/** How long an idle connection of a client is kept for its next request. */
export const HTTP_KEEP_ALIVE_MS = 60_000;
/** What a client may leave unread of an answer before no more of it is taken from Discord. */
export const HTTP_ANSWER_HELD_MAX_BYTES = 256 * 1024;
/**
 * The cache. Ours: how long an answer is kept when nobody tells of changes, by how they come about:
 * with a release of Discord, with a deployment of the bot or an edited profile, or at anybody's
 * hand at any moment; the last is what a burst of handlers of one event takes, and no longer than
 * people put down to Discord itself. With the gateway's events an answer ends with its event; its
 * longest life then only bounds what no event tells.
 */
export const CACHE_FIXED_MS = 10 * 60_000;
export const CACHE_SLOW_MS = 30_000;
export const CACHE_CHANGING_MS = 2_000;
export const CACHE_TOLD_MS = 5 * 60_000;
/**
 * Answers that are kept, and their bytes; at either bound those that were not asked for the longest
 * go.
 */
export const CACHE_ENTRIES_MAX = 50_000;
export const CACHE_MAX_BYTES = 128 * 1024 * 1024;
/**
 * The largest answer that is kept: the channels and roles of the largest guilds fit; above, it is
 * not.
 */
export const CACHE_ENTRY_MAX_BYTES = 2 * 1024 * 1024;
/** The largest answer that several wait for; of a larger one each gets its own from Discord. */
export const SHARED_BODY_MAX_BYTES = 8 * 1024 * 1024;
/**
 * What all answers that are being collected may take together; above, each who waits gets its own.
 */
export const COLLECTING_MAX_BYTES = 64 * 1024 * 1024;
/** Who waits for the request of another, in all; above, requests are not joined any more. */
export const JOINED_MAX = 10_000;
/** The largest answer that the RPC door carries; Discord's own are far smaller. */
export const ANSWER_BODY_MAX_BYTES = 64 * 1024 * 1024;
/** The most of a 429's body that is read to find out what was limited. */
export const LIMITED_BODY_MAX_BYTES = 64 * 1024;
/**
 * Answers that the RPC door remembers for repeats of their message, and their bytes; the oldest go
 * first.
 */
export const RPC_ANSWERS_MAX = 1_000;
export const RPC_ANSWERS_MAX_BYTES = 16 * 1024 * 1024;
export const UPSTREAM_CONNECT_TIMEOUT_MS = 10_000;
/** Silence of Discord after a request was sent, and between parts of an answer's body. */
export const UPSTREAM_HEADERS_TIMEOUT_MS = 30_000;
export const UPSTREAM_BODY_TIMEOUT_MS = 30_000;
/** What is taken of an answer's body before somebody reads it, and of one that nobody will read. */
export const UPSTREAM_BODY_HELD_BYTES = 64 * 1024;
export const UPSTREAM_BODY_DRAINED_BYTES = 128 * 1024;
/** Connections to Discord; requests above that wait inside the driver. */
export const UPSTREAM_CONNECTIONS_MAX = 256;
/** HTTP/2: connections to Discord, and requests that may be under way on each of them. */
export const UPSTREAM_HTTP2_CONNECTIONS_MAX = 4;
export const UPSTREAM_STREAMS_MAX = 100;
/**
 * How long `Rest` waits for an answer unless it is told: long enough for a turn in a busy bucket.
 */
export const REST_CALL_TIMEOUT_MS = 60_000;
/**
 * How much longer than the proxy a caller waits, so that it hears from the proxy that time is up.
 */
export const REST_CALL_GRACE_MS = 2_000;
/** How long a stopping proxy waits for requests in flight; the broker has to close after that. */
export const PROXY_DRAIN_MS = 6_000;

/** Discord: the span of the identify budget. */
export const IDENTIFY_BUDGET_PERIOD_MS = 24 * 60 * 60 * 1000;

/** Ours: the longest an identify ledger may take to answer; then it counts as away. */
export const IDENTIFY_LEDGER_TIMEOUT_MS = SESSION_STORE_TIMEOUT_MS + 1_000;
/**
 * Ours: a permit holds its key this long at most, for a process that dies with it: the answer's
 * way, the time in which the frame has to be sent, and the window after it.
 */
export const IDENTIFY_LEASE_MS =
  IDENTIFY_LEDGER_TIMEOUT_MS +
  IDENTIFY_PREPARE_TIMEOUT_MS +
  IDENTIFY_WINDOW_MS +
  IDENTIFY_MARGIN_MS;
/**
 * Ours: how long a ledger outlives its last use. A gateway may run for weeks without an IDENTIFY,
 * and a book that it finds missing then counts as lost.
 */
export const IDENTIFY_LEDGER_KEPT_MS = 30 * IDENTIFY_BUDGET_PERIOD_MS;
/** Ours: the largest file of identify ledgers that is read. */
export const IDENTIFY_LEDGER_FILE_MAX_BYTES = 4 * 1024 * 1024;
/** Ours: the wait before a ledger that is away is asked again. */
export const IDENTIFY_LEDGER_BACKOFF: BackoffPolicy = {
  initialMs: 1_000,
  maxMs: 30_000,
  factor: 2,
  jitter: 0.5,
  stableMs: 0,
};
/** Discord: the values that `large_threshold` of IDENTIFY may have; the smallest is its default. */
export const LARGE_THRESHOLD_MIN = 50;
export const LARGE_THRESHOLD_MAX = 250;

/**
 * Ours: how often Discord is asked whether there is budget again, while it is down to its floor.
 */
export const IDENTIFY_FLOOR_RECHECK_MS = 15 * 60_000;
/** Ours: the largest floor that can be configured; Discord's largest known budgets are below it. */
export const IDENTIFY_FLOOR_MAX = 100_000;

/** Ours: before an IDENTIFY, /gateway/bot is asked again if its last answer is older than this. */
export const GATEWAY_BOT_FRESH_MS = 10 * 60_000;
/**
 * Ours: and if it is older than this, once so many sessions have ended soon after their IDENTIFY.
 */
export const GATEWAY_BOT_SUSPECT_MS = 60_000;
export const IDENTIFY_RETURNS_MAX = 3;
/**
 * Ours: an IDENTIFY by the same shard this soon after its last one says that the last was refused.
 */
export const IDENTIFY_RETURN_MS = 60_000;
/**
 * Ours: the wait after a question of that kind that failed; meanwhile what was known goes on to
 * count.
 */
export const GATEWAY_BOT_REFRESH_BACKOFF: BackoffPolicy = {
  initialMs: 30_000,
  maxMs: 15 * 60_000,
  factor: 2,
  jitter: 0.5,
  stableMs: 0,
};

/** Ours: the longest frame read from standard input; a longer one is skipped and reported. */
export const STDIO_FRAME_MAX_BYTES = 16 * 1024 * 1024;

/** Ours: the deepest nesting of a JSON frame; a deeper one is skipped and reported. */
export const FRAME_DEPTH_MAX = 10_000;

/**
 * Ours: the deepest nesting that is written as MessagePack; Go's and Rust's readers stop at 1,024.
 */
export const MESSAGE_PACK_DEPTH_MAX = 1_000;

/** Ours: how long a reader of frames may take nothing before the gateway is told to hold back. */
export const READER_STALL_MS = 5_000;

/** Ours: how often the log says what was skipped on standard input. */
export const GARBAGE_REPORT_MS = 5_000;

/**
 * Ours: bodies on their way to a child process that has not taken them; above it it gets no more.
 */
export const IPC_UNSENT_MAX_BYTES = 8 * 1024 * 1024;

/** Ours: events that a child process sends to its parent in one message. */
export const IPC_BATCH_EVENTS_MAX = 256;

/**
 * Ours: the buffer that a turn's frames are collected in; a full one is written before the turn
 * ends.
 */
export const STDIO_BATCH_BYTES = 64 * 1024;

/**
 * Ours: events written to a broker and not yet confirmed, over all shards; a power of two. At the
 * bound `write` refuses.
 */
export const WRITER_EVENTS_MAX = 65_536;

/**
 * Ours: their bytes; at the bound `write` refuses. An event larger than this is taken when it is
 * alone.
 */
export const WRITER_MAX_BYTES = 64 * 1024 * 1024;

/** Ours: refused writers are told of room when this share of both bounds is free again. */
export const WRITER_ROOM_SHARE = 0.5;

/** Ours: no confirm at all for this long, with events outstanding, means the link is dead. */
export const CONFIRM_STALL_MS = 10_000;
export const CONFIRM_CHECK_MS = 2_500;

/** Ours: publishes and calls waiting for their confirm or answer; above it they fail at once. */
export const BROKER_OPERATIONS_MAX = 10_000;
/**
 * Ours: the bytes of their bodies, and of answers not yet confirmed; one that is larger may be
 * alone.
 */
export const BROKER_OPERATIONS_MAX_BYTES = 64 * 1024 * 1024;

/** Ours: how long a publish may wait for its confirm, reconnections included. */
export const PUBLISH_TIMEOUT_MS = 10_000;

/** Ours: how long a broker connection may take to open. */
export const BROKER_CONNECT_TIMEOUT_MS = 10_000;

/** Ours: the wait before a lost broker connection is opened again: at least, at most. */
export const BROKER_BACKOFF_MIN_MS = 100;
export const BROKER_BACKOFF_MAX_MS = 10_000;

/**
 * Ours: a link that stayed open this long was stable; the next wait starts from the least again.
 */
export const BROKER_STABLE_MS = 10_000;

/** Ours: programming errors in a broker channel that are answered by a restart, in this span. */
export const BROKER_CRASHES_MAX = 5;
export const BROKER_CRASH_WINDOW_MS = 60_000;

/**
 * Ours: how long `close` waits for confirms and handlers; less than ACTOR_STOP_HOOK_DEADLINE_MS.
 */
export const BROKER_CLOSE_MS = 3_000;

/**
 * Ours: how long a link may take to begin and to cease consuming an event. One that says nothing
 * for longer is as good as away: what is wanted is known, and its successor does it. The second is
 * part of a stop.
 */
export const BROKER_SUBSCRIBE_MS = 10_000;
export const BROKER_UNSUBSCRIBE_MS = 500;

/**
 * Ours: messages handed to a subscription's handler and not yet acked; above it no more are
 * fetched.
 */
export const CONSUMER_PREFETCH = 1_000;
/** Ours: with so many of them and none settled for so long, a listener seems to ack nothing. */
export const UNSETTLED_WARN_MS = 10_000;

/** Ours: messages queued in memory for one subscription; at the bound publishers are refused. */
export const MEMORY_QUEUE_MAX = 10_000;
export const MEMORY_QUEUE_MAX_BYTES = 64 * 1024 * 1024;

/**
 * Ours: messages that a client remembers to have handled, to drop their repeats; the oldest is
 * forgotten.
 */
export const REPEATS_MAX = 65_536;

/** Ours: how often one message may be handed back with `retry` over memory or stdio. */
export const LOCAL_RETRIES_MAX = 20;

/**
 * Ours: the wait before a message handed back with `retry` is delivered again, against hot loops.
 */
export const RETRY_DELAY_MS = 100;

/** AMQP: seconds between heartbeats that we ask for; two missed ones end the connection. */
export const AMQP_HEARTBEAT_SECONDS = 10;

/**
 * AMQP 0-9-1: bytes of the name of a queue, an exchange or a routing key; a longer one is refused.
 */
export const AMQP_NAME_MAX_BYTES = 255;

/**
 * AMQP: deliveries of one message from a quorum queue; then it goes to the queue's dead letters.
 */
export const AMQP_DELIVERY_LIMIT = 20;

/**
 * AMQP: a message that arrives this much later than it expires is dropped. Its age is known only by
 * its sender's clock, and the clocks of two machines differ.
 */
export const AMQP_CLOCK_SKEW_MS = 30_000;

/**
 * Ours: a check that runs this much late says that the process was too busy to keep its
 * connections.
 */
export const LOOP_LAG_WARN_MS = 2_000;

/** Ours: the buffer in which events wait for their common write; a full one is written at once. */
export const EVENT_BATCH_BYTES = 256 * 1024;

/** Ours: buffers of that size which a sink keeps for reuse. */
export const EVENT_SPARE_BATCHES_MAX = 4;

/**
 * Ours: the least time between two writes of events to a broker. A write costs more than all else
 * that is done for an event, and nobody notices a millisecond; after a longer pause an event does
 * not wait. Node's timers keep to whole milliseconds: one of 1 ms ends after one or two, by chance,
 * one of 1.5 after two.
 */
export const EVENT_WRITE_SPACING_MS = 1.5;

/**
 * Ours: what one read of a gateway's socket brings at most; all sockets read into the same buffer.
 */
export const READ_BUFFER_BYTES = 64 * 1024;

/** Ours: what a busy socket brings within this time is read at once, and so written at once. */
export const READ_SPACING_MS = EVENT_WRITE_SPACING_MS;

/**
 * Ours: a socket is busy that brings so many messages in that time; for fewer a rest costs more
 * than it saves.
 */
export const READ_BUSY_MESSAGES = 4;

/** Redis: entries asked for in one read, as the existing clients do. */
export const REDIS_READ_COUNT = 10;

/** Redis: how long one blocking read may wait, and how much later it is taken for hung. */
export const REDIS_BLOCK_MS = 5_000;
export const REDIS_BLOCK_GRACE_MS = 5_000;

/** Redis: how often streams are trimmed to their retention. */
export const REDIS_TRIM_INTERVAL_MS = 60_000;

/** Redis: streams a publisher remembers to trim; events beyond it are published and not trimmed. */
export const REDIS_TRIMMED_STREAMS_MAX = 1_024;

/**
 * Redis: how often an answer that nobody heard is sent, and the first wait between; each one
 * doubles.
 */
export const REDIS_ANSWER_ATTEMPTS_MAX = 7;
export const REDIS_ANSWER_RETRY_MS = 10;

/** Redis: how often an answer is sent in a cluster, which does not say whether anybody heard it. */
export const REDIS_CLUSTER_ANSWERS = 3;

/** Redis: an answer this soon after its question was read may come before its caller listens. */
export const REDIS_QUICK_ANSWER_MS = 50;

/** Redis: replies that may arrive before the call they answer knows its id. */
export const REDIS_PARKED_REPLIES_MAX = 256;

/** Ours: of the words in which Redis refuses an event, what is kept. */
export const REDIS_REFUSAL_MAX_BYTES = 512;

/**
 * Redis: how often each connection is asked for a sign of life, and how long it may take to give
 * one.
 */
export const REDIS_PULSE_MS = 5_000;
export const REDIS_PULSE_TIMEOUT_MS = 10_000;

/**
 * Redis: how long one of a cluster's addresses may take to connect before the next one is tried.
 */
export const REDIS_SEED_TIMEOUT_MS = 3_000;

/** Redis: blocking readers of one process, one a slot in a cluster; one more is refused. */
export const REDIS_READERS_MAX = 1_024;

/**
 * Redis: events whose answers are listened for; above it the one unused for longest is given up.
 */
export const REDIS_CALLED_EVENTS_MAX = 1_024;

/**
 * Redis: an entry nobody has asked about for this long is taken over, unless configured otherwise.
 */
export const REDIS_CLAIM_IDLE_MS = 120_000;
/**
 * Redis: how often such entries are looked for, how many a look takes, and looks at one stream in a
 * row.
 */
export const REDIS_CLAIM_INTERVAL_MS = 5_000;
export const REDIS_CLAIM_COUNT = 100;
export const REDIS_CLAIM_ROUNDS_MAX = 10;

/** Redis: an entry that was delivered this often and never acked goes to the dead letters. */
export const REDIS_DELIVERIES_MAX = 20;
/**
 * Redis: dead letters kept for each event, the oldest goes first; and fields of an entry that are
 * kept.
 */
export const REDIS_DEAD_LETTERS_MAX = 10_000;
export const REDIS_DEAD_FIELDS_MAX = 256;

/** Redis: the wait before a message handed back is delivered again doubles up to this. */
export const REDIS_RETRY_DELAY_MAX_MS = 10_000;
/**
 * Redis: messages handed back that wait for that; those above it stay pending until they are
 * claimed.
 */
export const REDIS_RETRIES_WAITING_MAX = 500;

/** Redis: how long an entry is kept from other consumers for a handler that has not settled it. */
export const REDIS_HANDLER_MAX_MS = 30 * 60_000;
/**
 * How long nobody may have read by a group that belongs to one process before the next such process
 * deletes it. Servers before 7.2 do not count reads that find nothing, so this is far above quiet
 * spells.
 */
export const REDIS_OWN_GROUP_IDLE_MS = 24 * 60 * 60_000;

/**
 * Redis: acks and dead letters kept for the next link; one above it is dropped and delivered again.
 */
export const REDIS_SETTLEMENTS_MAX = 10_000;

/**
 * Redis: streams whose last entry is remembered, for groups that vanish; and slots that are
 * remembered.
 */
export const REDIS_SEEN_STREAMS_MAX = 4_096;

/**
 * Redis: how often groups are rid of consumers that have nothing and were not heard of for the
 * second.
 */
export const REDIS_REAP_INTERVAL_MS = 10 * 60_000;
export const REDIS_CONSUMER_IDLE_MS = 60 * 60_000;

/**
 * Ours: the longest that a Retry-After of GET /gateway/bot is waited out before it is asked again.
 */
export const GATEWAY_BOT_WAIT_MAX_MS = 60 * 60_000;
/** Ours: the largest max_concurrency that is believed; Discord's largest bots have 16 and above. */
export const MAX_CONCURRENCY_MAX = 4_096;
/** How long GET /gateway/bot may wait for Discord's headers, and for the body. */
export const GATEWAY_BOT_TIMEOUT_MS = 15_000;
/** The wait before it is sent again. */
export const GATEWAY_BOT_BACKOFF: BackoffPolicy = {
  initialMs: 1_000,
  maxMs: 60_000,
  factor: 2,
  jitter: 0.5,
  stableMs: 0,
};

/**
 * Ours: restarts of one child that a supervisor grants within the window; one more and the
 * supervisor crashes, for its own supervisor to decide. Ends that a caller judges ordinary do not
 * count.
 */
export const SUPERVISOR_RESTARTS_MAX = 5;
export const SUPERVISOR_RESTART_WINDOW_MS = 60_000;

/**
 * Ours: the wait before a restart doubles from the first to the second, and starts over after a
 * stable run.
 */
export const SUPERVISOR_BACKOFF_INITIAL_MS = 100;
export const SUPERVISOR_BACKOFF_MAX_MS = 30_000;
export const SUPERVISOR_BACKOFF_STABLE_MS = 60_000;

/** Ours: how long a supervised child may take to end, unless its spec says otherwise. */
export const SUPERVISED_SHUTDOWN_MS = 5_000;

/**
 * Ours: how long a shard that stops waits, when its connection is closed, for the confirms of what
 * it handed to the broker last. What is not confirmed by then comes again at the next start.
 */
export const STOP_CONFIRM_MS = 1_000;

/**
 * How long a shard may take to close its connection and save its session when the gateway stops.
 */
export const GATEWAY_SHUTDOWN_MS = CLOSE_TIMEOUT_MS + STOP_CONFIRM_MS + 500;

/** How long `spectacles check` tries one connection. */
export const PROBE_TIMEOUT_MS = 10_000;

/** How often a gateway's log says how many events came in; oftener where a person is looking on. */
export const EVENT_SUMMARY_MS = 60_000;
export const RUN_EVENT_SUMMARY_MS = 10_000;

/** Ours: how long a stop lets a handler's requests land before the proxy takes no more of them. */
export const RUN_DRAIN_MS = 500;

/**
 * How long a connection waits for room at the broker before it is closed, to be resumed later.
 * Short, since a heartbeat that Discord asks for meanwhile is not seen; while a READY is held,
 * which is waited for longer, a heartbeat is sent this often.
 */
export const HOLD_MAX_MS = 5_000;
/** What may arrive of a socket that is not read any more; beyond it the connection is closed. */
export const HELD_MAX_BYTES = 4 * 1024 * 1024;
/** What each of those messages counts beside its bytes, or empty ones would cost nothing. */
export const HELD_OVERHEAD_BYTES = 256;

const isPowerOfTwo = (value: number): boolean => value > 0 && (value & (value - 1)) === 0;

/**
 * Ours: limits that several proxies share over a store. Whoever waits in a shared bucket or gate
 * looks again after this, told or not, since words get lost; and says again what it has in the air.
 */
export const SHARED_POLL_MS = 1_000;
/**
 * A proxy that has said for so long no more that it waits is not waited for: two looks may be late.
 */
export const SHARED_WAIT_KEPT_MS = 2_500;
/** A request of another proxy counts as lost when nothing was said of it for so long. */
export const SHARED_LEASE_MS = 6_000;
/**
 * Routes that a proxy says it waits for in one bucket; for others its turn may come later than its
 * due.
 */
export const SHARED_WAITS_MAX = 32;
/** The store counts as away when it has not answered by then. */
export const SHARED_ANSWER_MS = 2_000;
/**
 * When the store goes away, a bucket waits for one window before it uses its share, since others
 * may have used this one; but no longer than this, and then takes the risk of one 429.
 */
export const SHARED_GAP_MAX_MS = 10_000;
/** A store that has not let itself be reached by then is tried again. */
export const SHARED_CONNECT_MS = 5_000;
/** How often a proxy says that it is there. */
export const SHARED_HEARTBEAT_MS = 1_000;
/**
 * A proxy that has said nothing for so long is taken to decide alone: by then its answer is
 * overdue.
 */
export const SHARED_MISSED_MS = 4_000;
/**
 * A proxy that has said nothing for so long is taken to be gone, and its share is used by the
 * others.
 */
export const SHARED_SEEN_MS = 60_000;
/** Of two proxies' times no more than twice this may be wrong, or a bucket would open too early. */
export const SHARED_CLOCK_ERROR_MAX_MS = 25;
/** What is kept in the store of a bucket or a gate goes so long after it has ceased to matter. */
export const SHARED_KEPT_MS = 120_000;
/**
 * What a stopping proxy keeps of its time to tell the store; else its share is idle for a while.
 */
export const SHARED_LEAVE_MS = 500;
/** No text is kept for longer, however long a window may be. */
export const SHARED_KEPT_MAX_MS = 86_400_000;
/** The most proxies whose shares are reckoned with; it bounds what a heartbeat is answered. */
export const SHARED_PROXIES_MAX = 1_000;
/** Between two tries to reach the store. */
export const SHARED_BACKOFF: BackoffPolicy = {
  initialMs: 250,
  maxMs: 5_000,
  factor: 2,
  jitter: 0.5,
  stableMs: 10_000,
};

/** What has to hold between the bounds above, and what would break without it. */
const RELATIONS: readonly (readonly [holds: boolean, broken: string])[] = [
  [
    2 * PROCESS_SHARDS_MAX <= ACTOR_MAILBOX_MAX_MESSAGES,
    'PROCESS_SHARDS_MAX: the governor would not hear of all shards',
  ],
  [
    isPowerOfTwo(WRITER_EVENTS_MAX) && isPowerOfTwo(UNCONFIRMED_EVENTS_MAX),
    'WRITER_EVENTS_MAX and UNCONFIRMED_EVENTS_MAX: a ring finds its slots by a mask',
  ],
  [
    WRITER_MAX_BYTES >= GATEWAY_MESSAGE_MAX_BYTES,
    'WRITER_MAX_BYTES: the largest message would never be taken',
  ],
  [
    SESSION_STORE_TIMEOUT_MS < IDENTIFY_LEDGER_TIMEOUT_MS,
    'IDENTIFY_LEDGER_TIMEOUT_MS: a ledger would count as away while it still waits for its store',
  ],
  [
    HELLO_TIMEOUT_MS < IDENTIFY_PREPARE_TIMEOUT_MS,
    'IDENTIFY_PREPARE_TIMEOUT_MS: a shard would lose its place while it waits for HELLO',
  ],
  [
    HOLD_MAX_MS < READY_TIMEOUT_MS && HOLD_MAX_MS < RESUMED_TIMEOUT_MS,
    'HOLD_MAX_MS: a held READY or RESUMED would be taken for a silent peer',
  ],
  [
    CACHE_ENTRY_MAX_BYTES <= SHARED_BODY_MAX_BYTES &&
      CACHE_ENTRY_MAX_BYTES <= CACHE_MAX_BYTES &&
      SHARED_BODY_MAX_BYTES <= COLLECTING_MAX_BYTES,
    'CACHE_ENTRY_MAX_BYTES: an answer that may be kept could not be collected',
  ],
  [
    GATEWAY_SHUTDOWN_MS + SESSION_FLUSH_MS + RUN_DRAIN_MS + SHARED_LEAVE_MS + BROKER_CLOSE_MS <=
      SERVICE_STOP_MS && SERVICE_STOP_MS < PROCESS_STOP_DEADLINE_MS,
    'SERVICE_STOP_MS: a run could not save its sessions and close its brokers before its time is up',
  ],
  [
    BROKER_UNSUBSCRIBE_MS + PROXY_DRAIN_MS + BROKER_CLOSE_MS < PROCESS_STOP_DEADLINE_MS,
    'PROXY_DRAIN_MS: a stopping proxy has to close its broker, too, before its time is up',
  ],
  [
    BODY_HELD_MAX_BYTES <= BODIES_HELD_MAX_BYTES && BODIES_HELD_MAX_BYTES <= PROXY_BODIES_MAX_BYTES,
    'BODIES_HELD_MAX_BYTES: a body that is held in memory would be refused for its size',
  ],
  [
    REQUEST_BODY_MAX_BYTES <= SPOOLED_BODIES_MAX_BYTES,
    'SPOOLED_BODIES_MAX_BYTES: the largest body would never be taken',
  ],
  [
    GATEWAY_FRAMES_RESERVED < GATEWAY_FRAMES_PER_WINDOW,
    'GATEWAY_FRAMES_RESERVED: no frame but heartbeats could be sent',
  ],
  [
    HEARTBEAT_INTERVAL_MIN_MS > 0 && HEARTBEAT_INTERVAL_MAX_MS <= SESSION_RESUMABLE_MS,
    'HEARTBEAT_INTERVAL_MAX_MS: a dead connection would outlive the session that it had',
  ],
  [
    COMMANDS_MAX < CONSUMER_PREFETCH && COMMANDS_PER_SHARD_MAX < COMMANDS_MAX,
    'COMMANDS_MAX: slow shards would keep the commands of the others from being delivered',
  ],
  [
    GATEWAY_SHUTDOWN_MS > CLOSE_TIMEOUT_MS + STOP_CONFIRM_MS,
    'GATEWAY_SHUTDOWN_MS: a closing handshake has to fit into it, and the wait for the last confirms',
  ],
  [
    GATEWAY_SHUTDOWN_MS + SESSION_FLUSH_MS + BROKER_CLOSE_MS < PROCESS_STOP_DEADLINE_MS &&
      SESSION_FLUSH_MS < ACTOR_STOP_HOOK_DEADLINE_MS,
    'SESSION_FLUSH_MS: shards, sessions and broker stop one after the other, and a hook has a deadline',
  ],
  [
    2 * SHARED_CLOCK_ERROR_MAX_MS <= RESET_MARGIN_MS,
    'SHARED_CLOCK_ERROR_MAX_MS: one proxy would send before the reset that another has heard of',
  ],
  [
    2 * SHARED_POLL_MS < SHARED_WAIT_KEPT_MS &&
      2 * (SHARED_POLL_MS + SHARED_ANSWER_MS) <= SHARED_LEASE_MS,
    'SHARED_POLL_MS: what a proxy waits for and what it has in the air would be forgotten meanwhile',
  ],
  [
    SHARED_HEARTBEAT_MS + SHARED_ANSWER_MS < SHARED_MISSED_MS,
    'SHARED_MISSED_MS: a proxy would be taken to decide alone while it waits for an answer',
  ],
  [
    SHARED_KEPT_MS >= 2 * BUCKET_IDLE_MS,
    'SHARED_KEPT_MS: a bucket that is in use would be forgotten',
  ],
  [
    SESSION_LOCK_STALE_MS < SESSION_STORE_TIMEOUT_MS &&
      SESSION_STORE_TIMEOUT_MS < SESSION_LOAD_TIMEOUT_MS,
    'SESSION_LOAD_TIMEOUT_MS: a start has to outlive the lock of a process that died, and a slow store',
  ],
];

for (const [holds, broken] of RELATIONS) {
  if (!holds) throw new RangeError(`limits do not fit together: ${broken}`);
}
