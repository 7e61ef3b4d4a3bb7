/** What one channel has learned of routes that share a counter, and what others gain by it. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RestMethod } from '../../protocols/proxy.ts';
import { createRandom } from '../../src/random.ts';
import type { BucketTable } from '../../src/simulator/rest/bucket-table.ts';
import type { WindowSpec } from '../../src/simulator/rest/window-counter.ts';
import { createProxyWorld, fate, type ProxyWorld, TOKENS } from '../support/simulated-upstream.ts';

const GET = 'GET /channels/:channel/messages';
const POST = 'POST /channels/:channel/messages';
const METHODS: readonly RestMethod[] = ['GET', 'POST'];
const OK = { status: 200, body: {} };
const stubs = { [GET]: OK, [POST]: OK };
const path = (channel: number): string => `/channels/${channel}/messages`;

const specs = (limitMin = 1, windowMinMs = 2_000): fc.Arbitrary<WindowSpec> =>
  fc.record({
    kind: fc.constantFrom('fixed', 'leaky', 'sliding'),
    limit: fc.integer({ min: limitMin, max: 12 }),
    windowMs: fc.integer({ min: windowMinMs, max: 12_000 }),
  });
const seeds = fc.integer({ min: 1, max: 2 ** 31 });
const jitters = fc.integer({ min: 0, max: 40 });

function worldOf(
  window: WindowSpec,
  counter: 'joint' | 'split',
  seed: number,
  jitterMs: number,
): ProxyWorld {
  const bucket = { name: 'b', window, scope: 'user', shown: true, counter } as const;
  const buckets: BucketTable = { [GET]: [bucket], [POST]: [bucket] };
  const network = { minMs: 5, maxMs: 5 + jitterMs, answerLoss: 0 };
  return createProxyWorld({ buckets, stubs, seed, network });
}

/** Keeps both routes of a channel busy for some windows. */
async function warmUp(world: ProxyWorld, { limit, windowMs }: WindowSpec): Promise<void> {
  for (let index = 0; index < limit * 6; index++) {
    for (const method of METHODS) world.send(method, path(1));
  }
  await world.pass(windowMs * 20);
}

function optimumMs({ kind, limit, windowMs }: WindowSpec, count: number): number {
  if (kind === 'leaky') return Math.max(0, ((count - limit) * windowMs) / limit);
  return (Math.ceil(count / limit) - 1) * windowMs;
}

/**
 * How much of what the counter allows one route of a channel gets, of `count` requests from now on.
 */
async function yieldOf(world: ProxyWorld, window: WindowSpec, channel: number): Promise<number> {
  const startMs = world.clock.nowMs();
  const count = window.limit * 20;
  const before = world.rest.audit.requestCount;
  for (let index = 0; index < count; index++) {
    for (const method of METHODS) world.send(method, path(channel));
  }
  await world.pass(window.windowMs * 45);
  const records = world.rest.audit.requests.slice(before - world.rest.audit.requestCount);
  const lastMs = Math.max(...records.map(({ atMs }) => atMs));
  return optimumMs(window, count) / (lastMs - startMs);
}

describe('what one channel has learned of a shared counter', () => {
  it('holds in every other, for every token: not one 429 there', async () => {
    await fc.assert(
      fc.asyncProperty(specs(), seeds, jitters, async (window, seed, jitterMs) => {
        const world = worldOf(window, 'joint', seed, jitterMs);
        await warmUp(world, window);
        const before = world.rest.audit.breaches.length;
        const draw = createRandom(seed);
        for (let index = 0; index < window.limit * 20; index++) {
          const method = METHODS[Math.floor(draw() * 2)] ?? 'GET';
          const channel = 2 + Math.floor(draw() * 3);
          const token = TOKENS[Math.floor(draw() * 2)] ?? TOKENS[0];
          world.send(method, path(channel), { token });
          if (draw() < 0.3) await world.pass(draw() * window.windowMs);
        }
        await world.pass(window.windowMs * 60);
        expect(before).toBeGreaterThan(0);
        expect(world.rest.audit.breaches.slice(before)).toEqual([]);
        expect(world.sent.every((one) => fate(one) === 200)).toBe(true);
      }),
      { numRuns: 60 },
    );
  }, 240_000);

  it('says nothing where each route has a counter of its own: both get 90 % of it everywhere', async () => {
    await fc.assert(
      fc.asyncProperty(specs(), seeds, jitters, async (window, seed, jitterMs) => {
        const world = worldOf(window, 'split', seed, jitterMs);
        await warmUp(world, window);
        expect(await yieldOf(world, window, 2)).toBeGreaterThan(0.9);
        expect(world.rest.audit.breaches).toEqual([]);
      }),
      { numRuns: 25 },
    );
  }, 240_000);

  it('is taken back when a stranger has misled it: both routes get 90 % again, here and elsewhere', async () => {
    let misled = 0;
    await fc.assert(
      fc.asyncProperty(specs(3, 6_000), seeds, jitters, async (window, seed, jitterMs) => {
        const world = worldOf(window, 'split', seed, jitterMs);
        await warmUp(world, window);
        // Somebody else uses the same token while both routes are busy.
        for (let index = 0; index < window.limit * 6; index++) {
          for (const method of METHODS) world.send(method, path(1));
        }
        for (let index = 0; index < 6; index++) {
          strange(world);
          await world.pass(window.windowMs / 3);
        }
        await world.pass(window.windowMs * 45);
        if (world.rest.audit.breaches.length > 0) misled += 1;
        const before = world.rest.audit.breaches.length;
        // One route is asked while the other's counter, had they one, could not be whole again.
        for (const method of METHODS) {
          world.send(method, path(1));
          await world.pass(100);
        }
        for (const channel of [1, 2]) {
          await world.pass(window.windowMs * 2);
          expect(await yieldOf(world, window, channel)).toBeGreaterThan(0.9);
        }
        expect(world.rest.audit.breaches.slice(before)).toEqual([]);
      }),
      { numRuns: 20 },
    );
    expect(misled).toBeGreaterThan(5);
  }, 240_000);
});

function strange({ rest }: ProxyWorld): void {
  const headers = [
    ['user-agent', 'DiscordBot (https://example.org, 1)'],
    ['authorization', `Bot ${TOKENS[0]}`],
  ] as const;
  rest.handle({
    method: 'POST',
    path: `/api/v10${path(1)}`,
    headers,
    body: new Uint8Array(),
    remoteAddress: '192.0.2.9',
  });
}
