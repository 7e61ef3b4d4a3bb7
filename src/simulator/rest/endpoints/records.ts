/**
 * What the API keeps of a guild that no session is ever shown in its GUILD_CREATE: rules, invites,
 * templates, the members of threads, the audit log.
 *
 * Bounded: the guild whose records were begun longest ago loses them first.
 */
import type {
  APIAuditLogEntry,
  APIAutoModerationRule,
  APIExtendedInvite,
  APITemplate,
  APIThreadMember,
} from 'discord-api-types/v10';
import {
  GUILD_INVITES_MAX,
  SIMULATOR_AUDIT_ENTRIES_MAX,
  SIMULATOR_CHANGED_GUILDS_MAX,
  SIMULATOR_GUILD_THINGS_MAX,
  SIMULATOR_GUILD_THREADS_MAX,
} from '../../../../protocols/limits.ts';
import { dropOldest } from '../../world/guild-store.ts';
import { Shelf } from '../../world/shelf.ts';

/** A member of a thread, named. */
export type RoomMember = APIThreadMember & { readonly user_id: string };

export type ThreadRoom = {
  readonly threadId: string;
  readonly members: readonly RoomMember[];
};

export type GuildRecords = {
  readonly rules: Shelf<APIAutoModerationRule>;
  /** By code. */
  readonly invites: Shelf<APIExtendedInvite>;
  /** By code. */
  readonly templates: Shelf<APITemplate>;
  readonly auditLog: Shelf<APIAuditLogEntry>;
  /** By thread. */
  readonly threadRooms: Shelf<ThreadRoom>;
  /** Documents that are written whole: the welcome screen, the onboarding. */
  readonly documents: Map<'welcome-screen' | 'onboarding', object>;
};

export class Records {
  readonly #byGuild = new Map<string, GuildRecords>();

  of(guildId: string): GuildRecords {
    const kept = this.#byGuild.get(guildId) ?? begin();
    this.#byGuild.set(guildId, kept);
    dropOldest(this.#byGuild, SIMULATOR_CHANGED_GUILDS_MAX);
    return kept;
  }

  /** The guild's id with the invite. */
  invite(code: string): readonly [guildId: string, invite: APIExtendedInvite] | undefined {
    return this.#find(({ invites }) => invites.get(code));
  }

  template(code: string): APITemplate | undefined {
    return this.#find(({ templates }) => templates.get(code))?.[1];
  }

  #find<Item>(
    look: (records: GuildRecords) => Item | undefined,
  ): readonly [guildId: string, item: Item] | undefined {
    for (const [guildId, records] of this.#byGuild) {
      const item = look(records);
      if (item !== undefined) return [guildId, item];
    }
    return undefined;
  }
}

/** A shelf with nothing on it. */
export function emptyShelf<Item extends object>(
  most: number,
  idOf: (item: Item) => string,
): Shelf<Item> {
  return new Shelf({ most, idOf, make: () => [], changed: () => undefined });
}

function begin(): GuildRecords {
  return {
    rules: emptyShelf(SIMULATOR_GUILD_THINGS_MAX, ({ id }) => id),
    invites: emptyShelf(GUILD_INVITES_MAX, ({ code }) => code),
    templates: emptyShelf(SIMULATOR_GUILD_THINGS_MAX, ({ code }) => code),
    auditLog: emptyShelf(SIMULATOR_AUDIT_ENTRIES_MAX, ({ id }) => id),
    threadRooms: emptyShelf(SIMULATOR_GUILD_THREADS_MAX, ({ threadId }) => threadId),
    documents: new Map(),
  };
}
