/**
 * The proxy's cache under random interleavings of reads, writes, events and late answers, on
 * virtual time, against a model of Discord that knows each version of everything.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CACHE_EVENTS } from '../../protocols/discord/cache-events.ts';
import { CACHE_SLOW_MS } from '../../protocols/limits.ts';
import type { CacheBounds, CacheRules } from '../../src/proxy/cache/rest-cache.ts';
import { createRandom } from '../../src/random.ts';
import { CacheWorld, EVENTS, LONG_BODY_BYTES, READS, WRITES } from '../support/cache-world.ts';
import { TOKENS } from '../support/simulated-upstream.ts';

type Plan = {
  readonly seed: number;
  readonly coalesce: CacheRules['coalesce'];
  readonly steps: number;
  /** The mean time between two steps. */
  readonly gapMs: number;
  readonly waitMs: number;
  readonly latencyMs: number;
  readonly failing: number;
  readonly breaking: number;
  readonly long: number;
  /** Of this many reads one is cancelled, and one has little time; 0 for none. */
  readonly impatience: number;
  /** Of this many steps one is a write, one a change by others. */
  readonly writes: number;
  readonly changes: number;
  /** Whether the events fail to come now and then. */
  readonly outages: boolean;
};

const plans = fc.record<Plan>({
  seed: fc.integer({ min: 1, max: 2 ** 31 }),
  coalesce: fc.constantFrom('waiting', 'flying', 'off'),
  steps: fc.integer({ min: 5, max: 90 }),
  gapMs: fc.constantFrom(1, 8, 40, 400),
  waitMs: fc.constantFrom(0, 5, 120),
  latencyMs: fc.constantFrom(3, 40, 150),
  failing: fc.constantFrom(0, 0, 0.15),
  breaking: fc.constantFrom(0, 0, 0.1),
  long: fc.constantFrom(0, 0, 0.2),
  impatience: fc.constantFrom(0, 3, 8),
  writes: fc.constantFrom(3, 8, 30),
  changes: fc.constantFrom(3, 8, 30),
  outages: fc.boolean(),
});

const boundsOf = ({ seed }: Plan): CacheBounds => ({
  // In turn, so that each is reached.
  ...(seed % 2 === 0 ? { entries: 4, bytes: 100_000 } : { entries: 100, bytes: 4_000 }),
  entryBytes: 2_000,
  sharedBytes: LONG_BODY_BYTES / 2,
  collectingBytes: LONG_BODY_BYTES,
  joined: 12,
});

/** Long enough for the longest plan; the bounds are looked at in between. */
const PLAY_MS = 90_000;
const ROUNDS = 60;

const EVERY_EVENT = new Set<string>(CACHE_EVENTS);

/** Plays a plan; `told` says whether the events of the first bot come to the cache. */
async function play(plan: Plan, keep: boolean, isTold: boolean): Promise<CacheWorld> {
  const told = isTold ? { told: { identity: TOKENS[0], events: EVERY_EVENT } } : {};
  const rules: CacheRules = { coalesce: plan.coalesce, keep, ...told };
  const bounds = boundsOf(plan);
  const world = new CacheWorld({ ...plan, rules, bounds });
  if (isTold) world.cache.tell(true);
  else if (!keep && plan.coalesce !== 'flying') world.floor = () => world.state;
  const step = stepper(world, plan, isTold);
  for (let index = 0; index < plan.steps; index++) step();
  for (let round = 0; round < ROUNDS; round++) {
    await world.pass(PLAY_MS / ROUNDS);
    const { entries, bytes, collectingBytes, guests } = world.cache.standing;
    expect(entries).toBeLessThanOrEqual(bounds.entries);
    expect(bytes).toBeLessThanOrEqual(bounds.bytes);
    expect(collectingBytes).toBeLessThanOrEqual(bounds.collectingBytes);
    expect(guests).toBeLessThanOrEqual(bounds.joined);
  }
  await world.pass(PLAY_MS);
  return world;
}

