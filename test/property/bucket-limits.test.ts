/**
 * Buckets against counters of every kind, with an oracle that knows them: no 429, and hardly
 * slower.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RestMethod } from '../../protocols/proxy.ts';
import { createRandom } from '../../src/random.ts';
import type { BucketTable } from '../../src/simulator/rest/bucket-table.ts';
import type { WindowSpec } from '../../src/simulator/rest/window-counter.ts';
import { createProxyWorld, fate, type ProxyWorld } from '../support/simulated-upstream.ts';

const GET = 'GET /channels/:channel/messages';
const POST = 'POST /channels/:channel/messages';
const OK = { status: 200, body: {} };
const stubs = { [GET]: OK, [POST]: OK };
const PATH = '/channels/1/messages';
const METHODS: readonly RestMethod[] = ['GET', 'POST'];
/** Nobody who does not know the counters can know them before this many windows have passed. */
const WARM_UP_WINDOWS = 4;

const windowSpecs = fc.record<WindowSpec>({
  kind: fc.constantFrom('fixed', 'leaky', 'sliding'),
  limit: fc.integer({ min: 1, max: 12 }),
  windowMs: fc.integer({ min: 2_000, max: 12_000 }),
});
const seeds = fc.integer({ min: 1, max: 2 ** 31 });
const jitters = fc.integer({ min: 0, max: 40 });

function worldOf(
  spec: WindowSpec,
  counter: 'joint' | 'split',
  seed: number,
  jitterMs: number,
): ProxyWorld {
  const bucket = { name: 'b', window: spec, scope: 'user', shown: true, counter } as const;
  const buckets: BucketTable = { [GET]: [bucket], [POST]: [bucket] };
  const network = { minMs: 5, maxMs: 5 + jitterMs, answerLoss: 0 };
  return createProxyWorld({ buckets, stubs, seed, network });
}

/**
 * How long a scheduler needs for `count` requests that knows the counter and is never on the way.
 */
function optimumMs({ kind, limit, windowMs }: WindowSpec, count: number): number {
  if (kind === 'leaky') return Math.max(0, ((count - limit) * windowMs) / limit);
  return (Math.ceil(count / limit) - 1) * windowMs;
}

const lastMs = (world: ProxyWorld): number =>
  Math.max(...world.rest.audit.requests.map(({ atMs }) => atMs));

function expectAllDone(world: ProxyWorld): void {
  expect(world.sent.every((one) => fate(one) === 200)).toBe(true);
}

/** Each request that was not refused was sent once, and those of one route in their order. */
function expectOrder(world: ProxyWorld): void {
  for (const method of METHODS) {
    const taken = world.upstream.sends.filter((one) => one.method === method && one.status === 200);
    const numbers = taken.map(({ target }) => Number(target.split('?n=')[1]));
    const asked = world.sent.map(({ id }) => id).filter((id) => numbers.includes(id));
    expect(numbers).toHaveLength(new Set(numbers).size);
    expect([...numbers].sort((one, other) => one - other)).toEqual(asked);
  }
}

describe('a bucket and a counter that it does not know', () => {
  it('P24: fixed, leaky or sliding: no 429, and 90 % of what an oracle gets through', async () => {
    await fc.assert(
      fc.asyncProperty(windowSpecs, seeds, jitters, async (spec, seed, jitterMs) => {
        const world = worldOf(spec, 'split', seed, jitterMs);
        const count = spec.limit * 20;
        for (let index = 0; index < count; index++) world.send('GET', PATH);
        await world.pass(spec.windowMs * 30);
        expectAllDone(world);
        expect(world.rest.audit.breaches).toEqual([]);
        expect(optimumMs(spec, count) / lastMs(world)).toBeGreaterThan(0.9);
      }),
      { numRuns: 60 },
    );
  }, 120_000);

  it('P08: two routes of one name with a counter each: no 429, and 90 % of the oracle for both', async () => {
    await fc.assert(
      fc.asyncProperty(windowSpecs, seeds, jitters, async (spec, seed, jitterMs) => {
        const world = worldOf(spec, 'split', seed, jitterMs);
        const count = spec.limit * 20;
        for (let index = 0; index < count; index++) {
          for (const method of METHODS) world.send(method, PATH);
        }
        await world.pass(spec.windowMs * 30);
        expectAllDone(world);
        expectOrder(world);
        expect(world.rest.audit.breaches).toEqual([]);
        expect(optimumMs(spec, count) / lastMs(world)).toBeGreaterThan(0.9);
      }),
      { numRuns: 40 },
    );
  }, 120_000);

  it('P05 P08: with one counter for both: no 429 once it has been seen, nothing lost, doubled or out of order', async () => {
    await fc.assert(
      fc.asyncProperty(windowSpecs, seeds, jitters, async (spec, seed, jitterMs) => {
        const world = worldOf(spec, 'joint', seed, jitterMs);
        const draw = createRandom(seed);
        const count = spec.limit * 30;
        for (let index = 0; index < count; index++) {
          world.send(METHODS[Math.floor(draw() * 2)] ?? 'GET', PATH);
        }
        const warmMs = WARM_UP_WINDOWS * spec.windowMs;
        let inFlightMost = 0;
        while (world.tree.requests > 0 && world.clock.nowMs() < 45 * spec.windowMs) {
          await world.pass(5);
          if (world.clock.nowMs() < warmMs) continue;
          const open = world.upstream.sends.length - world.rest.audit.requestCount;
          inFlightMost = Math.max(inFlightMost, open);
        }
        expectAllDone(world);
        expectOrder(world);
        expect(inFlightMost).toBeLessThanOrEqual(spec.limit);
        expect(world.rest.audit.breaches.filter(({ atMs }) => atMs > warmMs)).toEqual([]);
        expect(world.rest.audit.answers(200)).toBe(count);
        // What the first windows cost in refusals is part of it.
        const optimum = optimumMs(spec, count);
        expect(optimum / lastMs(world)).toBeGreaterThan(0.85);
      }),
      { numRuns: 40 },
    );
  }, 240_000);

  it('P05 P08: routes that are busy by turns share a counter too', async () => {
    await fc.assert(
      fc.asyncProperty(windowSpecs, seeds, jitters, async (spec, seed, jitterMs) => {
        const world = worldOf(spec, 'joint', seed, jitterMs);
        const draw = createRandom(seed);
        const burst = async (): Promise<void> => {
          const count = 1 + Math.floor(draw() * 2 * spec.limit);
          const method = METHODS[Math.floor(draw() * 2)] ?? 'GET';
          for (let index = 0; index < count; index++) world.send(method, PATH);
          await world.pass(Math.floor(draw() * spec.windowMs));
        };
        // Each route is refused at most once by each use of the other before their counter is
        // known.
        for (let turn = 0; turn < 20; turn++) await burst();
        const before = world.rest.audit.breaches.length;
        for (let turn = 0; turn < 20; turn++) await burst();
        await world.pass(60 * spec.windowMs);
        expectAllDone(world);
        expectOrder(world);
        expect(world.rest.audit.breaches.slice(before)).toEqual([]);
      }),
      { numRuns: 40 },
    );
  }, 240_000);
});
