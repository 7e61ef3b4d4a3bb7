/**
 * Which limits stand behind which route.
 *
 * Discord publishes none of these numbers; they are what its headers have been seen to say, and
 * what they have been seen not to say. What a client must cope with matters more than the numbers:
 * limits that share a name, limits that no header shows, counters of different kinds, routes
 * without any.
 */
import type { WindowSpec } from './window-counter.ts';

/** Requests of one route that Discord treats differently. `plain` where it does not. */
export type RequestClass = 'plain' | 'name-or-topic' | 'fresh' | 'recent' | 'old';

export type BucketSpec = {
  /** Routes with the same name show the same `X-RateLimit-Bucket`. */
  readonly name: string;
  readonly window: WindowSpec;
  /**
   * `user`: each token has its own counter. `shared`: one counter of the resource for everybody.
   */
  readonly scope: 'user' | 'shared';
  /** A hidden limit appears in no header until it is exceeded, and then only as a 429. */
  readonly shown: boolean;
  /** A hidden limit whose own 429s show its numbers, in place of those that other answers show. */
  readonly revealed?: boolean;
  /** `joint`: the routes of this name use up one counter. `split`: each counts by itself. */
  readonly counter: 'joint' | 'split';
  /** Requests of this class alone; of every class if it is left out. */
  readonly class?: RequestClass;
  /** The JSON error code in the body of its 429. */
  readonly code?: number;
  /** Other names under which the same limit has been seen. */
  readonly aliases?: {
    /** In answers of status 404. */
    readonly notFound?: string;
    /** In its own 429s. */
    readonly limited?: string;
    /** One after the other, answer by answer. */
    readonly cycle?: readonly string[];
  };
};

/**
 * `METHOD template` to its limits; an empty list is a route whose answers carry no limit at all.
 */
export type BucketTable = Readonly<Record<string, readonly BucketSpec[]>>;

const SECOND_MS = 1_000;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

function bucket(
  name: string,
  kind: WindowSpec['kind'],
  limit: number,
  windowMs: number,
  changes: Partial<BucketSpec> = {},
): BucketSpec {
  const base = { name, scope: 'user', shown: true, counter: 'joint' } as const;
  return { ...base, window: { kind, limit, windowMs }, ...changes };
}

const MESSAGE_WRITE = bucket('channel-messages', 'leaky', 5, 5 * SECOND_MS, { counter: 'split' });
const REACTION = bucket('reactions', 'fixed', 1, 250);
const WEBHOOK = bucket('webhook-messages', 'leaky', 5, 2 * SECOND_MS);
const WEBHOOK_EDIT = bucket('webhook-message-edit', 'leaky', 5, 5 * SECOND_MS);
/** Of all webhooks of one channel together; no header has ever shown it. */
const WEBHOOK_CHANNEL = bucket('webhook-channel', 'sliding', 30, MINUTE_MS, {
  scope: 'shared',
  shown: false,
});
const GUILD_EMOJI = bucket('guild-emojis', 'fixed', 50, 60 * MINUTE_MS, {
  scope: 'shared',
  shown: false,
});
const COMMAND_WRITE = bucket('commands-write', 'leaky', 5, 20 * SECOND_MS);
const MEMBER_ROLE = bucket('member-roles', 'fixed', 10, 10 * SECOND_MS);

const REACTIONS = '/channels/:channel/messages/:message/reactions';
const COMMANDS = '/applications/:application/commands';
const GUILD_COMMANDS = '/applications/:application/guilds/:guild/commands';

