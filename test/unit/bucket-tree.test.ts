/** Whole buckets in front of the simulated API: what a request meets on its way, rule by rule. */

import { describe, expect, it } from 'vitest';
import { RESET_MARGIN_MS } from '../../protocols/limits.ts';
import type { RestOutcome } from '../../protocols/proxy.ts';
import { refusalOf } from '../../src/proxy/refusals.ts';
import type { BucketTable } from '../../src/simulator/rest/bucket-table.ts';
import { createProxyWorld, fate, requestOf, TOKENS } from '../support/simulated-upstream.ts';

const LIST = 'GET /channels/:channel/messages';
const POST = 'POST /channels/:channel/messages';
const OK = { status: 200, body: [] };

function table(kind: 'fixed' | 'leaky' | 'sliding', limit: number, windowMs: number): BucketTable {
  const spec = {
    name: 'list',
    window: { kind, limit, windowMs },
    scope: 'user',
    shown: true,
    counter: 'joint',
  } as const;
  return { [LIST]: [spec], [POST]: [{ ...spec, name: 'post' }] };
}

/** What the HTTP door says of a request that Discord has not answered. */
function toldOf(outcome: RestOutcome | null): ReturnType<typeof refusalOf> {
  if (outcome === null || outcome.kind === 'answered' || outcome.kind === 'cancelled') {
    throw new Error(`${outcome?.kind} is no refusal`);
  }
  return refusalOf(outcome);
}

const stubs = { [LIST]: OK, [POST]: OK };

