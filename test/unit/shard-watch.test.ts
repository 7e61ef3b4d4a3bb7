import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import type { BrokerState } from '../../protocols/broker.ts';
import { decodeBody } from '../../protocols/wire/body.ts';
import { ShardWatch } from '../../src/gateway/shard-watch.ts';
import { GatewayMetrics } from '../../src/metrics/gateway-metrics.ts';
import { RecordingLog } from '../support/recording-log.ts';

type Published = { readonly event: string; readonly data: unknown };

function createBench(publish: (event: string, body: Uint8Array) => Promise<void>) {
  const registry = new Registry();
  const metrics = new GatewayMetrics(registry, 2, 1, () => 'READY');
  for (const shard of [0, 1]) metrics.addShard(shard);
  const log = new RecordingLog();
  const broker: { publish: typeof publish; state: BrokerState } = { publish, state: 'open' };
  const watch = new ShardWatch([0, 1], metrics, broker, log);
  const metric = async (name: string): Promise<readonly unknown[]> =>
    (await registry.getSingleMetric(name)?.get())?.values.map(({ labels, value }) => [
      labels,
      value,
    ]) ?? [];
  return { watch, log, metric, broker };
}

const LOST = {
  kind: 'session-lost',
  end: { kind: 'closed', code: 4009, detail: '' },
  sessionId: 'gone',
  sequence: 41,
} as const;

describe('the watch over the shards', () => {
  it('GP-80: tells consumers where a session ended that could not be kept, and counts it', async () => {
    const published: Published[] = [];
    const { watch, metric } = createBench(async (event, body) => {
      published.push({ event, data: decodeBody(body) });
    });
    watch.see(1, LOST);
    expect(published).toEqual([
      {
        event: 'SPECTACLES_GAP',
        data: {
          shard: 1,
          session: 'gone',
          sequence: 41,
          reason: 'closed with 4009 (SessionTimedOut)',
        },
      },
    ]);
    expect(await metric('gateway_sessions_lost_total')).toEqual([[{ id: 1 }, 1]]);
  });

  it('says in the log when that notice cannot be published', async () => {
    const { watch, log } = createBench(() => Promise.reject(new Error('away')));
    watch.see(0, LOST);
    await new Promise((resolve) => setImmediate(resolve));
    expect(log.at('error').map(({ message }) => message)).toEqual([
      'the notice of the lost session could not be published',
    ]);
  });

  it('GP-23: is ready while every shard is, and turns back when one is not', async () => {
    const { watch, metric } = createBench(async () => {});
    expect(watch.readiness()).toEqual({
      ready: false,
      detail: '2 of 2 shards are not ready: 0, 1',
    });
    watch.see(0, { kind: 'ready', sessionId: 'a' });
    watch.see(1, { kind: 'resumed' });
    expect(watch.readiness().ready).toBe(true);
    watch.see(1, { kind: 'down', end: { kind: 'zombie' }, nextInMs: 10 });
    expect(watch.readiness()).toEqual({ ready: false, detail: '1 of 2 shards are not ready: 1' });
    expect(await metric('gateway_shards_alive')).toEqual([
      [{ id: 0 }, 1],
      [{ id: 1 }, 0],
    ]);
  });

  it('is not ready while the broker is away, and says so', () => {
    const { watch, broker } = createBench(async () => {});
    watch.see(0, { kind: 'ready', sessionId: 'a' });
    watch.see(1, { kind: 'ready', sessionId: 'b' });
    broker.state = 'away';
    expect(watch.readiness()).toEqual({
      ready: false,
      detail: 'the broker is away; all 2 shards are ready',
    });
    broker.state = 'open';
    expect(watch.readiness()).toEqual({ ready: true, detail: 'all 2 shards are ready' });
  });

  it('names shards that a newer process has taken, and gives up when none is left', async () => {
    const { watch, metric } = createBench(async () => {});
    const failed = watch.failed.then(
      () => undefined,
      (error: Error) => error.message,
    );
    watch.see(0, { kind: 'ready', sessionId: 'a' });
    watch.see(1, { kind: 'ready', sessionId: 'b' });
    watch.see(1, { kind: 'fenced', owner: 'host/7/abc' });
    expect(watch.readiness()).toEqual({
      ready: false,
      detail: '1 of 2 shards are not ready: 1; taken by a newer process: 1',
    });
    expect(await metric('gateway_shards_alive')).toEqual([
      [{ id: 0 }, 1],
      [{ id: 1 }, 0],
    ]);
    expect(await metric('gateway_shards_fenced')).toEqual([
      [{ id: 0 }, 0],
      [{ id: 1 }, 1],
    ]);
    watch.see(0, { kind: 'fenced', owner: 'host/7/abc' });
    expect(await failed).toMatch(/started later \(host\/7\/abc\).* stop one of the two/);
  });

  it('GP-20: gives up when no shard is left that could run, with the remedy', async () => {
    const { watch } = createBench(async () => {});
    const failed = watch.failed.then(
      () => undefined,
      (error: Error) => error.message,
    );
    watch.see(0, { kind: 'failed', code: 4014, detail: '' });
    watch.see(1, { kind: 'failed', code: 4014, detail: '' });
    expect(await failed).toContain('4014 (DisallowedIntents): enable the privileged intents');
  });
});
