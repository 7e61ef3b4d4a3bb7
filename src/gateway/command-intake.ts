/**
 * Consumes the commands to a gateway: `SEND`, and the event of each of its shards.
 *
 * One event after the other is subscribed to, since each may need a declaration of its own at the broker.
 * An event that cannot be consumed (its name is taken by something else) is said in the log and costs
 * nothing but itself: events go on being published, and `SEND` leads to every shard.
 */
import type { Broker, Delivery } from '../../protocols/broker.ts';
import { DISCORDJS_SEND_EVENT, SEND_EVENT } from '../../protocols/gateway/commands.ts';
import type { Log } from '../../protocols/ports.ts';

export type CommandIntakeOptions = {
  readonly broker: Pick<Broker, 'subscribe' | 'unsubscribe'>;
  readonly shards: readonly number[];
  /** Whether the commands of discord.js' clients are consumed too. */
  readonly withDiscordjs: boolean;
  readonly take: (delivery: Delivery) => void;
  readonly log: Log;
};

/** @returns what ends it: nothing is delivered after that */
export function consumeCommands(options: CommandIntakeOptions): () => Promise<void> {
  const { broker, shards, withDiscordjs, take, log } = options;
  const events = [
    SEND_EVENT,
    ...(withDiscordjs ? [DISCORDJS_SEND_EVENT] : []),
    ...shards.map(String),
  ];
  const consumed: string[] = [];
  let isOver = false;
  const deliver = (delivery: Delivery): void => {
    if (isOver) delivery.retry();
    else take(delivery);
  };
  const subscribeAll = async (): Promise<void> => {
    for (const event of events) {
      if (isOver) return;
      try {
        await broker.subscribe(event, deliver);
        consumed.push(event);
      } catch (error) {
        log.error({ event, err: error }, 'commands of this event cannot be consumed');
      }
    }
  };
  const subscribing = subscribeAll();
  return async () => {
    isOver = true;
    await subscribing;
    for (const event of consumed) {
      // A broker that is away has nothing to cancel.
      await broker.unsubscribe(event).catch(() => undefined);
    }
  };
}
