/** Announcement channels: following them, and publishing what is said in them. */
import {
  AuditLogEvent,
  ChannelType,
  MessageFlags,
  RESTJSONErrorCodes,
} from 'discord-api-types/v10';
import { apiError } from '../answers.ts';
import { readFields, snowflake } from '../fields.ts';
import { jsonResponse } from '../http.ts';
import {
  channelOf,
  type Endpoint,
  finishedForm,
  formOf,
  guildOfChannel,
  refuseField,
} from './endpoint.ts';
import { messageOf } from './messages.ts';
import { tellOfWebhook } from './webhooks.ts';

const crosspost: Endpoint = (call) => {
  const channel = channelOf(call);
  if (channel.type !== ChannelType.GuildAnnouncement) {
    return apiError(RESTJSONErrorCodes.CannotExecuteActionOnThisChannelType);
  }
  const message = messageOf(call, channel.id);
  const flags = message.flags ?? 0;
  if ((flags & MessageFlags.Crossposted) !== 0) {
    return apiError(RESTJSONErrorCodes.ThisMessageWasAlreadyCrossposted);
  }
  const published = { ...message, flags: flags | MessageFlags.Crossposted };
  call.publish(call.world.recordMessage(published, 'MESSAGE_UPDATE'));
  return jsonResponse(200, published);
};

/** The follower is a webhook of its own kind in the channel that gets the messages. */
const follow: Endpoint = (call) => {
  const channel = channelOf(call);
  if (channel.type !== ChannelType.GuildAnnouncement) {
    return apiError(RESTJSONErrorCodes.CannotExecuteActionOnThisChannelType);
  }
  const { webhook_channel_id: targetId = '' } = finishedForm(formOf(call), (form) =>
    readFields<{ webhook_channel_id: string }>(form, { webhook_channel_id: snowflake }, [
      'webhook_channel_id',
    ]),
  );
  const target = call.world.channel(targetId);
  if (target === undefined) {
    throw refuseField('webhook_channel_id', 'CHANNEL_INVALID', 'Channel does not exist');
  }
  const source = guildOfChannel(call, channel);
  const model = guildOfChannel(call, target);
  const id = call.world.newId(call.clock.epochMs());
  const follower = {
    id,
    // Nobody posts through it but Discord, so no token is ever told.
    token: null,
    channelId: target.id,
    guildId: model.id,
    name: `${source.guild.name} #${channel.name}`,
    avatar: null,
    follows: {
      source_guild: { id: source.id, name: source.guild.name, icon: source.guild.icon },
      source_channel: { id: channel.id, name: channel.name },
    },
  };
  if (!call.webhooks.add(follower)) {
    return apiError(RESTJSONErrorCodes.MaximumNumberOfWebhooksReached);
  }
  tellOfWebhook(call, AuditLogEvent.WebhookCreate, undefined, follower);
  return jsonResponse(200, { channel_id: channel.id, webhook_id: id });
};

export const ANNOUNCEMENT_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'POST /channels/:channel/messages/:message/crosspost': crosspost,
  'POST /channels/:channel/followers': follow,
};
