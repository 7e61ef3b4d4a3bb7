/** Starting threads: from a message, on their own, and as posts of a forum. */
import {
  type APIChannel,
  type APIMessage,
  type APIUser,
  AuditLogEvent,
  ChannelType,
  MessageFlags,
  MessageType,
  RESTJSONErrorCodes,
  type RESTPostAPIChannelMessageJSONBody,
} from 'discord-api-types/v10';
import { MESSAGE_REQUEST_MAX_BYTES } from '../../../../protocols/limits.ts';
import { type GuildChannel, isThread } from '../../world/channels.ts';
import type { GuildModel } from '../../world/guild.ts';
import { apiError } from '../answers.ts';
import { choice, readFields } from '../fields.ts';
import { isObject } from '../form.ts';
import { jsonResponse } from '../http.ts';
import { checkMessage } from '../message-form.ts';
import { recordAudit } from './audit-log.ts';
import {
  bodyOf,
  type Call,
  channelOf,
  type Endpoint,
  finishedForm,
  formOf,
  guildOfChannel,
  Refusal,
} from './endpoint.ts';
import { auditPosted, messageOf, toMessageBody } from './messages.ts';
import {
  beginThread,
  countMessage,
  THREAD_FIELDS,
  type ThreadBody,
  type ThreadStart,
  tagsOf,
} from './thread-fields.ts';
import { joinRoom } from './thread-members.ts';

const { GuildText, GuildAnnouncement, GuildForum, GuildMedia } = ChannelType;
const { PublicThread, PrivateThread, AnnouncementThread } = ChannelType;

/** Which threads a kind of channel can have without a message. */
const KINDS: Readonly<Record<number, readonly number[]>> = {
  [GuildText]: [PublicThread, PrivateThread],
  [GuildAnnouncement]: [AnnouncementThread],
};

type StartBody = ThreadBody & {
  readonly type: typeof PublicThread | typeof PrivateThread | typeof AnnouncementThread;
};

function refuseKind(): never {
  throw new Refusal(apiError(RESTJSONErrorCodes.CannotExecuteActionOnThisChannelType));
}

/** The channel that the path names, in which threads can be started, with its guild. */
function parentOf(call: Call): readonly [model: GuildModel, parent: GuildChannel] {
  const channel = channelOf(call);
  const model = guildOfChannel(call, channel);
  if (isThread(channel)) refuseKind();
  // Of the channels that stand in a guild, threads are all that is left out.
  return [model, channel as GuildChannel];
}

const startFromMessage: Endpoint = (call) => {
  const [model, parent] = parentOf(call);
  if (parent.type !== GuildText && parent.type !== GuildAnnouncement) refuseKind();
  const message = messageOf(call, parent.id);
  const fields = finishedForm(formOf(call), (form) => readFields(form, THREAD_FIELDS, ['name']));
  if (call.world.channel(message.id) !== undefined) {
    return apiError(RESTJSONErrorCodes.ThreadAlreadyCreatedForMessage);
  }
  const type = parent.type === GuildAnnouncement ? AnnouncementThread : PublicThread;
  const ownerId = call.world.bot.id;
  const thread = start(call, model, { id: message.id, type, parent, fields, ownerId });
  const flags = (message.flags ?? 0) | MessageFlags.HasThread;
  call.publish(call.world.recordMessage({ ...message, flags, thread }, 'MESSAGE_UPDATE'));
  postStarter(call, message);
  return jsonResponse(201, call.world.channel(message.id));
};

/** Starts a thread; where it is the bot's own, the bot is the first to join. */
function start(call: Call, model: GuildModel, how: ThreadStart): APIChannel {
  const thread = beginThread(call, model, how);
  call.records.of(model.id).threadRooms.put({ threadId: thread.id, members: [] });
  if (how.ownerId === call.world.bot.id) joinRoom(call, model, thread, how.ownerId);
  const { id: target } = thread;
  const action = AuditLogEvent.ThreadCreate;
  recordAudit(call, { action, target, after: thread, guildId: model.id });
  return call.world.channel(target) ?? thread;
}

