/**
 * One ioredis client, set up so that it never does by itself what a channel is there to do.
 *
 * No reconnecting, no queue while away, nothing sent again, nothing pipelined behind our back: a
 * client lives as long as its socket, and its end is the loss of the link. RESP2 is spoken on
 * purpose: its replies have one shape on every server from Redis 5 on, and nothing of RESP3 is
 * needed.
 *
 * Errors fall into two kinds. What the server refuses for good (password, rights, database, a key
 * of another type, a certificate) is fatal and says what to change; every other word of the server
 * (READONLY, LOADING, OOM, MISCONF, MOVED …) and every broken socket means that the broker is away.
 */
import { Redis, type RedisOptions } from 'ioredis';
import { BrokerUnavailableError, FatalError, SpectaclesError } from '../../protocols/errors.ts';
import { BROKER_CONNECT_TIMEOUT_MS } from '../../protocols/limits.ts';
import { messageOf } from '../../protocols/message-of.ts';

/** Which Redis, and what a person calls it; the label has no password in it. */
export type RedisPlace = {
  readonly label: string;
  readonly options: RedisOptions;
  /**
   * Further servers of the same cluster. With one address only, the server itself says what it is.
   */
  readonly others?: readonly RedisOptions[];
};

const OWN_OPTIONS: RedisOptions = {
  lazyConnect: true,
  protocol: 2,
  retryStrategy: null,
  reconnectOnError: null,
  maxRetriesPerRequest: null,
  enableOfflineQueue: false,
  enableReadyCheck: true,
  enableAutoPipelining: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  connectTimeout: BROKER_CONNECT_TIMEOUT_MS,
  keepAlive: 10_000,
  noDelay: true,
};

const REFUSALS: readonly (readonly [pattern: RegExp, remedy: string])[] = [
  [
    /^(WRONGPASS|NOAUTH)|invalid password|AUTH .*without any password/i,
    'check the user name and password of the Redis URL',
  ],
  [
    /^NOPERM/,
    'give the user of the Redis URL the rights that docs/brokers-redis.md, docs/sessions.md and docs/rate-limits.md list for what is used',
  ],
  [
    /DB index is out of range|invalid DB index|SELECT is not allowed in cluster mode/i,
    'check the database number of the Redis URL',
  ],
  [
    /^WRONGTYPE/,
    'a key with the name of an event is no stream: delete it, or use another database',
  ],
  [/^ERR unknown (command|subcommand)/i, 'Redis 5 or later is needed'],
];

const TLS_REFUSALS: readonly (readonly [pattern: RegExp, remedy: string])[] = [
  [
    /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT(_LOCALLY)?)$/,
    'name the file of its certificate authority in NODE_EXTRA_CA_CERTS',
  ],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, 'use the host name that its certificate is made out to'],
  [/^CERT_(HAS_EXPIRED|NOT_YET_VALID)$/, 'renew its certificate, or set the clock'],
  [/^ERR_SSL_WRONG_VERSION_NUMBER$/, 'it speaks no TLS there: use redis:// in its URL'],
];

/** What ioredis makes of an answer that is a refusal, where it has not read the answer itself. */
export function replyError(words: string): Error {
  const error = new Error(words);
  error.name = 'ReplyError';
  return error;
}

export function isReplyError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

function remedyFor(error: unknown, message: string): string | undefined {
  if (isReplyError(error)) return REFUSALS.find(([pattern]) => pattern.test(message))?.[1];
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return TLS_REFUSALS.find(([pattern]) => pattern.test(code))?.[1];
}

/**
 * ioredis attaches the command to its refusal, with what it was given: a password, or somebody's
 * message.
 */
function withoutCommand(error: unknown): unknown {
  if (error instanceof Error) Reflect.deleteProperty(error, 'command');
  return error;
}

/** The error that the rest of the project is told, for whatever ioredis has said. */
export function redisError(error: unknown, label: string): SpectaclesError {
  if (error instanceof SpectaclesError) return error;
  const cause = withoutCommand(error);
  const text = messageOf(error);
  const message = text.replace(/\s+/g, ' ').trim();
  const remedy = remedyFor(error, message);
  if (remedy === undefined) {
    return new BrokerUnavailableError(`${label}: ${message}`, { cause });
  }
  const words = message.replace(/\.$/, '');
  return new FatalError(`${label} refuses: ${words}; ${remedy}`, { cause });
}

export type RedisRole = 'commands' | 'events' | 'reader' | 'replies';

export type OpenRedisOptions = {
  readonly label: string;
  readonly options: RedisOptions;
  readonly role: RedisRole;
  /** Gives the attempt up. */
  readonly signal: AbortSignal;
  /** Told once, when the connection is gone after it was open. */
  readonly onEnd: (reason: SpectaclesError) => void;
  readonly connectTimeoutMs?: number;
};

/** Opens one client; rejects with a `SpectaclesError` when it cannot be opened. */
export async function openRedis(how: OpenRedisOptions): Promise<Redis> {
  const { label, signal, onEnd } = how;
  const redis = new Redis({
    ...how.options,
    ...OWN_OPTIONS,
    ...(how.connectTimeoutMs !== undefined && { connectTimeout: how.connectTimeoutMs }),
    replyMapping: 'legacy',
    connectionName: `spectacles-${how.role}`,
  });
  const giveUp = () => redis.disconnect();
  signal.addEventListener('abort', giveUp, { once: true });
  let lastError: unknown = new BrokerUnavailableError(`${label} closed the connection`);
  let isOpen = false;
  redis.on('error', (error: unknown) => {
    if (!isEnd(error)) lastError = error;
  });
  redis.on('end', () => {
    signal.removeEventListener('abort', giveUp);
    if (isOpen) onEnd(redisError(lastError, label));
  });
  try {
    await redis.connect();
    // A database that cannot be selected is only told by an event; the client would go on in
    // another.
    if (isReplyError(lastError)) throw lastError;
    if (signal.aborted) throw new BrokerUnavailableError(`${label} was given up while it opened`);
  } catch (error) {
    redis.disconnect();
    throw redisError(telling(error, lastError), label);
  }
  isOpen = true;
  return redis;
}

/** What ioredis calls a connection that has ended. */
const ENDED = /^(Connection is closed|Stream isn't writeable)/;

function isEnd(error: unknown): boolean {
  return error instanceof Error && ENDED.test(error.message);
}

/**
 * Of what a failed attempt has said, the word that says why: ioredis' own says only that it ended.
 */
function telling(error: unknown, lastError: unknown): unknown {
  if (isReplyError(error) || error instanceof SpectaclesError) return error;
  const saysWhy = error instanceof Error && !isEnd(error);
  return lastError instanceof BrokerUnavailableError && saysWhy ? error : lastError;
}
