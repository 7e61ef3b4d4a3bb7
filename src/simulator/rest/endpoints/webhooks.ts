/**
 * Webhooks, the messages they post, and the messages that follow an interaction, which go the same
 * way.
 *
 * A webhook is known by its id and its token together; one that is not, or is gone, is 10015. A
 * message that it did not post is 10008, as one that does not exist.
 */
import { createHash } from 'node:crypto';
import {
  type APIMessage,
  type APIUser,
  RESTJSONErrorCodes,
  type RESTPatchAPIChannelMessageJSONBody,
  type RESTPostAPIChannelMessageJSONBody,
} from 'discord-api-types/v10';
import { MESSAGE_REQUEST_MAX_BYTES } from '../../../../protocols/limits.ts';
import { apiError, invalidForm } from '../answers.ts';
import { Form, isObject } from '../form.ts';
import { emptyResponse, jsonResponse, type RestResponse } from '../http.ts';
import { checkMessage } from '../message-form.ts';
import {
  bodyOf,
  type Call,
  channelOf,
  type Endpoint,
  guildIdOf,
  idOf,
  Refusal,
} from './endpoint.ts';
import { toMessageBody } from './messages.ts';
import type { StoredWebhook } from './webhook-store.ts';

const NAME_MAX = 80;
const RESERVED_NAME = /clyde|discord/i;
const TYPE_INCOMING = 1;

/** Who posts: a webhook under its own name, or the application for an interaction. */
type Poster = {
  readonly channelId: string;
  readonly author: APIUser;
  readonly webhookId: string;
};

function shown(call: Call, webhook: StoredWebhook, withUser: boolean): object {
  const { id, token, channelId, guildId, name, avatar } = webhook;
  return {
    id,
    type: TYPE_INCOMING,
    name,
    avatar,
    channel_id: channelId,
    guild_id: guildId,
    application_id: call.world.application.id,
    token,
    url: `https://discord.com/api/webhooks/${id}/${token}`,
    ...(withUser ? { user: call.world.bot } : {}),
  };
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
  if (call.webhooks.add(webhook)) return jsonResponse(200, shown(call, webhook, true));
  return apiError(RESTJSONErrorCodes.MaximumNumberOfWebhooksReached);
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
  return jsonResponse(200, shown(call, edited, withUser(call)));
};

const deleteWebhook: Endpoint = (call) => {
  call.webhooks.delete(webhookOf(call).id);
  return emptyResponse();
};

/** Under the name and the picture that the message may bring along. */
function webhookPoster(webhook: StoredWebhook, value: Readonly<Record<string, unknown>>): Poster {
  const username = typeof value.username === 'string' ? value.username : webhook.name;
  const author = {
    id: webhook.id,
    username,
    discriminator: '0000',
    avatar: webhook.avatar,
    global_name: null,
    bot: true,
  };
  return { channelId: webhook.channelId, author, webhookId: webhook.id };
}

function interactionPoster(call: Call, channelId: string): Poster {
  return { channelId, author: call.world.bot, webhookId: call.world.application.id };
}

type CheckedMessage = { readonly value: Readonly<Record<string, unknown>>; readonly body: object };

function messageBody(call: Call, purpose: 'create' | 'edit', under?: string): CheckedMessage {
  if (call.request.body.length > MESSAGE_REQUEST_MAX_BYTES) {
    throw new Refusal(apiError(RESTJSONErrorCodes.RequestEntityTooLarge));
  }
  const parsed = bodyOf(call);
  const { files } = parsed;
  const whole = isObject(parsed.value) ? parsed.value : {};
  const value = under === undefined ? whole : isObject(whole[under]) ? whole[under] : {};
  const refused = checkMessage(value, files, purpose);
  if (refused !== undefined) throw new Refusal(refused);
  return { value, body: toMessageBody(value, files) };
}

function post(call: Call, poster: Poster, body: object): APIMessage {
  const { channelId, author, webhookId } = poster;
  const composed = call.world.composeMessage(
    channelId,
    author,
    body as RESTPostAPIChannelMessageJSONBody,
    call.clock.epochMs(),
  );
  if (composed === undefined) throw new Refusal(apiError(RESTJSONErrorCodes.UnknownChannel));
  const message = { ...composed, webhook_id: webhookId };
  call.publish(call.world.recordMessage(message, 'MESSAGE_CREATE'));
  call.audit.message({
    atMs: call.clock.nowMs(),
    channelId,
    messageId: message.id,
    authorId: author.id,
    content: message.content,
  });
  return message;
}