/** The first message of a thread that was started from one: it refers to that one. */
function postStarter(call: Call, message: APIMessage): void {
  const message_reference = { channel_id: message.channel_id, message_id: message.id };
  const starter = call.world.composeMessage(
    message.id,
    call.world.bot,
    { message_reference },
    call.clock.epochMs(),
  );
  if (starter === undefined) return;
  const typed = { ...starter, type: MessageType.ThreadStarterMessage };
  call.publish(call.world.recordMessage(typed, 'MESSAGE_CREATE'));
}

const startThread: Endpoint = (call) => {
  const [model, parent] = parentOf(call);
  if (parent.type === GuildForum || parent.type === GuildMedia) return startPost(call);
  const kinds = KINDS[parent.type] ?? refuseKind();
  const { type = PrivateThread, ...fields } = finishedForm(formOf(call), (form) =>
    readFields<StartBody>(
      form,
      { ...THREAD_FIELDS, type: choice(AnnouncementThread, PublicThread, PrivateThread) },
      ['name'],
    ),
  );
  if (!kinds.includes(type)) refuseKind();
  const id = call.world.newId(call.clock.epochMs());
  const ownerId = call.world.bot.id;
  return jsonResponse(201, start(call, model, { id, type, parent, fields, ownerId }));
};

/** Posts of forums that ask for a tag. */
const REQUIRE_TAG = 1 << 4;

const startPost: Endpoint = (call) => {
  const [model, parent] = parentOf(call);
  if (call.request.body.length > MESSAGE_REQUEST_MAX_BYTES) {
    return apiError(RESTJSONErrorCodes.RequestEntityTooLarge);
  }
  const { value, files } = bodyOf(call);
  const fields = finishedForm(formOf(call), (form) => {
    form.required('message');
    return readFields(form, THREAD_FIELDS, ['name']);
  });
  const message = isObject(value) && isObject(value.message) ? value.message : {};
  const refused = checkMessage(message, files, 'create');
  if (refused !== undefined) return refused;
  const body = toMessageBody(message, files) as RESTPostAPIChannelMessageJSONBody;
  const author = call.world.bot;
  const first = openPost(call, model, { parent, fields, author, body });
  return jsonResponse(201, { ...call.world.channel(first.id), message: first });
};

export type Post = {
  readonly parent: GuildChannel;
  readonly fields: Partial<ThreadBody>;
  readonly author: APIUser;
  readonly body: RESTPostAPIChannelMessageJSONBody;
  readonly webhookId?: string;
};

/** A post is a thread together with its first message, which is returned and has the same id. */
export function openPost(call: Call, model: GuildModel, post: Post): APIMessage {
  const { parent, fields, author, body, webhookId } = post;
  if (((parent.flags ?? 0) & REQUIRE_TAG) !== 0 && tagsOf(parent, fields).length === 0) {
    const code = RESTJSONErrorCodes.TagRequiredToCreateAForumPostInThisChannel;
    throw new Refusal(apiError(code));
  }
  const id = call.world.newId(call.clock.epochMs());
  const how: ThreadStart = { id, type: PublicThread, parent, fields, ownerId: author.id };
  const thread = start(call, model, how);
  const composed = call.world.composeMessage(id, author, body, call.clock.epochMs());
  if (composed === undefined) return refuseKind();
  const first = { ...composed, id, ...(webhookId === undefined ? {} : { webhook_id: webhookId }) };
  call.publish(call.world.recordMessage(first, 'MESSAGE_CREATE'));
  countMessage(call, thread, first);
  auditPosted(call, first);
  return first;
}

export const THREAD_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'POST /channels/:channel/messages/:message/threads': startFromMessage,
  'POST /channels/:channel/threads': startThread,
};
