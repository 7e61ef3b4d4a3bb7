/** Guilds, their channels and members. */
import { RESTJSONErrorCodes } from 'discord-api-types/v10';
import type { GuildModel } from '../../world/guild.ts';
import { memberOrdinal } from '../../world/member-chunks.ts';
import { memberAt } from '../../world/people.ts';
import { apiError } from '../answers.ts';
import { emptyResponse, jsonResponse } from '../http.ts';
import { type Call, type Endpoint, idOf, Refusal } from './endpoint.ts';

export function guildOf(call: Call): GuildModel {
  const model = call.world.guild(idOf(call, 'guild'));
  if (model === undefined) throw new Refusal(apiError(RESTJSONErrorCodes.UnknownGuild));
  return model;
}

export function ordinalOf(call: Call, model: GuildModel): number {
  const userId = idOf(call, 'user');
  const ordinal = memberOrdinal(call.world.seed, model, userId);
  if (ordinal !== undefined) return ordinal;
  const code =
    call.world.user(userId) === undefined
      ? RESTJSONErrorCodes.UnknownUser
      : RESTJSONErrorCodes.UnknownMember;
  throw new Refusal(apiError(code));
}

const getGuild: Endpoint = (call) => {
  const model = guildOf(call);
  const counts = {
    approximate_member_count: model.memberCount,
    approximate_presence_count: Math.ceil(model.memberCount / 3),
  };
  const withCounts = /^(?:true|1)$/i.test(call.query.get('with_counts') ?? '');
  return jsonResponse(200, withCounts ? { ...model.guild, ...counts } : model.guild);
};

const getChannels: Endpoint = (call) =>
  jsonResponse(
    200,
    guildOf(call).channels.map((channel) => call.world.channel(channel.id) ?? channel),
  );

const getRoles: Endpoint = (call) => jsonResponse(200, guildOf(call).guild.roles);

const getRole: Endpoint = (call) => {
  const { guild } = guildOf(call);
  const roleId = idOf(call, 'role');
  const role = guild.roles.find(({ id }) => id === roleId);
  return role === undefined ? apiError(RESTJSONErrorCodes.UnknownRole) : jsonResponse(200, role);
};

const getMember: Endpoint = (call) => {
  const model = guildOf(call);
  return jsonResponse(200, memberAt(call.world.seed, model, ordinalOf(call, model)));
};

/** Checks that everybody exists and changes nothing: members follow from the world's seed. */
const changeMemberRole: Endpoint = (call) => {
  const model = guildOf(call);
  ordinalOf(call, model);
  const roleId = idOf(call, 'role');
  const exists = model.guild.roles.some((role) => role.id === roleId);
  return exists ? emptyResponse() : apiError(RESTJSONErrorCodes.UnknownRole);
};

export const GUILD_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /guilds/:guild': getGuild,
  'GET /guilds/:guild/channels': getChannels,
  'GET /guilds/:guild/roles': getRoles,
  'GET /guilds/:guild/roles/:role': getRole,
  'GET /guilds/:guild/members/:user': getMember,
  'PUT /guilds/:guild/members/:user/roles/:role': changeMemberRole,
  'DELETE /guilds/:guild/members/:user/roles/:role': changeMemberRole,
};
