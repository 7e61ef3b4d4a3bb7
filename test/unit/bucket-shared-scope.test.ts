/**
 * Limits that Discord calls shared: one counter for several routes, which other bots use up as
 * well.
 */
import { describe, expect, it } from 'vitest';
import type { BucketSpec } from '../../src/simulator/rest/bucket-table.ts';
import { header } from '../../src/simulator/rest/http.ts';
import {
  createProxyWorld,
  fate,
  type ProxyWorld,
  type Send,
} from '../support/simulated-upstream.ts';

const CREATE = 'POST /guilds/:guild/emojis';
const RENAME = 'PATCH /guilds/:guild/emojis/:emoji';
const OK = { status: 200, body: {} };
const LIMIT = 4;
const WINDOW_MS = 5_000;

function createWorld(scope: BucketSpec['scope'], shown: boolean): ProxyWorld {
  const emojis: BucketSpec = {
    name: 'guild-emojis',
    window: { kind: 'fixed', limit: LIMIT, windowMs: WINDOW_MS },
    scope,
    shown,
    counter: 'joint',
  };
  return createProxyWorld({
    buckets: { [CREATE]: [emojis], [RENAME]: [emojis] },
    stubs: { [CREATE]: OK, [RENAME]: OK },
  });
}

const WINDOWS = 20;

/** Ten requests of each route at once, until all of them are done. */
async function playedWorld(scope: BucketSpec['scope'], shown: boolean): Promise<ProxyWorld> {
  const world = createWorld(scope, shown);
  for (let index = 0; index < 10; index++) {
    world.send('POST', '/guilds/1/emojis');
    world.send('PATCH', '/guilds/1/emojis/7');
  }
  await world.pass(WINDOWS * WINDOW_MS);
  return world;
}

const refused = ({ upstream }: ProxyWorld): readonly Send[] =>
  upstream.sends.filter(({ status }) => status === 429);

/** How many 429s there were in each window, from the first on. */
function refusedByWindow(world: ProxyWorld): readonly number[] {
  const counts = new Map<number, number>();
  for (const { atMs } of refused(world)) {
    const window = Math.floor(atMs / WINDOW_MS);
    counts.set(window, (counts.get(window) ?? 0) + 1);
  }
  return [...counts.values()];
}

describe('one shared counter of two routes', () => {
  it.each([true, false])('each waits for its own 429 and no other (shown: %s)', async (shown) => {
    const world = await playedWorld('shared', shown);
    expect(new Set(world.sent.map(fate))).toEqual(new Set([200]));
    for (const { method, endedMs, response } of refused(world)) {
      const waitMs = 1_000 * Number(response && header(response.headers, 'retry-after'));
      const landedMs = endedMs ?? 0;
      // The header is in whole seconds; the window is over when it says so, rounded up.
      const early = world.upstream.sends.filter(
        (send) =>
          send.method === method && send.atMs > landedMs && send.atMs < landedMs + waitMs - 1_000,
      );
      expect(early).toEqual([]);
    }
    // Such refusals count towards no ban.
    expect(world.tree.standing.invalidRequests).toBe(0);
    expect(world.rest.invalidRequests(world.address)).toBe(0);
  });

  it('is not taken to be one, since others may have used it up: each window refuses what both send', async () => {
    const world = await playedWorld('shared', true);
    for (const count of refusedByWindow(world)) expect(count).toBeLessThanOrEqual(LIMIT);
    // Where nobody else counts there, two windows tell, and nothing is refused from then on.
    const own = refusedByWindow(await playedWorld('user', true));
    expect(own.length).toBe(2);
    expect(refusedByWindow(world).length).toBeGreaterThan(own.length);
  });

  it('that is not shown is felt for by one request of each route at a time', async () => {
    const world = await playedWorld('shared', false);
    const [, ...later] = refusedByWindow(world);
    expect(later.length).toBeGreaterThan(1);
    for (const count of later) expect(count).toBeLessThanOrEqual(2);
  });
});
