/**
 * Turns what a client posts into the message object that Discord would make of it.
 *
 * The simulator takes a body as it is: what Discord would refuse (an empty message, too long a
 * text) is for the REST server to refuse before.
 */
import {
  AllowedMentionsTypes,
  type APIAttachment,
  type APIEmbed,
  type APIMessage,
  type APIMessageReference,
  type APIMessageTopLevelComponent,
  type APIPoll,
  type APIRole,
  type APIStickerItem,
  type APIUser,
  EmbedType,
  type MessageFlags,
  MessageReferenceType,
  MessageType,
  PollLayoutType,
  type RESTAPIPoll,
  type RESTPostAPIChannelMessageJSONBody,
} from 'discord-api-types/v10';
import { microsecondTime } from './people.ts';

/** What composing needs to know of the world around the message. */
export type MessageSurroundings = {
  readonly id: string;
  readonly channelId: string;
  readonly guildId: string | undefined;
  readonly author: APIUser;
  readonly nowEpochMs: number;
  readonly newId: () => string;
  readonly user: (id: string) => APIUser | undefined;
  readonly roles: () => readonly APIRole[];
  readonly stickers: () => readonly APIStickerItem[];
  readonly message: (channelId: string, id: string) => APIMessage | undefined;
};

export type MessageBody = RESTPostAPIChannelMessageJSONBody;

export function composeMessage(body: MessageBody, around: MessageSurroundings): APIMessage {
  const content = body.content ?? '';
  return {
    type: isReply(body) ? MessageType.Reply : MessageType.Default,
    id: around.id,
    channel_id: around.channelId,
    author: around.author,
    content,
    timestamp: microsecondTime(around.nowEpochMs),
    edited_timestamp: null,
    tts: body.tts ?? false,
    mention_everyone: mentionsEveryone(content, body),
    mentions: mentionsOf(content, body, around),
    mention_roles: mentionedRoles(content, body, around),
    attachments: attachmentsOf(body, around),
    embeds: embedsOf(body.embeds),
    pinned: false,
    flags: (body.flags ?? 0) as MessageFlags,
    components: (body.components ?? []) as APIMessageTopLevelComponent[],
    ...(body.nonce === undefined ? {} : { nonce: body.nonce }),
    ...stickerFields(body, around),
    ...(body.poll === undefined || body.poll === null
      ? {}
      : { poll: pollOf(body.poll, around.nowEpochMs) }),
    ...referenceFields(body, around),
  };
}

/** The message with what an edit changes; whatever the body leaves out stays. */
export function composeEdit(
  message: APIMessage,
  body: {
    readonly content?: string | null | undefined;
    readonly embeds?: readonly APIEmbed[] | null | undefined;
    readonly components?: unknown;
    readonly flags?: number | null | undefined;
  },
  nowEpochMs: number,
): APIMessage {
  return {
    ...message,
    tts: false,
    edited_timestamp: microsecondTime(nowEpochMs),
    ...(body.content === undefined ? {} : { content: body.content ?? '' }),
    ...(body.embeds === undefined ? {} : { embeds: embedsOf(body.embeds ?? []) }),
    ...(body.components === undefined
      ? {}
      : { components: (body.components ?? []) as APIMessageTopLevelComponent[] }),
    ...(body.flags === undefined ? {} : { flags: (body.flags ?? 0) as MessageFlags }),
  };
}

function isReply(body: MessageBody): boolean {
  const reference = body.message_reference;
  return reference !== undefined && reference.type !== MessageReferenceType.Forward;
}

function allows(body: MessageBody, kind: AllowedMentionsTypes): boolean {
  return body.allowed_mentions?.parse?.includes(kind) ?? body.allowed_mentions === undefined;
}

function mentionsEveryone(content: string, body: MessageBody): boolean {
  return allows(body, AllowedMentionsTypes.Everyone) && /@(everyone|here)\b/.test(content);
}

function mentionsOf(content: string, body: MessageBody, around: MessageSurroundings): APIUser[] {
  const listed = body.allowed_mentions?.users ?? [];
  const allowed = allows(body, AllowedMentionsTypes.User);
  const ids = new Set<string>();
  for (const [, id] of content.matchAll(/<@!?(\d{1,20})>/g)) {
    if (id !== undefined && (allowed || listed.includes(id))) ids.add(id);
  }
  const answered = isReply(body) ? referenced(body, around)?.author.id : undefined;
  if (answered !== undefined && body.allowed_mentions?.replied_user !== false) ids.add(answered);
  return [...ids].map(around.user).filter((user) => user !== undefined);
}

