/**
 * Windows that are hardly longer than the way to Discord: no 429, and little lost besides the ways.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RESET_MARGIN_MS } from '../../protocols/limits.ts';
import type { WindowSpec } from '../../src/simulator/rest/window-counter.ts';
import { createProxyWorld } from '../support/simulated-upstream.ts';

const GET = 'GET /channels/:channel/messages';
const PATH = '/channels/1/messages';
const stubs = { [GET]: { status: 200, body: {} } };
/** No other limit is in the way. */
const globalLimit = 10_000;
const global: WindowSpec = { kind: 'sliding', limit: globalLimit, windowMs: 1_000 };
const WARM_UP_WINDOWS = 10;
const WINDOWS = 120;

type Ways = { readonly minMs: number; readonly maxMs: number };

const windowSpecs = fc.record<WindowSpec>({
  kind: fc.constantFrom('fixed', 'leaky', 'sliding'),
  limit: fc.integer({ min: 1, max: 8 }),
  windowMs: fc.integer({ min: 250, max: 1_500 }),
});
const networks = fc
  .record({ minMs: fc.integer({ min: 1, max: 50 }), jitterMs: fc.integer({ min: 0, max: 110 }) })
  .map(({ minMs, jitterMs }): Ways => ({ minMs, maxMs: minMs + jitterMs }));
const seeds = fc.integer({ min: 1, max: 2 ** 31 });

/** What a busy route gets of its counter, and how often it is refused, once all is known. */
async function play(
  window: WindowSpec,
  ways: Ways,
  seed: number,
): Promise<{ readonly share: number; readonly refused: number }> {
  const bucket = { name: 'b', window, scope: 'user', shown: true, counter: 'split' } as const;
  const network = { ...ways, answerLoss: 0 };
  const buckets = { [GET]: [bucket] };
  const world = createProxyWorld({ buckets, stubs, seed, network, globalLimit, global });
  const { limit, windowMs } = window;
  const busyFor = async (windows: number): Promise<void> => {
    for (let index = 0; index < windows; index++) {
      while (world.tree.requests < 3 * limit) world.send('GET', PATH);
      await world.pass(windowMs);
    }
  };
  await busyFor(WARM_UP_WINDOWS);
  const { audit } = world.rest;
  const [before, breaches] = [audit.answers(200), audit.breaches.length];
  await busyFor(WINDOWS);
  const share = (audit.answers(200) - before) / (limit * WINDOWS);
  return { share, refused: audit.breaches.length - breaches };
}

/** A request occupies its room for the way there, the window, the way back and the margin. */
function leastShare({ windowMs }: WindowSpec, { maxMs }: Ways): number {
  return windowMs / (windowMs + 2 * maxMs + RESET_MARGIN_MS);
}

describe('a busy route with a short window', () => {
  it('meets no 429, and loses no more of each window than the ways and the margin', async () => {
    await fc.assert(
      fc.asyncProperty(windowSpecs, networks, seeds, async (window, ways, seed) => {
        const { share, refused } = await play(window, ways, seed);
        expect(refused).toBe(0);
        expect(share).toBeGreaterThan(0.97 * leastShare(window, ways));
      }),
      { numRuns: 30 },
    );
  }, 240_000);

  it.each([
    // Reactions are one in a quarter of a second.
    { limit: 1, windowMs: 250, minMs: 1, maxMs: 5, least: 0.8 },
    { limit: 1, windowMs: 250, minMs: 10, maxMs: 120, least: 0.55 },
    { limit: 5, windowMs: 500, minMs: 10, maxMs: 120, least: 0.66 },
    { limit: 5, windowMs: 1_000, minMs: 10, maxMs: 120, least: 0.8 },
    { limit: 1, windowMs: 1_000, minMs: 10, maxMs: 40, least: 0.89 },
  ])(
    '$limit per $windowMs ms at $minMs to $maxMs ms each way: at least $least of what the counter allows',
    async ({ limit, windowMs, minMs, maxMs, least }) => {
      for (const kind of ['fixed', 'leaky', 'sliding'] as const) {
        const { share, refused } = await play({ kind, limit, windowMs }, { minMs, maxMs }, 7);
        expect(refused).toBe(0);
        expect.soft(share, kind).toBeGreaterThan(least);
      }
    },
  );
});
