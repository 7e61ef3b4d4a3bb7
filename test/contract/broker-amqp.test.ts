import { amqpConfig } from '../support/broker-peers.ts';
import { amqpUrl } from '../support/shared-servers.ts';
import { brokerContract } from './broker-contract.ts';

brokerContract({
  name: 'AMQP',
  config: (group) => amqpConfig(amqpUrl(), group),
  subgroupConfig: (group, subgroup) => ({ ...amqpConfig(amqpUrl(), group), subgroup }),
});

brokerContract({
  name: 'AMQP with quorum queues',
  config: (group) => ({ ...amqpConfig(amqpUrl(), group), queueType: 'quorum' }),
});
