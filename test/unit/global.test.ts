/** The gate of an identity, in front of the simulated API. */
import { describe, expect, it } from 'vitest';
import {
  type GateEffect,
  type GateState,
  newGate,
  transition,
} from '../../actors/global/machine.ts';
import { createProxyWorld, fate, QUIET_NETWORK, TOKENS } from '../support/simulated-upstream.ts';

const ME = 'GET /users/@me';
const LIST = 'GET /channels/:channel/messages';
const CALLBACK = 'POST /interactions/:interaction/:interaction_token/callback';
const HOOK = 'POST /webhooks/:webhook/:token';
const OK = { status: 200, body: {} };
const NONE = { [ME]: [], [LIST]: [], [CALLBACK]: [], [HOOK]: [] };
const stubs = { [ME]: OK, [LIST]: OK, [CALLBACK]: { status: 204 }, [HOOK]: OK };

const callback = (id: number): string => `/interactions/${id}/aW50ZXJhY3Rpb246MQ/callback`;

describe('the gate', () => {
  it('P55 P56: lets the limit pass in a second, and the next when Discord has forgotten the first', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs });
    for (let index = 0; index < 120; index++) world.send('GET', '/users/@me');
    await world.pass(900);
    expect(world.upstream.sends).toHaveLength(50);
    await world.pass(5_000);
    expect(world.sent.every((one) => fate(one) === 200)).toBe(true);
    expect(world.rest.audit.breaches).toEqual([]);
  });

  it('P55: counts from when a request goes onto a connection, however long that takes', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs });
    world.upstream.network = { ...QUIET_NETWORK, connectMs: 700 };
    for (let index = 0; index < 100; index++) world.send('GET', '/users/@me');
    await world.pass(100);
    // There are enough connections from now on.
    world.upstream.network = QUIET_NETWORK;
    await world.pass(10_000);
    expect(world.sent.every((one) => fate(one) === 200)).toBe(true);
    expect(world.rest.audit.breaches).toEqual([]);
  });

  it('P15: each identity has its own', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs });
    for (let index = 0; index < 50; index++) {
      world.send('GET', '/users/@me');
      world.send('GET', '/users/@me', { token: TOKENS[1] });
    }
    await world.pass(200);
    expect(world.sent.every((one) => fate(one) === 200)).toBe(true);
  });

  it('P61: what carries no credentials shares one', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs });
    for (let index = 0; index < 80; index++) {
      world.send('POST', `/webhooks/${index}/${'t'.repeat(68)}`, { token: null });
    }
    await world.pass(900);
    expect(world.upstream.sends).toHaveLength(50);
    await world.pass(2_000);
    expect(world.sent.every((one) => fate(one) === 200)).toBe(true);
    expect(world.rest.audit.breaches).toEqual([]);
  });

  it('is not shut by a global 429 of what passes no gate', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs });
    const effect = { kind: 'limited', scope: 'global', retryAfterMs: 3_000 } as const;
    world.rest.inject({ effect, times: 1 });
    const hit = world.send('POST', callback(1), { token: null });
    await world.pass(100);
    // It cannot wait so long.
    expect(fate(hit)).toBe(429);
    const others = [
      world.send('GET', '/users/@me'),
      world.send('POST', `/webhooks/1/${'t'.repeat(68)}`, { token: null }),
    ];
    await world.pass(100);
    expect(others.map(fate)).toEqual([200, 200]);
  });

  it('P57: a global 429 stops all that is gated, and what waited is let go evenly', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs });
    world.send('GET', '/users/@me');
    await world.pass(100);
    const effect = { kind: 'limited', scope: 'global', retryAfterMs: 3_000 } as const;
    world.rest.inject({ effect, times: 1 });
    const hit = world.send('GET', '/users/@me');
    await world.pass(20);
    const hitMs = world.clock.nowMs();
    for (let index = 0; index < 25; index++) world.send('GET', '/users/@me');
    for (let index = 0; index < 15; index++) world.send('GET', `/channels/${index}/messages`);
    await world.pass(2_950);
    expect(world.upstream.sends).toHaveLength(2);
    await world.pass(3_000);
    expect(fate(hit)).toBe(200);
    const later = world.upstream.sends.slice(2).map((send) => send.atMs);
    expect(later).toHaveLength(41);
    const [first = 0] = later;
    expect(first).toBeGreaterThanOrEqual(hitMs - 20 + 3_000);
    expect(later.filter((atMs) => atMs < first + 100).length).toBeLessThanOrEqual(6);
    // The bucket in which most wait does not go first as a whole.
    const others = world.upstream.sends.slice(2).slice(0, 24);
    expect(others.filter(({ target }) => target.includes('/channels/'))).toHaveLength(15);
  });

  it('P59: with the gate and the bucket both shut, the longer of the two counts', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs });
    world.send('GET', '/users/@me');
    await world.pass(100);
    const limited = (scope: 'user' | 'global', retryAfterMs: number) =>
      ({ effect: { kind: 'limited', scope, retryAfterMs }, times: 1 }) as const;
    world.rest.inject({ ...limited('user', 2_000), route: ME });
    world.rest.inject({ ...limited('global', 6_000), route: LIST });
    const short = world.send('GET', '/users/@me');
    world.send('GET', '/channels/1/messages');
    await world.pass(5_900);
    expect(fate(short)).toBeNull();
    await world.pass(1_000);
    expect(fate(short)).toBe(200);
  });

  it('P56 P59: a permit that comes while the bucket is shut is given back', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs });
    world.send('GET', '/users/@me');
    await world.pass(100);
    const limited = (scope: 'user' | 'global', retryAfterMs: number) =>
      ({ effect: { kind: 'limited', scope, retryAfterMs }, times: 1 }) as const;
    world.rest.inject({ ...limited('global', 3_000), route: LIST });
    world.rest.inject({ ...limited('user', 10_000), route: ME });
    world.send('GET', '/channels/1/messages');
    await world.pass(5);
    world.send('GET', '/users/@me');
    await world.pass(6);
    // The gate is shut by now and is asked for this one; then the bucket is shut for longer.
    world.send('GET', '/users/@me');
    await world.pass(9_900);
    const sends = world.upstream.sends.filter(({ target }) => target.includes('@me'));
    expect(sends).toHaveLength(2);
    await world.pass(1_000);
    expect(world.sent.every((one) => fate(one) === 200)).toBe(true);
  });

  it('P60: interactions pass while it is shut', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs });
    const effect = { kind: 'limited', scope: 'global', retryAfterMs: 60_000 } as const;
    world.rest.inject({ effect, times: 1, route: ME });
    const shut = world.send('GET', '/users/@me');
    await world.pass(100);
    for (let id = 1; id <= 80; id++) world.send('POST', callback(id), { token: null });
    await world.pass(1_000);
    expect(fate(shut)).toBeNull();
    expect(world.sent.slice(1).every((one) => fate(one) === 204)).toBe(true);
  });

  it('P70: while it is shut, a request with too little time is told at once', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs });
    const effect = { kind: 'limited', scope: 'global', retryAfterMs: 60_000 } as const;
    world.rest.inject({ effect, times: 1 });
    world.send('GET', '/users/@me');
    await world.pass(100);
    const hopeless = world.send('GET', '/channels/1/messages', { timeoutMs: 10_000 });
    await world.pass(10);
    expect(hopeless.outcome).toMatchObject({ kind: 'timed-out', sent: false });
    expect((hopeless.outcome as { waitMs: number }).waitMs).toBeGreaterThan(59_000);
  });

  it('P22: steps of the wall clock change no wait', async () => {
    const world = createProxyWorld({ buckets: NONE, stubs });
    for (let index = 0; index < 60; index++) world.send('GET', '/users/@me');
    await world.pass(500);
    world.clock.stepEpoch(3_600_000);
    await world.pass(300);
    expect(world.upstream.sends).toHaveLength(50);
    world.clock.stepEpoch(-7_200_000);
    await world.pass(300);
    expect(world.upstream.sends).toHaveLength(60);
  });
});

