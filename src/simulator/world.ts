/**
 * The simulated world: an application, its bot, and the guilds that the bot is in.
 *
 * All of it follows from the seed. A guild is made when it is first looked at and may be forgotten
 * and made again; members and presences are never kept. What changes is small and bounded: the last
 * messages of channels, channels that events brought into the world, and what the REST API changed
 * about guilds. What is handed out is shared and must not be changed by whoever gets it.
 *
 * Time comes in as an argument. What names a guild, channel or message that does not exist gets
 * undefined or an empty list, but for GUILD_CREATE, which throws RangeError; a world that cannot be
 * made throws ConfigurationError.
 */
import { ConfigurationError } from '../../protocols/errors.ts';
import { SIMULATOR_GUILDS_MAX } from '../../protocols/limits.ts';
import type { World, WorldOptions } from './world/contract.ts';
import { SimulatedWorld } from './world/simulated-world.ts';

export type { PostedMessage, World, WorldOptions } from './world/contract.ts';
export type { MemberRequest } from './world/member-chunks.ts';

export function createWorld(options: WorldOptions): World {
  const { guildCount } = options;
  if (!Number.isInteger(guildCount) || guildCount < 1 || guildCount > SIMULATOR_GUILDS_MAX) {
    throw new ConfigurationError(
      `a simulated world has 1 to ${SIMULATOR_GUILDS_MAX} guilds, not ${guildCount}`,
    );
  }
  return new SimulatedWorld(options);
}
