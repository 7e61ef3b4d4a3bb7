/** Channels and threads themselves, and the signs of life in them. */
import {
  type APIChannel,
  type APIThreadChannel,
  AuditLogEvent,
  ChannelType,
  RESTJSONErrorCodes,
} from 'discord-api-types/v10';
import { intentsFor } from '../../../../protocols/discord/dispatch-events.ts';
import { type GuildChannel, isThread } from '../../world/channels.ts';
import type { GuildModel } from '../../world/guild.ts';
import { apiError } from '../answers.ts';
import { nullable, readFields, text } from '../fields.ts';
import { emptyResponse, jsonResponse, type RestResponse } from '../http.ts';
import { recordAudit } from './audit-log.ts';
import { CHANNEL_FIELDS, changedChannel, requireDispensable } from './channel-fields.ts';
import {
  type Call,
  channelOf,
  type Endpoint,
  finishedForm,
  formOf,
  guildIdOf,
  guildOfChannel,
  tell,
} from './endpoint.ts';
import { changedThread, THREAD_FIELDS } from './thread-fields.ts';

const STATUS_MAX = 500;

const getChannel: Endpoint = (call) => jsonResponse(200, channelOf(call));

/** Neither a thread nor a direct message. */
export function isGuildChannel(channel: APIChannel): channel is GuildChannel {
  return 'guild_id' in channel && !isThread(channel);
}

const editChannel: Endpoint = (call) => {
  const channel = channelOf(call);
  if (isThread(channel)) return editThread(call, channel);
  // Direct messages are neither named nor moved by anybody.
  if (!isGuildChannel(channel)) return apiError(RESTJSONErrorCodes.CannotExecuteActionOnDMChannel);
  const fields = finishedForm(formOf(call), (form) => readFields(form, CHANNEL_FIELDS));
  const model = guildOfChannel(call, channel);
  const edited = changedChannel(model, channel, fields);
  keep(call, edited);
  audit(call, AuditLogEvent.ChannelUpdate, model, channel, edited);
  return jsonResponse(200, edited);
};

/** Keeps a changed channel and tells of it. */
export function keep(call: Call, channel: GuildChannel): void {
  call.world.keepChannel(channel);
  tell(call, 'CHANNEL_UPDATE', channel.guild_id ?? null, channel);
}

function editThread(call: Call, thread: APIThreadChannel): RestResponse {
  const fields = finishedForm(formOf(call), (form) => readFields(form, THREAD_FIELDS));
  const edited = changedThread(call, thread, fields);
  call.world.keepChannel(edited);
  const model = guildOfChannel(call, thread);
  const { member: _, ...shown } = edited;
  tell(call, 'THREAD_UPDATE', model.id, shown);
  audit(call, AuditLogEvent.ThreadUpdate, model, thread, edited);
  return jsonResponse(200, edited);
}

function audit(
  call: Call,
  action: AuditLogEvent,
  model: GuildModel,
  before: APIChannel,
  after?: APIChannel,
): void {
  recordAudit(call, { action, target: before.id, before, after, guildId: model.id });
}

const deleteChannel: Endpoint = (call) => {
  const channel = channelOf(call);
  if (isThread(channel)) return deleteThread(call, channel);
  // A direct-message channel is closed, and there again with the next message.
  if (!isGuildChannel(channel)) return jsonResponse(200, channel);
  const model = guildOfChannel(call, channel);
  requireDispensable(model, channel.id);
  call.world.dropChannel(channel);
  clearAway(call, model, channel.id);
  tell(call, 'CHANNEL_DELETE', model.id, channel);
  audit(call, AuditLogEvent.ChannelDelete, model, channel);
  return jsonResponse(200, channel);
};

/** What was in the channel goes with it; what was in a category stays without one. */
function clearAway(call: Call, model: GuildModel, channelId: string): void {
  const { shelves } = model;
  for (const thread of shelves.threads.list()) {
    if (thread.parent_id === channelId) call.world.dropChannel(thread);
  }
  for (const child of shelves.channels.list()) {
    if (child.parent_id === channelId) keep(call, { ...child, parent_id: null });
  }
  const stage = shelves.stageInstances.delete(channelId);
  if (stage !== undefined) tell(call, 'STAGE_INSTANCE_DELETE', model.id, stage);
  for (const state of shelves.voiceStates.list()) {
    if (state.channel_id !== channelId) continue;
    shelves.voiceStates.delete(state.user_id);
    tell(call, 'VOICE_STATE_UPDATE', model.id, { ...state, channel_id: null });
  }
  for (const webhook of call.webhooks.ofChannel(channelId)) call.webhooks.delete(webhook.id);
  const { invites } = call.records.of(model.id);
  for (const { code, channel } of invites.list()) {
    if (channel?.id === channelId) invites.delete(code);
  }
}

function deleteThread(call: Call, thread: APIThreadChannel): RestResponse {
  const model = guildOfChannel(call, thread);
  call.world.dropChannel(thread);
  call.records.of(model.id).threadRooms.delete(thread.id);
  const { id, parent_id, type } = thread;
  tell(call, 'THREAD_DELETE', model.id, { id, guild_id: model.id, parent_id, type });
  audit(call, AuditLogEvent.ThreadDelete, model, thread);
  return jsonResponse(200, thread);
}

const startTyping: Endpoint = (call) => {
  const channel = channelOf(call);
  const guildId = guildIdOf(channel);
  call.publish({
    t: 'TYPING_START',
    d: {
      channel_id: channel.id,
      ...(guildId === null ? {} : { guild_id: guildId }),
      user_id: call.world.bot.id,
      timestamp: Math.floor(call.clock.epochMs() / 1_000),
    },
    guildId,
    intents: intentsFor('TYPING_START', guildId !== null),
  });
  return emptyResponse();
};

const setVoiceStatus: Endpoint = (call) => {
  const channel = channelOf(call);
  if (channel.type !== ChannelType.GuildVoice) {
    return apiError(RESTJSONErrorCodes.CannotExecuteActionOnThisChannelType);
  }
  const { status = null } = finishedForm(formOf(call), (form) =>
    readFields<{ status: string | null }>(form, { status: nullable(text(STATUS_MAX)) }),
  );
  const { id } = guildOfChannel(call, channel);
  tell(call, 'VOICE_CHANNEL_STATUS_UPDATE', id, { id: channel.id, guild_id: id, status });
  return emptyResponse();
};

/** Only groups have recipients who come and go, and the bot is in no group. */
const changeRecipient: Endpoint = (call) => {
  channelOf(call);
  return apiError(RESTJSONErrorCodes.CannotExecuteActionOnThisChannelType);
};

export const CHANNEL_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /channels/:channel': getChannel,
  'PATCH /channels/:channel': editChannel,
  'DELETE /channels/:channel': deleteChannel,
  'POST /channels/:channel/typing': startTyping,
  'PUT /channels/:channel/voice-status': setVoiceStatus,
  'PUT /channels/:channel/recipients/:user': changeRecipient,
  'DELETE /channels/:channel/recipients/:user': changeRecipient,
};
