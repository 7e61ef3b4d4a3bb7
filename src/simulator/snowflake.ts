/**
 * Snowflakes: Discord's 64-bit ids, milliseconds since 2015 above 22 bits of origin and count.
 *
 * They travel as decimal strings, since JavaScript's numbers hold 53 bits only. All arithmetic here
 * is 64-bit.
 */

/** The first moment of 2015 (UTC), from which snowflakes count. */
export const DISCORD_EPOCH_MS = 1_420_070_400_000;

const LOW_BITS = 22n;
const LOW_MASK = (1 << 22) - 1;

export function makeSnowflake(epochMs: number, low: number): string {
  const sinceDiscordMs = Math.floor(epochMs) - DISCORD_EPOCH_MS;
  if (!(sinceDiscordMs >= 0)) {
    throw new RangeError(`a snowflake's time must not be before 2015, as ${epochMs} is`);
  }
  return ((BigInt(sinceDiscordMs) << LOW_BITS) | BigInt(low & LOW_MASK)).toString();
}

/** Its time and its low 22 bits, or undefined when `id` is not an unsigned 64-bit number. */
export function readSnowflake(id: string): { epochMs: number; low: number } | undefined {
  if (!/^\d{1,20}$/.test(id)) return undefined;
  const value = BigInt(id);
  if (value >= 1n << 64n) return undefined;
  return {
    epochMs: Number(value >> LOW_BITS) + DISCORD_EPOCH_MS,
    low: Number(value & BigInt(LOW_MASK)),
  };
}

/** Milliseconds since 2015: the id without its low bits, which fits into a number. */
export function snowflakeTime(id: string): number {
  return Number(BigInt(id) >> LOW_BITS);
}

/** The shard that gets a guild's events. */
export function shardOfGuild(guildId: string, shardCount: number): number {
  return snowflakeTime(guildId) % shardCount;
}
