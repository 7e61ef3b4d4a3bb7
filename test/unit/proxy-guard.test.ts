/**
 * What the proxy does not send, so that Discord does not ban it; the simulated API is the judge.
 */
import { describe, expect, it } from 'vitest';
import {
  DEAD_WEBHOOKS_MAX,
  INVALID_REQUEST_WINDOW_MS,
  INVALID_REQUESTS_PER_WINDOW,
  INVALID_REQUESTS_SHED,
  INVALID_REQUESTS_STOP,
  INVALID_REQUESTS_WARN,
  TOKEN_LOCK_UNUSED_MS,
} from '../../protocols/limits.ts';
import type { RestOutcome } from '../../protocols/proxy.ts';
import { ProxyGuard } from '../../supervisors/proxy-guard.ts';
import {
  createProxyWorld,
  fate,
  NO_METRICS,
  type ProxyWorld,
  requestOf,
  type Sent,
  TOKENS,
} from '../support/simulated-upstream.ts';

const ME = 'GET /users/@me';
const LIST = 'GET /channels/:channel/messages';
const HOOK = 'POST /webhooks/:webhook/:token';
const FOLLOW_UP = 'POST /webhooks/:webhook/:interaction_token';
const TOKEN_EXCHANGE = 'POST /oauth2/token';
const INVITE = 'GET /invites/:code';
const EDIT = 'PATCH /webhooks/:webhook/:token/messages/:message';
const CALLBACK = 'POST /interactions/:interaction/:interaction_token/callback';
const OK = { status: 200, body: {} };
const NONE = Object.fromEntries(
  [ME, LIST, HOOK, FOLLOW_UP, EDIT, TOKEN_EXCHANGE, INVITE, CALLBACK].map((route) => [route, []]),
);
const ADDRESS = '192.0.2.1';

async function* nothing(): AsyncGenerator<Uint8Array> {}
const NO_BODY = nothing();

function reason(sent: Sent): string | null {
  return sent.outcome?.kind === 'refused' ? sent.outcome.reason : null;
}

function retryAfterMs(sent: Sent | undefined): number {
  const outcome: RestOutcome | null | undefined = sent?.outcome;
  return outcome?.kind === 'refused' ? outcome.retryAfterMs : 0;
}

const refusedFor = (world: ProxyWorld, why: string): number =>
  world.sent.filter((one) => reason(one) === why).length;

