/**
 * What Discord bans an address for, counted over all proxies behind it; the simulated API, which
 * sees them as one, is the judge.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { pruned, readFleetCount, writeFleetCount } from '../../actors/guard/fleet-count.ts';
import {
  INVALID_REQUEST_SLOT_MS,
  INVALID_REQUEST_WINDOW_MS,
  INVALID_REQUESTS_SHED,
  INVALID_REQUESTS_STOP,
  SHARED_POLL_MS,
  SHARED_SEEN_MS,
} from '../../protocols/limits.ts';
import { type FleetOptions, type ProxyFleet, startFleet } from '../support/proxy-fleet.ts';

const ADDRESS = '192.0.2.1';
const HOOK = 'POST /webhooks/:webhook/:token';
const FORBIDDEN = { status: 403, body: {} };
/** Of webhooks nothing else is limited. */
const WORLD = {
  buckets: { [HOOK]: [] },
  stubs: { [HOOK]: FORBIDDEN },
  global: { kind: 'sliding', limit: 100_000, windowMs: 1_000 } as const,
  globalLimit: 3_000,
};

const fleetOf = (options: FleetOptions): Promise<ProxyFleet> =>
  startFleet({ ...WORLD, address: ADDRESS, ...options });

/** So many bad answers, or refusals, through each of the proxies. */
async function spend(fleet: ProxyFleet, ...counts: readonly number[]): Promise<void> {
  for (const [index, count] of counts.entries()) {
    for (let sent = 0; sent < count; sent++) {
      fleet.send(index, 'POST', `/webhooks/${sent}/${'t'.repeat(68)}`, { token: null });
    }
  }
  await fleet.finish(60_000);
}

const known = ({ proxies }: ProxyFleet): number[] =>
  proxies.filter(({ deadMs }) => deadMs === null).map(({ tree }) => tree.standing.invalidRequests);

