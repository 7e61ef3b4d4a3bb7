/** Random schedules of requests against the simulated API, which judges them, on virtual time. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/random.ts';
import type { BucketTable } from '../../src/simulator/rest/bucket-table.ts';
import type { WindowKind } from '../../src/simulator/rest/window-counter.ts';
import { createProxyWorld, fate, type ProxyWorld, TOKENS } from '../support/simulated-upstream.ts';

const ROUTES = [
  ['GET', '/channels/:channel/messages', (id: number) => `/channels/${id}/messages`],
  ['POST', '/channels/:channel/messages', (id: number) => `/channels/${id}/messages`],
  ['PATCH', '/channels/:channel', (id: number) => `/channels/${id}`],
  ['DELETE', '/guilds/:guild/members/:user', (id: number) => `/guilds/${id}/members/7`],
  ['GET', '/users/@me', () => '/users/@me'],
] as const;

const OK = { status: 200, body: {} };
const STUBS = Object.fromEntries(
  ROUTES.map(([method, template]) => [`${method} ${template}`, OK] as const),
);

type Plan = {
  readonly seed: number;
  readonly kinds: readonly WindowKind[];
  readonly limits: readonly number[];
  readonly windowsMs: readonly number[];
  readonly jitterMs: number;
  readonly answerLoss: number;
  readonly requests: number;
  /** Over this long the requests come in. */
  readonly spreadMs: number;
  /** Of this many requests one is cancelled, and one has little time; 0 for none. */
  readonly impatience: number;
  readonly crashes: number;
};

const plans = fc.record<Plan>({
  seed: fc.integer({ min: 1, max: 2 ** 31 }),
  kinds: fc.array(fc.constantFrom('fixed', 'leaky', 'sliding'), { minLength: 4, maxLength: 4 }),
  limits: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 4, maxLength: 4 }),
  windowsMs: fc.array(fc.integer({ min: 250, max: 12_000 }), { minLength: 4, maxLength: 4 }),
  jitterMs: fc.integer({ min: 0, max: 240 }),
  answerLoss: fc.constantFrom(0, 0, 0.05, 0.3),
  requests: fc.integer({ min: 1, max: 120 }),
  spreadMs: fc.constantFrom(0, 500, 5_000, 40_000),
  impatience: fc.constantFrom(0, 0, 4, 9),
  crashes: fc.constantFrom(0, 0, 0.02, 0.1),
});

/** The last of the routes has no limit of its own. */
function bucketsOf(plan: Plan): BucketTable {
  const entries = ROUTES.map(([method, template], index) => {
    const [kind, limit, windowMs] = [plan.kinds[index], plan.limits[index], plan.windowsMs[index]];
    const key = `${method} ${template}`;
    if (kind === undefined || limit === undefined || windowMs === undefined) return [key, []];
    const window = { kind, limit, windowMs };
    const spec = { name: key, window, scope: 'user', shown: true, counter: 'split' } as const;
    return [key, [spec]];
  });
  return Object.fromEntries(entries);
}

async function play(plan: Plan): Promise<ProxyWorld> {
  const { seed, jitterMs, answerLoss } = plan;
  const world = createProxyWorld({
    seed,
    buckets: bucketsOf(plan),
    stubs: STUBS,
    network: { minMs: 3, maxMs: 3 + jitterMs, answerLoss: 0 },
  });
  if (answerLoss > 0) {
    // Of a bucket whose very first answer is lost nobody can know how long to stay away.
    for (const token of TOKENS) {
      for (const [method, , path] of ROUTES) {
        for (const id of [1, 2]) world.send(method, path(id), { token });
      }
    }
    await world.pass(5_000);
    world.upstream.network = { ...world.upstream.network, answerLoss };
  }
  const draw = createRandom(seed + 1);
  const drawOf = (count: number): number => Math.floor(draw() * count);
  if (plan.crashes > 0) {
    world.actorClock.where = 'actors/';
    // Few enough for no request to live through more than it may.
    world.actorClock.crashes = () => world.actorClock.count < 3 && draw() < plan.crashes;
  }
  for (let index = 0; index < plan.requests; index++) {
    const route = ROUTES[drawOf(ROUTES.length)] ?? ROUTES[0];
    const token = TOKENS[drawOf(2)] ?? TOKENS[0];
    const isHurried = plan.impatience > 0 && drawOf(plan.impatience) === 0;
    const isCancelled = plan.impatience > 0 && drawOf(plan.impatience) === 0;
    const timeoutMs = isHurried ? { timeoutMs: drawOf(4_000) } : {};
    const sent = world.send(route[0], route[2](1 + drawOf(2)), { token, ...timeoutMs });
    if (isCancelled) world.clock.setTimer(drawOf(3_000), () => sent.submission.cancel());
    const gapMs = Math.floor((plan.spreadMs / plan.requests) * 2 * draw());
    if (gapMs > 0) await world.pass(gapMs);
  }
  await world.pass(30 * 60_000);
  return world;
}