describe('the budget of invalid requests', () => {
  it('P64: over all tokens: warns at half, sheds bulk at four fifths, stops before the ban, says when', async () => {
    const counted = new Map<number, number>();
    const metrics = {
      ...NO_METRICS,
      invalid: (status: number) => counted.set(status, (counted.get(status) ?? 0) + 1),
    };
    const stubs = { [ME]: { status: 403, body: {} }, [HOOK]: { status: 401, body: {} } };
    const world = createProxyWorld({ buckets: NONE, stubs, metrics });
    const spent = (): number => world.rest.invalidRequests(ADDRESS);
    let shedAt: number | null = null;
    let warnedAt: number | null = null;
    for (let second = 0; second < 100; second++) {
      for (let index = 0; index < 35; index++) {
        const priority = index % 5 === 0 ? 'bulk' : 'normal';
        for (const token of TOKENS) world.send('GET', '/users/@me', { token, priority });
        const hook = `/webhooks/${index}/${'t'.repeat(68)}`;
        world.send('POST', hook, { token: null, priority: 'high' });
      }
      await world.pass(1_200);
      if (warnedAt === null && world.log.at('warn').length > 0) warnedAt = spent();
      if (shedAt === null && refusedFor(world, 'invalid-requests') > 0) shedAt = spent();
    }
    expect(warnedAt).toBeGreaterThanOrEqual(INVALID_REQUESTS_PER_WINDOW / 2);
    expect(warnedAt).toBeLessThan(INVALID_REQUESTS_PER_WINDOW / 2 + 200);
    expect(shedAt).toBeGreaterThanOrEqual(INVALID_REQUESTS_SHED);
    expect(shedAt).toBeLessThan(INVALID_REQUESTS_SHED + 200);
    const bulkShed = world.sent.find((one) => reason(one) === 'invalid-requests');
    expect((bulkShed?.id ?? 0) % 15).toBeLessThan(2);
    // What was in the air when the mark was reached has landed since; the ban is still far.
    expect(spent()).toBeGreaterThanOrEqual(INVALID_REQUESTS_STOP);
    expect(spent()).toBeLessThan(INVALID_REQUESTS_STOP + 160);
    expect(world.rest.audit.breachCount('banned')).toBe(0);
    expect([...counted.keys()].sort()).toEqual([401, 403]);
    expect([...counted.values()].reduce((sum, one) => sum + one)).toBe(spent());
    expect(world.tree.standing).toMatchObject({ level: 'stopped', invalidRequests: spent() });
    expect(world.log.at('error').map(({ message }) => message)).toEqual([
      'nothing is sent: Discord is about to ban us',
    ]);

    const sends = world.upstream.sends.length;
    const refused = world.send('GET', '/users/@me', { priority: 'high' });
    await world.pass(1);
    expect(reason(refused)).toBe('invalid-requests');
    const untilMs = retryAfterMs(refused);
    expect(untilMs).toBeLessThan(INVALID_REQUEST_WINDOW_MS);
    await world.pass(untilMs - 2);
    const early = world.send('GET', '/users/@me');
    await world.pass(1);
    expect(reason(early)).toBe('invalid-requests');
    expect(world.upstream.sends).toHaveLength(sends);
    await world.pass(2);
    const again = world.send('GET', '/users/@me');
    await world.pass(100);
    expect(fate(again)).toBe(403);
  }, 60_000);

  it('stops in time however much is in the air, and refuses what waits then', async () => {
    const world = createProxyWorld({
      buckets: NONE,
      stubs: { [LIST]: { status: 403, body: {} } },
      globalLimit: 3_000,
      global: FREE,
      network: { minMs: 150, maxMs: 240, answerLoss: 0 },
    });
    let flying = 0;
    for (let round = 0; round < 130; round++) {
      for (let index = 0; index < 100; index++) {
        world.send('GET', `/channels/${(round * 100 + index) % 3_000}/messages`);
      }
      await world.pass(50);
      flying = Math.max(flying, world.tree.requests);
    }
    await world.pass(2_000);
    // All that was in the air at the mark came back badly, and there was more of it than room left.
    expect(flying).toBeGreaterThan(INVALID_REQUESTS_PER_WINDOW - INVALID_REQUESTS_STOP);
    expect(world.sent.filter((one) => fate(one) === null)).toEqual([]);
    expect(refusedFor(world, 'invalid-requests')).toBeGreaterThan(0);
    expect(world.rest.invalidRequests(ADDRESS)).toBeGreaterThanOrEqual(INVALID_REQUESTS_STOP);
    expect(world.rest.audit.breachCount('banned')).toBe(0);
  }, 60_000);
});

describe('the budget that others behind the address spend', () => {
  it('closes and warns as soon as it is heard of, without an answer of our own', () => {
    const world = createProxyWorld({ buckets: NONE });
    let closings = 0;
    const guard = new ProxyGuard({
      ...world,
      metrics: NO_METRICS,
      closed: (identity) => {
        if (identity === null) closings++;
      },
    });
    const hear = (count: number) => {
      guard.noteElsewhere([{ fromMs: world.clock.nowMs(), count }]);
      return [guard.standing.level, closings, world.log.lines.length];
    };
    expect(hear(INVALID_REQUESTS_WARN)).toEqual(['warned', 0, 1]);
    expect(hear(INVALID_REQUESTS_SHED)).toEqual(['shedding', 1, 2]);
    expect(hear(INVALID_REQUESTS_STOP)).toEqual(['stopped', 2, 3]);
    expect(world.log.at('error')).toHaveLength(1);
    // What is known already is no news.
    expect(hear(INVALID_REQUESTS_STOP)).toEqual(['stopped', 2, 3]);
  });
});

const FREE = { kind: 'sliding', limit: 100_000, windowMs: 1_000 } as const;

