/** Messages: reading, posting, editing and deleting them. */
import {
  type APIMessage,
  AuditLogEvent,
  RESTJSONErrorCodes,
  type RESTPatchAPIChannelMessageJSONBody,
  type RESTPostAPIChannelMessageJSONBody,
} from 'discord-api-types/v10';
import { MESSAGE_REQUEST_MAX_BYTES } from '../../../../protocols/limits.ts';
import { readSnowflake } from '../../snowflake.ts';
import { apiError, invalidForm } from '../answers.ts';
import { isObject } from '../form.ts';
import { emptyResponse, jsonResponse } from '../http.ts';
import { checkMessage } from '../message-form.ts';
import type { UploadedFile } from '../request-body.ts';
import { recordAudit } from './audit-log.ts';
import {
  bodyOf,
  type Call,
  channelOf,
  type Endpoint,
  guildIdOf,
  idOf,
  queryInteger,
  Refusal,
  requireActive,
  SNOWFLAKE,
  tell,
} from './endpoint.ts';
import { countMessage, uncountMessages } from './thread-fields.ts';

const LIST_DEFAULT = 50;
const LIST_MAX = 100;
const NONCE_MEMORY_MS = 5 * 60_000;
const BULK_DELETE_MIN = 2;
const BULK_DELETE_MAX = 100;
const BULK_DELETE_AGE_MAX_MS = 14 * 86_400_000;

type Fields = Readonly<Record<string, unknown>>;

export function messageOf(call: Call, channelId: string): APIMessage {
  const message = call.world.message(channelId, idOf(call, 'message'));
  if (message === undefined) throw new Refusal(apiError(RESTJSONErrorCodes.UnknownMessage));
  return message;
}

const listMessages: Endpoint = (call) => {
  const channel = channelOf(call);
  const limit = queryInteger(call, 'limit', 1, LIST_MAX, LIST_DEFAULT);
  const bound = (name: string): bigint | undefined => {
    const text = call.query.get(name);
    if (text === null) return undefined;
    if (SNOWFLAKE.test(text)) return BigInt(text);
    const message = `Value "${text.slice(0, 64)}" is not snowflake.`;
    throw new Refusal(invalidForm([{ path: [name], code: 'NUMBER_TYPE_COERCE', message }]));
  };
  const [before, after, around] = [bound('before'), bound('after'), bound('around')];
  const all = call.world.messages(channel.id);
  if (around !== undefined) {
    const place = all.findIndex((message) => BigInt(message.id) <= around);
    const start = Math.max(0, (place < 0 ? all.length : place) - Math.floor(limit / 2));
    return jsonResponse(200, all.slice(start, start + limit));
  }
  if (after !== undefined) {
    const newer = all.filter((message) => BigInt(message.id) > after);
    return jsonResponse(200, newer.slice(-limit));
  }
  const older = before === undefined ? all : all.filter((message) => BigInt(message.id) < before);
  return jsonResponse(200, older.slice(0, limit));
};

const getMessage: Endpoint = (call) => jsonResponse(200, messageOf(call, channelOf(call).id));

const postMessage: Endpoint = (call) => {
  const channel = channelOf(call);
  if (call.request.body.length > MESSAGE_REQUEST_MAX_BYTES) {
    return apiError(RESTJSONErrorCodes.RequestEntityTooLarge);
  }
  const { value, files } = bodyOf(call);
  const refused = checkMessage(value, files, 'create');
  if (refused !== undefined || !isObject(value)) return refused ?? invalidForm([]);
  const known = sameNonce(call, channel.id, value);
  if (known !== undefined) return jsonResponse(200, known);
  checkReferenceExists(call, channel.id, value);
  const body = toMessageBody(value, files) as RESTPostAPIChannelMessageJSONBody;
  const posted = call.world.postMessage(channel.id, call.world.bot, body, call.clock.epochMs());
  if (posted === undefined) return apiError(RESTJSONErrorCodes.CannotSendMessagesInNonTextChannel);
  const { message, event } = posted;
  countMessage(call, channel, message);
  auditPosted(call, message);
  call.publish(event);
  return jsonResponse(200, message);
};

/** Enters a message into the simulator's own audit. */
export function auditPosted(call: Call, message: APIMessage): void {
  call.audit.message({
    atMs: call.clock.nowMs(),
    channelId: message.channel_id,
    messageId: message.id,
    authorId: message.author.id,
    content: message.content,
  });
}

/** With `enforce_nonce`, a message that was posted before under the same nonce is the answer. */
function sameNonce(call: Call, channelId: string, value: Fields): APIMessage | undefined {
  const { nonce, enforce_nonce: enforce } = value;
  if (enforce !== true || nonce === undefined || nonce === null) return undefined;
  const sinceMs = call.clock.epochMs() - NONCE_MEMORY_MS;
  return call.world
    .messages(channelId)
    .find(
      (message) =>
        message.nonce === nonce &&
        message.author.id === call.world.bot.id &&
        (readSnowflake(message.id)?.epochMs ?? 0) >= sinceMs,
    );
}

