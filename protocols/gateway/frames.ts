/**
 * The gateway frames that carry decisions: what arrives as a message rather than as bytes to
 * forward, and what is sent. Names of fields are Discord's.
 */
import { GatewayOpcodes } from 'discord-api-types/v10';
import { HEARTBEAT_INTERVAL_MAX_MS, HEARTBEAT_INTERVAL_MIN_MS } from '../limits.ts';

/**
 * A frame that changes the state of a connection: every op but 0, and of the dispatches READY,
 * RESUMED and RATE_LIMITED.
 */
export type ControlFrame =
  | { readonly kind: 'hello'; readonly heartbeatIntervalMs: number }
  | { readonly kind: 'heartbeat-request' }
  | { readonly kind: 'heartbeat-ack' }
  | { readonly kind: 'reconnect' }
  | { readonly kind: 'invalid-session'; readonly resumable: boolean }
  | { readonly kind: 'ready'; readonly sessionId: string; readonly resumeUrl: string }
  | { readonly kind: 'resumed' }
  /** A request for members came too soon. */
  | {
      readonly kind: 'members-limited';
      readonly guildId: string;
      readonly nonce: string | undefined;
      readonly retryInMs: number;
    }
  /** An op that is not ours to act on; Discord may add more at any time. */
  | { readonly kind: 'unknown'; readonly op: number };

/**
 * Reads a whole control frame. Undefined when it does not have the shape that Discord documents for
 * its op, or holds a value that cannot be acted on.
 */
export function readControlFrame(
  op: number,
  event: string,
  data: unknown,
): ControlFrame | undefined {
  switch (op) {
    case GatewayOpcodes.Hello:
      return readHello(data);
    case GatewayOpcodes.Heartbeat:
      return { kind: 'heartbeat-request' };
    case GatewayOpcodes.HeartbeatAck:
      return { kind: 'heartbeat-ack' };
    case GatewayOpcodes.Reconnect:
      return { kind: 'reconnect' };
    case GatewayOpcodes.InvalidSession:
      return { kind: 'invalid-session', resumable: data === true };
    case GatewayOpcodes.Dispatch:
      if (event === 'RATE_LIMITED') return readRateLimited(data) ?? { kind: 'unknown', op };
      return event === 'READY' ? readReady(data) : { kind: 'resumed' };
    default:
      return { kind: 'unknown', op };
  }
}

/** By an interval outside of the bounds no connection can be kept, so it is as good as none. */
function readHello(data: unknown): ControlFrame | undefined {
  const interval = field(data, 'heartbeat_interval');
  const isUsable =
    typeof interval === 'number' &&
    interval >= HEARTBEAT_INTERVAL_MIN_MS &&
    interval <= HEARTBEAT_INTERVAL_MAX_MS;
  return isUsable ? { kind: 'hello', heartbeatIntervalMs: interval } : undefined;
}

function readReady(data: unknown): ControlFrame | undefined {
  const sessionId = field(data, 'session_id');
  const resumeUrl = field(data, 'resume_gateway_url');
  if (typeof sessionId !== 'string' || typeof resumeUrl !== 'string') return undefined;
  return { kind: 'ready', sessionId, resumeUrl };
}

/** Only a limit on requests for members is ours to act on; any other is the bot's to read. */
function readRateLimited(data: unknown): ControlFrame | undefined {
  const meta = field(data, 'meta');
  const seconds = field(data, 'retry_after');
  const guildId = field(meta, 'guild_id');
  const nonce = field(meta, 'nonce');
  const isOurs = field(data, 'opcode') === GatewayOpcodes.RequestGuildMembers;
  const isTimed = typeof seconds === 'number' && seconds >= 0 && Number.isFinite(seconds);
  if (!isOurs || !isTimed || typeof guildId !== 'string') return undefined;
  return {
    kind: 'members-limited',
    guildId,
    nonce: typeof nonce === 'string' ? nonce : undefined,
    retryInMs: seconds * 1_000,
  };
}

function field(data: unknown, name: string): unknown {
  return typeof data === 'object' && data !== null ? Reflect.get(data, name) : undefined;
}

/** `sequence` is the last one received in this session, or null before the first (GP-64). */
export function heartbeatFrame(sequence: number | null): string {
  return JSON.stringify({ op: GatewayOpcodes.Heartbeat, d: sequence });
}

/** What an IDENTIFY says beside the shard. */
export type Identity = {
  /** Without the `Bot ` prefix, which belongs to HTTP. */
  readonly token: string;
  readonly intents: number;
  readonly presence?: Readonly<Record<string, unknown>>;
  readonly largeThreshold?: number;
};

/**
 * @param presence the text of the presence that was set last, if it is not the one of `identity`
 */
export function identifyFrame(
  identity: Identity,
  shard: number,
  shardCount: number,
  presence?: string,
): string {
  const text = JSON.stringify({
    op: GatewayOpcodes.Identify,
    d: {
      token: identity.token,
      intents: identity.intents,
      properties: { os: 'linux', browser: 'spectacles', device: 'spectacles' },
      shard: [shard, shardCount],
      ...(identity.largeThreshold === undefined
        ? {}
        : { large_threshold: identity.largeThreshold }),
      ...(identity.presence === undefined || presence !== undefined
        ? {}
        : { presence: identity.presence }),
    },
  });
  // Its text is put in as it was sent, so that it is not parsed and written anew.
  return presence === undefined ? text : `${text.slice(0, -2)},"presence":${presence}}}`;
}

/** `sequence` is the number after which Discord is to send everything again. */
export function resumeFrame(
  identity: Identity,
  session: { readonly sessionId: string; readonly sequence: number },
): string {
  return JSON.stringify({
    op: GatewayOpcodes.Resume,
    d: { token: identity.token, session_id: session.sessionId, seq: session.sequence },
  });
}
