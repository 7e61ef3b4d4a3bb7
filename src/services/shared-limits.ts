/** From a configuration to the limits that a proxy shares with others. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { Registry } from 'prom-client';
import type { Clock, Log } from '../../protocols/ports.ts';
import { redisPlace } from '../brokers/create-broker.ts';
import type { ProxyConfig } from '../config/proxy-config.ts';
import { SharedLimitsMetrics } from '../metrics/shared-limits-metrics.ts';
import { RedisLimits } from '../proxy/limits/redis-limits.ts';
import { redisStore } from '../proxy/limits/redis-store.ts';
import { processRandom } from '../random.ts';

const UNIQUE_BYTES = 6;

type Settings = Pick<ProxyConfig, 'ratelimiter' | 'redis'>;
type Host = {
  readonly clock: Clock;
  readonly log: Log;
  readonly registry: Registry;
  /** Gives the start up. */
  readonly signal: AbortSignal;
};

/**
 * Undefined where the limits are the proxy's own. Rejects with what a person has to heal, or when
 * told to.
 */
export async function openSharedLimits(
  { ratelimiter, redis }: Settings,
  { clock, log, registry, signal }: Host,
): Promise<RedisLimits | undefined> {
  if (ratelimiter.type === 'local') return undefined;
  const metrics = new SharedLimitsMetrics(registry);
  const limits = new RedisLimits({
    store: redisStore(redisPlace(redis.endpoint), clock),
    prefix: ratelimiter.prefix,
    proxiesMin: ratelimiter.proxies,
    address: ratelimiter.address,
    // A person finds the process by it.
    proxy: `${hostname()}/${process.pid}/${randomBytes(UNIQUE_BYTES).toString('hex')}`,
    clock,
    random: processRandom(),
    log,
    counted: (result) => metrics.counted(result),
    wentAway: () => metrics.wentAway(),
  });
  metrics.show(() => limits.standing);
  await limits.start(signal);
  return limits;
}