/** Posts `body` in the webhook's channel, or the thread in it that the query names. */
export function postAs(
  call: Call,
  webhook: StoredWebhook,
  value: Readonly<Record<string, unknown>>,
  body: object,
): APIMessage {
  const poster = webhookPoster(webhook, value);
  const threadId = call.query.get('thread_id');
  if (threadId === null) return post(call, poster, body);
  const thread = call.world.channel(threadId);
  const isThere = thread !== undefined && 'parent_id' in thread;
  if (!isThere || thread.parent_id !== webhook.channelId) {
    throw new Refusal(apiError(RESTJSONErrorCodes.UnknownChannel));
  }
  return post(call, { ...poster, channelId: threadId }, body);
}

const executeWebhook: Endpoint = (call) => {
  const webhook = webhookOf(call);
  const { value, body } = messageBody(call, 'create');
  const message = postAs(call, webhook, value, body);
  const waits = /^(?:true|1)$/i.test(call.query.get('wait') ?? '');
  return waits ? jsonResponse(200, message) : emptyResponse();
};

function postedBy(call: Call, channelId: string, webhookId: string, id: string): APIMessage {
  const message = call.world.message(channelId, id);
  if (message?.webhook_id !== webhookId) {
    throw new Refusal(apiError(RESTJSONErrorCodes.UnknownMessage));
  }
  return message;
}

function edit(call: Call, message: APIMessage): RestResponse {
  const body = messageBody(call, 'edit').body as RESTPatchAPIChannelMessageJSONBody;
  const { channel_id: channelId, id } = message;
  const edited = call.world.editMessage(channelId, id, body, call.clock.epochMs());
  if (edited === undefined) return apiError(RESTJSONErrorCodes.UnknownMessage);
  call.publish(edited.event);
  return jsonResponse(200, edited.message);
}

function remove(call: Call, message: APIMessage): RestResponse {
  const event = call.world.deleteMessage(message.channel_id, message.id);
  if (event !== undefined) call.publish(event);
  return emptyResponse();
}

type OnMessage = (call: Call, message: APIMessage) => RestResponse;

const show: OnMessage = (_call, message) => jsonResponse(200, message);

/** What is done to a message that the webhook has posted. */
const ofWebhook =
  (act: OnMessage): Endpoint =>
  (call) => {
    const webhook = webhookOf(call);
    return act(call, postedBy(call, webhook.channelId, webhook.id, idOf(call, 'message')));
  };

/**
 * The interaction of the path's token; until it has been answered Discord knows no webhook for it.
 */
function interactionOf(call: Call) {
  const token = call.values.interaction_token ?? '';
  const interaction = call.webhooks.interaction(token);
  if (idOf(call, 'webhook') !== call.world.application.id || interaction === undefined) {
    throw new Refusal(apiError(RESTJSONErrorCodes.UnknownWebhook));
  }
  return { token, ...interaction };
}

const followUp: Endpoint = (call) => {
  const { channelId } = interactionOf(call);
  const { body } = messageBody(call, 'create');
  return jsonResponse(200, post(call, interactionPoster(call, channelId), body));
};

/** What is done to a message that follows the interaction, or to the one that answered it. */
const ofInteraction =
  (act: OnMessage): Endpoint =>
  (call) => {
    const { channelId, originalId } = interactionOf(call);
    const id = 'message' in call.values ? idOf(call, 'message') : (originalId ?? '');
    return act(call, postedBy(call, channelId, call.world.application.id, id));
  };

/** An answer that was put off is given by editing it. */
const editOriginal: Endpoint = (call) => {
  const { token, channelId, originalId } = interactionOf(call);
  if (originalId !== null) return ofInteraction(edit)(call);
  const { body } = messageBody(call, 'create');
  const message = post(call, interactionPoster(call, channelId), body);
  call.webhooks.answer(token, { channelId, originalId: message.id });
  return jsonResponse(200, message);
};

/** Answers an interaction with a message: the `data` of its callback. */
export function answerWithMessage(call: Call, channelId: string): string {
  const { body } = messageBody(call, 'create', 'data');
  return post(call, interactionPoster(call, channelId), body).id;
}

const MESSAGE = '/webhooks/:webhook/:token/messages/:message';
const FOLLOW_UP = '/webhooks/:webhook/:interaction_token/messages/:message';
const ORIGINAL = '/webhooks/:webhook/:interaction_token/messages/@original';

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
  'POST /webhooks/:webhook/:token': executeWebhook,
  [`GET ${MESSAGE}`]: ofWebhook(show),
  [`PATCH ${MESSAGE}`]: ofWebhook(edit),
  [`DELETE ${MESSAGE}`]: ofWebhook(remove),
  'POST /webhooks/:webhook/:interaction_token': followUp,
  [`GET ${FOLLOW_UP}`]: ofInteraction(show),
  [`PATCH ${FOLLOW_UP}`]: ofInteraction(edit),
  [`DELETE ${FOLLOW_UP}`]: ofInteraction(remove),
  [`GET ${ORIGINAL}`]: ofInteraction(show),
  [`PATCH ${ORIGINAL}`]: editOriginal,
  [`DELETE ${ORIGINAL}`]: ofInteraction(remove),
};
