/**
 * The messages that webhooks post, and those that follow an interaction, which go the same way.
 *
 * A message that the webhook did not post is 10008, as one that does not exist.
 */
import {
  type APIMessage,
  type APIUser,
  RESTJSONErrorCodes,
  type RESTPatchAPIChannelMessageJSONBody,
  type RESTPostAPIChannelMessageJSONBody,
} from 'discord-api-types/v10';
import { MESSAGE_REQUEST_MAX_BYTES } from '../../../../protocols/limits.ts';
import { isThread } from '../../world/channels.ts';
import { apiError } from '../answers.ts';
import type { ApiErrorCode } from '../api-errors.ts';
import { isObject } from '../form.ts';
import { emptyResponse, jsonResponse, type RestResponse } from '../http.ts';
import { checkMessage } from '../message-form.ts';
import { bodyOf, type Call, type Endpoint, guildOfChannel, idOf, Refusal } from './endpoint.ts';
import { auditPosted, toMessageBody } from './messages.ts';
import { countMessage } from './thread-fields.ts';
import { openPost } from './threads.ts';
import type { StoredWebhook } from './webhook-store.ts';
import { webhookOf } from './webhooks.ts';

/** Who posts: a webhook under its own name, or the application for an interaction. */
type Poster = {
  readonly channelId: string;
  readonly author: APIUser;
  readonly webhookId: string;
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
  const channel = call.world.channel(channelId);
  if (channel !== undefined) countMessage(call, channel, message);
  auditPosted(call, message);
  return message;
}

/** The channel of the webhook, or the thread in it that the query names. */
function placeOf(call: Call, webhook: StoredWebhook): string {
  const threadId = call.query.get('thread_id');
  if (threadId === null) return webhook.channelId;
  const thread = call.world.channel(threadId);
  if (thread !== undefined && isThread(thread) && thread.parent_id === webhook.channelId) {
    return threadId;
  }
  throw new Refusal(apiError(RESTJSONErrorCodes.UnknownChannel));
}

/** Where the webhook's channel is a forum, it can be posted in by starting a thread. */
export function postAs(
  call: Call,
  webhook: StoredWebhook,
  value: Readonly<Record<string, unknown>>,
  body: object,
): APIMessage {
  const poster = { ...webhookPoster(webhook, value), channelId: placeOf(call, webhook) };
  const channel = call.world.channel(webhook.channelId);
  const { thread_name: name, applied_tags: tags } = value;
  const isForum = channel !== undefined && 'available_tags' in channel;
  const refuse = (code: ApiErrorCode) => new Refusal(apiError(code));
  if (!isForum && name !== undefined) {
    throw refuse(RESTJSONErrorCodes.WebhooksCanOnlyCreateThreadsInForumChannels);
  }
  const isThreadNamed = call.query.get('thread_id') !== null;
  if (!isForum || (isThreadNamed && name === undefined)) return post(call, poster, body);
  if (isThreadNamed) {
    const both =
      RESTJSONErrorCodes.WebhooksPostedToForumChannelsCannotHaveBothAThreadNameAndThreadId;
    throw refuse(both);
  }
  if (typeof name !== 'string') {
    throw refuse(RESTJSONErrorCodes.WebhooksPostedToForumChannelsMustHaveAThreadNameOrThreadId);
  }
  return openPost(call, guildOfChannel(call, channel), {
    parent: channel,
    fields: { name, ...(Array.isArray(tags) ? { applied_tags: tags.map(String) } : {}) },
    author: poster.author,
    body,
    webhookId: webhook.id,
  });
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
    return act(call, postedBy(call, placeOf(call, webhook), webhook.id, idOf(call, 'message')));
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

export const WEBHOOK_MESSAGE_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
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
