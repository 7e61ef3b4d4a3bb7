import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DOCUMENTED_ROUTES } from '../../protocols/discord/route-table.ts';
import type { BucketSpec } from '../../src/simulator/rest/bucket-table.ts';
import type { WindowKind, WindowSpec } from '../../src/simulator/rest/window-counter.ts';
import { type Got, OTHER_TOKEN, RestBench, TOKEN } from '../support/rest-bench.ts';

const ROUTE = 'GET /channels/:channel/messages';
/** Times are sums of floats; what is off by less than this is not off. */
const TOLERANCE_MS = 1e-3;

const kinds = fc.constantFrom<WindowKind>('fixed', 'leaky', 'sliding');
const windows: fc.Arbitrary<WindowSpec> = fc.record({
  kind: kinds,
  limit: fc.integer({ min: 1, max: 8 }),
  windowMs: fc.integer({ min: 20, max: 5_000 }),
});
/** Pauses between requests, from bursts to waits longer than a window. */
const pauses = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.constant(0) },
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 200 }) },
    { weight: 2, arbitrary: fc.double({ min: 0, max: 50, noNaN: true }) },
    { weight: 1, arbitrary: fc.integer({ min: 200, max: 6_000 }) },
  ),
  { maxLength: 120 },
);

const specOf = (window: WindowSpec): BucketSpec => ({
  name: 'judged',
  window,
  scope: 'user',
  shown: true,
  counter: 'joint',
});

/** A bench whose one bucket has that window, without a global limit in the way. */
function benchOf(window: WindowSpec) {
  const bench = new RestBench({
    buckets: { [ROUTE]: [specOf(window)] },
    global: { kind: 'sliding', limit: 1_000_000, windowMs: 1 },
  });
  const path = `/channels/${bench.channels[0]}/messages`;
  return { bench, ask: (): Got => bench.send('GET', path) };
}

/**
 * How many of `times` the window may have let through; checked for every span between two of them.
 */
function expectWithin(window: WindowSpec, times: readonly number[]): void {
  const { kind, limit, windowMs } = window;
  let opensMs = Number.NEGATIVE_INFINITY;
  let inWindow = 0;
  for (const [last, endMs] of times.entries()) {
    if (kind === 'fixed') {
      if (endMs >= opensMs + windowMs - TOLERANCE_MS) [opensMs, inWindow] = [endMs, 0];
      inWindow++;
      expect(inWindow).toBeLessThanOrEqual(limit);
      continue;
    }
    for (let first = 0; first <= last; first++) {
      const spanMs = endMs - (times[first] ?? 0);
      const refilled = kind === 'leaky' ? (spanMs * limit) / windowMs : 0;
      if (kind === 'sliding' && spanMs >= windowMs - TOLERANCE_MS) continue;
      expect(last - first + 1).toBeLessThanOrEqual(Math.floor(limit + refilled + TOLERANCE_MS));
    }
  }
}

const remaining = (got: Got): number => Number(got.headers['x-ratelimit-remaining']);
const resetAfterMs = (got: Got): number => Number(got.headers['x-ratelimit-reset-after']) * 1_000;

