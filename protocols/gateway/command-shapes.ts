/**
 * The frames that a bot may send through the gateway, and what Discord wants of each.
 *
 * A frame of another shape would cost the whole connection (close 4002), so it is refused before.
 * Fields that are not known pass: Discord may have added them yesterday. Each message names the
 * key, the value and what is allowed.
 */
import { GatewayOpcodes } from 'discord-api-types/v10';
import { z } from 'zod';
import {
  MEMBER_QUERY_MATCHES_MAX,
  MEMBER_REQUEST_NONCE_MAX_BYTES,
  MEMBER_REQUEST_USERS_MAX,
  SHOWN_VALUE_MAX_LENGTH,
} from '../limits.ts';

const utf8 = new TextEncoder();

const ID = 'must be an id, a string of digits';
const id = z.string({ error: ID }).regex(/^\d{1,20}$/, { error: ID });
const flag = z.boolean({ error: 'must be true or false' });

const activity = z.looseObject(
  {
    name: z.string({ error: 'must be a string' }),
    type: z.int({ error: 'must be an integer' }),
  },
  { error: 'must be an object with name and type' },
);

const STATUSES = ['online', 'dnd', 'idle', 'invisible', 'offline'] as const;

const presence = z.looseObject({
  since: z.int({ error: 'must be milliseconds since 1970, or null' }).nullable(),
  activities: z.array(activity, { error: 'must be a list of activities' }),
  status: z.enum(STATUSES, { error: `must be one of ${STATUSES.join(', ')}` }),
  afk: flag,
});

const voiceState = z.looseObject({
  guild_id: id,
  channel_id: z.union([id, z.null()], { error: `${ID}, or null to leave` }),
  self_mute: flag,
  self_deaf: flag,
});

const LIMIT = `must be an integer from 0 to ${MEMBER_QUERY_MATCHES_MAX}, or more where query is ""`;
const USERS = `must be an id, or up to ${MEMBER_REQUEST_USERS_MAX} of them`;
const NONCE = `must be a string of up to ${MEMBER_REQUEST_NONCE_MAX_BYTES} bytes`;

const memberRequest = z
  .looseObject({
    guild_id: id,
    query: z.string({ error: 'must be a string' }).optional(),
    limit: z.int({ error: LIMIT }).min(0, { error: LIMIT }).optional(),
    presences: flag.optional(),
    user_ids: z.union([id, z.array(id).max(MEMBER_REQUEST_USERS_MAX)], { error: USERS }).optional(),
    nonce: z
      .string({ error: NONCE })
      .refine((nonce) => utf8.encode(nonce).length <= MEMBER_REQUEST_NONCE_MAX_BYTES, {
        error: NONCE,
      })
      .optional(),
  })
  .superRefine(({ query, limit, user_ids }, context) => {
    const refuse = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], message });
    if (query === undefined && user_ids === undefined) {
      refuse('query', 'must be there, or user_ids');
    } else if (query !== undefined && user_ids !== undefined) {
      refuse('user_ids', 'must not stand beside query');
    } else if (query !== undefined && limit === undefined) {
      refuse('limit', 'must stand beside query');
    } else if (query && limit !== undefined && limit > MEMBER_QUERY_MATCHES_MAX) {
      refuse('limit', LIMIT);
    }
  });

const soundsRequest = z.looseObject({ guild_ids: z.array(id, { error: 'must be a list of ids' }) });

const FIELDS = ['status', 'voice_start_time'] as const;
const FIELD = `must be ${FIELDS.join(' or ')}`;

const channelInfoRequest = z.looseObject({
  guild_id: id,
  fields: z.array(z.enum(FIELDS, { error: FIELD }), {
    error: `must be a list of ${FIELDS.join(' and ')}`,
  }),
});

const SHAPES = {
  [GatewayOpcodes.PresenceUpdate]: presence,
  [GatewayOpcodes.VoiceStateUpdate]: voiceState,
  [GatewayOpcodes.RequestGuildMembers]: memberRequest,
  [GatewayOpcodes.RequestSoundboardSounds]: soundsRequest,
  [GatewayOpcodes.RequestChannelInfo]: channelInfoRequest,
} as const;

type CommandOpcode = keyof typeof SHAPES;

/** A frame that a bot may send, of the shape that Discord documents. */
export type CommandFrame = {
  [Op in CommandOpcode]: { readonly op: Op; readonly d: z.infer<(typeof SHAPES)[Op]> };
}[CommandOpcode];

/** @returns the frame, or what is wrong with it */
export function readCommandFrame(packet: unknown): CommandFrame | { readonly problem: string } {
  if (typeof packet !== 'object' || packet === null || Array.isArray(packet)) {
    return { problem: `the packet is ${show(packet)}; it must be an object with op and d` };
  }
  const { op, d } = packet as { readonly op?: unknown; readonly d?: unknown };
  if (!isCommandOpcode(op)) {
    const allowed = Object.keys(SHAPES).join(', ');
    return { problem: `op is ${show(op)}; it must be one of ${allowed}` };
  }
  const shaped = SHAPES[op].safeParse(d);
  if (!shaped.success) return { problem: describe(shaped.error, op, d) };
  // The shape was chosen by `op`, which the compiler cannot follow through the table.
  return { op, d: shaped.data } as CommandFrame;
}

function isCommandOpcode(op: unknown): op is CommandOpcode {
  return typeof op === 'number' && Object.hasOwn(SHAPES, op);
}

function describe(error: z.ZodError, op: number, d: unknown): string {
  const [issue] = error.issues;
  const path = issue?.path ?? [];
  if (path.length === 0) return `d of op ${op} is ${show(d)}; it must be an object`;
  const value = path.reduce<unknown>(
    (found, key) => (typeof found === 'object' && found !== null ? Reflect.get(found, key) : null),
    d,
  );
  return `d.${path.join('.')} of op ${op} is ${show(value)}; it ${issue?.message}`;
}

/** A value on one line, and not too long. */
export function show(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'bigint') return String(value);
  const text =
    typeof value === 'object' && value !== null
      ? Array.isArray(value)
        ? `a list of ${value.length}`
        : 'an object'
      : JSON.stringify(value);
  return text.length <= SHOWN_VALUE_MAX_LENGTH
    ? text
    : `${text.slice(0, SHOWN_VALUE_MAX_LENGTH - 1)}…`;
}
