import { describe, expect, it } from 'vitest';
import type { BucketSpec } from '../../src/simulator/rest/bucket-table.ts';
import { bucketHash } from '../../src/simulator/rest/rate-limiter.ts';
import { OTHER_TOKEN, RestBench, START_EPOCH_MS } from '../support/rest-bench.ts';

const GET_MESSAGES = 'GET /channels/:channel/messages';
const INTERACTION = '/interactions/123/aW50ZXJhY3Rpb246MQ/callback';

function bucket(changes: Partial<BucketSpec>): BucketSpec {
  return {
    name: 'test',
    window: { kind: 'fixed', limit: 2, windowMs: 10_000 },
    scope: 'user',
    shown: true,
    counter: 'joint',
    ...changes,
  };
}

const limitHeaders = (headers: Readonly<Record<string, string>>) =>
  Object.keys(headers).filter((name) => name.startsWith('x-ratelimit') || name === 'retry-after');

describe('the headers of a bucket', () => {
  it('are those that Discord documents, without a scope', () => {
    const bench = new RestBench();
    const { headers } = bench.post(bench.channels[0], 'hello');
    expect(headers).toMatchObject({
      'x-ratelimit-limit': '5',
      'x-ratelimit-remaining': '4',
      'x-ratelimit-reset': ((START_EPOCH_MS + 1_000) / 1_000).toFixed(3),
      'x-ratelimit-reset-after': '1.000',
      'x-ratelimit-bucket': bucketHash('channel-messages'),
    });
    expect(headers['x-ratelimit-bucket']).toMatch(/^[0-9a-f]{32}$/);
    expect(headers).not.toHaveProperty('x-ratelimit-scope');
    expect(headers).not.toHaveProperty('retry-after');
  });

  it('are absent on routes that show none', () => {
    const bench = new RestBench();
    const [channel] = bench.channels;
    for (let count = 0; count < 20; count++) {
      const got = bench.send('GET', `/channels/${channel}`);
      expect(got.status).toBe(200);
      expect(limitHeaders(got.headers)).toEqual([]);
    }
  });

  it('come with errors of the endpoint too, which count', () => {
    const bench = new RestBench();
    const path = `/channels/${bench.channels[0]}/messages/1`;
    const got = bench.send('GET', path);
    expect(got.status).toBe(404);
    expect(got.headers['x-ratelimit-remaining']).toBe('29');
  });
});