describe('shared limits', () => {
  it('P48: their 429s have a soft cap of their own, a minute long, which the high lane passes', async () => {
    const stubs = { [LIST]: OK, [ME]: OK };
    const world = createProxyWorld({ buckets: NONE, stubs, globalLimit: 1_000, global: FREE });
    const effect = { kind: 'limited', scope: 'shared', retryAfterMs: 3_600_000 } as const;
    world.rest.inject({ effect, route: LIST });
    const hit = async (from: number, to: number): Promise<void> => {
      for (let id = from; id < to; id++) world.send('GET', `/channels/${id}/messages`);
      await world.pass(100);
    };
    const lanes = async () => {
      const sent = (['high', 'normal', 'bulk'] as const).map((priority) =>
        world.send('GET', '/users/@me', { priority }),
      );
      await world.pass(200);
      return sent.map(fate);
    };
    await hit(1, 240);
    expect(await lanes()).toEqual([200, 200, 200]);
    await hit(240, 241);
    expect(await lanes()).toEqual([200, 200, 'refused']);
    await hit(241, 301);
    expect(await lanes()).toEqual([200, 'refused', 'refused']);
    expect(refusedFor(world, 'shared-limits')).toBe(3);
    expect(world.tree.standing).toMatchObject({ level: 'well', invalidRequests: 0 });
    await world.pass(61_000);
    expect(await lanes()).toEqual([200, 200, 200]);
  });
});

describe('a token that Discord does not know', () => {
  const stubs = { [ME]: OK, [LIST]: OK, [HOOK]: { status: 401, body: {} } };
  const bad = { token: 'a-token-that-was-reset' } as const;

  it('P65: is locked, and others are not, until a probe succeeds or nobody asks any more; a path’s token never is', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs });
    const first = Array.from({ length: 30 }, () => world.send('GET', '/users/@me', bad));
    await world.pass(20);
    // One pioneer went out, and what stood behind it is refused with it.
    expect(first.map(fate)).toEqual([401, ...Array.from({ length: 29 }, () => 'refused')]);
    for (let step = 0; step < 3_000; step++) {
      world.send('GET', `/channels/${step % 7}/messages`, bad);
      if (step % 100 === 0) world.send('GET', '/users/@me');
      await world.pass(100);
    }
    const sends = world.upstream.sends.filter(({ identity }) => identity === bad.token);
    const gaps = sends.slice(1).map(({ atMs }, index) => atMs - (sends[index]?.atMs ?? 0));
    expect(gaps.map((gapMs) => Math.floor(gapMs / 1_000))).toEqual([1, 2, 4, 8, 16, 32, 64, 128]);
    expect(refusedFor(world, 'unauthorized')).toBeGreaterThan(2_900);
    const others = world.sent.slice(30).filter((one) => fate(one) === 200);
    expect(others).toHaveLength(30);
    expect(world.tree.standing.lockedTokens).toBe(1);
    expect(JSON.stringify(world.log.lines)).not.toContain(bad.token);

    world.credentials.issue(bad.token);
    const told = world.send('GET', '/users/@me', bad);
    await world.pass(1);
    await world.pass(retryAfterMs(told));
    const probe = world.send('GET', '/users/@me', bad);
    await world.pass(50);
    const free = Array.from({ length: 9 }, () => world.send('GET', '/users/@me', bad));
    await world.pass(50);
    expect([probe, ...free].map(fate)).toEqual(Array.from({ length: 10 }, () => 200));
    expect(world.tree.standing.lockedTokens).toBe(0);

    const hook = `/webhooks/7/${'t'.repeat(68)}`;
    const byPath: Sent[] = [];
    for (let index = 0; index < 5; index++) {
      byPath.push(world.send('POST', hook, { token: null }));
      await world.pass(50);
    }
    expect(byPath.map(fate)).toEqual([401, 401, 401, 401, 401]);
    expect(world.tree.standing.lockedTokens).toBe(0);

    world.send('GET', '/users/@me', { token: 'another-dead-token' });
    await world.pass(20);
    expect(world.tree.standing.lockedTokens).toBe(1);
    await world.pass(TOKEN_LOCK_UNUSED_MS + 2_000);
    expect(world.tree.standing.lockedTokens).toBe(0);
  });

  it('only one of many that come at the probe’s time is sent, and a lost probe is followed by another', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs });
    world.send('GET', '/users/@me', bad);
    await world.pass(1_100);
    world.upstream.network = { minMs: 5, maxMs: 5, answerLoss: 1 };
    const crowd = Array.from({ length: 20 }, (_, id) =>
      world.send('POST', `/channels/${id}/messages`, bad),
    );
    await world.pass(50);
    expect(world.upstream.sends).toHaveLength(2);
    expect(crowd.filter((one) => reason(one) === 'unauthorized')).toHaveLength(19);
    await world.pass(3_200);
    world.upstream.network = { minMs: 5, maxMs: 5, answerLoss: 0 };
    const next = world.send('GET', '/users/@me', bad);
    await world.pass(50);
    expect(fate(next)).toBe(401);
  });

  it('what waits for another bucket is refused with it, and not when its turn comes', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs });
    const effect = { kind: 'limited', scope: 'user', retryAfterMs: 60_000 } as const;
    world.rest.inject({ effect, route: LIST, times: 1 });
    const waiting = Array.from({ length: 5 }, () => world.send('GET', '/channels/1/messages', bad));
    await world.pass(50);
    expect(waiting.map(fate)).toEqual([null, null, null, null, null]);
    world.send('GET', '/users/@me', bad);
    await world.pass(20);
    expect(waiting.map(reason)).toEqual(waiting.map(() => 'unauthorized'));
    await world.pass(70_000);
    expect(world.upstream.sends).toHaveLength(2);
    expect(world.tree.requests).toBe(0);
  });

  it('a 401 that concerns the route alone locks nobody', async () => {
    const bot = {
      status: 401,
      body: { message: 'Only users can use this endpoint', code: 20_001 },
    };
    const world = createProxyWorld({ buckets: NONE, stubs: { ...stubs, [ME]: bot } });
    const sent = [];
    for (let index = 0; index < 5; index++) {
      sent.push(world.send('GET', '/users/@me'));
      await world.pass(50);
    }
    expect(sent.map(fate)).toEqual(sent.map(() => 401));
    expect(world.tree.standing.lockedTokens).toBe(0);
  });

  it('P90: schemes other than Bot go through, whatever they were answered before', async () => {
    const world = createProxyWorld({
      buckets: NONE,
      stubs: { ...stubs, [TOKEN_EXCHANGE]: { status: 401, body: {} } },
    });
    const sent = [];
    for (let index = 0; index < 5; index++) {
      sent.push(
        world.send('POST', '/oauth2/token', { authorization: 'Basic Y2xpZW50OnNlY3JldA==' }),
      );
      sent.push(world.send('GET', '/users/@me', { authorization: 'Bearer of-nobody' }));
      await world.pass(50);
    }
    expect(world.upstream.sends).toHaveLength(10);
    expect(sent.map(fate)).toEqual(sent.map(() => 401));
  });
});

