import { MemoryHub } from '../../src/brokers/memory.ts';
import { systemClock } from '../../src/system-clock.ts';
import { brokerContract } from './broker-contract.ts';

const hub = new MemoryHub(systemClock);

brokerContract({
  name: 'memory',
  config: (group) => ({ type: 'memory', group, hub, payload: 'json' }),
});
