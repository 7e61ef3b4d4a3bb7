/**
 * Searching the messages of a guild.
 *
 * As on Discord the first search of a guild finds it not yet indexed and is told when to come
 * again: 202, code 110000. Then it finds among the messages that are kept.
 */
import { type APIMessage, RESTJSONErrorCodes } from 'discord-api-types/v10';
import type { GuildModel } from '../../world/guild.ts';
import { jsonResponse } from '../http.ts';
import {
  type Call,
  type Endpoint,
  guildOf,
  queryInteger,
  querySnowflake,
  refuseField,
} from './endpoint.ts';

const PAGE_MAX = 25;
const OFFSET_MAX = 9_975;
const CONTENT_MAX = 1_024;

type Test = (message: APIMessage, value: string) => boolean;

const HAS: Readonly<Record<string, (message: APIMessage) => boolean>> = {
  image: ({ attachments }) =>
    attachments.some((one) => /\.(?:png|jpe?g|gif|webp)$/i.test(one.filename)),
  sound: ({ attachments }) => attachments.some((one) => /\.(?:mp3|ogg|wav)$/i.test(one.filename)),
  video: ({ attachments }) => attachments.some((one) => /\.(?:mp4|webm|mov)$/i.test(one.filename)),
  file: ({ attachments }) => attachments.length > 0,
  sticker: ({ sticker_items: items }) => (items ?? []).length > 0,
  embed: ({ embeds }) => embeds.length > 0,
  link: ({ content }) => /https?:\/\//.test(content),
  poll: ({ poll }) => poll !== undefined,
  snapshot: ({ message_snapshots: snapshots }) => (snapshots ?? []).length > 0,
};

function authorType({ author, webhook_id: webhookId }: APIMessage): string {
  if (webhookId !== undefined) return 'webhook';
  return author.bot === true ? 'bot' : 'user';
}

/** What may be asked of a message; asked for several values, one of them is enough. */
const TESTS: Readonly<Record<string, Test>> = {
  channel_id: (message, id) => message.channel_id === id,
  author_id: (message, id) => message.author.id === id,
  author_type: (message, type) => authorType(message) === type,
  mentions: (message, id) => message.mentions.some((user) => user.id === id),
  mentions_role_id: (message, id) => message.mention_roles.includes(id),
  mention_everyone: (message, flag) => message.mention_everyone === /^(?:true|1)$/i.test(flag),
  pinned: (message, flag) => message.pinned === /^(?:true|1)$/i.test(flag),
  replied_to_user_id: (message, id) => message.referenced_message?.author.id === id,
  replied_to_message_id: (message, id) => message.message_reference?.message_id === id,
  has: (message, kind) => HAS[kind]?.(message) === true,
  embed_type: (message, type) => message.embeds.some((embed) => embed.type === type),
  embed_provider: (message, name) => message.embeds.some((embed) => embed.provider?.name === name),
  link_hostname: (message, host) => message.content.includes(`//${host}`),
  attachment_filename: (message, name) => message.attachments.some((one) => one.filename === name),
  attachment_extension: (message, extension) =>
    message.attachments.some((one) => one.filename.endsWith(`.${extension}`)),
};

/** Some kinds can be asked for not to be there, with a minus before them. */
function passes(message: APIMessage, test: Test, values: readonly string[]): boolean {
  if (values.length === 0) return true;
  return values.some((value) =>
    value.startsWith('-') ? !test(message, value.slice(1)) : test(message, value),
  );
}

function allMessages(call: Call, model: GuildModel): readonly APIMessage[] {
  const places = [...model.channels, ...model.shelves.threads.list()];
  return places.flatMap(({ id }) => call.world.messages(id));
}

function isWanted(call: Call): (message: APIMessage) => boolean {
  const [least, most] = [querySnowflake(call, 'min_id'), querySnowflake(call, 'max_id')];
  const words = (call.query.get('content') ?? '').toLowerCase().split(/\s+/).filter(Boolean);
  return (message) => {
    const content = message.content.toLowerCase();
    const id = BigInt(message.id);
    return (
      (least === undefined || id > least) &&
      (most === undefined || id < most) &&
      words.every((word) => content.includes(word)) &&
      Object.entries(TESTS).every(([name, test]) => passes(message, test, call.query.getAll(name)))
    );
  };
}

const search: Endpoint = (call) => {
  const model = guildOf(call);
  const limit = queryInteger(call, 'limit', 1, PAGE_MAX, PAGE_MAX);
  const offset = queryInteger(call, 'offset', 0, OFFSET_MAX, 0);
  const order = call.query.get('sort_order') ?? 'desc';
  if (order !== 'asc' && order !== 'desc') {
    throw refuseField('sort_order', 'BASE_TYPE_CHOICES', "Value must be one of {'asc', 'desc'}.");
  }
  if ((call.query.get('content') ?? '').length > CONTENT_MAX) {
    const message = `Must be ${CONTENT_MAX} or fewer in length.`;
    throw refuseField('content', 'BASE_TYPE_MAX_LENGTH', message);
  }
  const waitMs = call.searchIndex.waitMs(model.id, call.clock.nowMs());
  if (waitMs > 0) {
    return jsonResponse(202, {
      message: 'Index not yet available. Try again later',
      code: RESTJSONErrorCodes.IndexNotYetAvailable,
      documents_indexed: 0,
      retry_after: Math.ceil(waitMs / 1_000),
    });
  }
  const sign = order === 'asc' ? 1 : -1;
  const found = allMessages(call, model)
    .filter(isWanted(call))
    .toSorted((one, other) => (BigInt(one.id) < BigInt(other.id) ? -sign : sign));
  const messages = found.slice(offset, offset + limit);
  const threadIds = new Set(messages.map((message) => message.channel_id));
  const threads = model.shelves.threads.list().filter(({ id }) => threadIds.has(id));
  return jsonResponse(200, {
    doing_deep_historical_index: false,
    total_results: found.length,
    messages: messages.map(({ reactions: _, ...message }) => [message]),
    threads: threads.map(({ member: _, ...thread }) => thread),
    members: threads.flatMap(({ member }) => (member === undefined ? [] : [member])),
  });
};

export const SEARCH_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /guilds/:guild/messages/search': search,
};