describe('the budget of invalid requests of several proxies', () => {
  it('P64: over all instances: one hears what the others spend, and all stop before the ban', async () => {
    const fleet = await fleetOf({ proxies: 3 });
    await spend(fleet, 100);
    await fleet.pass(2 * SHARED_POLL_MS);
    expect(known(fleet)).toEqual([100, 100, 100]);
    for (let round = 0; round < 40; round++) await spend(fleet, 100, 100, 100);
    const spent = fleet.rest.invalidRequests(ADDRESS);
    expect(spent).toBeGreaterThanOrEqual(INVALID_REQUESTS_STOP);
    expect(fleet.rest.audit.breachCount('banned')).toBe(0);
    await fleet.pass(2 * SHARED_POLL_MS);
    expect(known(fleet)).toEqual([spent, spent, spent]);
    expect(fleet.proxies.map(({ tree }) => tree.standing.level)).toEqual(Array(3).fill('stopped'));
    // None of them knows of an answer that has left the window.
    await fleet.pass(INVALID_REQUEST_WINDOW_MS + 4 * INVALID_REQUEST_SLOT_MS);
    expect(known(fleet)).toEqual([0, 0, 0]);
  }, 60_000);

  it('is not forgotten with a proxy that dies, nor by a store that loses its memory', async () => {
    const fleet = await fleetOf({ proxies: 2 });
    await spend(fleet, 200, 50);
    await fleet.pass(2 * SHARED_POLL_MS);
    fleet.kill(0);
    await fleet.until(fleet.join());
    await fleet.pass(2 * SHARED_POLL_MS);
    expect(known(fleet)).toEqual([250, 250]);
    fleet.host.store.lose();
    await spend(fleet, 0, 0, 10);
    await fleet.pass(3 * SHARED_POLL_MS);
    expect(known(fleet)).toEqual([260, 260]);
    await fleet.until(fleet.join());
    await fleet.pass(2 * SHARED_POLL_MS);
    expect(known(fleet)).toEqual([260, 260, 260]);
  });

  it('is told again by each to a store that has gone back to less than it knew', async () => {
    const fleet = await fleetOf({ proxies: 2 });
    await spend(fleet, 100);
    await fleet.pass(2 * SHARED_POLL_MS);
    const [first, second] = fleet.proxies;
    second?.way.cut();
    await spend(fleet, 50);
    await fleet.pass(2 * SHARED_POLL_MS);
    first?.way.cut();
    fleet.host.store.lose();
    // What it knows of the first one is old.
    second?.way.mend();
    await fleet.pass(10_000);
    await spend(fleet, 0, 1);
    await fleet.pass(10_000);
    first?.way.mend();
    await fleet.pass(20_000);
    expect(known(fleet)).toEqual([151, 151]);
  });

  it('is as old as it is, however the clock of the store is set', async () => {
    for (const setAheadMs of [INVALID_REQUEST_WINDOW_MS / 2, -3_600_000]) {
      const fleet = await fleetOf({ proxies: 2 });
      await spend(fleet, 100);
      await fleet.pass(2 * SHARED_POLL_MS);
      fleet.host.setAheadMs = setAheadMs;
      await fleet.pass(INVALID_REQUEST_WINDOW_MS - 4 * INVALID_REQUEST_SLOT_MS);
      expect(known(fleet)).toEqual([100, 100]);
      await fleet.pass(8 * INVALID_REQUEST_SLOT_MS);
      expect(known(fleet)).toEqual([0, 0]);
    }
  });

  it.each([-3_600_000, INVALID_REQUEST_WINDOW_MS / 2])(
    'of one that has died leaves the window in its time though the store’s clock is set by %i ms',
    async (byMs) => {
      const fleet = await fleetOf({ proxies: 2 });
      await spend(fleet, 100);
      await fleet.pass(2 * SHARED_POLL_MS);
      fleet.kill(0);
      fleet.host.setAheadMs = byMs;
      await fleet.pass(2 * SHARED_POLL_MS);
      await fleet.until(fleet.join());
      // Until then it may be one that cannot reach the store.
      await fleet.pass(SHARED_SEEN_MS);
      expect(known(fleet)).toEqual([100, 100]);
      await fleet.pass(INVALID_REQUEST_WINDOW_MS - 2 * SHARED_SEEN_MS);
      expect(known(fleet)).toEqual([100, 100]);
      await fleet.pass(INVALID_REQUEST_WINDOW_MS + 4 * INVALID_REQUEST_SLOT_MS);
      expect(known(fleet)).toEqual([0, 0]);
    },
  );

  it('leaves nothing in the store when all of it has left the window', async () => {
    const fleet = await fleetOf({ proxies: 2 });
    await spend(fleet, 100, 50);
    const texts = (): readonly unknown[] =>
      [...fleet.host.store.texts].filter(([place]) => place.includes('invalid'));
    await fleet.pass(2 * SHARED_POLL_MS);
    expect(texts().length).toBe(1);
    await fleet.pass(3 * INVALID_REQUEST_WINDOW_MS);
    expect(texts()).toEqual([]);
  });

  it('is shared out while the store is away, and told when it is back', async () => {
    const fleet = await fleetOf({ proxies: 2 });
    for (let round = 0; round < 10; round++) await spend(fleet, 100);
    await fleet.pass(2 * SHARED_POLL_MS);
    fleet.host.cut('refusing');
    await spend(fleet, 0, 300);
    // Of each that the other cannot hear of it is taken to have one as well.
    expect(known(fleet)).toEqual([1_000, 1_600]);
    for (let round = 0; round < 60; round++) await spend(fleet, 100, 100);
    const spent = fleet.rest.invalidRequests(ADDRESS);
    expect(spent).toBeGreaterThanOrEqual(INVALID_REQUESTS_SHED);
    expect(fleet.rest.audit.breachCount('banned')).toBe(0);
    fleet.host.mend();
    await fleet.pass(20_000);
    expect(known(fleet)).toEqual([spent, spent]);
  }, 60_000);

  it('never counts less than there was, whoever forgets, is away or set', async () => {
    const steps = fc.oneof(
      fc.record({
        kind: fc.constant('spend'),
        proxy: fc.nat(2),
        count: fc.integer({ min: 1, max: 40 }),
      }),
      fc.record({
        kind: fc.constantFrom('cut', 'mend', 'lose', 'set', 'step'),
        proxy: fc.nat(2),
        count: fc.nat(90),
      }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { maxLength: 25 }), fc.nat(), async (plan, seed) => {
        const fleet = await fleetOf({ proxies: 3, seed });
        for (const { kind, proxy, count } of plan) {
          if (kind === 'spend') await spend(fleet, ...Array(proxy).fill(0), count);
          else if (kind === 'cut') fleet.proxies[proxy]?.way.cut();
          else if (kind === 'mend') fleet.proxies[proxy]?.way.mend();
          else if (kind === 'lose') fleet.host.store.lose();
          else if (kind === 'set') fleet.host.setAheadMs += (count - 45) * 10_000;
          await fleet.pass(count * 1_000);
        }
        for (const { way } of fleet.proxies) way.mend();
        await fleet.pass(20_000);
        const spent = fleet.rest.invalidRequests(ADDRESS);
        for (const count of known(fleet)) expect(count).toBeGreaterThanOrEqual(spent);
        await fleet.pass(INVALID_REQUEST_WINDOW_MS + 4 * INVALID_REQUEST_SLOT_MS);
        expect(known(fleet)).toEqual([0, 0, 0]);
      }),
      { numRuns: 25 },
    );
  }, 120_000);

  it('is each one’s own where the addresses differ', async () => {
    const fleet = await startFleet({ ...WORLD, proxies: 2 });
    await spend(fleet, 100);
    await fleet.pass(2 * SHARED_POLL_MS);
    expect(known(fleet)).toEqual([100, 0]);
  });
});

describe('what is written of it', () => {
  const slots = fc.array(
    fc.record({ fromMs: fc.integer({ min: 0 }), count: fc.integer({ min: 1 }) }),
  );
  const fleets = fc.array(fc.tuple(fc.string(), slots)).map((entries) => new Map(entries));

  it('is read as it was written', () => {
    fc.assert(
      fc.property(fleets, (fleet) => {
        expect(readFleetCount(writeFleetCount(fleet))).toEqual(fleet);
      }),
    );
  });

  it('is dropped, whoever wrote it, when it has left the window', () => {
    const shape = { windowMs: 100, slotMs: 10 };
    const slots = [
      { fromMs: 0, count: 1 },
      { fromMs: 10, count: 2 },
    ];
    const fleet = new Map([
      ['old', slots.slice(0, 1)],
      ['both', slots],
    ]);
    expect(pruned(fleet, shape, 109)).toEqual(fleet);
    expect(pruned(fleet, shape, 110)).toEqual(new Map([['both', slots.slice(1)]]));
    expect(pruned(fleet, shape, 120).size).toBe(0);
  });

  it('says nothing where it is something else', () => {
    for (const text of [null, '', '{', '[]', '{"a":1}', '{"a":[[1]]}', '{"a":[["1",2]]}']) {
      expect(readFleetCount(text)).toEqual(new Map());
    }
  });
});
