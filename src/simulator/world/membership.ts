/**
 * What has changed about a guild's members since the seed made them: who was changed, and who left.
 *
 * Bounded by itself: a guild's members are numbered, and there is one change for each at most.
 */
import type { APIGuildMember } from 'discord-api-types/v10';

export type MemberChange = Partial<APIGuildMember>;

export class Membership {
  readonly #changes = new Map<number, MemberChange>();
  readonly #gone = new Set<number>();

  of(ordinal: number): MemberChange | undefined {
    return this.#changes.get(ordinal);
  }

  change(ordinal: number, change: MemberChange): void {
    this.#changes.set(ordinal, { ...this.#changes.get(ordinal), ...change });
  }

  get goneCount(): number {
    return this.#gone.size;
  }

  isGone(ordinal: number): boolean {
    return this.#gone.has(ordinal);
  }

  /** Whoever leaves takes nothing along: the roles and the nickname are lost. */
  remove(ordinal: number): void {
    this.#gone.add(ordinal);
    this.#changes.set(ordinal, { nick: null, roles: [] });
  }

  restore(ordinal: number): void {
    this.#gone.delete(ordinal);
  }
}
