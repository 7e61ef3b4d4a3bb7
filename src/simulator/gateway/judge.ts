/**
 * The rules of IDENTIFY, RESUME and the connect URL: what Discord closes with which code, and why.
 *
 * Pure: facts in, a refusal or nothing out.
 */
import { GatewayCloseCodes } from 'discord-api-types/v10';
import { ALL_INTENTS } from '../../../protocols/discord/intents.ts';
import type { ShardPair } from '../audit.ts';
import type { IdentifyData, Refusal, ResumeData } from './client-frames.ts';
import type { ConnectParameters } from './link.ts';
import type { GatewayOptions } from './options.ts';
import type { Session } from './session.ts';

/** Undocumented but seen: the session is another token's. */
const SESSION_TOKEN_MISMATCH = 4006;

/** 10 and 9 are available, 6 to 8 deprecated and alive, what is older is discontinued. */
const VERSIONS = new Set(['6', '7', '8', '9', '10']);
const COMPRESSIONS = new Set(['zlib-stream', 'zstd-stream']);

/** A URL that says nothing of a parameter gets Discord's default and is let in. */
export function judgeParameters(parameters: ConnectParameters): Refusal | undefined {
  const { version, encoding, compress } = parameters;
  if (version !== null && !VERSIONS.has(version)) {
    const code = GatewayCloseCodes.InvalidAPIVersion;
    const detail = `v=${version}`;
    return { code, reason: 'Invalid API version.', breach: 'invalid-version', detail };
  }
  // ETF exists at Discord and is not simulated: it is refused rather than answered in JSON.
  const encodingIsKnown = encoding === null || encoding === 'json';
  if (encodingIsKnown && (compress === null || COMPRESSIONS.has(compress))) return undefined;
  const detail = encodingIsKnown ? `compress=${compress}` : `encoding=${encoding}`;
  const code = GatewayCloseCodes.DecodeError;
  return { code, reason: `Not supported: ${detail}`, breach: 'unsupported-parameters', detail };
}

export type IdentifyFacts = {
  readonly tokenIsValid: boolean;
  readonly guildCount: (shard: ShardPair) => number;
  readonly options: GatewayOptions;
};

export const AUTHENTICATION_FAILED: Refusal = {
  code: GatewayCloseCodes.AuthenticationFailed,
  reason: 'Authentication failed.',
  breach: 'authentication-failed',
  detail: 'the token is not valid',
};

/** A session without `shard` handles everything, as [0, 1] does. */
export function shardOf(data: IdentifyData): ShardPair {
  return data.shard ?? [0, 1];
}

export function judgeIdentify(data: IdentifyData, facts: IdentifyFacts): Refusal | undefined {
  if (!facts.tokenIsValid) return AUTHENTICATION_FAILED;
  const shard = shardOf(data);
  return (
    judgeShard(shard, facts.options.shardMultiple) ??
    judgeIntents(data.intents, facts.options.allowedIntents) ??
    judgeGuildCount(shard, facts)
  );
}

function judgeShard([id, count]: ShardPair, multiple: number): Refusal | undefined {
  const isPossible =
    Number.isInteger(id) && Number.isInteger(count) && id >= 0 && count > 0 && id < count;
  if (isPossible && count % multiple === 0) return undefined;
  const code = GatewayCloseCodes.InvalidShard;
  const detail = isPossible
    ? `shard count ${count} is no multiple of ${multiple}`
    : `[${id}, ${count}]`;
  return { code, reason: 'Invalid shard.', breach: 'invalid-shard', detail };
}

function judgeIntents(intents: number | undefined, allowed: number): Refusal | undefined {
  const isPossible =
    intents !== undefined && Number.isInteger(intents) && intents >= 0 && intents < 2 ** 31;
  if (!isPossible || (intents & ~ALL_INTENTS) !== 0) {
    const code = GatewayCloseCodes.InvalidIntents;
    const detail = `intents ${intents}`;
    return { code, reason: 'Invalid intent(s).', breach: 'invalid-intents', detail };
  }
  if ((intents & ~allowed) === 0) return undefined;
  const code = GatewayCloseCodes.DisallowedIntents;
  const detail = `intents ${intents & ~allowed} are not allowed to this application`;
  return { code, reason: 'Disallowed intent(s).', breach: 'disallowed-intents', detail };
}

function judgeGuildCount(shard: ShardPair, facts: IdentifyFacts): Refusal | undefined {
  const count = facts.guildCount(shard);
  const limit = facts.options.guildsPerShard;
  if (count <= limit) return undefined;
  const code = GatewayCloseCodes.ShardingRequired;
  const detail = `${count} guilds where a session may have ${limit}`;
  return { code, reason: 'Sharding required.', breach: 'sharding-required', detail };
}

/** For a session that exists; one that does not is answered with op 9. */
export function judgeResume(data: ResumeData, session: Session): Refusal | undefined {
  if (data.token !== session.settings.token) {
    const detail = 'the session was started with another token, or another form of it';
    const reason = 'Session no longer valid.';
    return { code: SESSION_TOKEN_MISMATCH, reason, breach: 'session-token-mismatch', detail };
  }
  if (data.seq <= session.sentSequence) return undefined;
  const code = GatewayCloseCodes.InvalidSeq;
  const detail = `seq ${data.seq} where ${session.sentSequence} was sent last`;
  return { code, reason: 'Invalid seq.', breach: 'invalid-sequence', detail };
}

export function sameParameters(left: ConnectParameters, right: ConnectParameters): boolean {
  return (
    left.version === right.version &&
    left.encoding === right.encoding &&
    left.compress === right.compress
  );
}
