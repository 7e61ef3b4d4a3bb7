/**
 * The guilds of a world: made when they are looked at, kept while they are looked at, and longer if
 * something about them has changed.
 *
 * Bounds: guilds as the seed makes them are forgotten in the order of their last use and made
 * again, the same. Of the changed ones the one that was changed longest ago goes back to what the
 * seed says.
 */
import type { APIUser } from 'discord-api-types/v10';
import {
  SIMULATOR_CHANGED_GUILDS_MAX,
  SIMULATOR_GUILDS_KEPT_MAX,
} from '../../../protocols/limits.ts';
import { snowflakeTime } from '../snowflake.ts';
import { listOf } from './draw.ts';
import { GuildModel, type GuildSurroundings } from './guild.ts';
import { makeId } from './identity.ts';

export type GuildStoreOptions = {
  readonly seed: number;
  readonly guildCount: number;
  readonly startEpochMs: number;
  readonly bot: () => APIUser;
};

export class GuildStore {
  /** Those that the bot has left included. */
  readonly ids: readonly string[];
  readonly #indexes: ReadonlyMap<string, number>;
  /** Each guild's id without its low 22 bits, which fits into a number. */
  readonly #times: readonly number[];
  readonly #around: GuildSurroundings;
  readonly #kept = new Map<string, GuildModel>();
  readonly #changed = new Map<string, GuildModel>();
  readonly #left = new Set<string>();

  constructor({ guildCount, ...around }: GuildStoreOptions) {
    this.ids = listOf(guildCount, (index) => makeId(around.seed, index, 'guild'));
    this.#indexes = new Map(this.ids.map((id, index) => [id, index]));
    this.#times = this.ids.map(snowflakeTime);
    this.#around = { ...around, changed: (guild) => this.#keep(guild) };
  }

  get(guildId: string): GuildModel | undefined {
    if (this.#left.has(guildId)) return undefined;
    const changed = this.#changed.get(guildId);
    if (changed !== undefined) return changed;
    const kept = this.#kept.get(guildId);
    const index = this.#indexes.get(guildId);
    if (index === undefined) return undefined;
    const model = kept ?? new GuildModel(index, this.#around);
    this.#kept.delete(guildId);
    this.#kept.set(guildId, model);
    dropOldest(this.#kept, SIMULATOR_GUILDS_KEPT_MAX);
    return model;
  }

  at(index: number): GuildModel | undefined {
    return this.get(this.ids[index] ?? '');
  }

  ofShard(shard: number, count: number): readonly string[] {
    return this.ids.filter(
      (id, index) => (this.#times[index] ?? 0) % count === shard && !this.#left.has(id),
    );
  }

  /** The bot is in it no longer, and never will be again. */
  leave(guildId: string): void {
    this.#left.add(guildId);
    this.#kept.delete(guildId);
    this.#changed.delete(guildId);
  }

  /** Guilds that differ from what the seed says. */
  changed(): Iterable<GuildModel> {
    return this.#changed.values();
  }

  #keep(guild: GuildModel): void {
    this.#kept.delete(guild.id);
    this.#changed.delete(guild.id);
    this.#changed.set(guild.id, guild);
    dropOldest(this.#changed, SIMULATOR_CHANGED_GUILDS_MAX);
  }
}

export function dropOldest<Value>(map: Map<string, Value>, most: number): void {
  if (map.size <= most) return;
  const [oldest] = map.keys();
  if (oldest !== undefined) map.delete(oldest);
}
