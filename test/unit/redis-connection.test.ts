/** What Redis and its sockets say, sorted into what ends a service and what is waited out. */
import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { openRedis, redisError } from '../../src/brokers/redis-connection.ts';
import { readServerInfo } from '../../src/brokers/redis-server-info.ts';

function reply(message: string): Error {
  const error = new Error(message);
  error.name = 'ReplyError';
  return error;
}

function socket(code: string, message = code): Error {
  return Object.assign(new Error(message), { code });
}

describe('an error of Redis', () => {
  it.each([
    'WRONGPASS invalid username-password pair or user is disabled.',
    'NOAUTH Authentication required.',
    "NOPERM this user has no permissions to run the 'xadd' command",
    'ERR DB index is out of range',
    'ERR SELECT is not allowed in cluster mode',
    'WRONGTYPE Operation against a key holding the wrong kind of value',
    "ERR unknown command 'XGROUP'",
  ])('R37 is fatal and names a remedy: %s', (message) => {
    const known = redisError(reply(message), 'redis://host:1');
    expect(known.code).toBe('FATAL');
    expect(known.message).toMatch(/^redis:\/\/host:1 refuses: .+; .+/);
  });

  it.each([
    "OOM command not allowed when used memory > 'maxmemory'.",
    'LOADING Redis is loading the dataset in memory',
    'MISCONF Redis is configured to save RDB snapshots',
    "READONLY You can't write against a read only replica.",
    'NOREPLICAS Not enough good replicas to write.',
    'MASTERDOWN Link with MASTER is down',
    'CLUSTERDOWN The cluster is down',
    'MOVED 3999 127.0.0.1:6381',
    'ASK 3999 127.0.0.1:6381',
    'TRYAGAIN Multiple keys request during rehashing of slot',
    'BUSY Redis is busy running a script.',
    'UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
  ])('R29 R37 is waited out: %s', (message) => {
    expect(redisError(reply(message), 'redis').code).toBe('BROKER_UNAVAILABLE');
  });

  it.each([
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'FATAL'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'FATAL'],
    ['CERT_HAS_EXPIRED', 'FATAL'],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'FATAL'],
    ['ECONNREFUSED', 'BROKER_UNAVAILABLE'],
    ['ECONNRESET', 'BROKER_UNAVAILABLE'],
    ['ETIMEDOUT', 'BROKER_UNAVAILABLE'],
  ])('of a socket, %s, is %s', (code, kind) => {
    expect(redisError(socket(code), 'redis').code).toBe(kind);
  });

  it('is one line, whatever was said', () => {
    expect(redisError(socket('EPROTO', 'a\n  b\r\nc\n'), 'redis').message).toBe('redis: a b c');
  });
});

describe('a client of ours', () => {
  it('R6 R9 R32 R38 does nothing by itself: no queue, no retry, no resend, no pipeline, RESP2', async () => {
    let made: Redis | undefined;
    const connect = Redis.prototype.connect;
    Redis.prototype.connect = function (this: Redis) {
      made = this;
      return Promise.reject(socket('ECONNREFUSED'));
    };
    try {
      await expect(
        openRedis({
          label: 'redis',
          // What a user's own client may be set to.
          options: { enableOfflineQueue: true, retryStrategy: () => 1, enableAutoPipelining: true },
          role: 'commands',
          signal: new AbortController().signal,
          onEnd: () => undefined,
        }),
      ).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE' });
    } finally {
      Redis.prototype.connect = connect;
    }
    expect(made?.options).toMatchObject({
      protocol: 2,
      enableOfflineQueue: false,
      enableAutoPipelining: false,
      autoResendUnfulfilledCommands: false,
      autoResubscribe: false,
      retryStrategy: null,
      maxRetriesPerRequest: null,
    });
  });
});

describe('what a server says of itself', () => {
  const info = (lines: Record<string, string>) =>
    Object.entries(lines)
      .map(([name, value]) => `${name}:${value}\r\n`)
      .join('');

  it.each([
    [
      { redis_mode: 'cluster', role: 'master' },
      { isCluster: true, isReplica: false },
    ],
    [
      { redis_mode: 'standalone', role: 'slave' },
      { isCluster: false, isReplica: true },
    ],
    [{ maxmemory: '0', maxmemory_policy: 'allkeys-lru' }, { evictionPolicy: undefined }],
    [{ maxmemory: '9', maxmemory_policy: 'allkeys-lfu' }, { evictionPolicy: 'allkeys-lfu' }],
    [{ maxmemory: '9', maxmemory_policy: 'volatile-lru' }, { evictionPolicy: undefined }],
    [{ maxmemory: '9', maxmemory_policy: 'noeviction' }, { evictionPolicy: undefined }],
    [{}, { isCluster: false, isReplica: false, evictionPolicy: undefined }],
  ])('R14 is read: %j', (lines, expected) => {
    expect(readServerInfo(`# Server\r\n${info(lines)}`)).toMatchObject(expected);
  });
});
