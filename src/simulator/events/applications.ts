/** What concerns the application and its sessions: answers, command permissions, purchases. */
import {
  type APIEntitlement,
  type APISubscription,
  ApplicationCommandPermissionType,
  EntitlementType,
  GatewayOpcodes,
  SubscriptionStatus,
} from 'discord-api-types/v10';
import { ALL_INTENTS } from '../../../protocols/discord/intents.ts';
import { between, chance, hex } from '../world/draw.ts';
import { makeId, OUTSIDE_GUILDS } from '../world/identity.ts';
import { microsecondTime } from '../world/people.ts';
import type { Made, Maker, Scene } from './scene.ts';

export const ready: Maker<'READY'> = (scene) => ({
  d: scene.world.readyPayload(0, 1, hex(scene.random, 32), 'wss://gateway.discord.gg'),
  guildId: null,
});

export const resumed: Maker<'RESUMED'> = () => ({ d: {}, guildId: null });

export const rateLimited: Maker<'RATE_LIMITED'> = (scene) => {
  const { id } = scene.guild();
  return {
    d: {
      opcode: GatewayOpcodes.RequestGuildMembers,
      retry_after: between(scene.random, 1, 30_000) / 1_000,
      meta: {
        guild_id: id,
        ...(chance(scene.random, 0.5) ? { nonce: hex(scene.random, 16) } : {}),
      },
    },
    guildId: id,
  };
};

export const guildMembersChunk: Maker<'GUILD_MEMBERS_CHUNK'> = (scene) => {
  const guild = scene.guild();
  const request = {
    guild_id: guild.id,
    user_ids: [guild.ownerId, scene.world.bot.id, scene.earlierId()],
    presences: true,
    nonce: hex(scene.random, 32),
  };
  const [chunk] = scene.world.memberChunks(guild.id, request, ALL_INTENTS);
  if (chunk === undefined) throw new RangeError(`no chunk for ${guild.id}`);
  return { d: chunk, guildId: guild.id };
};

export const commandPermissions: Maker<'APPLICATION_COMMAND_PERMISSIONS_UPDATE'> = (scene) => {
  const guild = scene.guild();
  return {
    d: {
      id: makeId(scene.world.seed, OUTSIDE_GUILDS, 'command', between(scene.random, 1, 9)),
      application_id: scene.world.application.id,
      guild_id: guild.id,
      permissions: [
        { id: guild.id, type: ApplicationCommandPermissionType.Role, permission: false },
        { id: guild.ownerId, type: ApplicationCommandPermissionType.User, permission: true },
      ],
    },
    guildId: guild.id,
  };
};

const DAY_MS = 86_400_000;

/** Goes to shard 0, also when it is a guild's. */
export const entitlementChange = (scene: Scene): Made<APIEntitlement> => {
  const { random } = scene;
  const guild = scene.guild();
  const owned = chance(random, 0.5);
  const startsMs = scene.nowEpochMs - between(random, 0, 30) * DAY_MS;
  const lasts = chance(random, 0.7);
  return {
    d: {
      id: scene.newId(),
      sku_id: skuId(scene),
      application_id: scene.world.application.id,
      user_id: scene.user(guild, scene.ordinalIn(guild)).id,
      type: EntitlementType.ApplicationSubscription,
      deleted: false,
      starts_at: lasts ? microsecondTime(startsMs) : null,
      ends_at: lasts ? microsecondTime(startsMs + 30 * DAY_MS) : null,
      ...(owned ? { guild_id: guild.id } : {}),
      consumed: false,
    },
    guildId: null,
  };
};

export const subscriptionChange = (scene: Scene): Made<APISubscription> => {
  const guild = scene.guild();
  const startsMs = scene.nowEpochMs - between(scene.random, 0, 29) * DAY_MS;
  const ending = chance(scene.random, 0.3);
  return {
    d: {
      id: scene.newId(),
      user_id: scene.user(guild, scene.ordinalIn(guild)).id,
      sku_ids: [skuId(scene)],
      entitlement_ids: [scene.earlierId()],
      renewal_sku_ids: ending ? null : [skuId(scene)],
      current_period_start: microsecondTime(startsMs),
      current_period_end: microsecondTime(startsMs + 30 * DAY_MS),
      status: ending ? SubscriptionStatus.Ending : SubscriptionStatus.Active,
      canceled_at: ending ? microsecondTime(scene.nowEpochMs) : null,
    },
    guildId: null,
  };
};

function skuId(scene: Scene): string {
  return makeId(scene.world.seed, OUTSIDE_GUILDS, 'sku', between(scene.random, 10, 15));
}