describe('a webhook that is gone', () => {
  const gone = (code: number) => ({ status: 404, body: { message: 'Unknown', code } });
  const hook = (id: number, letter: string): string => `/webhooks/${id}/${letter.repeat(68)}`;
  const post = (world: ProxyWorld, path: string): Sent => world.send('POST', path, { token: null });

  it('P66: is not asked for again after 10015 alone, by its id and token, until it is forgotten; so many are kept', async () => {
    const stubs = {
      [HOOK]: gone(10_015),
      [FOLLOW_UP]: gone(10_015),
      [EDIT]: gone(10_008),
    };
    const world = createProxyWorld({ buckets: NONE, stubs });
    const edit = (): Sent => world.send('PATCH', `${hook(1, 'a')}/messages/5`, { token: null });
    const edits = [edit()];
    await world.pass(50);
    edits.push(edit());
    await world.pass(50);
    expect(edits.map(fate)).toEqual([404, 404]);
    expect(world.tree.standing.deadWebhooks).toBe(0);
    const first = post(world, hook(1, 'a'));
    await world.pass(50);
    const again = post(world, hook(1, 'a'));
    const otherToken = post(world, hook(1, 'b'));
    const otherId = post(world, hook(2, 'a'));
    await world.pass(100);
    expect([first, again, otherToken, otherId].map(fate)).toEqual([404, 'refused', 404, 404]);
    expect(reason(again)).toBe('unknown-webhook');
    expect(world.tree.standing.deadWebhooks).toBe(3);
    // An interaction's webhook is unknown before its first answer, and known after.
    const followUp = (): Sent => post(world, '/webhooks/9/aW50ZXJhY3Rpb246MQ');
    const early = followUp();
    await world.pass(50);
    const late = followUp();
    await world.pass(50);
    expect([early, late].map(fate)).toEqual([404, 404]);
    await world.pass(retryAfterMs(again));
    const afterwards = post(world, hook(1, 'a'));
    await world.pass(50);
    expect(fate(afterwards)).toBe(404);
    expect(world.tree.standing.deadWebhooks).toBe(1);

    const guard = new ProxyGuard({ ...world, metrics: NO_METRICS, closed: () => {} });
    for (let id = 0; id < DEAD_WEBHOOKS_MAX + 100; id++) {
      const request = requestOf('POST', hook(id, 'z'), { token: null });
      expect(guard.launch(id, request)).toBeNull();
      const answer = { status: 404, headers: [], url: '', body: NO_BODY, discard: () => {} };
      guard.landed(id, request, { kind: 'answer', answer, code: 10_015 });
    }
    expect(guard.standing.deadWebhooks).toBe(DEAD_WEBHOOKS_MAX);
  });

  it('a message that is gone says nothing of its webhook', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs: { [HOOK]: gone(10_008) } });
    for (let index = 0; index < 3; index++) {
      post(world, hook(1, 'a'));
      await world.pass(50);
    }
    expect(world.sent.map(fate)).toEqual([404, 404, 404]);
  });

  it('what waits for its bucket is refused when its turn comes', async () => {
    const stubs = { [HOOK]: gone(10_015) };
    const world = createProxyWorld({ buckets: NONE, stubs });
    for (let index = 0; index < 40; index++) post(world, hook(1, 'a'));
    await world.pass(1_000);
    expect(world.upstream.sends).toHaveLength(1);
    expect(refusedFor(world, 'unknown-webhook')).toBe(39);
    expect(world.tree.requests).toBe(0);
  });
});

