/**
 * The store of shared limits that is a Redis, or a cluster: connections, and nothing that is
 * decided.
 */
import type { Clock } from '../../../protocols/ports.ts';
import type { RedisPlace } from '../../brokers/redis-connection.ts';
import { RedisTopologies } from '../../brokers/redis-topologies.ts';
import type { LimitsStore } from './limits-store.ts';

export function redisStore(place: RedisPlace, clock: Clock): LimitsStore {
  const topologies = new RedisTopologies(place, clock, { carriesEvents: false });
  return {
    label: place.label,
    async open(signal, lost) {
      const topology = await topologies.open(signal, lost);
      return {
        run: (script, keys, values) => topology.nodeOf(keys[0] ?? '').run(script, keys, values),
        async listen(channel, heard) {
          const listener = await topology.connect(topology.any, 'replies');
          listener.on('message', (_channel: string, word: string) => heard(word));
          await listener.subscribe(channel);
        },
        close: () => topology.destroy(),
      };
    },
  };
}
