/** The channels of a guild: listed, made, put in another order, and who may do what in them. */
import {
  type APIOverwrite,
  AuditLogEvent,
  OverwriteType,
  RESTJSONErrorCodes,
} from 'discord-api-types/v10';
import { GUILD_CHANNELS_MAX } from '../../../../protocols/limits.ts';
import type { GuildChannel } from '../../world/channels.ts';
import type { GuildModel } from '../../world/guild.ts';
import { apiError } from '../answers.ts';
import { readFields } from '../fields.ts';
import { emptyResponse, jsonResponse } from '../http.ts';
import { recordAudit } from './audit-log.ts';
import {
  CHANNEL_FIELDS,
  changedChannel,
  newChannel,
  OVERWRITE_FIELDS,
  wholeOverwrite,
} from './channel-fields.ts';
import { isGuildChannel, keep } from './channels.ts';
import {
  type Call,
  channelOf,
  type Endpoint,
  finishedForm,
  formOf,
  guildOf,
  guildOfChannel,
  idOf,
  Refusal,
  tell,
} from './endpoint.ts';
import { reorder } from './positions.ts';

const listChannels: Endpoint = (call) =>
  jsonResponse(
    200,
    guildOf(call).channels.map((channel) => call.world.channel(channel.id) ?? channel),
  );

const createChannel: Endpoint = (call) => {
  const model = guildOf(call);
  const fields = finishedForm(formOf(call), (form) => readFields(form, CHANNEL_FIELDS, ['name']));
  if (model.channels.length >= GUILD_CHANNELS_MAX) {
    return apiError(RESTJSONErrorCodes.MaximumNumberOfGuildChannelsReached);
  }
  const id = call.world.newId(call.clock.epochMs());
  const channel = newChannel(model, id, model.channels.length, fields);
  call.world.keepChannel(channel);
  tell(call, 'CHANNEL_CREATE', model.id, channel);
  recordAudit(call, { action: AuditLogEvent.ChannelCreate, target: id, after: channel });
  return jsonResponse(201, channel);
};

const moveChannels: Endpoint = (call) => {
  const model = guildOf(call);
  const unknown = RESTJSONErrorCodes.UnknownChannel;
  for (const { item, position, parent_id, lock_permissions } of reorder(
    call,
    model.shelves.channels,
    unknown,
  )) {
    const parent =
      lock_permissions === true ? model.shelves.channels.get(parent_id ?? '') : undefined;
    const current = call.world.channel(item.id);
    const before = current !== undefined && isGuildChannel(current) ? current : item;
    const moved = changedChannel(model, before, {
      ...(position === undefined || position === null ? {} : { position }),
      ...(parent_id === undefined ? {} : { parent_id }),
      ...(parent === undefined ? {} : { permission_overwrites: overwritesOf(parent) }),
    });
    if (JSON.stringify(moved) !== JSON.stringify(before)) keep(call, moved);
  }
  return emptyResponse();
};

function overwritesOf(channel: GuildChannel): readonly APIOverwrite[] {
  return channel.permission_overwrites ?? [];
}

/** The channel of the path, which must be one of a guild and no thread. */
function overwrittenOf(call: Call): readonly [model: GuildModel, channel: GuildChannel] {
  const channel = channelOf(call);
  const model = guildOfChannel(call, channel);
  if (isGuildChannel(channel)) return [model, channel];
  throw new Refusal(apiError(RESTJSONErrorCodes.CannotExecuteActionOnThisChannelType));
}

function putOverwrites(
  call: Call,
  [model, channel]: readonly [GuildModel, GuildChannel],
  before: APIOverwrite | undefined,
  after: APIOverwrite | undefined,
): void {
  const others = overwritesOf(channel).filter(({ id }) => id !== (after ?? before)?.id);
  const permission_overwrites = after === undefined ? others : [...others, after];
  keep(call, { ...channel, permission_overwrites });
  const { ChannelOverwriteCreate, ChannelOverwriteUpdate, ChannelOverwriteDelete } = AuditLogEvent;
  const changed = before === undefined ? ChannelOverwriteCreate : ChannelOverwriteUpdate;
  const action = after === undefined ? ChannelOverwriteDelete : changed;
  const options = subjectOf(model, after ?? before);
  recordAudit(call, { action, target: channel.id, before, after, options, guildId: model.id });
}

/** Whom an overwrite is about. */
function subjectOf(model: GuildModel, overwrite: APIOverwrite | undefined): Record<string, string> {
  const { id = '', type = OverwriteType.Role } = overwrite ?? {};
  const role = type === OverwriteType.Role ? model.shelves.roles.get(id) : undefined;
  return { id, type: String(type), ...(role === undefined ? {} : { role_name: role.name }) };
}

const editOverwrite: Endpoint = (call) => {
  const place = overwrittenOf(call);
  const id = idOf(call, 'overwrite');
  const fields = finishedForm(formOf(call), (form) => readFields(form, OVERWRITE_FIELDS, ['type']));
  const before = overwritesOf(place[1]).find((overwrite) => overwrite.id === id);
  putOverwrites(call, place, before, wholeOverwrite({ ...fields, id }));
  return emptyResponse();
};

const deleteOverwrite: Endpoint = (call) => {
  const place = overwrittenOf(call);
  const id = idOf(call, 'overwrite');
  const before = overwritesOf(place[1]).find((overwrite) => overwrite.id === id);
  if (before === undefined) return apiError(RESTJSONErrorCodes.UnknownPermissionOverwrite);
  putOverwrites(call, place, before, undefined);
  return emptyResponse();
};

export const GUILD_CHANNEL_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /guilds/:guild/channels': listChannels,
  'POST /guilds/:guild/channels': createChannel,
  'PATCH /guilds/:guild/channels': moveChannels,
  'PUT /channels/:channel/permissions/:overwrite': editOverwrite,
  'DELETE /channels/:channel/permissions/:overwrite': deleteOverwrite,
};
