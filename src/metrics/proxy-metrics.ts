/**
 * The proxy's metrics. Paths are route templates, so that their number is bounded and no token
 * shows.
 */
import { Counter, Histogram, type Registry } from 'prom-client';
import type { LimitedBy, ProxyMetrics } from '../../protocols/proxy.ts';
import type { GuardStanding } from '../../supervisors/proxy-guard.ts';
import { gaugesOf } from './standing.ts';

/** Seconds: from an answer of a nearby cache to a wait for a long window. */
const LATENCY_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Shows how the proxy stands each time somebody looks. */
export function showStanding(registry: Registry, standing: () => GuardStanding): void {
  const gauge = gaugesOf(registry, standing);
  gauge(
    'proxy_invalid_requests_in_window',
    'Answers of the last ten minutes that Discord counts towards a ban of the address',
    (now) => now.invalidRequests,
  );
  gauge(
    'proxy_locked_tokens',
    'Tokens that Discord does not know and that are tried only now and then',
    (now) => now.lockedTokens,
  );
  gauge(
    'proxy_dead_webhooks',
    'Webhooks that are remembered to be gone',
    (now) => now.deadWebhooks,
  );
}

export function createProxyMetrics(registry: Registry): ProxyMetrics {
  const registers = [registry];
  const requests = new Counter({
    name: 'proxy_requests_total',
    help: 'Requests that were taken',
    labelNames: ['method', 'path'] as const,
    registers,
  });
  const responses = new Counter({
    name: 'proxy_responses_total',
    help: 'Answers of Discord that were passed on',
    labelNames: ['method', 'path', 'status'] as const,
    registers,
  });
  const unanswered = new Counter({
    name: 'proxy_unanswered_total',
    help: 'Requests that ended without an answer of Discord',
    labelNames: ['method', 'path', 'why'] as const,
    registers,
  });
  const limited = new Counter({
    name: 'proxy_ratelimited_total',
    help: 'Answers by which Discord refused a request for its rate',
    labelNames: ['method', 'path', 'by'] as const,
    registers,
  });
  const invalid = new Counter({
    name: 'proxy_invalid_requests_total',
    help: 'Answers that Discord counts towards a ban of the address: 401, 403, and 429 unless shared',
    labelNames: ['status'] as const,
    registers,
  });
  const refused = new Counter({
    name: 'proxy_refused_total',
    help: 'Requests that the proxy itself refused',
    labelNames: ['method', 'path', 'reason'] as const,
    registers,
  });
  const requestLatency = new Histogram({
    name: 'proxy_request_latency',
    help: 'Seconds from sending a request to the headers of its answer',
    labelNames: ['method', 'path'] as const,
    buckets: LATENCY_BUCKETS,
    registers,
  });
  const ratelimitLatency = new Histogram({
    name: 'proxy_ratelimit_latency',
    help: 'Seconds that an answered request waited for its turn',
    labelNames: ['method', 'path'] as const,
    buckets: LATENCY_BUCKETS,
    registers,
  });
  return {
    requested: (method, path) => requests.inc({ method, path }),
    responded: (method, path, status) => responses.inc({ method, path, status }),
    unanswered: (method, path, why) => unanswered.inc({ method, path, why }),
    limited: (method, path, by: LimitedBy) => limited.inc({ method, path, by }),
    invalid: (status) => invalid.inc({ status }),
    refused: (method, path, reason) => refused.inc({ method, path, reason }),
    requestLatency: (method, path, seconds) => requestLatency.observe({ method, path }, seconds),
    ratelimitLatency: (method, path, seconds) =>
      ratelimitLatency.observe({ method, path }, seconds),
  };
}
