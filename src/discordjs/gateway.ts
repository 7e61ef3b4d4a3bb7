/**
 * The gateway of `@discordjs/core`, played by a message broker: a bot that is written for
 * discord.js' core runs on our gateways with its listeners unchanged, and without a WebSocket of
 * its own.
 *
 * `subscribe` names the events to consume. Each is handed on in the shape in which a WebSocket
 * would have brought it, with its shard; `send` publishes to the gateway that has the shard.
 *
 * Failure modes: core does not wait for what its listeners do, so a message is acknowledged as soon
 * as core has been told of it. When telling it throws, the broker delivers the message again. Over
 * standard input, which does not carry the shard, it is worked out from the event's guild.
 */
import type { GatewayDispatchPayload, GatewaySendPayload } from 'discord-api-types/v10';
import { shardOfGuild } from '../../protocols/discord/shard-of-guild.ts';
import type { BrokerClient } from '../client/broker-client.ts';
import type { MessageOptions } from '../client/broker-types.ts';

export type DispatchListener = (payload: GatewayDispatchPayload, shardId: number) => unknown;

export type BrokerGatewayOptions = {
  /** Of all gateways together, as their configuration has it. */
  readonly shardCount: number;
};

const DISPATCH_OP = 0;
/** The event under which core listens for everything that Discord dispatches. */
const DISPATCH_EVENT = 'dispatch';

export class BrokerGateway {
  readonly #broker: BrokerClient;
  readonly #shardCount: number;
  readonly #listeners = new Set<DispatchListener>();
  readonly #subscribed = new Set<string>();

  constructor(broker: BrokerClient, { shardCount }: BrokerGatewayOptions) {
    if (!Number.isSafeInteger(shardCount) || shardCount < 1) {
      throw new RangeError(
        `shardCount: ${shardCount} is no number of shards; allowed is 1 and more`,
      );
    }
    this.#broker = broker;
    this.#shardCount = shardCount;
  }

  getShardCount(): number {
    return this.#shardCount;
  }

  /** Core asks for `dispatch` and nothing else. */
  on(event: string, listener: DispatchListener): this {
    if (event === DISPATCH_EVENT) this.#listeners.add(listener);
    return this;
  }

  /**
   * Resolves when the broker has taken the command; whether Discord did, the gateway's log says.
   */
  send(shardId: number, payload: GatewaySendPayload): Promise<void> {
    return this.#broker.publish(String(shardId), payload);
  }

  /** Consumes these events, competing with every process of the broker's group. */
  async subscribe(events: Iterable<string>): Promise<void> {
    const names = [...events].filter((name) => !this.#subscribed.has(name));
    for (const name of names) {
      this.#subscribed.add(name);
      this.#broker.on(name, (data: unknown, options) => this.#take(name, data, options));
    }
    await this.#broker.subscribe(names);
  }

  async #take(name: string, data: unknown, options: MessageOptions): Promise<void> {
    const dispatch = { op: DISPATCH_OP, t: name, s: sequenceOf(options.id), d: data };
    // What the broker carries under an event's name is that event's data.
    const payload = dispatch as GatewayDispatchPayload;
    const shardId = options.shard ?? shardOf(data, this.#shardCount);
    for (const listener of this.#listeners) await listener(payload, shardId);
    await options.ack();
  }
}

/** The second half of `session:sequence`. */
function sequenceOf(id: string | undefined): number {
  return Number(/:(\d+)$/.exec(id ?? '')?.[1] ?? 0);
}

/** What belongs to no guild comes to shard 0. */
function shardOf(data: unknown, shardCount: number): number {
  const guildId: unknown =
    typeof data === 'object' && data !== null ? Reflect.get(data, 'guild_id') : undefined;
  if (typeof guildId !== 'string' || !/^\d{1,20}$/.test(guildId)) return 0;
  return shardOfGuild(guildId, shardCount);
}
