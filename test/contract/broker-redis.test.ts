import { redisConfig } from '../support/broker-peers.ts';
import { redisUrl } from '../support/shared-servers.ts';
import { brokerContract } from './broker-contract.ts';

brokerContract({ name: 'Redis', config: (group) => redisConfig(redisUrl(), group) });