describe('a bucket that is exhausted', () => {
  it('answers 429 with both forms of the wait, scope user', () => {
    const bench = new RestBench({
      buckets: {
        [GET_MESSAGES]: [bucket({ window: { kind: 'fixed', limit: 1, windowMs: 64_570 } })],
      },
    });
    const path = `/channels/${bench.channels[0]}/messages`;
    expect(bench.send('GET', path).status).toBe(200);
    const got = bench.send('GET', path);
    expect(got.status).toBe(429);
    expect(got.headers).toMatchObject({
      'content-type': 'application/json',
      'retry-after': '65',
      'x-ratelimit-limit': '1',
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset-after': '64.570',
      'x-ratelimit-scope': 'user',
    });
    expect(got.headers).not.toHaveProperty('x-ratelimit-global');
    expect(got.json).toEqual({
      message: 'You are being rate limited.',
      retry_after: 64.57,
      global: false,
    });
    bench.clock.advance(64_569);
    expect(bench.send('GET', path).status).toBe(429);
    bench.clock.advance(1);
    expect(bench.send('GET', path).status).toBe(200);
    expect(bench.rest.audit.breachCount('user')).toBe(2);
    expect(bench.rest.audit.breaches[0]).toMatchObject({ route: GET_MESSAGES, bucket: 'test' });
  });

  it('says so of one channel and of one token alone', () => {
    const bench = new RestBench();
    const [first, second] = bench.channels;
    while (bench.post(first, 'x').status === 200);
    expect(bench.post(second, 'x').status).toBe(200);
    expect(bench.post(first, 'x', { token: OTHER_TOKEN }).status).toBe(200);
    expect(bench.post(first, 'x').status).toBe(429);
  });

  it('shares one hash with its neighbour, and the counter only where it is joint', () => {
    for (const counter of ['joint', 'split'] as const) {
      const spec = bucket({ counter });
      const bench = new RestBench({
        buckets: { [GET_MESSAGES]: [spec], 'POST /channels/:channel/typing': [spec] },
      });
      const [channel] = bench.channels;
      const read = bench.send('GET', `/channels/${channel}/messages`);
      const typed = bench.send('POST', `/channels/${channel}/typing`);
      expect(typed.headers['x-ratelimit-bucket']).toBe(read.headers['x-ratelimit-bucket']);
      expect(typed.headers['x-ratelimit-remaining']).toBe(counter === 'joint' ? '0' : '1');
    }
  });

  it('is shared: another wait than the headers say, and no debt of the client', () => {
    const shared = bucket({
      name: 'shared',
      scope: 'shared',
      shown: false,
      window: { kind: 'fixed', limit: 1, windowMs: 1_336_570 },
    });
    const bench = new RestBench({
      buckets: { [GET_MESSAGES]: [bucket({}), shared] },
      invalidRequests: { limit: 3, windowMs: 600_000, banMs: 1_000 },
    });
    const path = `/channels/${bench.channels[0]}/messages`;
    bench.send('GET', path, { token: OTHER_TOKEN });
    for (let count = 0; count < 10; count++) {
      const got = bench.send('GET', path);
      expect(got.headers).toMatchObject({
        'retry-after': '1337',
        'x-ratelimit-remaining': '2',
        'x-ratelimit-scope': 'shared',
      });
      expect(got.json).toEqual({
        message: 'The resource is being rate limited.',
        retry_after: 1_336.57,
        global: false,
      });
    }
  });

  it('hides: a 429 although the headers promised more, of one class of requests alone', () => {
    const bench = new RestBench();
    const path = `/channels/${bench.channels[0]}`;
    const rename = (name: string) => bench.send('PATCH', path, { json: { name } });
    expect(rename('one').status).toBe(200);
    expect(rename('two').headers['x-ratelimit-remaining']).toBe('3');
    const third = rename('three');
    expect(third.status).toBe(429);
    expect(third.json.retry_after).toBe(600);
    expect(third.headers).toMatchObject({
      'x-ratelimit-remaining': '3',
      'x-ratelimit-scope': 'user',
      'retry-after': '600',
    });
    expect(bench.send('PATCH', path, { json: { nsfw: true } }).status).toBe(200);
    expect(bench.rest.audit.breachCount('hidden')).toBe(1);
    expect(bench.rest.audit.breachCount('user')).toBe(0);
  });

  it('differs by the age of the message that is deleted', () => {
    const bench = new RestBench();
    const [channel] = bench.channels;
    const born = bench.post(channel, 'x').json.id;
    const remove = () => bench.send('DELETE', `/channels/${channel}/messages/${born}`);
    const old = bench.send('DELETE', `/channels/${channel}/messages/5000000000000000`);
    expect(old.headers['x-ratelimit-limit']).toBe('30');
    bench.clock.advance(9_999);
    expect(limitHeaders(remove().headers)).toEqual([]);
    bench.clock.advance(1);
    expect(remove().headers['x-ratelimit-limit']).toBe('5');
    bench.clock.advance(14 * 86_400_000 - 10_000);
    expect(remove().headers['x-ratelimit-limit']).toBe('5');
    bench.clock.advance(1);
    expect(remove().headers['x-ratelimit-limit']).toBe('30');
  });

  it('may go by other names', () => {
    const aliases = { notFound: 'missing', limited: 'busy' };
    const bench = new RestBench({
      buckets: {
        'GET /channels/:channel/messages/:message': [bucket({ aliases })],
        [GET_MESSAGES]: [bucket({ name: 'turns', aliases: { cycle: ['a', 'b'] } })],
      },
    });
    const path = `/channels/${bench.channels[0]}/messages`;
    const hash = (below: string) => bench.send('GET', path + below).headers['x-ratelimit-bucket'];
    expect([hash('/1'), hash('/1'), hash('/1')]).toEqual(
      ['missing', 'missing', 'busy'].map(bucketHash),
    );
    expect([hash(''), hash(''), hash('')]).toEqual(['a', 'b', 'a'].map(bucketHash));
  });

  it('carries an error code where it has one', () => {
    const spec = bucket({ window: { kind: 'fixed', limit: 1, windowMs: 900 }, code: 20_028 });
    const bench = new RestBench({ buckets: { [GET_MESSAGES]: [spec] } });
    const path = `/channels/${bench.channels[0]}/messages`;
    bench.send('GET', path);
    const got = bench.send('GET', path);
    expect(got.json.code).toBe(20_028);
    expect(got.headers['retry-after']).toBe('1');
  });
});

