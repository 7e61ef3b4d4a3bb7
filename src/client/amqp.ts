/** `new Amqp(group, subgroup?)`: the library's broker over AMQP, for RabbitMQ. */
import { ConfigurationError } from '../../protocols/errors.ts';
import { parseAmqpUrl } from '../config/broker-urls.ts';
import { BrokerClient, type BrokerClientOptions, type Running } from './broker-client.ts';

const DEFAULT_GROUP = 'default';

export class Amqp extends BrokerClient {
  readonly group: string;
  readonly subgroup: string | undefined;
  #url = 'amqp://localhost';

  constructor(group?: string, options?: BrokerClientOptions);
  constructor(group?: string, subgroup?: string, options?: BrokerClientOptions);
  constructor(
    group = DEFAULT_GROUP,
    subgroup?: string | BrokerClientOptions,
    options?: BrokerClientOptions,
  ) {
    super(typeof subgroup === 'object' ? subgroup : options);
    this.group = group;
    this.subgroup = typeof subgroup === 'string' ? subgroup : undefined;
  }

  /** Connects to `amqp://host`, `amqps://host`, or the host alone. */
  async connect(url: string): Promise<void> {
    this.#url = /^amqps?:\/\//.test(url) ? url : `amqp://${url}`;
    await this.start();
  }

  protected override async open(): Promise<Running> {
    const parsed = parseAmqpUrl(this.#url);
    if ('problem' in parsed) {
      throw new ConfigurationError(`the URL given to connect cannot be used: ${parsed.problem}`);
    }
    return this.openOwn({
      type: 'amqp',
      group: this.group,
      endpoint: parsed.value,
      messageTimeoutMs: 0,
      payload: 'map',
      ...(this.subgroup !== undefined && { subgroup: this.subgroup }),
    });
  }
}