type Step = { state: GateState<string>; effects: readonly GateEffect<string>[] };

describe('the machine of the gate', () => {
  const granted = (step: Step): readonly string[] =>
    step.effects.flatMap((effect) => (effect.kind === 'grant' ? [effect.asker] : []));

  it('P62: a permit that comes back unused counts no more; one that was used counts', () => {
    let step = transition(newGate<string>(1, 0), { kind: 'ask', asker: 'a', lane: 'normal' }, 0);
    expect(granted(step)).toEqual(['a']);
    step = transition(step.state, { kind: 'ask', asker: 'b', lane: 'normal' }, 1);
    expect(granted(step)).toEqual([]);
    step = transition(step.state, { kind: 'returned', permit: 1 }, 2);
    expect(granted(step)).toEqual(['b']);
    step = transition(step.state, { kind: 'sent', permit: 2 }, 3);
    step = transition(step.state, { kind: 'ask', asker: 'c', lane: 'normal' }, 4);
    step = transition(step.state, { kind: 'settled', permit: 2 }, 20);
    expect(granted(step)).toEqual([]);
    expect(granted(transition(step.state, { kind: 'wake' }, 1_029))).toEqual([]);
    expect(granted(transition(step.state, { kind: 'wake' }, 1_030))).toEqual(['c']);
  });

  it('P03: forgets an asker that is gone, and counts what it was granted as sent', () => {
    let step = transition(newGate<string>(1, 0), { kind: 'ask', asker: 'a', lane: 'normal' }, 0);
    step = transition(step.state, { kind: 'ask', asker: 'a', lane: 'normal' }, 0);
    step = transition(step.state, { kind: 'ask', asker: 'b', lane: 'normal' }, 0);
    step = transition(step.state, { kind: 'withdraw', asker: 'a' }, 10);
    expect(granted(step)).toEqual([]);
    expect(granted(transition(step.state, { kind: 'wake' }, 10 + 250 + 1_010))).toEqual(['b']);
  });

  it('P57: is shut by the longest word and opens once', () => {
    let step = transition(newGate<string>(5, 0), { kind: 'shut', untilMs: 1_000 }, 0);
    step = transition(step.state, { kind: 'shut', untilMs: 500 }, 1);
    step = transition(step.state, { kind: 'ask', asker: 'a', lane: 'normal' }, 2);
    expect(step.effects).toContainEqual({ kind: 'tell-shut', asker: 'a', untilMs: 1_000 });
    expect(granted(transition(step.state, { kind: 'wake' }, 999))).toEqual([]);
    expect(granted(transition(step.state, { kind: 'wake' }, 1_000))).toEqual(['a']);
  });
});