/** Sends of one bucket that are not repeats: the numbers of the requests, in order. */
function firstSends(world: ProxyWorld): ReadonlyMap<string, readonly number[]> {
  const orders = new Map<string, number[]>();
  const seen = new Set<number>();
  for (const { method, target, identity } of world.upstream.sends) {
    const [path, query] = target.split('?n=');
    const id = Number(query);
    if (seen.has(id)) continue;
    seen.add(id);
    const key = `${identity} ${method} ${path}`;
    orders.set(key, [...(orders.get(key) ?? []), id]);
  }
  return orders;
}

function checkFates(world: ProxyWorld, plan: Plan): void {
  // A second fate of a request throws inside the world.
  expect(world.sent.filter((sent) => fate(sent) === null)).toEqual([]);
  expect(world.tree.requests).toBe(0);
  expect(world.upstream.open).toBe(0);
  const allowed = new Set<number | string | null>([200]);
  if (plan.answerLoss > 0) allowed.add('failed');
  if (plan.impatience > 0) allowed.add('cancelled').add('timed-out');
  // A crash may take what was known of a bucket along, and then its 429 is the answer.
  if (plan.crashes > 0) allowed.add(429);
  expect(world.sent.map(fate).filter((one) => !allowed.has(one))).toEqual([]);
}

function checkSends(world: ProxyWorld): void {
  for (const order of firstSends(world).values()) {
    expect(order).toEqual([...order].sort((one, other) => one - other));
  }
  const statuses = new Map<string, (number | null)[]>();
  for (const { method, target, status } of world.upstream.sends) {
    if (method !== 'POST' && method !== 'PATCH') continue;
    statuses.set(target, [...(statuses.get(target) ?? []), status]);
  }
  for (const list of statuses.values()) {
    expect(list.slice(0, -1).every((status) => status === 429)).toBe(true);
  }
}

describe('the proxy, whatever is asked of it', () => {
  it('P03 P27 P34 P35 P52 P55: one fate each, in order, nothing repeated that must not be, no 429', async () => {
    await fc.assert(
      fc.asyncProperty(plans, async (plan) => {
        const world = await play(plan);
        checkFates(world, plan);
        checkSends(world);
        if (world.actorClock.count === 0) expect(world.rest.audit.breaches).toEqual([]);
        const stop = world.tree.stop();
        await world.pass(1);
        await stop;
        expect(world.system.actors).toBe(0);
        expect(world.clock.pendingTimers).toBe(0);
      }),
      { numRuns: 300 },
    );
  }, 240_000);

  it('P55 P56: no second at the server holds more than the limit, and a burst takes no longer than it must', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 2 ** 31 }),
        fc.integer({ min: 0, max: 240 }),
        fc.integer({ min: 2, max: 60 }),
        async (seed, jitterMs, limit) => {
          const world = createProxyWorld({
            seed,
            buckets: { 'GET /users/@me': [] },
            stubs: STUBS,
            globalLimit: limit,
            global: { kind: 'sliding', limit, windowMs: 1_000 },
            network: { minMs: 3, maxMs: 3 + jitterMs, answerLoss: 0 },
          });
          for (let index = 0; index < limit * 6; index++) world.send('GET', '/users/@me');
          await world.pass(60_000);
          expect(world.rest.audit.breaches).toEqual([]);
          expect(world.sent.every((sent) => fate(sent) === 200)).toBe(true);
          const lastMs = Math.max(...world.sent.map(({ settledMs }) => settledMs ?? 0));
          // Each full second costs at most the time that a request may be on its way.
          expect(lastMs).toBeLessThan(6 * (1_010 + 3 + jitterMs) + 1_000);
        },
      ),
      { numRuns: 40 },
    );
  }, 120_000);
});