describe('the global limit', () => {
  it('takes 50 in any second and then says so without naming a bucket', () => {
    const bench = new RestBench();
    for (let count = 0; count < 50; count++) {
      expect(bench.send('GET', '/users/@me').status).toBe(200);
      bench.clock.advance(10);
    }
    const got = bench.post(bench.channels[0], 'one too many');
    expect(got.status).toBe(429);
    expect(limitHeaders(got.headers).sort()).toEqual([
      'retry-after',
      'x-ratelimit-global',
      'x-ratelimit-scope',
    ]);
    expect(got.headers).toMatchObject({
      'x-ratelimit-global': 'true',
      'x-ratelimit-scope': 'global',
    });
    expect(got.json).toEqual({
      message: 'You are being rate limited.',
      retry_after: 0.5,
      global: true,
    });
    expect(got.headers['retry-after']).toBe('1');
    bench.clock.advance(499);
    expect(bench.send('GET', '/users/@me').status).toBe(429);
    bench.clock.advance(1);
    expect(bench.send('GET', '/users/@me').status).toBe(200);
    expect(bench.send('GET', '/users/@me').status).toBe(429);
    expect(bench.rest.audit.breachCount('global')).toBe(3);
    expect(bench.rest.audit.posted).toEqual([]);
  });

  it('is one for each token', () => {
    const bench = new RestBench();
    while (bench.send('GET', '/users/@me').status === 200);
    expect(bench.send('GET', '/users/@me', { token: OTHER_TOKEN }).status).toBe(200);
  });

  it('is one for each address when no token is shown', () => {
    const bench = new RestBench();
    const ask = (address: string) => bench.send('GET', '/gateway', { token: null, address }).status;
    for (let count = 0; count < 50; count++) expect(ask('10.0.0.1')).toBe(200);
    expect(ask('10.0.0.1')).toBe(429);
    expect(ask('10.0.0.2')).toBe(200);
    expect(bench.send('GET', '/gateway').status).toBe(200);
  });

  it('leaves interactions alone, unless a token is shown to them', () => {
    const bench = new RestBench();
    const answer = (id: number, token: string | null) =>
      bench.send('POST', INTERACTION.replace('123', String(id)), { json: { type: 1 }, token });
    while (bench.send('GET', '/users/@me').status === 200);
    expect(answer(1, null).status).toBe(204);
    const shown = answer(2, 'first-token');
    expect(shown.status).toBe(429);
    expect(shown.json.global).toBe(true);
    for (let count = 0; count < 200; count++) expect(answer(100 + count, null).status).toBe(204);
  });
});

describe('invalid requests', () => {
  const options = { invalidRequests: { limit: 10, windowMs: 600_000, banMs: 60_000 } };

  it('ban their address, whoever sends from it, with a page that is no JSON', () => {
    const bench = new RestBench(options);
    for (let count = 0; count < 10; count++) {
      expect(bench.send('GET', '/users/@me', { token: 'wrong' }).status).toBe(401);
    }
    const banned = bench.send('GET', '/users/@me');
    expect(bench.rest.audit.answers(401)).toBe(10);
    expect(banned.status).toBe(429);
    expect(banned.headers['content-type']).toContain('text/html');
    expect(banned.headers['retry-after']).toBe('60');
    expect(banned.headers).not.toHaveProperty('x-ratelimit-scope');
    expect(banned.text).toContain('1015');
    expect(bench.send('GET', '/users/@me', { address: '10.0.0.9' }).status).toBe(200);
    bench.clock.advance(60_000);
    expect(bench.send('GET', '/users/@me').status).toBe(200);
    expect(bench.rest.audit.breachCount('banned')).toBe(1);
  });

  it('are 401, 403 and 429 in any span of the window, and nothing else', () => {
    const bench = new RestBench(options);
    const [channel] = bench.channels;
    bench.rest.forbidChannel(channel);
    for (let count = 0; count < 9; count++) {
      bench.send('GET', `/channels/${channel}`);
      bench.clock.advance(60_000);
    }
    expect(bench.rest.invalidRequests('127.0.0.1')).toBe(9);
    bench.send('GET', `/channels/${channel}`);
    // The tenth within the window, since the first is just not ten minutes old.
    expect(bench.send('GET', '/users/@me').status).toBe(429);

    const other = new RestBench(options);
    for (let count = 0; count < 30; count++) {
      other.send('GET', '/channels/1');
      other.send('GET', '/nonsense');
      other.send('PUT', '/users/@me');
      other.clock.advance(1_000);
    }
    expect(other.send('GET', '/users/@me').status).toBe(200);
    expect(other.rest.invalidRequests('127.0.0.1')).toBe(0);
  });

  it('are allowed 10,000 times in ten minutes by default', () => {
    const bench = new RestBench();
    for (let count = 0; count < 9_999; count++) {
      bench.clock.advance(25);
      bench.send('GET', '/users/@me', { token: 'wrong' });
    }
    expect(bench.send('GET', '/users/@me').status).toBe(200);
    bench.clock.advance(25);
    bench.send('GET', '/users/@me', { token: 'wrong' });
    expect(bench.send('GET', '/users/@me').text).toContain('1015');
  });
});
