/** Configurations for brokers on servers of a test's own, by URL. */
import { type BrokerConfig, redisPlace } from '../../src/brokers/create-broker.ts';
import { parseAmqpUrl, parseRedisUrl } from '../../src/config/broker-urls.ts';

export function redisConfig(url: string, group: string): BrokerConfig {
  const parsed = parseRedisUrl(url);
  if ('problem' in parsed) throw new Error(parsed.problem);
  const place = redisPlace(parsed.value);
  return { type: 'redis', group, place, retentionMs: 3_600_000, payload: 'json' };
}

export function amqpConfig(url: string, group: string): Extract<BrokerConfig, { type: 'amqp' }> {
  const parsed = parseAmqpUrl(url);
  if ('problem' in parsed) throw new Error(parsed.problem);
  const endpoint = parsed.value;
  return { type: 'amqp', group, endpoint, messageTimeoutMs: 120_000, payload: 'json' };
}