describe('a block by the servers in front of Discord', () => {
  it('keeps interactions away too, although they pass no gate', async () => {
    const stubs = { [ME]: OK, [CALLBACK]: { status: 204 } };
    const world = createProxyWorld({ buckets: NONE, stubs });
    const callback = (id: number): Sent =>
      world.send('POST', `/interactions/${id}/aW50ZXJhY3Rpb246MQ/callback`, { token: null });
    world.rest.inject({ effect: { kind: 'front-429' }, times: 1, route: ME });
    world.send('GET', '/users/@me');
    const before = callback(1);
    await world.pass(100);
    const during = callback(2);
    await world.pass(60_000);
    const after = callback(3);
    await world.pass(100);
    expect([before, during, after].map(fate)).toEqual([204, 'refused', 204]);
    expect(retryAfterMs(during)).toBeGreaterThan(59_000);
  });
});

describe('a family of routes', () => {
  it('P91: gets no more than it is configured to, over all identities, and the others all they want', async () => {
    const familyLimits = new Map([['invites', { count: 20, windowMs: 60_000 }]]);
    const stubs = { [INVITE]: OK, [ME]: OK };
    const network = { minMs: 3, maxMs: 120, answerLoss: 0 };
    const world = createProxyWorld({ buckets: NONE, stubs, familyLimits, network });
    for (let step = 0; step < 400; step++) {
      const token = TOKENS[step % 2] ?? TOKENS[0];
      world.send('GET', `/invites/code-${step}`, { token });
      world.send('GET', '/users/@me', { token });
      await world.pass(1_000);
    }
    const times = world.upstream.sends
      .filter(({ target }) => target.includes('/invites/'))
      .map(({ atMs }) => atMs);
    for (const [index, atMs] of times.entries()) {
      const next = times[index + 20] ?? Number.POSITIVE_INFINITY;
      expect(next - atMs).toBeGreaterThan(60_000);
    }
    expect(times.length).toBeGreaterThanOrEqual(6 * 20);
    const refused = world.sent.filter((one) => reason(one) === 'family-limit');
    expect(refused).toHaveLength(400 - times.length);
    for (const one of refused) {
      expect(retryAfterMs(one)).toBeGreaterThan(0);
      expect(retryAfterMs(one)).toBeLessThanOrEqual(61_000);
    }
    expect(world.upstream.sends).toHaveLength(400 + times.length);
  });

  it('has no limit where none is configured', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs: { [INVITE]: OK } });
    for (let index = 0; index < 40; index++) world.send('GET', `/invites/code-${index}`);
    await world.pass(1_000);
    expect(world.sent.every((one) => fate(one) === 200)).toBe(true);
  });
});