describe('a bucket', () => {
  it('P01: sends one request until the first headers, and the rest in order after them', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 5, 5_000), stubs });
    for (let index = 0; index < 5; index++) world.send('GET', '/channels/1/messages');
    await world.pass(9);
    expect(world.upstream.sends).toHaveLength(1);
    await world.pass(1_000);
    expect(world.upstream.sends.map((send) => send.target.at(-1))).toEqual([
      '0',
      '1',
      '2',
      '3',
      '4',
    ]);
    expect(new Set(world.upstream.sends.map((send) => send.atMs)).size).toBe(2);
    expect(world.sent.map(fate)).toEqual([200, 200, 200, 200, 200]);
  });

  it('P02: runs free after one success without limits', async () => {
    const world = createProxyWorld({ buckets: { [LIST]: [] }, stubs });
    for (let index = 0; index < 30; index++) world.send('GET', '/channels/1/messages');
    await world.pass(25);
    expect(world.sent.filter((one) => fate(one) === 200)).toHaveLength(30);
  });

  it.each(['fixed', 'leaky', 'sliding'] as const)(
    'P17 P27: 200 requests against a %s window: no 429, and near the most that is possible',
    async (kind) => {
      const network = { minMs: 10, maxMs: 120, answerLoss: 0 };
      const world = createProxyWorld({ buckets: table(kind, 5, 2_000), stubs, network });
      for (let index = 0; index < 200; index++) world.send('GET', '/channels/1/messages');
      await world.pass(120_000);
      expect(world.rest.audit.breaches).toEqual([]);
      expect(world.sent.every((one) => fate(one) === 200)).toBe(true);
      const lastMs = Math.max(
        ...world.sent.map((one) => one.settledMs ?? Number.POSITIVE_INFINITY),
      );
      expect(lastMs).toBeLessThan((200 / 5) * 2_000 * 1.15);
    },
  );

  it('P09 P10 P15: is alone with its identity, its method and its channel', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 1, 60_000), stubs });
    world.send('GET', '/channels/1/messages');
    world.send('GET', '/channels/1/messages');
    await world.pass(1_000);
    expect(fate(world.sent[1] as never)).toBeNull();
    const others = [
      world.send('GET', '/channels/2/messages'),
      world.send('POST', '/channels/1/messages'),
      world.send('GET', '/channels/1/messages', { token: TOKENS[1] }),
    ];
    await world.pass(50);
    expect(others.map(fate)).toEqual([200, 200, 200]);
  });

  it('P49: gives the 429 on when it asks for hours, and refuses the rest with the time', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 5, 5_000), stubs });
    const effect = { kind: 'limited', scope: 'user', retryAfterMs: 82_721_000 } as const;
    world.rest.inject({ effect, times: 1 });
    const first = world.send('GET', '/channels/1/messages');
    const second = world.send('GET', '/channels/1/messages');
    await world.pass(100);
    const third = world.send('GET', '/channels/1/messages');
    await world.pass(100);
    expect([first, second, third].map(fate)).toEqual([429, 'refused', 'refused']);
    const refused = third.outcome as { retryAfterMs: number };
    expect(refused.retryAfterMs).toBeGreaterThan(82_720_000);
    expect(refused.retryAfterMs).toBeLessThanOrEqual(82_721_050);
    expect(world.tree.requests).toBe(0);
  });

  it('P42: a request that met a 429 keeps its place', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 5, 5_000), stubs });
    world.rest.inject({
      effect: { kind: 'limited', scope: 'user', retryAfterMs: 3_000 },
      times: 1,
    });
    for (let index = 0; index < 4; index++) world.send('GET', '/channels/1/messages');
    await world.pass(10_000);
    const order = world.upstream.sends.map((send) => send.target.at(-1));
    expect(order).toEqual(['0', '0', '1', '2', '3']);
    const [first, again] = world.upstream.sends;
    expect((again?.atMs ?? 0) - (first?.atMs ?? 0)).toBeGreaterThanOrEqual(3_000);
    expect(world.sent.map(fate)).toEqual([200, 200, 200, 200]);
  });

  it('P47: a shared 429 stops that bucket alone', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 5, 5_000), stubs });
    world.rest.inject({
      effect: { kind: 'limited', scope: 'shared', retryAfterMs: 20_000 },
      times: 1,
      route: LIST,
    });
    const stopped = world.send('GET', '/channels/1/messages');
    await world.pass(100);
    const other = world.send('POST', '/channels/1/messages');
    await world.pass(100);
    expect([stopped, other].map(fate)).toEqual([null, 200]);
    await world.pass(20_000);
    expect(fate(stopped)).toBe(200);
  });

  it('P43: a bare 429 of the servers in front stops everything for a minute', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 5, 5_000), stubs });
    world.rest.inject({ effect: { kind: 'front-429' }, times: 1 });
    const first = world.send('GET', '/channels/1/messages');
    await world.pass(100);
    const others = [
      world.send('POST', '/channels/2/messages'),
      world.send('GET', '/channels/2/messages', { token: TOKENS[1] }),
    ];
    await world.pass(59_800);
    expect(world.upstream.sends).toHaveLength(1);
    await world.pass(2_500);
    expect([first, ...others].map(fate)).toEqual([200, 200, 200]);
  });

  it('P44: an HTML 429 is understood by its headers', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 5, 5_000), stubs });
    world.rest.inject({ effect: { kind: 'page-1015', retryAfterMs: 90_000 }, times: 1 });
    const first = world.send('GET', '/channels/1/messages');
    await world.pass(89_900);
    expect(fate(first)).toBeNull();
    await world.pass(2_000);
    expect(fate(first)).toBe(200);
  });

  it('P53: 429s without end are passed on after a bounded number of attempts', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 5, 5_000), stubs });
    world.rest.inject({ effect: { kind: 'limited', scope: 'user', retryAfterMs: 1_000 } });
    const one = world.send('POST', '/channels/1/messages');
    await world.pass(60_000);
    expect(fate(one)).toBe(429);
    expect(world.upstream.sends).toHaveLength(5);
  });

  it('P52: a request that may have arrived is sent again only if that changes nothing', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 5, 5_000), stubs });
    world.rest.inject({ effect: { kind: 'lost-response' } });
    const post = world.send('POST', '/channels/1/messages');
    const get = world.send('GET', '/channels/1/messages');
    // Its client knows that it may be repeated, whatever its method says.
    const patch = world.send('PATCH', '/channels/2', { repeatable: true });
    await world.pass(60_000);
    expect([post, get, patch].map(fate)).toEqual(['failed', 'failed', 'failed']);
    const sends = (method: string) =>
      world.upstream.sends.filter((send) => send.method === method).length;
    expect(['POST', 'GET', 'PATCH'].map(sends)).toEqual([1, 3, 3]);
  });

  it('P03 P34: a lost answer costs one permit for one window and no more', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 2, 5_000), stubs });
    world.send('POST', '/channels/1/messages');
    await world.pass(6_000);
    world.rest.inject({ effect: { kind: 'lost-response' }, times: 1 });
    for (let index = 0; index < 9; index++) world.send('POST', '/channels/1/messages');
    await world.pass(60_000);
    expect(world.sent.filter((one) => fate(one) === 'failed')).toHaveLength(1);
    expect(world.sent.filter((one) => fate(one) === 200)).toHaveLength(9);
    expect(world.rest.audit.breaches).toEqual([]);
    expect(world.tree.requests).toBe(0);
  });

  it('P04: errors without headers invent no reset, and slow the pioneers down', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 5, 5_000), stubs });
    world.rest.inject({ effect: { kind: 'error', status: 502, html: true }, times: 3 });
    for (let index = 0; index < 4; index++) world.send('POST', '/channels/1/messages');
    await world.pass(10_000);
    expect(world.sent.map(fate)).toEqual([502, 502, 502, 200]);
    const times = world.upstream.sends.map((send) => send.atMs);
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    expect(gaps[1]).toBeGreaterThan(gaps[0] ?? 0);
    expect(gaps[2]).toBeGreaterThan(gaps[1] ?? 0);
  });

  it('what would have to wait out errors of Discord is not told that it is limited', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 2, 60_000), stubs });
    world.rest.inject({ effect: { kind: 'error', status: 502, html: true }, times: 2 });
    const post = (changes = {}) => world.send('POST', '/channels/1/messages', changes);
    /** What a client is told whose request cannot wait for a fifth of a second. */
    const hurried = async () => {
      const sent = post({ timeoutMs: 200 });
      await world.pass(1);
      const { status, headers, body } = toldOf(sent.outcome);
      return { status, why: headers['x-spectacles-proxy'], retryAfter: body.retry_after };
    };
    const errors = [post(), post()];
    await world.pass(450);
    expect(errors.map(fate)).toEqual([502, 502]);
    const failing = await hurried();
    expect(failing).toMatchObject({ status: 503, why: 'upstream-failing' });
    expect(failing.retryAfter).toBeGreaterThan(0.2);
    expect(failing.retryAfter).toBeLessThan(0.501);
    expect(world.upstream.sends).toHaveLength(2);
    await world.pass(1_000);
    // A 429 is an answer, and what it says is a limit, whoever has used it up.
    const { method, headers } = requestOf('POST', '/channels/1/messages', {});
    const [path, body] = ['/api/v10/channels/1/messages', new Uint8Array()];
    for (const remoteAddress of ['192.0.2.2', '192.0.2.3']) {
      world.rest.handle({ method, path, headers, body, remoteAddress });
    }
    const limited = post({ timeoutMs: 2_000 });
    await world.pass(500);
    expect(fate(limited)).toBe(429);
    expect(await hurried()).toMatchObject({ status: 429, why: 'long-wait' });
    await world.pass(61_000);
    const served = [post(), post()];
    await world.pass(1_000);
    expect(served.map(fate)).toEqual([200, 200]);
    expect(await hurried()).toMatchObject({ status: 429, why: 'long-wait' });
  });

  it('what Discord may have seen is never said not to have been sent', () => {
    const late = { kind: 'timed-out', waitMs: 400, failing: true } as const;
    const why = (outcome: RestOutcome) => {
      const { status, headers } = toldOf(outcome);
      return [status, headers['x-spectacles-proxy']];
    };
    expect(why({ ...late, sent: false })).toEqual([503, 'upstream-failing']);
    expect(why({ ...late, failing: false, sent: false })).toEqual([429, 'long-wait']);
    expect(why({ ...late, sent: true })).toEqual([504, 'timeout-sent']);
    expect(why({ ...late, waitMs: null, sent: false })).toEqual([504, 'timeout']);
  });

  it('P67 P70: time that is up, or cannot suffice, is told at once', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 1, 30_000), stubs });
    const past = world.send('GET', '/channels/1/messages', { timeoutMs: 0 });
    const first = world.send('GET', '/channels/1/messages');
    await world.pass(100);
    const short = world.send('GET', '/channels/1/messages', { timeoutMs: 5_000 });
    const long = world.send('GET', '/channels/1/messages', { timeoutMs: 40_000 });
    await world.pass(1);
    expect([past, first, short, long].map(fate)).toEqual(['timed-out', 200, 'timed-out', null]);
    const { waitMs } = short.outcome as { waitMs: number };
    expect(waitMs).toBeGreaterThan(29_000);
    expect(waitMs).toBeLessThan(30_100);
    await world.pass(31_000);
    expect(fate(long)).toBe(200);
  });

  it('P68 P69: a cancelled request that waits costs nothing; one in flight is spent', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 2, 5_000), stubs });
    world.send('GET', '/channels/1/messages');
    await world.pass(6_000);
    const flying = world.send('GET', '/channels/1/messages');
    const second = world.send('GET', '/channels/1/messages');
    const waiting = world.send('GET', '/channels/1/messages');
    const last = world.send('GET', '/channels/1/messages');
    await world.pass(1);
    flying.submission.cancel();
    waiting.submission.cancel();
    await world.pass(4_000);
    expect([flying, second, waiting, last].map(fate)).toEqual([
      'cancelled',
      200,
      'cancelled',
      null,
    ]);
    await world.pass(10_000);
    expect(fate(last)).toBe(200);
    expect(world.rest.audit.breaches).toEqual([]);
    expect(world.upstream.sends).toHaveLength(4);
  });

  it('P73: a 429 that cannot be waited out within the deadline is the answer', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 5, 5_000), stubs });
    world.rest.inject({
      effect: { kind: 'limited', scope: 'user', retryAfterMs: 10_000 },
      times: 1,
    });
    const one = world.send('GET', '/channels/1/messages', { timeoutMs: 5_000 });
    await world.pass(100);
    expect(fate(one)).toBe(429);
  });

  it('refuses what would be too many with a time', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 1, 1_000), stubs });
    for (let index = 0; index < 2_100; index++) world.send('GET', '/channels/1/messages');
    await world.pass(1);
    const refused = world.sent.filter((one) => fate(one) === 'refused');
    expect(refused.length).toBeGreaterThanOrEqual(100);
    for (const { outcome } of refused) {
      expect(outcome).toMatchObject({ kind: 'refused' });
      expect((outcome as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(0);
    }
  });

  it('P36: is forgotten when it is idle, and never while anything waits', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 1, 300_000), stubs });
    world.send('GET', '/channels/1/messages');
    const late = world.send('GET', '/channels/1/messages');
    await world.pass(200_000);
    expect(world.tree.buckets).toBe(1);
    await world.pass(101_000);
    expect(fate(late)).toBe(200);
    await world.pass(400_000);
    expect(world.tree.buckets).toBe(0);
    const again = world.send('GET', '/channels/1/messages');
    await world.pass(100);
    expect(fate(again)).toBe(200);
  });

  it('is kept while the gate still has a permit to give it, so that none is given to nobody', async () => {
    const world = createProxyWorld({ buckets: { [LIST]: [], [POST]: [] }, stubs });
    const limited = { scope: 'global', retryAfterMs: 300_000 } as const;
    world.rest.inject({ route: POST, times: 1, effect: { kind: 'limited', ...limited } });
    const shutting = world.send('POST', '/channels/2/messages');
    await world.pass(100);
    const asking = world.send('GET', '/channels/1/messages');
    await world.pass(100);
    for (const one of [shutting, asking]) one.submission.cancel();
    await world.pass(200_000);
    expect(world.tree.buckets).toBe(2);
    await world.pass(300_000);
    expect(world.tree.buckets).toBe(0);
  });

  it('P11: follow-ups of one interaction wait for none of another', async () => {
    const follow = 'POST /webhooks/:webhook/:interaction_token';
    const [spec] = table('fixed', 1, 60_000)[LIST] ?? [];
    if (spec === undefined) throw new Error('the table has no bucket');
    const world = createProxyWorld({ buckets: { [follow]: [spec] }, stubs: { [follow]: OK } });
    const path = (name: string) =>
      `/webhooks/1/${Buffer.from(`interaction:${name}`).toString('base64')}`;
    const send = (name: string) => world.send('POST', path(name), { token: null });
    const used = [send('one'), send('one')];
    await world.pass(1_000);
    expect(used.map(fate)).toEqual([200, null]);
    const others = ['two', 'three', 'four'].map(send);
    await world.pass(20);
    expect(others.map(fate)).toEqual([200, 200, 200]);
    expect(world.rest.audit.breaches).toEqual([]);
  });

  it('P31: keeps to a tight limit that only 429s show, beside the wide one of all other answers', async () => {
    const spec = { scope: 'user', counter: 'joint' } as const;
    const wide = { kind: 'fixed', limit: 50_000, windowMs: 102_737_000 } as const;
    const tight = { kind: 'fixed', limit: 5, windowMs: 5_000 } as const;
    const buckets = {
      [LIST]: [
        { ...spec, name: 'wide', window: wide, shown: true },
        { ...spec, name: 'tight', window: tight, shown: false, revealed: true },
      ],
    };
    const world = createProxyWorld({ buckets, stubs });
    for (let index = 0; index < 60; index++) world.send('GET', '/channels/1/messages');
    await world.pass(5_000);
    const warmUp = world.rest.audit.breaches.length;
    expect(warmUp).toBeGreaterThan(0);
    await world.pass(120_000);
    expect(world.sent.every((one) => fate(one) === 200)).toBe(true);
    expect(world.rest.audit.breaches).toHaveLength(warmUp);
    const lastMs = Math.max(...world.rest.audit.requests.map(({ atMs }) => atMs));
    expect(lastMs).toBeLessThan(1.1 * 11 * 5_000 + 5_000);
  });

  it('P40: a client that does not read its answer holds up nobody', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 2, 1_000), stubs });
    const unread: RestOutcome[] = [];
    for (let index = 0; index < 9; index++) {
      const request = requestOf('GET', '/channels/1/messages', {});
      void world.tree.submit(request).outcome.then((outcome) => unread.push(outcome));
    }
    await world.pass(6_000);
    expect(unread.map(({ kind }) => kind)).toEqual(Array(9).fill('answered'));
    expect(world.upstream.open).toBe(9);
    expect(world.tree.requests).toBe(0);
  });

  it('P41: one slow answer holds up nobody while there is room', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 5, 60_000), stubs });
    world.send('GET', '/channels/1/messages');
    await world.pass(100);
    world.rest.inject({ effect: { kind: 'latency', minMs: 30_000, maxMs: 30_000 }, times: 1 });
    const slow = world.send('GET', '/channels/1/messages');
    await world.pass(1);
    const others = [1, 2, 3].map(() => world.send('GET', '/channels/1/messages'));
    await world.pass(100);
    expect([slow, ...others].map(fate)).toEqual([null, 200, 200, 200]);
    await world.pass(30_000);
    expect(fate(slow)).toBe(200);
    expect(world.rest.audit.breaches).toEqual([]);
  });

  it.each([1, 2, 65])(
    'P45: a Retry-After of %i and nothing else is passed on as it is',
    async (seconds) => {
      const world = createProxyWorld({ buckets: table('fixed', 5, 5_000), stubs });
      const effect = { kind: 'page-1015', retryAfterMs: seconds * 1_000 } as const;
      world.rest.inject({ effect, times: 1 });
      const one = world.send('GET', '/channels/1/messages', { timeoutMs: 500 });
      await world.pass(100);
      expect(fate(one)).toBe(429);
      const { outcome } = one;
      if (outcome?.kind !== 'answered') throw new Error('there is no answer');
      const given = outcome.answer.headers.filter(([name]) => name === 'retry-after');
      expect(given).toEqual([['retry-after', String(seconds)]]);
      const limits = outcome.answer.headers.filter(([name]) => name.startsWith('x-ratelimit'));
      expect(limits).toEqual([]);
    },
  );

  it('P54: a bucket of one in a quarter of a second is kept to by its headers alone', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 1, 250), stubs });
    for (let index = 0; index < 30; index++) world.send('GET', '/channels/1/messages');
    await world.pass(10_000);
    expect(world.sent.every((one) => fate(one) === 200)).toBe(true);
    expect(world.rest.audit.breaches).toEqual([]);
    const last = world.upstream.sends.at(-1)?.atMs ?? 0;
    expect(last / 29).toBeGreaterThanOrEqual(250 + RESET_MARGIN_MS);
    expect(last / 29).toBeLessThan(250 + 50 + 20);
  });

  it('P63: nothing is asked of Discord but what was asked of us, whatever state it is in', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 5, 5_000), stubs });
    const everything = { effect: { kind: 'error', status: 503 } } as const;
    world.rest.inject({ ...everything, route: 'GET /gateway/bot' });
    world.rest.inject({ ...everything, route: 'GET /users/@me' });
    const first = TOKENS.map((token) => world.send('GET', '/channels/1/messages', { token }));
    await world.pass(50);
    expect(first.map(fate)).toEqual([200, 200]);
    expect(world.rest.audit.requests.map(({ route }) => route)).toEqual([LIST, LIST]);
  });

  it('P90: Basic credentials are passed on as they are, probed with nothing, and lock nobody out', async () => {
    const token = 'POST /oauth2/token';
    const world = createProxyWorld({
      buckets: { [token]: [], [LIST]: [] },
      stubs: { [token]: { status: 401, body: {} }, [LIST]: OK },
    });
    const authorization = `Basic ${Buffer.from('id:secret').toString('base64')}`;
    const seen: (string | undefined)[] = [];
    const handle = world.rest.handle.bind(world.rest);
    world.rest.handle = (sent) => {
      seen.push(sent.headers.find(([name]) => name === 'authorization')?.[1]);
      return handle(sent);
    };
    const send = () => world.send('POST', '/oauth2/token', { authorization });
    const first = send();
    await world.pass(50);
    expect(fate(first)).toBe(401);
    const again = [send(), world.send('GET', '/channels/1/messages')];
    await world.pass(50);
    expect(again.map(fate)).toEqual([401, 200]);
    expect(world.rest.audit.requests.map(({ route }) => route)).toEqual([token, token, LIST]);
    expect(seen.slice(0, 2)).toEqual([authorization, authorization]);
  });

  it('is not forgotten in the moment in which a request is on its way to it', async () => {
    const world = createProxyWorld({ buckets: table('fixed', 1, 1_000), stubs });
    world.send('GET', '/channels/1/messages');
    await world.pass(100);
    // The bucket's own timer has put its word of being idle into the mailbox, and it is not handled
    // yet.
    world.clock.advance(120_000);
    const late = world.send('GET', '/channels/1/messages');
    await world.pass(5_000);
    expect(fate(late)).toBe(200);
    expect(world.tree.buckets).toBe(1);
  });
});
