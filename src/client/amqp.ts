/** `new Amqp(group, subgroup?)`: the library's broker over AMQP, for RabbitMQ. */
import { ConfigurationError } from '../../protocols/errors.ts';
import { AMQP_PREFETCH_MAX } from '../../protocols/limits.ts';
import type { AmqpQueueType } from '../brokers/amqp-consumers.ts';
import type { BrokerConfig } from '../brokers/create-broker.ts';
import { parseAmqpUrl } from '../config/broker-urls.ts';
import { BrokerClient, type Running } from './broker-client.ts';
import type { AudienceOptions, BrokerClientOptions } from './broker-types.ts';

const DEFAULT_GROUP = 'default';

export type AmqpOptions = BrokerClientOptions &
  AudienceOptions & {
    /** Messages of one subscription that listeners may have and not have acked. */
    readonly prefetch?: number;
    /**
     * `quorum` for queues that live on several nodes and count deliveries; each then has a queue of
     * dead letters, `group:event.dead`. All clients of the group must say the same.
     */
    readonly queueType?: AmqpQueueType;
    /**
     * Whether what is published lives through a restart of the broker; it does unless told not to.
     */
    readonly persistent?: boolean;
  };

function refuseBadPrefetch(prefetch: number | undefined): void {
  if (prefetch === undefined) return;
  if (Number.isInteger(prefetch) && prefetch > 0 && prefetch <= AMQP_PREFETCH_MAX) return;
  throw new ConfigurationError(
    `prefetch is ${prefetch}; it must be a whole number from 1 to ${AMQP_PREFETCH_MAX}`,
  );
}

export class Amqp extends BrokerClient {
  readonly group: string;
  readonly subgroup: string | undefined;
  readonly #options: AmqpOptions;
  #url = 'amqp://localhost';

  constructor(group?: string, options?: AmqpOptions);
  constructor(group?: string, subgroup?: string, options?: AmqpOptions);
  constructor(group = DEFAULT_GROUP, subgroup?: string | AmqpOptions, options?: AmqpOptions) {
    const given = (typeof subgroup === 'object' ? subgroup : options) ?? {};
    super(given);
    this.#options = given;
    this.group = group;
    this.subgroup = typeof subgroup === 'string' ? subgroup : undefined;
  }

  /** Connects to `amqp://host`, `amqps://host`, or the host alone. */
  async connect(url: string): Promise<void> {
    this.#url = /^amqps?:\/\//.test(url) ? url : `amqp://${url}`;
    await this.start();
  }

  protected override async open(signal: AbortSignal): Promise<Running> {
    const parsed = parseAmqpUrl(this.#url);
    if ('problem' in parsed) {
      throw new ConfigurationError(`the URL given to connect cannot be used: ${parsed.problem}`);
    }
    const { prefetch, queueType, persistent } = this.#options;
    refuseBadPrefetch(prefetch);
    const config: BrokerConfig = {
      type: 'amqp',
      group: this.group,
      endpoint: parsed.value,
      messageTimeoutMs: 0,
      payload: 'map',
      audience: this.audience,
      ...(this.subgroup !== undefined && { subgroup: this.subgroup }),
      ...(prefetch !== undefined && { prefetch }),
      ...(queueType !== undefined && { queueType }),
      ...(persistent !== undefined && { persistent }),
    };
    return this.openOwn(config, signal);
  }
}
