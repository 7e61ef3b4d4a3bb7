/**
 * Reads what a client sent and says which close code Discord has for what is wrong with it.
 *
 * Opcodes that only Discord sends are as unknown here as opcodes that do not exist. Fields that
 * Discord does not document pass: clients send some that were documented once. Failure is a value,
 * never a throw.
 */
import { GatewayCloseCodes, GatewayOpcodes } from 'discord-api-types/v10';
import { z } from 'zod';
import {
  GATEWAY_FRAME_MAX_BYTES,
  LARGE_THRESHOLD_MAX,
  LARGE_THRESHOLD_MIN,
  MEMBER_REQUEST_USERS_MAX,
} from '../../../protocols/limits.ts';
import type { BreachName } from '../audit.ts';

const snowflake = z.string().regex(/^\d{1,20}$/);
const activity = z.looseObject({ name: z.string(), type: z.int() });

const presence = z.object({
  since: z.int().nullable(),
  activities: z.array(activity),
  status: z.enum(['online', 'dnd', 'idle', 'invisible', 'offline']),
  afk: z.boolean(),
});

/**
 * Both spellings are in use; Discord calls the one with the dollar sign deprecated and takes it.
 */
const properties = z.union([
  z.looseObject({ os: z.string(), browser: z.string(), device: z.string() }),
  z.looseObject({ $os: z.string(), $browser: z.string(), $device: z.string() }),
]);

const identify = z.object({
  token: z.string(),
  properties,
  compress: z.boolean().optional(),
  large_threshold: z.int().min(LARGE_THRESHOLD_MIN).max(LARGE_THRESHOLD_MAX).optional(),
  shard: z.tuple([z.number(), z.number()]).optional(),
  presence: presence.optional(),
  intents: z.number().optional(),
});

const resume = z.object({ token: z.string(), session_id: z.string(), seq: z.int().min(0) });

const voiceState = z.object({
  guild_id: snowflake,
  channel_id: snowflake.nullable(),
  self_mute: z.boolean(),
  self_deaf: z.boolean(),
});

const memberRequest = z
  .object({
    guild_id: snowflake,
    query: z.string().optional(),
    limit: z.int().min(0).optional(),
    presences: z.boolean().optional(),
    user_ids: z.union([snowflake, z.array(snowflake).max(MEMBER_REQUEST_USERS_MAX)]).optional(),
    nonce: z.unknown().optional(),
  })
  .refine((request) => (request.query === undefined) !== (request.user_ids === undefined))
  .refine((request) => request.query === undefined || request.limit !== undefined);

const soundsRequest = z.object({ guild_ids: z.array(snowflake) });

const channelInfoRequest = z.object({
  guild_id: snowflake,
  fields: z.array(z.enum(['status', 'voice_start_time'])),
});

const SCHEMAS = {
  [GatewayOpcodes.Heartbeat]: z.int().min(0).nullable(),
  [GatewayOpcodes.Identify]: identify,
  [GatewayOpcodes.PresenceUpdate]: presence,
  [GatewayOpcodes.VoiceStateUpdate]: voiceState,
  [GatewayOpcodes.Resume]: resume,
  [GatewayOpcodes.RequestGuildMembers]: memberRequest,
  [GatewayOpcodes.RequestSoundboardSounds]: soundsRequest,
  [GatewayOpcodes.RequestChannelInfo]: channelInfoRequest,
} as const;

type ClientOpcode = keyof typeof SCHEMAS;

/** A frame with the shape that Discord documents for its opcode. */
export type ClientFrame = {
  [Op in ClientOpcode]: { readonly op: Op; readonly d: z.infer<(typeof SCHEMAS)[Op]> };
}[ClientOpcode];

export type IdentifyData = z.infer<typeof identify>;
export type ResumeData = z.infer<typeof resume>;
export type VoiceStateData = z.infer<typeof voiceState>;
export type MemberRequestData = z.infer<typeof memberRequest>;
export type ChannelInfoData = z.infer<typeof channelInfoRequest>;

export type Refusal = {
  readonly code: number;
  readonly reason: string;
  readonly breach: BreachName;
  /** What the audit says beyond the reason; never a part of the frame. */
  readonly detail: string;
};

export type ReadFrame =
  | { readonly kind: 'frame'; readonly frame: ClientFrame; readonly bytes: number }
  | {
      readonly kind: 'refused';
      readonly op: number | null;
      readonly bytes: number;
      readonly refusal: Refusal;
    };

const envelope = z.looseObject({ op: z.int(), d: z.unknown().optional() });

export function readClientFrame(data: string | Uint8Array): ReadFrame {
  const bytes = typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength;
  if (bytes > GATEWAY_FRAME_MAX_BYTES) {
    const detail = `${bytes} bytes where ${GATEWAY_FRAME_MAX_BYTES} are allowed`;
    return refused(null, bytes, decodeError('frame-too-large', detail));
  }
  const parsed = envelope.safeParse(parse(data));
  if (!parsed.success) {
    return refused(null, bytes, decodeError('undecodable-frame', 'not a JSON object with an op'));
  }
  const { op, d } = parsed.data;
  if (!isClientOpcode(op)) {
    const code = GatewayCloseCodes.UnknownOpcode;
    const detail = `op ${op} is not one that clients send`;
    return refused(op, bytes, {
      code,
      reason: 'Unknown opcode.',
      breach: 'unknown-opcode',
      detail,
    });
  }
  const shaped = SCHEMAS[op].safeParse(d);
  if (!shaped.success) {
    const detail = `op ${op}: ${describe(shaped.error)}`;
    return refused(op, bytes, decodeError('invalid-payload', detail));
  }
  // The schema was chosen by `op`, which the compiler cannot follow through the table.
  return { kind: 'frame', frame: { op, d: shaped.data } as ClientFrame, bytes };
}

function refused(op: number | null, bytes: number, refusal: Refusal): ReadFrame {
  return { kind: 'refused', op, bytes, refusal };
}

function decodeError(breach: BreachName, detail: string): Refusal {
  const code = GatewayCloseCodes.DecodeError;
  return { code, reason: 'Error while decoding payload.', breach, detail };
}

function parse(data: string | Uint8Array): unknown {
  try {
    const text =
      typeof data === 'string' ? data : new TextDecoder('utf-8', { fatal: true }).decode(data);
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}

function isClientOpcode(op: number): op is ClientOpcode {
  return Object.hasOwn(SCHEMAS, op);
}

/** Names the fields at fault, not their values: one of them may be a token. */
function describe(error: z.ZodError): string {
  const fields = error.issues.map((issue) => issue.path.join('.') || 'd');
  return `wrong or missing: ${[...new Set(fields)].join(', ')}`;
}
