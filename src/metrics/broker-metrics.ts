/** What a broker's driver counts beside the way of an event that went well. */
import { Counter, type Registry } from 'prom-client';

/**
 * `what` is from a driver's closed list; events are those that this process publishes or consumes.
 */
export type BrokerCounter = (what: string, event: string, count: number) => void;

const NAME = 'broker_incidents_total';

/** The brokers of one registry share its counter. */
export function createBrokerCounter(registry: Registry): BrokerCounter {
  const counter = knownCounter(registry) ?? newCounter(registry);
  return (what, event, count) => counter.inc({ what, event }, count);
}

function knownCounter(registry: Registry): Counter | undefined {
  const known = registry.getSingleMetric(NAME);
  return known instanceof Counter ? known : undefined;
}

function newCounter(registry: Registry): Counter {
  return new Counter({
    name: NAME,
    help: 'Messages that were claimed, requeued, rejected, expired or dead-lettered, and what else went wrong',
    labelNames: ['what', 'event'] as const,
    registers: [registry],
  });
}