export const DEFAULT_BUCKETS: BucketTable = {
  'GET /gateway/bot': [bucket('gateway-bot', 'fixed', 2, 5 * SECOND_MS)],

  'GET /channels/:channel/messages': [bucket('messages-list', 'leaky', 5, 5 * SECOND_MS)],
  'GET /channels/:channel/messages/:message': [bucket('message-get', 'leaky', 30, 30 * SECOND_MS)],
  'POST /channels/:channel/messages': [MESSAGE_WRITE],
  'PATCH /channels/:channel/messages/:message': [MESSAGE_WRITE],
  'DELETE /channels/:channel/messages/:message': [
    // A message deleted within seconds of its birth meets no limit that would show.
    bucket('message-delete', 'leaky', 5, SECOND_MS, { class: 'recent' }),
    bucket('message-delete-old', 'leaky', 30, 2 * MINUTE_MS, { class: 'old' }),
  ],
  'POST /channels/:channel/messages/bulk-delete': [bucket('bulk-delete', 'leaky', 1, SECOND_MS)],
  'POST /channels/:channel/messages/:message/crosspost': [
    bucket('crosspost', 'fixed', 10, 60 * MINUTE_MS, { shown: false }),
  ],
  'POST /channels/:channel/typing': [bucket('typing', 'leaky', 5, 5 * SECOND_MS)],
  'PATCH /channels/:channel': [
    bucket('channel-edit', 'leaky', 5, 15 * SECOND_MS),
    bucket('channel-rename', 'fixed', 2, 10 * MINUTE_MS, { class: 'name-or-topic', shown: false }),
  ],
  [`PUT ${REACTIONS}/:emoji/@me`]: [REACTION],
  [`DELETE ${REACTIONS}/:emoji/@me`]: [REACTION],
  [`DELETE ${REACTIONS}/:emoji/:user`]: [REACTION],
  [`DELETE ${REACTIONS}/:emoji`]: [REACTION],
  [`DELETE ${REACTIONS}`]: [REACTION],
  [`GET ${REACTIONS}/:emoji`]: [bucket('reactions-list', 'leaky', 5, SECOND_MS)],

  'GET /guilds/:guild/members/:user': [bucket('member-get', 'leaky', 5, SECOND_MS)],
  'PUT /guilds/:guild/members/:user/roles/:role': [MEMBER_ROLE],
  'DELETE /guilds/:guild/members/:user/roles/:role': [MEMBER_ROLE],
  'POST /guilds/:guild/channels': [
    bucket('guild-channel-create', 'leaky', 10, 10 * SECOND_MS),
    bucket('guild-channel-create-day', 'fixed', 500, DAY_MS, { shown: false }),
  ],
  'POST /guilds/:guild/roles': [
    bucket('guild-role-create', 'leaky', 10, 10 * SECOND_MS),
    bucket('guild-role-create-day', 'fixed', 250, 2 * DAY_MS, { shown: false }),
  ],
  'POST /guilds/:guild/emojis': [GUILD_EMOJI],
  'PATCH /guilds/:guild/emojis/:emoji': [GUILD_EMOJI],
  'DELETE /guilds/:guild/emojis/:emoji': [GUILD_EMOJI],

  'POST /users/@me/channels': [bucket('direct-messages', 'leaky', 10, 10 * SECOND_MS)],

  'POST /webhooks/:webhook/:token': [WEBHOOK, WEBHOOK_CHANNEL],
  'POST /webhooks/:webhook/:token/github': [WEBHOOK, WEBHOOK_CHANNEL],
  'POST /webhooks/:webhook/:token/slack': [WEBHOOK, WEBHOOK_CHANNEL],
  'POST /webhooks/:webhook/:interaction_token': [WEBHOOK],
  'PATCH /webhooks/:webhook/:interaction_token/messages/@original': [WEBHOOK],
  'PATCH /webhooks/:webhook/:interaction_token/messages/:message': [WEBHOOK_EDIT],
  'PATCH /webhooks/:webhook/:token/messages/:message': [WEBHOOK_EDIT],
  'DELETE /webhooks/:webhook/:token/messages/:message': [WEBHOOK_EDIT],
  'POST /channels/:channel/webhooks': [bucket('webhook-create', 'leaky', 10, 10 * SECOND_MS)],
  'POST /interactions/:interaction/:interaction_token/callback': [],

  [`GET ${COMMANDS}`]: [bucket('commands-list', 'leaky', 5, 5 * SECOND_MS)],
  [`PUT ${COMMANDS}`]: [COMMAND_WRITE],
  [`POST ${COMMANDS}`]: [COMMAND_WRITE],
  [`GET ${GUILD_COMMANDS}`]: [bucket('guild-commands-list', 'leaky', 5, 5 * SECOND_MS)],
  [`PUT ${GUILD_COMMANDS}`]: [COMMAND_WRITE],
  [`POST ${GUILD_COMMANDS}`]: [COMMAND_WRITE],
};

/** For routes that are not in the table: reading shows no limit, writing a wide one a route. */
export function fallbackBuckets(method: string, template: string): readonly BucketSpec[] {
  if (method === 'GET') return [];
  return [bucket(`${method} ${template}`, 'leaky', 10, 10 * SECOND_MS)];
}
