/**
 * Proxies that share their limits, on virtual time; the simulated API, which sees them as one, is
 * the judge.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SHARED_POLL_MS, SHARED_SEEN_MS } from '../../protocols/limits.ts';
import { createRandom } from '../../src/random.ts';
import type { WindowSpec } from '../../src/simulator/rest/window-counter.ts';
import { type FleetOptions, type ProxyFleet, startFleet } from '../support/proxy-fleet.ts';
import { fate } from '../support/simulated-upstream.ts';

const GET = 'GET /channels/:channel/messages';
const ME = 'GET /users/@me';
const OK = { status: 200, body: {} };
const stubs = { [GET]: OK, [ME]: OK };
const PROXIES = 3;

const windowSpecs = fc.record<WindowSpec>({
  kind: fc.constantFrom('fixed', 'leaky', 'sliding'),
  limit: fc.integer({ min: 1, max: 12 }),
  windowMs: fc.integer({ min: 2_000, max: 8_000 }),
});
const seeds = fc.integer({ min: 1, max: 2 ** 31 });
const jitters = fc.integer({ min: 0, max: 40 });

function fleetOf(window: WindowSpec, options: FleetOptions, jitterMs = 0): Promise<ProxyFleet> {
  const bucket = { name: 'b', window, scope: 'user', shown: true, counter: 'split' } as const;
  const network = { minMs: 5, maxMs: 5 + jitterMs, answerLoss: 0 };
  return startFleet({ buckets: { [GET]: [bucket], [ME]: [] }, stubs, network, ...options });
}

const channelOf = (target: string): string => target.split('?')[0] ?? '';

/** Of each bucket: nobody sends while the first request is on its way there and back. */
function expectOnePioneer(fleet: ProxyFleet): void {
  const first = new Map<string, number>();
  for (const { target, atMs } of fleet.sends) {
    const firstMs = first.get(channelOf(target)) ?? atMs;
    if (first.has(channelOf(target))) expect(atMs).toBeGreaterThanOrEqual(firstMs + 10);
    first.set(channelOf(target), firstMs);
  }
}

describe('three proxies with one limit', () => {
  it('P79 P81: whatever the counter: no 429, one pioneer, and 90 % of what one proxy gets through', async () => {
    await fc.assert(
      fc.asyncProperty(windowSpecs, seeds, jitters, async (window, seed, jitterMs) => {
        const count = window.limit * 12;
        const lastMs: number[] = [];
        for (const proxies of [1, PROXIES]) {
          const fleet = await fleetOf(window, { proxies, seed, storeMs: 5 }, jitterMs);
          for (let index = 0; index < count; index++) {
            fleet.send(index % proxies, 'GET', '/channels/1/messages');
            fleet.send(index % proxies, 'GET', '/channels/2/messages');
          }
          lastMs.push(await fleet.finish(40 * window.windowMs));
          expect(new Set(fleet.sent.map(fate))).toEqual(new Set([200]));
          expect(fleet.rest.audit.breaches).toEqual([]);
          expectOnePioneer(fleet);
        }
        const [one = 0, three = 0] = lastMs;
        expect(one / three).toBeGreaterThan(0.9);
      }),
      { numRuns: 12 },
    );
  }, 240_000);

  it('keeps the global limit over many buckets, and gets 90 % of it', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, jitters, async (seed, jitterMs) => {
        const window: WindowSpec = { kind: 'fixed', limit: 5, windowMs: 1_000 };
        const lastMs: number[] = [];
        for (const proxies of [1, PROXIES]) {
          const fleet = await fleetOf(window, { proxies, seed }, jitterMs);
          // What has not been heard of since it joined is left its share.
          await fleet.pass(1_500);
          const startMs = fleet.clock.nowMs();
          // Eight windows and a half: one request left over would else cost a whole window.
          for (let index = 0; index < 425; index++) {
            const path = index % 2 === 0 ? '/users/@me' : `/channels/${index % 40}/messages`;
            fleet.send(index % proxies, 'GET', path);
          }
          lastMs.push((await fleet.finish(60_000)) - startMs);
          expect(new Set(fleet.sent.map(fate))).toEqual(new Set([200]));
          expect(fleet.rest.audit.breaches).toEqual([]);
        }
        const [one = 0, three = 0] = lastMs;
        expect(one / three).toBeGreaterThan(0.9);
      }),
      { numRuns: 5 },
    );
  }, 240_000);

  it('each gets its turn, however near to the store the others are', async () => {
    const window: WindowSpec = { kind: 'fixed', limit: 2, windowMs: 2_000 };
    // The last is sixty times as far away as the first.
    const fleet = await fleetOf(window, { proxies: PROXIES, storeMs: 20 });
    for (let index = 0; index < 60; index++)
      fleet.send(index % PROXIES, 'GET', '/channels/1/messages');
    await fleet.pass(20_000);
    const done = [0, 1, 2].map(
      (proxy) => fleet.proxies[proxy]?.sent.filter((one) => fate(one) === 200).length ?? 0,
    );
    // Twenty have gone in all.
    expect(Math.min(...done)).toBeGreaterThanOrEqual(3);
  });
});

