/** Which threads there are: the active ones of a guild, the archived ones of a channel. */
import { type APIThreadChannel, ChannelType } from 'discord-api-types/v10';
import { isThread } from '../../world/channels.ts';
import { jsonResponse, type RestResponse } from '../http.ts';
import {
  type Call,
  channelOf,
  type Endpoint,
  guildOf,
  guildOfChannel,
  queryInteger,
  querySnowflake,
  refuseField,
} from './endpoint.ts';

const PAGE_MAX = 100;
const PAGE_DEFAULT = 50;

/** Threads, and the bot's membership of those that it has joined. */
function listed(threads: readonly APIThreadChannel[]) {
  const members = threads.flatMap(({ member }) => (member === undefined ? [] : [member]));
  return { threads: threads.map(({ member: _, ...thread }) => thread), members };
}

/** As the traffic may have renamed them. */
const activeThreads: Endpoint = (call) => {
  const threads = guildOf(call).threads.map((thread) => {
    const current = call.world.channel(thread.id);
    return current !== undefined && isThread(current) ? current : thread;
  });
  return jsonResponse(200, listed(threads.sort(byId)));
};

const byId = (one: APIThreadChannel, other: APIThreadChannel): number =>
  BigInt(one.id) > BigInt(other.id) ? -1 : 1;

const archivedAt = ({ thread_metadata: metadata }: APIThreadChannel): number =>
  Date.parse(metadata?.archive_timestamp ?? '');

function archivedOf(
  call: Call,
  suits: (thread: APIThreadChannel) => boolean,
): readonly APIThreadChannel[] {
  const channel = channelOf(call);
  return guildOfChannel(call, channel)
    .shelves.threads.list()
    .filter(
      (thread) =>
        thread.parent_id === channel.id &&
        thread.thread_metadata?.archived === true &&
        suits(thread),
    );
}

function page(call: Call, threads: readonly APIThreadChannel[]): RestResponse {
  const limit = queryInteger(call, 'limit', 2, PAGE_MAX, PAGE_DEFAULT);
  const has_more = threads.length > limit;
  return jsonResponse(200, { ...listed(threads.slice(0, limit)), has_more });
}

const isPrivate = ({ type }: APIThreadChannel): boolean => type === ChannelType.PrivateThread;

/** The one archived last stands first. */
const archivedThreads =
  (suits: (thread: APIThreadChannel) => boolean): Endpoint =>
  (call) => {
    const text = call.query.get('before');
    const beforeMs = text === null ? Number.POSITIVE_INFINITY : Date.parse(text);
    if (Number.isNaN(beforeMs)) {
      throw refuseField('before', 'DATE_TIME_TYPE_PARSE', `Could not parse ${text}.`);
    }
    const threads = archivedOf(call, suits).filter((thread) => archivedAt(thread) < beforeMs);
    return page(
      call,
      threads.toSorted((one, other) => archivedAt(other) - archivedAt(one)),
    );
  };

const joinedThreads: Endpoint = (call) => {
  const before = querySnowflake(call, 'before');
  const threads = archivedOf(
    call,
    (thread) =>
      isPrivate(thread) &&
      thread.member !== undefined &&
      (before === undefined || BigInt(thread.id) < before),
  );
  return page(call, threads.toSorted(byId));
};

export const THREAD_LIST_ENDPOINTS: Readonly<Record<string, Endpoint>> = {
  'GET /guilds/:guild/threads/active': activeThreads,
  'GET /channels/:channel/threads/archived/public': archivedThreads((one) => !isPrivate(one)),
  'GET /channels/:channel/threads/archived/private': archivedThreads(isPrivate),
  'GET /channels/:channel/users/@me/threads/archived/private': joinedThreads,
};