function checkReferenceExists(call: Call, channelId: string, value: Fields): void {
  const reference = value.message_reference;
  if (!isObject(reference) || reference.fail_if_not_exists === false) return;
  const inChannel = String(reference.channel_id ?? channelId);
  if (call.world.message(inChannel, String(reference.message_id)) !== undefined) return;
  const code = 'MESSAGE_REFERENCE_UNKNOWN_MESSAGE';
  const error = { path: ['message_reference'], code, message: 'Unknown message' };
  throw new Refusal(invalidForm([error]));
}

/** The body with its files listed as attachments and a form's texts turned into what they mean. */
export function toMessageBody(value: Fields, files: readonly UploadedFile[]): Fields {
  const { tts, flags, attachments, ...rest } = value;
  const described = Array.isArray(attachments) ? attachments.filter(isObject) : [];
  const uploads = files.map((file) => {
    const about = described.find(({ id }) => String(id) === file.index) ?? {};
    return { filename: file.filename, ...about, id: file.index };
  });
  const kept = described.filter(({ id }) => !files.some((file) => file.index === String(id)));
  return {
    ...rest,
    ...(tts === undefined || tts === null
      ? {}
      : { tts: tts === true || /^(?:true|1)$/i.test(String(tts)) }),
    ...(flags === undefined || flags === null ? {} : { flags: Number(flags) }),
    ...(attachments === undefined && files.length === 0
      ? {}
      : { attachments: [...kept, ...uploads] }),
  };
}

const editMessage: Endpoint = (call) => {
  const channel = channelOf(call);
  const message = messageOf(call, channel.id);
  const { value, files } = bodyOf(call);
  const refused = checkMessage(value, files, 'edit');
  if (refused !== undefined || !isObject(value)) return refused ?? invalidForm([]);
  if (message.author.id !== call.world.bot.id) {
    return apiError(RESTJSONErrorCodes.CannotEditMessageAuthoredByAnotherUser);
  }
  requireActive(channel);
  const body = toMessageBody(value, files) as RESTPatchAPIChannelMessageJSONBody;
  const edited = call.world.editMessage(channel.id, message.id, body, call.clock.epochMs());
  if (edited === undefined) return apiError(RESTJSONErrorCodes.UnknownMessage);
  call.publish(edited.event);
  return jsonResponse(200, edited.message);
};

const deleteMessage: Endpoint = (call) => {
  const channel = channelOf(call);
  const event = call.world.deleteMessage(channel.id, idOf(call, 'message'));
  if (event === undefined) return apiError(RESTJSONErrorCodes.UnknownMessage);
  uncountMessages(call, channel, 1);
  call.publish(event);
  return emptyResponse();
};

const deleteMessages: Endpoint = (call) => {
  const channel = channelOf(call);
  const guildId = guildIdOf(channel);
  if (guildId === null) return apiError(RESTJSONErrorCodes.CannotExecuteActionOnDMChannel);
  const { value } = bodyOf(call);
  const ids = isObject(value) && Array.isArray(value.messages) ? value.messages.map(String) : [];
  if (ids.length < BULK_DELETE_MIN || ids.length > BULK_DELETE_MAX) {
    return apiError(RESTJSONErrorCodes.ProvidedTooFewOrTooManyMessagesToDelete);
  }
  const sinceMs = call.clock.epochMs() - BULK_DELETE_AGE_MAX_MS;
  if (ids.some((id) => (readSnowflake(id)?.epochMs ?? 0) < sinceMs)) {
    return apiError(RESTJSONErrorCodes.OneOfTheMessagesProvidedWasTooOldForBulkDelete);
  }
  // What is gone already, or never was, is passed over.
  const gone = ids.filter((id) => call.world.deleteMessage(channel.id, id) !== undefined);
  uncountMessages(call, channel, gone.length);
  const d = { ids: gone, channel_id: channel.id, guild_id: guildId };
  if (gone.length > 0) tell(call, 'MESSAGE_DELETE_BULK', guildId, d);
  const options = { count: String(gone.length) };
  const action = AuditLogEvent.MessageBulkDelete;
  recordAudit(call, { action, target: channel.id, options, guildId });
  return emptyResponse();
};

export const MESSAGE_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /channels/:channel/messages': listMessages,
  'GET /channels/:channel/messages/:message': getMessage,
  'POST /channels/:channel/messages': postMessage,
  'PATCH /channels/:channel/messages/:message': editMessage,
  'DELETE /channels/:channel/messages/:message': deleteMessage,
  'POST /channels/:channel/messages/bulk-delete': deleteMessages,
};
