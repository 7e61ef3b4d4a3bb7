/** What the gateway counts of frames, by their names and opcodes. */
import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { UNKNOWN_EVENTS_MAX } from '../../protocols/limits.ts';
import { GatewayMetrics } from '../../src/metrics/gateway-metrics.ts';

const KNOWN = 3;

describe('the counts of frames', () => {
  it('are those of every event, of names that came to be known later as well', async () => {
    const registry = new Registry();
    const metrics = new GatewayMetrics(registry, 2, KNOWN, (index) => `E${index}`);
    metrics.addShard(0);
    metrics.addShard(1);
    const last = KNOWN + UNKNOWN_EVENTS_MAX;
    const counted = [0, 1, KNOWN, KNOWN + 1, last, 1, last];
    for (const index of counted) metrics.dispatch(1, { index });
    metrics.dispatch(0, { index: KNOWN });
    metrics.dispatch(2, { index: 0 });
    metrics.control(1, 11);
    expect(metrics.events).toBe(counted.length + 1);
    const { values } = (await registry.getSingleMetric('gateway_packets_received')?.get()) ?? {};
    const seen = values?.map(({ labels: { shard, t }, value }) => [shard, t, value]);
    expect(seen).toEqual([
      [0, `E${KNOWN}`, 1],
      [1, 'E0', 1],
      [1, 'E1', 2],
      [1, `E${KNOWN}`, 1],
      [1, `E${KNOWN + 1}`, 1],
      [1, `E${last}`, 2],
      [1, '', 1],
    ]);
  });
});

describe('the session starts', () => {
  it('are shown as they stand', async () => {
    const registry = new Registry();
    const metrics = new GatewayMetrics(registry, 1, KNOWN, String);
    const starts = { total: 9, remaining: 7, resetInMs: 1, begun: true, maxConcurrency: 1 };
    const shown = async (): Promise<readonly unknown[]> => {
      const names = ['remaining', 'waiting'].map((name) => `gateway_identifies_${name}`);
      const flags = ['floor_reached', 'ledger_up'].map((name) => `gateway_identify_${name}`);
      const found = [...names, ...flags].map(async (name) => {
        const metric = await registry.getSingleMetric(name)?.get();
        return metric?.values[0]?.value;
      });
      return Promise.all(found);
    };
    metrics.identifies({ starts, waiting: 3, atFloor: false, ledgerIsAway: false, owed: 0 });
    expect(await shown()).toEqual([7, 3, 0, 1]);
    metrics.identifies({ starts, waiting: 4, atFloor: true, ledgerIsAway: true, owed: 0 });
    expect(await shown()).toEqual([7, 4, 1, 0]);
  });
});
