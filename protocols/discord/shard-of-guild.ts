/** Which shard has a guild: Discord's `(guild_id >> 22) % num_shards`, in 64-bit integers. */

/** Snowflakes have this many bits of origin and count below their time. */
const LOW_BITS = 22n;

/** @param guildId decimal digits */
export function shardOfGuild(guildId: string, shardCount: number): number {
  return Number((BigInt(guildId) >> LOW_BITS) % BigInt(shardCount));
}