describe('proxies that come and go', () => {
  it('P74 P75: killed with requests in the air, they leave nothing behind that others wait for', async () => {
    await fc.assert(
      fc.asyncProperty(windowSpecs, seeds, jitters, async (window, seed, jitterMs) => {
        const draw = createRandom(seed);
        const fleet = await fleetOf(window, { proxies: PROXIES, seed }, jitterMs);
        await fleet.pass(1_500);
        for (let index = 0; index < 12 * window.limit; index++) {
          fleet.send(index % PROXIES, 'GET', `/channels/${1 + (index % 2)}/messages`);
        }
        await fleet.pass(draw() * 2 * window.windowMs);
        fleet.kill(1);
        // Nobody has asked for this one before: its first request dies with the proxy that sent it.
        fleet.send(2, 'GET', '/channels/3/messages');
        await fleet.pass(7);
        fleet.kill(2);
        const late = fleet.send(0, 'GET', '/channels/3/messages');
        await fleet.finish(SHARED_SEEN_MS + 60 * window.windowMs);
        await fleet.pass(SHARED_SEEN_MS);
        const live = fleet.proxies[0]?.sent ?? [];
        expect(new Set(live.map(fate))).toEqual(new Set([200]));
        expect(late.settledMs).toBeGreaterThan(0);
        expect(fleet.rest.audit.breaches).toEqual([]);
        // The limits are whole again for the one that is left.
        expect(fleet.proxies[0]?.limits.standing.share).toBe(1);
        expect(fleet.sent.every((one) => fate(one) !== null)).toBe(true);
      }),
      { numRuns: 15 },
    );
  }, 240_000);

  it('P76: with every word of the store lost, nobody waits much longer than for the next look', async () => {
    const window: WindowSpec = { kind: 'fixed', limit: 5, windowMs: 2_000 };
    const lastMs: number[] = [];
    for (const wordLoss of [0, 1]) {
      const fleet = await fleetOf(window, { proxies: PROXIES, wordLoss });
      for (let index = 0; index < 60; index++) {
        fleet.send(index % PROXIES, 'GET', '/channels/1/messages');
      }
      lastMs.push(await fleet.finish(120_000));
      expect(new Set(fleet.sent.map(fate))).toEqual(new Set([200]));
    }
    const [heard = 0, unheard = 0] = lastMs;
    // Twelve windows, at the opening of each of which one look at most is missed.
    expect(unheard).toBeLessThan(heard + 12 * SHARED_POLL_MS);
  });
});

describe('a store that comes and goes', () => {
  it('P80: dies and forgets, again and again: no 429, every request gets its answer', async () => {
    const specs = windowSpecs.map((spec) => ({ ...spec, limit: spec.limit + PROXIES - 1 }));
    await fc.assert(
      fc.asyncProperty(specs, seeds, fc.boolean(), async (window, seed, loses) => {
        const draw = createRandom(seed);
        const fleet = await fleetOf(window, { proxies: PROXIES, seed });
        const load = (count: number): void => {
          for (let index = 0; index < count; index++) {
            const channel = 1 + Math.floor(draw() * 3);
            fleet.send(Math.floor(draw() * PROXIES), 'GET', `/channels/${channel}/messages`);
          }
        };
        // Whoever has not heard of the others yet takes itself to be the only one.
        await fleet.pass(1_500);
        load(10 * window.limit);
        for (let turn = 0; turn < 3; turn++) {
          await fleet.pass(draw() * 3 * window.windowMs);
          for (const { way } of fleet.proxies) way.cut();
          load(window.limit);
          await fleet.pass(draw() * 3 * window.windowMs);
          if (loses) fleet.host.store.lose();
          for (const { way } of fleet.proxies) {
            way.mend();
            await fleet.pass(draw() * 500);
          }
        }
        await fleet.finish(120 * window.windowMs);
        expect(new Set(fleet.sent.map(fate))).toEqual(new Set([200]));
        expect(fleet.rest.audit.breaches).toEqual([]);
      }),
      { numRuns: 15 },
    );
  }, 240_000);

  it('P80: cannot be reached by one of them for a while: it and the others keep to their shares', async () => {
    const specs = windowSpecs.map((spec) => ({ ...spec, limit: spec.limit + PROXIES - 1 }));
    await fc.assert(
      fc.asyncProperty(specs, seeds, fc.integer({ min: 0, max: 2 }), async (window, seed, who) => {
        const draw = createRandom(seed);
        const fleet = await fleetOf(window, { proxies: PROXIES, seed });
        await fleet.pass(1_500);
        for (let index = 0; index < 30 * window.limit; index++) {
          fleet.send(index % PROXIES, 'GET', `/channels/${1 + (index % 2)}/messages`);
        }
        await fleet.pass(1_000 + draw() * 3 * window.windowMs);
        const cut = fleet.proxies[who];
        cut?.way.cut();
        const before = cut?.upstream.sends.length ?? 0;
        await fleet.pass(30_000);
        // It goes on, on its share.
        expect(cut?.upstream.sends.length).toBeGreaterThan(before);
        cut?.way.mend();
        await fleet.finish(120 * window.windowMs);
        expect(new Set(fleet.sent.map(fate))).toEqual(new Set([200]));
        expect(fleet.rest.audit.breaches).toEqual([]);
      }),
      { numRuns: 15 },
    );
  }, 240_000);
});
