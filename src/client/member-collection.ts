/**
 * One request for members, from the command to its last chunk: pure.
 *
 * Purpose: whatever comes, in whatever order, the collection ends once: complete, or with the
 * reason why it is not. After its end nothing changes it.
 *
 * Inner workings: chunks are kept by their index until there are as many as each of them says there
 * are. One that comes twice (a session that was resumed brings it again) counts once. A request
 * that Discord limits is made again by the gateway, so it is waited for, unless the gateway gives
 * it up or the deadline comes first. A command that was sent twice is answered twice, perhaps with
 * other numbers of chunks: the latest number counts, and what belongs to another is dropped.
 *
 * Failure: a chunk that never comes is missed at the deadline. A session that is lost takes the
 * rest of its chunks with it; a loss that is told before the command was sent is of an earlier
 * session.
 */
import type { APIGuildMember, GatewayGuildMembersChunkDispatchData } from 'discord-api-types/v10';
import type { MembersFailure } from '../../protocols/errors.ts';
import {
  COMMAND_WAIT_MAX_MS,
  MEMBER_CHUNKS_MAX,
  MEMBER_REQUEST_REPEATS_MAX,
} from '../../protocols/limits.ts';

type Chunk = GatewayGuildMembersChunkDispatchData;

export type Members = {
  readonly members: readonly APIGuildMember[];
  /** Of those who are not offline, if `presences` was asked for. */
  readonly presences: readonly NonNullable<Chunk['presences']>[number][];
  /** Of `user_ids`, those that are no members. */
  readonly notFound: readonly string[];
};

export type MemberCollection = {
  readonly deadlineMs: number;
  /** The shard that has sent the command, once it has. */
  readonly shard: number | undefined;
  readonly chunks: ReadonlyMap<number, Chunk>;
  /** How many there will be, once the first has come. */
  readonly chunkCount: number | undefined;
  /** How often Discord has limited the request. */
  readonly limits: number;
  readonly isOver: boolean;
};

export type MemberInput =
  | { readonly type: 'chunk'; readonly chunk: Chunk }
  /** The gateway has written the command. */
  | { readonly type: 'sent'; readonly shard: number }
  /** It has not, or nobody knows. */
  | { readonly type: 'refused'; readonly message: string }
  | { readonly type: 'limited'; readonly retryInMs: number }
  /** A session was lost. */
  | { readonly type: 'gap'; readonly shard: number; readonly reason: string }
  /** The broker was away: chunks may have passed unseen. */
  | { readonly type: 'disconnected' }
  | { readonly type: 'overdue' };

export type MemberEnd =
  | { readonly kind: 'complete'; readonly members: Members }
  | { readonly kind: 'failed'; readonly reason: MembersFailure; readonly message: string };

export type MemberStep = {
  readonly collection: MemberCollection;
  /** Set once. */
  readonly end: MemberEnd | undefined;
};

export function openCollection(deadlineMs: number): MemberCollection {
  return {
    deadlineMs,
    shard: undefined,
    chunks: new Map(),
    chunkCount: undefined,
    limits: 0,
    isOver: false,
  };
}

export function stepCollection(
  collection: MemberCollection,
  input: MemberInput,
  nowMs: number,
): MemberStep {
  if (collection.isOver) return stay(collection);
  switch (input.type) {
    case 'chunk':
      return take(collection, input.chunk);
    case 'sent':
      return stay({ ...collection, shard: input.shard });
    case 'refused':
      return fail(collection, 'refused', `the request was not sent: ${input.message}`);
    case 'limited':
      return limited(collection, input.retryInMs, nowMs);
    case 'gap':
      if (collection.shard !== input.shard) return stay(collection);
      return fail(
        collection,
        'session-lost',
        `shard ${input.shard} has lost its session: ${input.reason}`,
      );
    case 'disconnected':
      return fail(collection, 'disconnected', 'the broker was away, and chunks may be missed');
    case 'overdue':
      return fail(collection, 'overdue', overdueMessage(collection));
  }
}

function stay(collection: MemberCollection): MemberStep {
  return { collection, end: undefined };
}

function fail(collection: MemberCollection, reason: MembersFailure, message: string): MemberStep {
  const { chunks, chunkCount } = collection;
  const had = chunkCount === undefined ? '' : ` (${chunks.size} of ${chunkCount} chunks had come)`;
  const end: MemberEnd = { kind: 'failed', reason, message: `${message}${had}` };
  return { collection: { ...collection, chunks: new Map(), isOver: true }, end };
}

function take(collection: MemberCollection, chunk: Chunk): MemberStep {
  const { chunk_index: index, chunk_count: count } = chunk;
  const isUsable =
    Number.isInteger(index) && Number.isInteger(count) && index >= 0 && index < count;
  if (!isUsable) return stay(collection);
  if (count > MEMBER_CHUNKS_MAX) {
    const message = `the answer has ${count} chunks; ${MEMBER_CHUNKS_MAX} are collected at most`;
    return fail(collection, 'too-large', message);
  }
  const chunks = new Map(count === collection.chunkCount ? collection.chunks : []);
  chunks.set(index, chunk);
  const next: MemberCollection = { ...collection, chunks, chunkCount: count };
  if (chunks.size < count) return stay(next);
  const end: MemberEnd = { kind: 'complete', members: put(chunks, count) };
  return { collection: { ...next, chunks: new Map(), isOver: true }, end };
}

/** In the order of Discord's indexes, whatever the order in which they came. */
function put(chunks: ReadonlyMap<number, Chunk>, count: number): Members {
  const ordered = Array.from({ length: count }, (_, index) => chunks.get(index) ?? []).flat();
  return {
    members: ordered.flatMap(({ members }) => members),
    presences: ordered.flatMap(({ presences }) => presences ?? []),
    notFound: ordered.flatMap(({ not_found: ids }) => (ids ?? []).map(String)),
  };
}

function limited(collection: MemberCollection, retryInMs: number, nowMs: number): MemberStep {
  const limits = collection.limits + 1;
  const seconds = Math.ceil(retryInMs / 1_000);
  const gatewayGivesUp = limits > MEMBER_REQUEST_REPEATS_MAX || retryInMs > COMMAND_WAIT_MAX_MS;
  if (gatewayGivesUp || nowMs + retryInMs >= collection.deadlineMs) {
    return fail(collection, 'limited', `Discord limits the request: try again in ${seconds} s`);
  }
  return stay({ ...collection, limits });
}

function overdueMessage({ shard, chunkCount }: MemberCollection): string {
  if (chunkCount !== undefined) return 'not all chunks came in time';
  if (shard === undefined) return 'the gateway did not send the request in time';
  return 'no chunk came in time: GUILD_MEMBERS_CHUNK must be among the events of the gateway, and all members of a guild want the intent GUILD_MEMBERS';
}