describe('a bucket of the simulated REST API', () => {
  it('never lets more through than its window allows, whatever the schedule', () => {
    fc.assert(
      fc.property(windows, pauses, (window, schedule) => {
        const { bench, ask } = benchOf(window);
        const times: number[] = [];
        for (const pauseMs of schedule) {
          bench.clock.advance(pauseMs);
          if (ask().status === 200) times.push(bench.clock.nowMs());
        }
        expectWithin(window, times);
        const refused = schedule.length - times.length;
        expect(bench.rest.audit.breachCount('user')).toBe(refused);
      }),
      { numRuns: 500 },
    );
  });

  it('shows headers that agree with what it does', () => {
    fc.assert(
      fc.property(windows, pauses, (window, schedule) => {
        const { bench, ask } = benchOf(window);
        let before: number | undefined;
        for (const pauseMs of schedule) {
          bench.clock.advance(pauseMs);
          const got = ask();
          expect(got.headers['x-ratelimit-limit']).toBe(String(window.limit));
          expect(got.headers['x-ratelimit-reset-after']).toMatch(/^\d+\.\d{3}$/);
          expect(resetAfterMs(got)).toBeGreaterThan(0);
          expect(resetAfterMs(got)).toBeLessThanOrEqual(window.windowMs + 1);
          const epochMs = Number(got.headers['x-ratelimit-reset']) * 1_000;
          expect(epochMs).toBeCloseTo(bench.clock.epochMs() + resetAfterMs(got), -1);
          expect(remaining(got)).toBeGreaterThanOrEqual(0);
          expect(remaining(got)).toBeLessThan(window.limit);
          if (got.status === 200 && pauseMs === 0 && before !== undefined) {
            expect(remaining(got)).toBe(before - 1);
          }
          if (got.status === 429) expect(remaining(got)).toBe(0);
          before = remaining(got);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('keeps its word: refused until the wait is over, then let through', () => {
    fc.assert(
      fc.property(windows, pauses, (window, schedule) => {
        const { bench, ask } = benchOf(window);
        for (const pauseMs of schedule) {
          bench.clock.advance(pauseMs);
          const got = ask();
          if (got.status !== 429) continue;
          const waitMs = got.json.retry_after * 1_000;
          expect(waitMs).toBeGreaterThan(0);
          expect(Number(got.headers['retry-after'])).toBe(Math.ceil(got.json.retry_after));
          expect(waitMs).toBeLessThanOrEqual(resetAfterMs(got) + TOLERANCE_MS);
          bench.clock.advance(Math.max(0, waitMs - 1.001));
          expect(ask().status).toBe(429);
          bench.clock.advance(Math.min(waitMs, 1.001) + TOLERANCE_MS);
          expect(ask().status).toBe(200);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('is never exceeded by a client that waits for the reset when nothing remains', () => {
    fc.assert(
      fc.property(windows, pauses, (window, schedule) => {
        const { bench, ask } = benchOf(window);
        for (const pauseMs of schedule) {
          bench.clock.advance(pauseMs);
          const got = ask();
          expect(got.status).toBe(200);
          if (remaining(got) === 0) bench.clock.advance(resetAfterMs(got));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('counts each channel and each token by itself', () => {
    const choices = fc.array(
      fc.tuple(fc.boolean(), fc.boolean(), fc.integer({ min: 0, max: 40 })),
      {
        maxLength: 80,
      },
    );
    fc.assert(
      fc.property(windows, choices, (window, schedule) => {
        const { bench } = benchOf(window);
        const alone = new Map<string, ReturnType<typeof benchOf>>();
        for (const [firstChannel, firstToken, pauseMs] of schedule) {
          bench.clock.advance(pauseMs);
          for (const other of alone.values()) other.bench.clock.advance(pauseMs);
          const key = `${firstChannel} ${firstToken}`;
          const twin = alone.get(key) ?? benchOf(window);
          if (!alone.has(key)) twin.bench.clock.advance(bench.clock.nowMs());
          alone.set(key, twin);
          const channel = bench.channels[firstChannel ? 0 : 1];
          const token = firstToken ? TOKEN : OTHER_TOKEN;
          // Had it the API to itself, it would have got the same answer.
          const got = bench.send('GET', `/channels/${channel}/messages`, { token });
          expect(got.status).toBe(twin.ask().status);
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('the global limit of the simulated REST API', () => {
  it('holds in every span of its window, over all routes, and leaves interactions alone', () => {
    const acts = fc.array(
      fc.tuple(
        fc.constantFrom('user', 'channel', 'read', 'post', 'interaction'),
        fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 60 })),
      ),
      { maxLength: 150 },
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), acts, (limit, schedule) => {
        const window: WindowSpec = { kind: 'sliding', limit, windowMs: 1_000 };
        const bench = new RestBench({ global: window });
        const [channel] = bench.channels;
        const reached: number[] = [];
        for (const [index, [act, pauseMs]] of schedule.entries()) {
          bench.clock.advance(pauseMs);
          if (act === 'interaction') {
            const path = `/interactions/${index}/aW50ZXJhY3Rpb246MQ/callback`;
            expect(bench.send('POST', path, { json: { type: 1 }, token: null }).status).toBe(204);
            continue;
          }
          const got =
            act === 'user'
              ? bench.send('GET', '/users/@me')
              : act === 'channel'
                ? bench.send('GET', `/channels/${channel}`)
                : act === 'read'
                  ? bench.send('GET', `/channels/${channel}/messages`)
                  : bench.post(channel, 'x');
          if (got.headers['x-ratelimit-scope'] === 'global') {
            expect(got.headers).not.toHaveProperty('x-ratelimit-limit');
            expect(got.json.global).toBe(true);
          } else {
            reached.push(bench.clock.nowMs());
          }
        }
        expectWithin(window, reached);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the simulated REST API', () => {
  it('answers whatever it is sent', () => {
    const templates = DOCUMENTED_ROUTES.map((line) => line.slice(line.lastIndexOf(' ') + 1));
    const path = fc
      .tuple(fc.constantFrom(...templates), fc.constantFrom('1', 'x', '175928847299117063', '%zz'))
      .map(([template, value]) => template.replaceAll(/:[a-z_]+/g, value));
    const method = fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'BREW');
    const contentType = fc.constantFrom(
      'application/json',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=b',
      'text/plain',
      '',
    );
    const body = fc.oneof(
      fc.json(),
      fc.constantFrom('{"content":5}', '[null]', '{"embeds":[{"fields":[7]}]}', '--b\r\n--b--'),
      fc.uint8Array({ maxLength: 60 }),
    );
    const target = fc.oneof({ weight: 5, arbitrary: path }, fc.string());
    const bench = new RestBench({ global: { kind: 'sliding', limit: 1e6, windowMs: 1 } });
    fc.assert(
      fc.property(method, target, contentType, body, (anyMethod, anyPath, type, anyBody) => {
        bench.clock.advance(1_000);
        const headers = type === '' ? {} : { 'content-type': type };
        const address = String(bench.clock.nowMs());
        const got = bench.send(anyMethod, anyPath, { body: anyBody, headers, address });
        expect([200, 201, 204, 400, 401, 403, 404, 405, 413, 429, 501]).toContain(got.status);
        if (got.status >= 400 && anyMethod !== 'HEAD') {
          expect(got.json).toMatchObject({ message: expect.any(String), code: expect.any(Number) });
        }
      }),
      { numRuns: 3_000 },
    );
  });
});
