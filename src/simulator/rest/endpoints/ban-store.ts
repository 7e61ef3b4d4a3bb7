/** Who is banned from which guild. Bounded: of a guild with too many the oldest ban goes first. */
import { SIMULATOR_BANS_MAX } from '../../../../protocols/limits.ts';

export class Bans {
  readonly #reasons = new Map<string, Map<string, string | null>>();

  /** User ids with the reasons, in the order of the ids. */
  of(guildId: string): readonly (readonly [userId: string, reason: string | null])[] {
    const bans = [...(this.#reasons.get(guildId) ?? [])];
    return bans.sort(([one], [other]) => (BigInt(one) < BigInt(other) ? -1 : 1));
  }

  add(guildId: string, userId: string, reason: string | null): void {
    const bans = this.#reasons.get(guildId) ?? new Map<string, string | null>();
    this.#reasons.set(guildId, bans.set(userId, reason));
    const [oldest] = bans.keys();
    if (bans.size > SIMULATOR_BANS_MAX && oldest !== undefined) bans.delete(oldest);
  }

  /** Whether there was one. */
  delete(guildId: string, userId: string): boolean {
    return this.#reasons.get(guildId)?.delete(userId) === true;
  }
}
