/**
 * Webhooks themselves: made, listed, shown, changed, deleted.
 *
 * A webhook is known by its id and its token together; one that is not, or is gone, is 10015.
 */
import { createHash } from 'node:crypto';
import { AuditLogEvent, RESTJSONErrorCodes } from 'discord-api-types/v10';
import { MESSAGE_REQUEST_MAX_BYTES } from '../../../../protocols/limits.ts';
import { apiError, invalidForm } from '../answers.ts';
import { Form, isObject } from '../form.ts';
import { emptyResponse, jsonResponse } from '../http.ts';
import { recordAudit } from './audit-log.ts';
import {
  bodyOf,
  type Call,
  channelOf,
  type Endpoint,
  guildIdOf,
  idOf,
  Refusal,
  tell,
} from './endpoint.ts';
import type { StoredWebhook } from './webhook-store.ts';

const NAME_MAX = 80;
const RESERVED_NAME = /clyde|discord/i;
const TYPE_INCOMING = 1;
const TYPE_FOLLOWER = 2;

function shown(call: Call, webhook: StoredWebhook, withUser: boolean): object {
  const { id, token, channelId, guildId, name, avatar, follows } = webhook;
  return {
    id,
    type: follows === undefined ? TYPE_INCOMING : TYPE_FOLLOWER,
    name,
    avatar,
    channel_id: channelId,
    guild_id: guildId,
    application_id: follows === undefined ? call.world.application.id : null,
    ...(token === null ? {} : { token, url: `https://discord.com/api/webhooks/${id}/${token}` }),
    ...follows,
    ...(withUser ? { user: call.world.bot } : {}),
  };
}

/**
 * Tells that something about the webhooks of a channel is different, and only the audit log what.
 */
export function tellOfWebhook(
  call: Call,
  action: AuditLogEvent,
  before: StoredWebhook | undefined,
  after?: StoredWebhook,
): void {
  const { id, guildId, channelId } = after ?? before ?? {};
  if (id === undefined || guildId === undefined || guildId === null) return;
  tell(call, 'WEBHOOKS_UPDATE', guildId, { guild_id: guildId, channel_id: channelId });
  const [old, now] = [before, after].map((webhook) => webhook && auditable(webhook));
  recordAudit(call, { action, target: id, before: old, after: now, guildId });
}

function auditable({ name, channelId, avatar, follows }: StoredWebhook): object {
  const type = follows === undefined ? TYPE_INCOMING : TYPE_FOLLOWER;
  return { type, name, channel_id: channelId, avatar_hash: avatar };
}

/** The webhook that the path names; with a token in it, only the right one will do. */
export function webhookOf(call: Call): StoredWebhook {
  const webhook = call.webhooks.get(idOf(call, 'webhook'));
  const { token } = call.values;
  if (webhook === undefined) throw new Refusal(apiError(RESTJSONErrorCodes.UnknownWebhook));
  if (token !== undefined && token !== webhook.token) {
    throw new Refusal(apiError(RESTJSONErrorCodes.InvalidWebhookToken));
  }
  return webhook;
}

function nameOf(form: Form, fallback: string | undefined): string | undefined {
  const name = form.string('name', NAME_MAX, 1) ?? fallback;
  if (name !== undefined && RESERVED_NAME.test(name)) {
    const message = `Username cannot contain "${RESERVED_NAME.exec(name)?.[0].toLowerCase()}"`;
    return form.fail('name', 'USERNAME_INVALID_CONTAINS', message);
  }
  return name;
}

const createWebhook: Endpoint = (call) => {
  const channel = channelOf(call);
  const { value } = bodyOf(call);
  const form = new Form(isObject(value) ? value : {});
  const name = form.required('name') ? nameOf(form, undefined) : undefined;
  const avatar = form.string('avatar', MESSAGE_REQUEST_MAX_BYTES) ?? null;
  if (form.errors.length > 0 || name === undefined) return invalidForm(form.errors);
  const id = call.world.newId(call.clock.epochMs());
  const token = createHash('sha512').update(`webhook ${id}`).digest('base64url').slice(0, 68);
  const webhook = {
    id,
    token,
    channelId: channel.id,
    guildId: guildIdOf(channel),
    name,
    avatar: avatar === null ? null : createHash('md5').update(avatar).digest('hex'),
  };
  if (!call.webhooks.add(webhook)) {
    return apiError(RESTJSONErrorCodes.MaximumNumberOfWebhooksReached);
  }
  tellOfWebhook(call, AuditLogEvent.WebhookCreate, undefined, webhook);
  return jsonResponse(200, shown(call, webhook, true));
};

const listChannelWebhooks: Endpoint = (call) => {
  const webhooks = call.webhooks.ofChannel(channelOf(call).id);
  return jsonResponse(
    200,
    webhooks.map((webhook) => shown(call, webhook, true)),
  );
};

const listGuildWebhooks: Endpoint = (call) => {
  const guildId = idOf(call, 'guild');
  if (call.world.guild(guildId) === undefined) return apiError(RESTJSONErrorCodes.UnknownGuild);
  const webhooks = call.webhooks.ofGuild(guildId);
  return jsonResponse(
    200,
    webhooks.map((webhook) => shown(call, webhook, true)),
  );
};

const withUser = (call: Call): boolean => call.values.token === undefined;

const getWebhook: Endpoint = (call) =>
  jsonResponse(200, shown(call, webhookOf(call), withUser(call)));

const editWebhook: Endpoint = (call) => {
  const webhook = webhookOf(call);
  const { value } = bodyOf(call);
  const form = new Form(isObject(value) ? value : {});
  const name = nameOf(form, webhook.name);
  const channelId = withUser(call) ? form.snowflake('channel_id') : undefined;
  if (form.errors.length > 0 || name === undefined) return invalidForm(form.errors);
  const edited = { ...webhook, name, channelId: channelId ?? webhook.channelId };
  call.webhooks.replace(edited);
  tellOfWebhook(call, AuditLogEvent.WebhookUpdate, webhook, edited);
  return jsonResponse(200, shown(call, edited, withUser(call)));
};

const deleteWebhook: Endpoint = (call) => {
  const webhook = webhookOf(call);
  call.webhooks.delete(webhook.id);
  tellOfWebhook(call, AuditLogEvent.WebhookDelete, webhook);
  return emptyResponse();
};

export const WEBHOOK_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'POST /channels/:channel/webhooks': createWebhook,
  'GET /channels/:channel/webhooks': listChannelWebhooks,
  'GET /guilds/:guild/webhooks': listGuildWebhooks,
  'GET /webhooks/:webhook': getWebhook,
  'PATCH /webhooks/:webhook': editWebhook,
  'DELETE /webhooks/:webhook': deleteWebhook,
  'GET /webhooks/:webhook/:token': getWebhook,
  'PATCH /webhooks/:webhook/:token': editWebhook,
  'DELETE /webhooks/:webhook/:token': deleteWebhook,
};
