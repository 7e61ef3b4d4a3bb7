import { describe, expect, it } from 'vitest';
import type { RestFaultEffect } from '../../src/simulator/rest/faults.ts';
import { RestBench, TOKEN } from '../support/rest-bench.ts';

function struck(effect: RestFaultEffect) {
  const bench = new RestBench();
  bench.rest.inject({ effect, times: 1 });
  const got = bench.post(bench.channels[0], 'hello');
  return { bench, got, posted: bench.rest.audit.posted.length };
}

describe('a fault', () => {
  it('loses a request before the API counts it', () => {
    const { bench, got, posted } = struck({ kind: 'lost-request' });
    expect([got.delivery, posted]).toEqual(['destroy', 0]);
    expect(bench.post(bench.channels[0], 'x').headers['x-ratelimit-remaining']).toBe('4');
  });

  it('loses an answer after the API did what was asked', () => {
    const { bench, got, posted } = struck({ kind: 'lost-response' });
    expect([got.delivery, posted]).toEqual(['destroy', 1]);
    expect(bench.post(bench.channels[0], 'x').headers['x-ratelimit-remaining']).toBe('3');
  });

  it('is a server error, of the API or of the front', () => {
    const api = struck({ kind: 'error', status: 500 });
    expect(api.got.json).toEqual({ message: '500: Internal Server Error', code: 0 });
    const front = struck({ kind: 'error', status: 502, html: true });
    expect([front.got.status, front.got.headers['content-type']]).toEqual([
      502,
      'text/html; charset=UTF-8',
    ]);
    expect(front.posted).toBe(0);
  });

  it('can be a 429 with neither a time nor a bucket', () => {
    const { got } = struck({ kind: 'front-429' });
    expect(got.status).toBe(429);
    expect(got.json.code).toBe(0);
    expect(Object.keys(got.headers)).toEqual(['content-type']);
  });

  it('can be a page of the front instead of JSON', () => {
    expect(struck({ kind: 'page-1015' }).got.text).toContain('1015');
    const timed = struck({ kind: 'page-1015', retryAfterMs: 1_500 });
    expect(timed.got.headers['retry-after']).toBe('2');
    expect(struck({ kind: 'front-403' }).got.text).toContain('1010');
    const json = struck({ kind: 'front-403', json: true });
    expect([json.got.status, json.got.json.code]).toEqual([403, 40333]);
  });

  it('can be a limit out of the blue, which is no breach of the client', () => {
    const { bench, got } = struck({ kind: 'limited', scope: 'global', retryAfterMs: 2_500 });
    expect(got.json).toMatchObject({ global: true, retry_after: 2.5 });
    expect(got.headers['retry-after']).toBe('3');
    expect(bench.rest.audit.breaches).toEqual([]);
  });

  it('replaces headers of an answer that is otherwise right', () => {
    const set = { 'x-ratelimit-limit': '50000', 'x-ratelimit-remaining': null };
    const { got, posted } = struck({ kind: 'headers', set });
    expect([got.status, posted]).toEqual([200, 1]);
    expect(got.headers['x-ratelimit-limit']).toBe('50000');
    expect(got.headers).not.toHaveProperty('x-ratelimit-remaining');
  });

  it('strikes where, when and as often as it says, in the order of the list', () => {
    const bench = new RestBench();
    bench.rest.inject({ effect: { kind: 'latency', minMs: 10, maxMs: 10 } });
    bench.rest.inject({
      effect: { kind: 'error', status: 503 },
      route: 'GET /users/@me',
      fromMs: 1_000,
      untilMs: 2_000,
      times: 2,
    });
    bench.rest.inject({ effect: { kind: 'latency', minMs: 5, maxMs: 5 } });
    const statuses = [0, 1_000, 1_500, 1_999, 2_000].map((atMs) => {
      bench.clock.advance(atMs - bench.clock.nowMs());
      return [bench.send('GET', '/users/@me'), bench.send('GET', '/gateway')];
    });
    expect(statuses.map(([me]) => me?.status)).toEqual([200, 503, 503, 200, 200]);
    expect(statuses.every(([, gateway]) => gateway?.status === 200)).toBe(true);
    expect(statuses.flat().every(({ delayMs }) => delayMs === 15)).toBe(true);
    bench.rest.clearFaults();
    bench.rest.inject({ effect: { kind: 'lost-request' }, times: 0 });
    expect(bench.send('GET', '/gateway')).toMatchObject({ delayMs: 0, delivery: 'answer' });
  });

  it('strikes as often as its probability, the same in every run of a seed', () => {
    const run = () => {
      const bench = new RestBench({
        faults: [{ effect: { kind: 'lost-request' }, probability: 0.3 }],
      });
      return Array.from({ length: 300 }, () => {
        bench.clock.advance(100);
        return bench.send('GET', '/users/@me').delivery;
      });
    };
    const first = run();
    const lost = first.filter((delivery) => delivery === 'destroy').length;
    expect(lost).toBeGreaterThan(50);
    expect(lost).toBeLessThan(140);
    expect(run()).toEqual(first);
  });
});

describe('the audit', () => {
  it('counts answers by route and status and keeps the latest requests', () => {
    const bench = new RestBench();
    bench.post(bench.channels[0], 'x');
    bench.send('GET', '/users/@me');
    bench.send('GET', '/users/@me', { token: 'wrong' });
    const { audit } = bench.rest;
    expect(audit.requestCount).toBe(3);
    expect(audit.answers(200)).toBe(2);
    expect(audit.answers(401, 'GET /users/@me')).toBe(1);
    expect(audit.requests[0]).toEqual({
      atMs: 0,
      route: 'POST /channels/:channel/messages',
      resource: `channels:${bench.channels[0]}`,
      identity: 'identity 1',
      status: 200,
      by: 'api',
    });
    expect(audit.requests[2]).toMatchObject({ identity: 'address', status: 401 });
  });

  it('holds no token, wherever one was shown', () => {
    const bench = new RestBench();
    bench.send('POST', '/webhooks/1/webhook-SECRET', {
      json: {},
      authorization: 'Bot wrong-SECRET',
    });
    bench.send('POST', '/interactions/1/aW50ZXJhY3Rpb246SECRET/callback', { json: { type: 1 } });
    bench.send('POST', '/webhooks/1/aW50ZXJhY3Rpb246SECRET/SECRET/x', { json: {} });
    bench.send('GET', '/nonsense/SECRET?token=SECRET');
    for (let count = 0; count < 60; count++) bench.send('GET', '/users/@me');
    const { requests, breaches, posted } = bench.rest.audit;
    const text = JSON.stringify({ requests, breaches, posted });
    expect(requests.length).toBe(64);
    expect(text).not.toContain('SECRET');
    expect(text).not.toContain(TOKEN);
  });
});