/** What happens next, and when, drawn from the plan's seed. */
function stepper(world: CacheWorld, plan: Plan, isTold: boolean): () => void {
  const draw = createRandom(plan.seed + 1);
  const drawOf = (count: number): number => Math.floor(draw() * count);
  const isOneIn = (count: number): boolean => count > 0 && drawOf(count) === 0;
  let atMs = 0;
  let backMs = 0;
  const reads = Object.keys(READS);
  const act = (): void => {
    const token = TOKENS[drawOf(3) === 0 ? 1 : 0];
    if (isOneIn(plan.writes)) {
      const [method, path] = (Object.keys(WRITES)[drawOf(Object.keys(WRITES).length)] ?? '').split(
        ' ',
      );
      if (method === 'GET' || method === 'HEAD' || path === undefined) throw new Error('no write');
      world.ask(writeMethod(method), path, { token });
    } else if (isOneIn(plan.changes)) {
      const index = drawOf(EVENTS.length);
      const isAway = world.clock.nowMs() < backMs;
      if (!isTold) world.changeElsewhere(index, null);
      // What was missed is known once the answers have ended that live without events.
      else if (isAway) world.changeElsewhere(index, null, backMs + CACHE_SLOW_MS);
      else world.changeElsewhere(index, drawOf(60));
    } else if (isTold && plan.outages && isOneIn(15)) {
      if (world.clock.nowMs() < backMs) return;
      backMs = world.clock.nowMs() + drawOf(800);
      world.cache.tell(false);
      world.clock.setTimer(backMs - world.clock.nowMs(), () => world.cache.tell(true));
    } else {
      const headers = isOneIn(12) ? { headers: [['cache-control', 'no-cache']] as const } : {};
      const timeoutMs = isOneIn(plan.impatience) ? { timeoutMs: drawOf(150) } : {};
      const cancelAfterMs = isOneIn(plan.impatience) ? { cancelAfterMs: drawOf(150) } : {};
      const priority = isOneIn(5) ? { priority: 'bulk' as const } : {};
      const path = reads[drawOf(drawOf(2) === 0 ? 3 : reads.length)] ?? '';
      world.ask('GET', path, { token, ...headers, ...timeoutMs, ...cancelAfterMs, ...priority });
    }
  };
  return () => {
    atMs += drawOf(plan.gapMs * 2);
    world.clock.setTimer(atMs, act);
  };
}

function writeMethod(method: string | undefined): 'POST' | 'PUT' | 'PATCH' | 'DELETE' {
  if (method === 'POST' || method === 'PUT' || method === 'PATCH' || method === 'DELETE')
    return method;
  throw new Error(`${method} is no write`);
}

/** One fate for each, in its own time; nothing left behind, nothing taken from others. */
function checkFates(world: CacheWorld, plan: Plan): void {
  expect(world.asked.filter(({ fates }) => fates.length !== 1)).toEqual([]);
  expect(world.faults).toEqual([]);
  expect(world.open).toBe(0);
  expect(world.clock.pendingTimers).toBe(0);
  expect(world.cache.standing).toMatchObject({ flights: 0, guests: 0, collectingBytes: 0 });
  for (const { fates, request, askedMs, settledMs, isCancelled } of world.asked) {
    const [fate] = fates;
    if (fate === 'cancelled') expect(isCancelled()).toBe(true);
    if (fate === 'timed-out') expect(settledMs).toBe(askedMs + (request.timeoutMs ?? Number.NaN));
    if (fate === 'failed' || fate === 'refused') expect(plan.failing).toBeGreaterThan(0);
    if (request.timeoutMs !== null && settledMs !== null) {
      expect(settledMs - askedMs).toBeLessThanOrEqual(request.timeoutMs);
    }
  }
}

describe('the cache, whatever comes in whatever order', () => {
  it('a read after a write was answered, or after an event came, never gets what was before', async () => {
    const seen = { hit: 0, joined: 0, asked: 0, sent: 0 };
    await fc.assert(
      fc.asyncProperty(plans, fc.boolean(), async (plan, isTold) => {
        const world = await play(plan, true, isTold);
        expect(world.tooOld).toEqual([]);
        checkFates(world, plan);
        seen.hit += world.lookups.get('hit') ?? 0;
        seen.joined += world.lookups.get('joined') ?? 0;
        seen.asked += world.asked.length;
        seen.sent += world.sends.length;
      }),
      { numRuns: 300 },
    );
    // Else the property would hold of a cache that keeps nothing.
    expect(seen.hit).toBeGreaterThan(seen.asked / 20);
    expect(seen.joined).toBeGreaterThan(0);
    expect(seen.sent).toBeLessThan(seen.asked);
  }, 240_000);

  it('with nothing kept, whoever joins a request that waits gets no less than by one of its own', async () => {
    let joined = 0;
    await fc.assert(
      fc.asyncProperty(plans, async (plan) => {
        const world = await play(plan, false, false);
        expect(world.tooOld).toEqual([]);
        checkFates(world, plan);
        expect(world.cache.standing.entries).toBe(0);
        joined += world.lookups.get('joined') ?? 0;
      }),
      { numRuns: 200 },
    );
    expect(joined).toBeGreaterThan(0);
  }, 240_000);
});
