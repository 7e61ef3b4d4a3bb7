/** Actors that crash in the middle of their work: each request still has one fate. */
import { describe, expect, it } from 'vitest';
import { createProxyWorld, fate, type ProxyWorld } from '../support/simulated-upstream.ts';

const LIST = 'GET /channels/:channel/messages';
const POST = 'POST /channels/:channel/messages';
const OK = { status: 200, body: [] };
const SPEC = {
  name: 'all',
  window: { kind: 'fixed', limit: 3, windowMs: 2_000 },
  scope: 'user',
  shown: true,
  counter: 'split',
} as const;

function createWorld(): ProxyWorld {
  return createProxyWorld({
    buckets: { [LIST]: [SPEC], [POST]: [SPEC] },
    stubs: { [LIST]: OK, [POST]: OK },
  });
}

function crashOnce(world: ProxyWorld, where: string, skip = 0): void {
  let left = skip;
  world.actorClock.where = where;
  world.actorClock.crashes = () => {
    if (left-- > 0) return false;
    world.actorClock.crashes = undefined;
    return true;
  };
}

describe('a crash', () => {
  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])(
    'P03 P35: of a bucket at its reading %i of the clock: queued requests survive in order, none is sent twice',
    async (skip) => {
      const world = createWorld();
      world.send('POST', '/channels/1/messages');
      await world.pass(3_000);
      for (let index = 0; index < 6; index++) world.send('POST', '/channels/1/messages');
      crashOnce(world, 'actors/bucket/actor', skip);
      await world.pass(30_000);
      expect(world.actorClock.count).toBe(1);
      expect(world.sent.map(fate)).toEqual([200, 200, 200, 200, 200, 200, 200]);
      const order = world.upstream.sends.map((send) => send.target.at(-1));
      expect(order).toEqual(['0', '1', '2', '3', '4', '5', '6']);
      expect(world.rest.audit.breaches).toEqual([]);
      expect(world.tree.requests).toBe(0);
      expect(world.upstream.open).toBe(0);
    },
  );

  it.each([0, 1, 2, 3, 4, 5, 6, 7, 8])(
    'P39: of a gate at its reading %i of the clock: asks are made anew, and nothing is sent twice',
    async (skip) => {
      const world = createWorld();
      world.send('POST', '/channels/1/messages');
      await world.pass(3_000);
      for (let index = 0; index < 3; index++) {
        world.send('POST', '/channels/1/messages');
        world.send('GET', '/channels/2/messages');
      }
      crashOnce(world, 'actors/global/actor', skip);
      await world.pass(30_000);
      expect(world.actorClock.count).toBe(1);
      expect(world.sent.every((one) => fate(one) === 200)).toBe(true);
      expect(world.upstream.sends).toHaveLength(7);
      expect(world.rest.audit.breaches).toEqual([]);
    },
  );

  it('P55 P57: of a gate: its successor lets nothing pass that Discord would refuse', async () => {
    const free = { 'GET /users/@me': [] };
    const stubs = { 'GET /users/@me': OK, [LIST]: OK };
    const world = createProxyWorld({ buckets: { ...free, [LIST]: [] }, stubs });
    for (let index = 0; index < 50; index++) world.send('GET', '/users/@me');
    await world.pass(100);
    crashOnce(world, 'actors/global/actor');
    for (let index = 0; index < 50; index++) world.send('GET', '/users/@me');
    await world.pass(5_000);
    expect(world.sent.every((one) => fate(one) === 200)).toBe(true);
    expect(world.rest.audit.breaches).toEqual([]);
    const effect = { kind: 'limited', scope: 'global', retryAfterMs: 20_000 } as const;
    world.rest.inject({ effect, times: 1 });
    world.send('GET', '/users/@me');
    await world.pass(100);
    crashOnce(world, 'actors/global/actor');
    const later = world.send('GET', '/channels/1/messages');
    await world.pass(19_800);
    expect(fate(later)).toBeNull();
    await world.pass(1_000);
    expect(fate(later)).toBe(200);
  });

  it.each(['actors/bucket/actor', 'actors/global/actor'])(
    'without end of %s: requests are failed, not kept, and nothing spins',
    async (where) => {
      const world = createWorld();
      world.actorClock.where = where;
      world.actorClock.crashes = () => true;
      for (let index = 0; index < 5; index++) world.send('POST', '/channels/1/messages');
      await world.pass(60_000);
      expect(world.sent.every((one) => fate(one) === 'failed')).toBe(true);
      expect(world.actorClock.count).toBeLessThan(20);
      world.actorClock.crashes = undefined;
      const later = world.send('POST', '/channels/1/messages');
      await world.pass(5_000);
      expect(fate(later)).toBe(200);
    },
  );

  it('of a bucket with nothing but requests in the air: its successor is forgotten in its time', async () => {
    const world = createWorld();
    world.send('GET', '/channels/1/messages');
    await world.pass(3_000);
    world.upstream.network = { minMs: 5, maxMs: 500, answerLoss: 0 };
    const flying = [0, 1].map(() => world.send('GET', '/channels/1/messages'));
    await world.pass(2);
    expect(world.upstream.sends).toHaveLength(3);
    crashOnce(world, 'actors/bucket/actor');
    await world.pass(5_000);
    expect(world.actorClock.count).toBe(1);
    expect(flying.map(fate)).toEqual([200, 200]);
    await world.pass(3_600_000);
    expect(world.tree.buckets).toBe(0);
  });

  it('frees the connection of an answer that nobody waits for any more', async () => {
    const world = createWorld();
    const gone = world.send('GET', '/channels/1/messages');
    await world.pass(1);
    gone.submission.cancel();
    await world.pass(1);
    expect(fate(gone)).toBe('cancelled');
    crashOnce(world, 'actors/bucket/actor');
    const other = world.send('GET', '/channels/1/messages');
    await world.pass(5_000);
    expect(world.actorClock.count).toBe(1);
    expect(fate(other)).toBe(200);
    expect(world.upstream.open).toBe(0);
  });

  it('never lets a request stay when the tree is stopped', async () => {
    const world = createWorld();
    for (let index = 0; index < 8; index++) world.send('POST', '/channels/1/messages');
    await world.pass(3);
    const stopped = world.tree.stop();
    await world.pass(100);
    await stopped;
    expect(world.sent.map(fate)).toEqual(['failed', ...Array(7).fill('refused')]);
    expect(fate(world.send('POST', '/channels/1/messages'))).toBeNull();
    await world.pass(1);
    expect(fate(world.sent[8] as never)).toBe('refused');
    expect(world.system.actors).toBe(0);
  });

  it('drains: what flies lands, what waits is refused, what comes is refused', async () => {
    const world = createWorld();
    for (let index = 0; index < 4; index++) world.send('POST', '/channels/1/messages');
    await world.pass(3);
    const drained = world.tree.drain(5_000);
    const late = world.send('POST', '/channels/1/messages');
    await world.pass(100);
    await drained;
    expect(world.sent.map(fate)).toEqual([200, 'refused', 'refused', 'refused', 'refused']);
    expect(fate(late)).toBe('refused');
  });
});