function mentionedRoles(content: string, body: MessageBody, around: MessageSurroundings): string[] {
  const listed = body.allowed_mentions?.roles ?? [];
  const allowed = allows(body, AllowedMentionsTypes.Role);
  const ids = new Set<string>();
  for (const [, id] of content.matchAll(/<@&(\d{1,20})>/g)) {
    if (id !== undefined && (allowed || listed.includes(id))) ids.add(id);
  }
  if (ids.size === 0) return [];
  return around
    .roles()
    .map((role) => role.id)
    .filter((id) => ids.has(id));
}

function embedsOf(embeds: readonly APIEmbed[] | undefined): APIEmbed[] {
  return (embeds ?? []).map((embed) => ({ ...embed, type: embed.type ?? EmbedType.Rich }));
}

function attachmentsOf(body: MessageBody, around: MessageSurroundings): APIAttachment[] {
  return (body.attachments ?? []).map((request) => {
    const id = around.newId();
    const filename = request.filename ?? 'file';
    const path = `attachments/${around.channelId}/${id}/${encodeURIComponent(filename)}`;
    return {
      id,
      filename,
      ...(request.description === undefined || request.description === null
        ? {}
        : { description: request.description }),
      size: 0,
      url: `https://cdn.discordapp.com/${path}`,
      proxy_url: `https://media.discordapp.net/${path}`,
    };
  });
}

function stickerFields(
  body: MessageBody,
  around: MessageSurroundings,
): Pick<APIMessage, 'sticker_items'> {
  const wanted: readonly string[] = body.sticker_ids ?? [];
  if (wanted.length === 0) return {};
  const items = around
    .stickers()
    .filter((sticker) => wanted.includes(sticker.id))
    .map(({ id, name, format_type }) => ({ id, name, format_type }));
  return items.length === 0 ? {} : { sticker_items: items };
}

const HOUR_MS = 3_600_000;
const POLL_HOURS = 24;

function pollOf(poll: RESTAPIPoll, nowEpochMs: number): APIPoll {
  const expiresMs = nowEpochMs + (poll.duration ?? POLL_HOURS) * HOUR_MS;
  return {
    question: poll.question,
    answers: poll.answers.map((answer, index) => ({
      answer_id: index + 1,
      poll_media: answer.poll_media,
    })),
    expiry: microsecondTime(expiresMs),
    allow_multiselect: poll.allow_multiselect ?? false,
    layout_type: poll.layout_type ?? PollLayoutType.Default,
    results: { is_finalized: false, answer_counts: [] },
  };
}

function referenced(body: MessageBody, around: MessageSurroundings): APIMessage | undefined {
  const reference = body.message_reference;
  if (reference?.message_id === undefined) return undefined;
  return around.message(reference.channel_id ?? around.channelId, reference.message_id);
}

/** A reply carries what it answers, or null when that is gone; a forward carries a snapshot. */
function referenceFields(body: MessageBody, around: MessageSurroundings): Partial<APIMessage> {
  const reference = body.message_reference;
  if (reference === undefined) return {};
  const target = referenced(body, around);
  const message_reference: APIMessageReference = {
    type: reference.type ?? MessageReferenceType.Default,
    message_id: reference.message_id,
    channel_id: reference.channel_id ?? around.channelId,
    ...(around.guildId === undefined ? {} : { guild_id: around.guildId }),
  };
  if (isReply(body)) {
    return { message_reference, referenced_message: withoutReference(target) };
  }
  if (target === undefined) return { message_reference };
  const { type, content, embeds, attachments, timestamp, edited_timestamp, mentions } = target;
  const message = { type, content, embeds, attachments, timestamp, edited_timestamp, mentions };
  return {
    message_reference,
    message_snapshots: [
      {
        message: {
          ...message,
          flags: target.flags ?? (0 as MessageFlags),
          mention_roles: target.mention_roles,
        },
      },
    ],
  };
}

/** Discord nests one level only. */
function withoutReference(message: APIMessage | undefined): APIMessage | null {
  if (message === undefined) return null;
  const { referenced_message: _, ...rest } = message;
  return rest;
}
