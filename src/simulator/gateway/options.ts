/**
 * What can be set about the simulated gateway; the defaults are what Discord's documentation says.
 */
import { ALL_INTENTS } from '../../../protocols/discord/intents.ts';
import {
  GUILDS_PER_SHARD,
  IDENTIFIES_PER_DAY,
  LARGE_BOT_GUILDS,
  LARGE_BOT_GUILDS_PER_IDENTIFY,
  LARGE_BOT_IDENTIFIES_PER_DAY,
  SIMULATOR_REPLAY_EVENTS_MAX,
  SIMULATOR_REPLAY_MAX_BYTES,
} from '../../../protocols/limits.ts';

export type GatewayOptions = {
  readonly heartbeatIntervalMs: number;
  /** How late a heartbeat may be; Discord says that there is a tolerance, not how much. */
  readonly heartbeatToleranceMs: number;
  /** How long a session without a connection lives: "a few minutes". */
  readonly sessionTimeoutMs: number;
  readonly maxConcurrency: number;
  readonly identifiesPerDay: number;
  /** What is left of today's IDENTIFYs at the start. */
  readonly identifiesRemaining: number;
  /** Intents this application may ask for; a privileged one outside of it is refused with 4014. */
  readonly allowedIntents: number;
  readonly guildsPerShard: number;
  /** What `/gateway/bot` recommends; null computes it from the guilds. */
  readonly recommendedShards: number | null;
  /** Of a large bot: shard counts must be a multiple of this, or 4010. */
  readonly shardMultiple: number;
  readonly replayEvents: number;
  readonly replayBytes: number;
  /** The GUILD_CREATEs after READY come in batches of `guildBatch`, one each `guildIntervalMs`. */
  readonly guildIntervalMs: number;
  readonly guildBatch: number;
  /** How long after op 7 the server closes a connection that is still there. */
  readonly reconnectGraceMs: number;
};

export const GATEWAY_DEFAULTS: GatewayOptions = {
  heartbeatIntervalMs: 41_250,
  heartbeatToleranceMs: 10_000,
  sessionTimeoutMs: 180_000,
  maxConcurrency: 1,
  identifiesPerDay: IDENTIFIES_PER_DAY,
  identifiesRemaining: IDENTIFIES_PER_DAY,
  allowedIntents: ALL_INTENTS,
  guildsPerShard: GUILDS_PER_SHARD,
  recommendedShards: null,
  shardMultiple: 1,
  replayEvents: SIMULATOR_REPLAY_EVENTS_MAX,
  replayBytes: SIMULATOR_REPLAY_MAX_BYTES,
  guildIntervalMs: 20,
  guildBatch: 10,
  reconnectGraceMs: 5_000,
};

/** The IDENTIFYs a day of a bot that is in so many guilds. */
export function identifiesPerDay(guilds: number): number {
  if (guilds <= LARGE_BOT_GUILDS) return IDENTIFIES_PER_DAY;
  return Math.max(LARGE_BOT_IDENTIFIES_PER_DAY, Math.floor(guilds / LARGE_BOT_GUILDS_PER_IDENTIFY));
}
