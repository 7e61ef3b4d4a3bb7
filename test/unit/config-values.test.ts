import { describe, expect, it } from 'vitest';
import { SHOWN_VALUE_MAX_LENGTH } from '../../protocols/limits.ts';
import { formatAddress, parseAddress } from '../../src/config/address.ts';
import {
  parseAmqpUrl,
  parseRedisUrl,
  showAmqpEndpoint,
  showRedisEndpoint,
} from '../../src/config/broker-urls.ts';
import { formatDuration, parseDuration } from '../../src/config/duration.ts';
import { formatShardIds, parseShardIds } from '../../src/config/shard-ids.ts';
import { showInput } from '../../src/config/show.ts';
import { AMQP_DEFAULTS as AMQP, REDIS_DEFAULTS as REDIS } from '../support/configuration.ts';

describe('durations', () => {
  it.each([
    ['2m', 120_000],
    ['1h30m', 5_400_000],
    ['500ms', 500],
    ['2min', 120_000],
    ['10 minutes', 600_000],
    ['1h 30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['1.1s', 1_100],
    ['.5s', 500],
    ['1day 2hr', 93_600_000],
    ['1w', 604_800_000],
    ['1M', 2_629_800_000],
    ['2 Hours', 7_200_000],
    ['1us', 1],
    ['1ns', 1],
    ['1001µs', 2],
    ['0', 0],
    ['0s', 0],
  ])('%j is %d ms', (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });

  it.each(['', ' ', '2', 'm', '2 parsecs', '-2m', '2m!', 'm2', '1..5s', '9'.repeat(30), '1e3s'])(
    '%j is none',
    (text) => {
      expect(parseDuration(text)).toBeUndefined();
    },
  );

  it('are written short', () => {
    expect(formatDuration(5_400_000)).toBe('1h30m');
    expect(formatDuration(1_500)).toBe('1s500ms');
    expect(formatDuration(0)).toBe('0s');
  });
});

describe('addresses', () => {
  it.each([
    [':8080', undefined, 8080],
    ['0.0.0.0:3000', '0.0.0.0', 3000],
    ['localhost:6379', 'localhost', 6379],
    ['[::1]:80', '::1', 80],
    [':0', undefined, 0],
  ])('%s', (text, host, port) => {
    const address = parseAddress(text);
    expect(address).toEqual({ host, port });
    expect(address && formatAddress(address)).toBe(text);
  });

  it.each(['8080', 'localhost', ':65536', 'a b:1', 'http://a:1', '::1:80', ':', 'a:1:2'])(
    '%j is none',
    (text) => {
      expect(parseAddress(text)).toBeUndefined();
    },
  );
});

describe('shard ids', () => {
  it.each([
    ['0', [0]],
    ['0-3,8', [0, 1, 2, 3, 8]],
    ['8, 0-1', [0, 1, 8]],
    ['5-5', [5]],
  ])('%j', (text, expected) => {
    expect(parseShardIds(text)).toEqual(expected);
  });

  it.each([
    ['', '"" is no id and no range'],
    ['0,,1', '"" is no id and no range'],
    ['1-x', '"1-x" is no id and no range'],
    ['-1', '"-1" is no id and no range'],
    ['3-1', 'the range 3-1 runs backwards'],
    ['0-3,2', '2 comes twice'],
    ['0-999999', 'the largest shard id is 65535'],
    ['65536', 'the largest shard id is 65535'],
  ])('%j: %s', (text, problem) => {
    expect(parseShardIds(text)).toBe(problem);
  });

  it('are written short', () => {
    expect(formatShardIds([0, 1, 2, 3, 8, 9])).toBe('0-3,8,9');
  });
});

describe('values in messages', () => {
  it('are cut where they are too long, with the mark of it', () => {
    const shown = showInput('x'.repeat(SHOWN_VALUE_MAX_LENGTH));
    expect(shown).toBe(`"${'x'.repeat(SHOWN_VALUE_MAX_LENGTH)}"`);
    const cut = showInput('x'.repeat(SHOWN_VALUE_MAX_LENGTH + 1));
    expect(cut).toBe(`"${'x'.repeat(SHOWN_VALUE_MAX_LENGTH - 1)}…"`);
  });
});

describe('Redis URLs', () => {
  it.each([
    ['localhost:6379', REDIS],
    ['cache', { ...REDIS, host: 'cache' }],
    [':7000', { ...REDIS, port: 7000 }],
    ['redis://localhost', REDIS],
    ['redis://localhost/', REDIS],
    ['rediss://h:1/5', { ...REDIS, host: 'h', port: 1, tls: true, database: 5 }],
    ['redis://:pw@h', { ...REDIS, host: 'h', password: 'pw' }],
    ['redis://u:p%40w:x@h', { ...REDIS, host: 'h', username: 'u', password: 'p@w:x' }],
    ['redis://u:p@ss@h', { ...REDIS, host: 'h', username: 'u', password: 'p@ss' }],
    ['redis://[::1]:7', { ...REDIS, host: '::1', port: 7 }],
  ])('%s', (text, expected) => {
    expect(parseRedisUrl(text)).toEqual({ value: expected });
  });

  it.each([
    'amqp://h',
    'http://h',
    'redis://h/x',
    'redis://h:0',
    'redis://h:99999',
    'redis://u:p/w@h',
    'redis://u:%zz@h',
    'redis://h?x=1',
    'redis://h#x',
    'a b',
  ])('%s is none', (text) => {
    expect(parseRedisUrl(text)).toHaveProperty('problem');
  });
});

describe('AMQP URLs', () => {
  it.each([
    ['amqp://localhost', AMQP],
    ['amqp://localhost/', AMQP],
    ['amqp://localhost//', AMQP],
    ['amqp://localhost/%2f', AMQP],
    ['amqp://', AMQP],
    ['AMQP://localhost', AMQP],
    ['amqps://h', { ...AMQP, host: 'h', port: 5671, tls: true }],
    ['amqp://user:pass@host//', { ...AMQP, host: 'host', username: 'user', password: 'pass' }],
    [
      'amqp://u:p%2Fw@h:1/bots',
      { ...AMQP, host: 'h', port: 1, username: 'u', password: 'p/w', vhost: 'bots' },
    ],
    [
      'amqp://localhost?heartbeat=30&frameMax=8192',
      { ...AMQP, heartbeatSeconds: 30, frameMaxBytes: 8192 },
    ],
    ['amqp://localhost/%2f?channel_max=7', { ...AMQP, channelMax: 7 }],
  ])('%s', (text, expected) => {
    expect(parseAmqpUrl(text)).toEqual({ value: expected });
  });

  it.each([
    'localhost',
    'redis://h',
    'amqp://u:p/w@h',
    'amqp://h/%zz',
    'amqp://u:@p/@h',
    'amqp://h/a@b',
    'amqp://h?heartbeat=x',
  ])('%s is none', (text) => {
    expect(parseAmqpUrl(text)).toHaveProperty('problem');
  });

  it('suggests the name of a misspelt parameter', () => {
    expect(parseAmqpUrl('amqp://h?hartbeat=1')).toEqual({
      problem: expect.stringContaining('did you mean heartbeat?'),
    });
  });
});

it('endpoints are shown without their passwords', () => {
  const redis = { ...REDIS, username: 'me', password: 'hunter2hunter2', database: 3 };
  expect(showRedisEndpoint(redis)).toBe('redis://me:***@localhost:6379/3');
  expect(showRedisEndpoint({ ...REDIS, username: 'hunter2hunter2' })).toBe(
    'redis://***@localhost:6379',
  );
  expect(showAmqpEndpoint({ ...AMQP, tls: true })).toBe(
    'amqps://guest:***@localhost:5672 (virtual host /)',
  );
});
