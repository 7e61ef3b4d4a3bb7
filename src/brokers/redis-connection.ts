/**
 * One ioredis client, set up so that it never does by itself what a channel is there to do.
 *
 * No reconnecting, no queue while away, nothing sent again: a client lives as long as its socket, and
 * its end is the loss of the link. RESP2 is spoken on purpose: its replies have one shape on every
 * server from Redis 5 on, and nothing of RESP3 is needed.
 *
 * Errors fall into three kinds. What the server refuses for good (password, rights, database, a key
 * of another type) is fatal and says what to change; every other word of the server and every broken
 * socket means that the broker is away.
 */
import { Redis, type RedisOptions } from 'ioredis';
import { BrokerUnavailableError, FatalError, SpectaclesError } from '../../protocols/errors.ts';
import {
  BROKER_CONNECT_TIMEOUT_MS,
  REDIS_BLOCK_GRACE_MS,
  REDIS_BLOCK_MS,
} from '../../protocols/limits.ts';

/** Which Redis, and what a person calls it; the label has no password in it. */
export type RedisPlace = { readonly label: string; readonly options: RedisOptions };

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
  /** A blocking read that is this late is hung; ioredis then fails it. */
  blockingTimeout: REDIS_BLOCK_MS,
  blockingTimeoutGrace: REDIS_BLOCK_GRACE_MS,
};

const REFUSALS: readonly (readonly [pattern: RegExp, remedy: string])[] = [
  [
    /^(WRONGPASS|NOAUTH)|invalid password|AUTH .*without any password/i,
    'check the user name and password of the Redis URL',
  ],
  [
    /^NOPERM/,
    'give the user of the Redis URL rights to the stream commands, PUBLISH and PSUBSCRIBE',
  ],
  [/DB index is out of range|invalid DB index/i, 'check the database number of the Redis URL'],
  [
    /^WRONGTYPE/,
    'a key with the name of an event is no stream: delete it, or use another database',
  ],
  [/^ERR unknown (command|subcommand)/i, 'Redis 5 or later is needed'],
];

export function isReplyError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ReplyError';
}

/** The error that the rest of the project is told, for whatever ioredis has said. */
export function redisError(error: unknown, label: string): SpectaclesError {
  if (error instanceof SpectaclesError) return error;
  const message = error instanceof Error ? error.message || error.name : String(error);
  if (isReplyError(error)) {
    const refusal = REFUSALS.find(([pattern]) => pattern.test(message));
    if (refusal) {
      return new FatalError(`${label} refuses: ${message}; ${refusal[1]}`, { cause: error });
    }
  }
  return new BrokerUnavailableError(`${label}: ${message}`, { cause: error });
}

export type RedisRole = 'commands' | 'reader' | 'replies';

/**
 * Opens one client. `onEnd` is told once when its connection is gone after it was open; rejects with a
 * `SpectaclesError` when it cannot be opened.
 */
export async function openRedis(
  place: RedisPlace,
  role: RedisRole,
  onEnd: (reason: SpectaclesError) => void,
): Promise<Redis> {
  const redis = new Redis({
    ...place.options,
    ...OWN_OPTIONS,
    replyMapping: 'legacy',
    connectionName: `spectacles-${role}`,
  });
  let lastError: unknown = new BrokerUnavailableError(`${place.label} closed the connection`);
  let isOpen = false;
  redis.on('error', (error: unknown) => {
    lastError = error;
  });
  redis.on('end', () => {
    if (isOpen) onEnd(redisError(lastError, place.label));
  });
  try {
    await redis.connect();
    // A database that cannot be selected is only told by an event; the client would go on in another.
    if (isReplyError(lastError)) throw lastError;
  } catch (error) {
    redis.disconnect();
    throw redisError(
      isReplyError(error) || !isReplyError(lastError) ? error : lastError,
      place.label,
    );
  }
  isOpen = true;
  return redis;
}
