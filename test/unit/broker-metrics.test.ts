import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { createBrokerCounter } from '../../src/metrics/broker-metrics.ts';

it('counts what happened to messages, by kind and event', async () => {
  const registry = new Registry();
  const count = createBrokerCounter(registry);
  count('dead-lettered', 'MESSAGE_CREATE', 2);
  count('dead-lettered', 'MESSAGE_CREATE', 1);
  count('requeued', 'SEND', 1);
  const text = await registry.metrics();
  expect(text).toContain('broker_incidents_total{what="dead-lettered",event="MESSAGE_CREATE"} 3');
  expect(text).toContain('broker_incidents_total{what="requeued",event="SEND"} 1');
});
