/** The guilds that the bot is in, as the bot's own list has them. */
import { RESTJSONErrorCodes } from 'discord-api-types/v10';
import { BOT_ORDINAL, memberAt, microsecondTime } from '../../world/people.ts';
import { apiError } from '../answers.ts';
import { emptyResponse, jsonResponse } from '../http.ts';
import {
  type Endpoint,
  guildOf,
  idOf,
  queryFlag,
  queryInteger,
  querySnowflake,
  tell,
} from './endpoint.ts';
import { countsOf } from './guilds.ts';

const PAGE_MAX = 200;

const listGuilds: Endpoint = (call) => {
  const limit = queryInteger(call, 'limit', 1, PAGE_MAX, PAGE_MAX);
  const [before, after] = [querySnowflake(call, 'before'), querySnowflake(call, 'after') ?? 0n];
  const ids = call.world.guildIds
    .map(BigInt)
    .filter((id) => id > after && (before === undefined || id < before))
    .sort((one, other) => (one < other ? -1 : 1));
  const models = ids
    .map((id) => call.world.guild(String(id)))
    .filter((model) => model !== undefined);
  // Counted from `before`, a page ends there.
  const page = before === undefined ? models.slice(0, limit) : models.slice(-limit);
  const guilds = page.map((model) => {
    const { id, name, icon, banner, features, roles } = model.guild;
    const permissions = roles.find((role) => role.id === model.botRoleId)?.permissions ?? '0';
    const counts = queryFlag(call, 'with_counts') ? countsOf(model) : {};
    return { id, name, icon, banner, owner: false, permissions, features, ...counts };
  });
  return jsonResponse(200, guilds);
};

const getOwnMember: Endpoint = (call) =>
  jsonResponse(200, memberAt(call.world.seed, guildOf(call), BOT_ORDINAL));

const leaveGuild: Endpoint = (call) => {
  const { id } = guildOf(call);
  call.world.leaveGuild(id);
  tell(call, 'GUILD_DELETE', id, { id });
  return emptyResponse();
};

/** Whoever takes the bot's own integration away sends the bot away with it. */
const deleteIntegration: Endpoint = (call) => {
  const { id } = guildOf(call);
  if (idOf(call, 'integration') !== call.world.application.id) {
    return apiError(RESTJSONErrorCodes.UnknownIntegration);
  }
  const { id: application_id } = call.world.application;
  tell(call, 'INTEGRATION_DELETE', id, { id: application_id, guild_id: id, application_id });
  return leaveGuild(call);
};

/** What the application is to the guild: the one integration that the bot cannot but see. */
const listIntegrations: Endpoint = (call) => {
  const model = guildOf(call);
  const { bot, application } = call.world;
  return jsonResponse(200, [
    {
      id: application.id,
      name: application.name,
      type: 'discord',
      enabled: true,
      account: { id: application.id, name: application.name },
      application: {
        id: application.id,
        name: application.name,
        icon: null,
        description: '',
        bot,
      },
      scopes: ['bot', 'applications.commands'],
      synced_at: microsecondTime(model.joinedMs),
    },
  ]);
};

export const OWN_GUILD_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /users/@me/guilds': listGuilds,
  'GET /users/@me/guilds/:guild/member': getOwnMember,
  'DELETE /users/@me/guilds/:guild': leaveGuild,
  'GET /guilds/:guild/integrations': listIntegrations,
  'DELETE /guilds/:guild/integrations/:integration': deleteIntegration,
};
