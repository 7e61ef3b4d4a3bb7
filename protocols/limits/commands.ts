/**
 * Bounds of commands to shards, and of the requests for members among them.
 */
import { GATEWAY_FRAME_MAX_BYTES } from './gateway.ts';

/**
 * Ours: the largest command that is looked into: a frame with every character escaped, and room to
 * spare.
 */
export const COMMAND_BODY_MAX_BYTES = 16 * GATEWAY_FRAME_MAX_BYTES;
/**
 * Ours: the largest presence, since it has to fit into a later IDENTIFY too; a larger one is
 * refused.
 */
export const PRESENCE_MAX_BYTES = 3 * 1024;
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
 * Ours: the wait before a command is tried again whose shard is being restarted, or was not
 * written.
 */
export const COMMAND_RETRY_MS = 500;

/** Discord: requests for a guild's whole member list, one in this span; above it RATE_LIMITED. */
export const MEMBER_LIST_WINDOW_MS = 30_000;
/** Ours: added to Discord's wait between lists of a guild's members, as with the other windows. */
export const MEMBER_LIST_MARGIN_MS = 500;
/** Discord: users that one member request may name, and the longest nonce it answers with. */
export const MEMBER_REQUEST_USERS_MAX = 100;
export const MEMBER_REQUEST_NONCE_MAX_BYTES = 32;
/** Discord: members in one chunk, and members that match a prefix. */
export const MEMBERS_PER_CHUNK_MAX = 1_000;
export const MEMBER_QUERY_MATCHES_MAX = 100;
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
