/** What an operator sees of the guard: `/readyz` and the metrics. */
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { createProxyMetrics, showStanding } from '../../src/metrics/proxy-metrics.ts';
import { readinessOf } from '../../src/proxy/readiness.ts';
import { createProxyWorld } from '../support/simulated-upstream.ts';

const ME = 'GET /users/@me';

it('is not ready while everything is held back, and says for how long', () => {
  const stopped = { level: 'stopped', invalidRequests: 9_501, stoppedForMs: 61_200 } as const;
  expect(readinessOf(stopped)).toEqual({
    ready: false,
    detail:
      'nothing is sent for 62 s: Discord refused 9501 requests in ten minutes, and bans at 10000',
  });
  for (const level of ['well', 'warned', 'shedding'] as const) {
    expect(readinessOf({ ...stopped, level })).toMatchObject({ ready: true });
  }
});

it('counts what Discord refused, and shows what is left of it in the window', async () => {
  const registry = new Registry();
  const metrics = createProxyMetrics(registry);
  const stubs = { [ME]: { status: 403, body: {} } };
  const world = createProxyWorld({ buckets: { [ME]: [] }, stubs, metrics });
  showStanding(registry, () => world.tree.standing);
  world.send('GET', '/users/@me');
  await world.pass(50);
  world.send('GET', '/users/@me', { token: 'a-token-that-was-reset' });
  await world.pass(50);
  world.send('GET', '/users/@me', { token: 'a-token-that-was-reset' });
  await world.pass(50);
  const lines = async (): Promise<readonly string[]> =>
    (await registry.metrics()).split('\n').filter((line) => /^proxy_[^l]/.test(line));
  const before = await lines();
  expect(before).toContain('proxy_invalid_requests_total{status="403"} 1');
  expect(before).toContain('proxy_invalid_requests_total{status="401"} 1');
  expect(before).toContain('proxy_invalid_requests_in_window 2');
  expect(before).toContain('proxy_dead_webhooks 0');
  expect(before).toContain(
    'proxy_refused_total{method="GET",path="/users/@me",reason="unauthorized"} 1',
  );
  expect(await registry.metrics()).toContain('proxy_locked_tokens 1');
  await world.pass(606_000);
  expect(await lines()).toContain('proxy_invalid_requests_in_window 0');
  expect(await lines()).toContain('proxy_invalid_requests_total{status="401"} 1');
});
