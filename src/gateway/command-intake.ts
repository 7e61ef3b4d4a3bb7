/**
 * Consumes the commands to a gateway: `SEND`, and the event of each of its shards.
 *
 * One event after the other is subscribed to, since each may need a declaration of its own at the
 * broker. An event that cannot be consumed (its name is taken by something else) is said in the log
 * and costs nothing but itself: events go on being published, and `SEND` leads to every shard.
 *
 * Nothing waits for the end of a subscription: a broker that does not answer must not keep the
 * shards from closing. What is delivered meanwhile goes back to it.
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

export type CommandIntake = {
  /** The shard is another process's now: its event is consumed no more. */
  release(shard: number): void;
  /** Nothing is taken after that. */
  stop(): void;
};

export function consumeCommands(options: CommandIntakeOptions): CommandIntake {
  const { broker, shards, withDiscordjs, take, log } = options;
  const events = [
    SEND_EVENT,
    ...(withDiscordjs ? [DISCORDJS_SEND_EVENT] : []),
    ...shards.map(String),
  ];
  const consumed = new Set<string>();
  const released = new Set<string>();
  let isOver = false;
  const deliver = (delivery: Delivery): void => {
    if (isOver) delivery.retry();
    else take(delivery);
  };
  const subscribeAll = async (): Promise<void> => {
    for (const event of events) {
      if (isOver) return;
      if (released.has(event)) continue;
      try {
        await broker.subscribe(event, deliver);
        consumed.add(event);
      } catch (error) {
        // A broker that closes refuses what it had not got to.
        if (!isOver) log.error({ event, error }, 'commands of this event cannot be consumed');
      }
    }
  };
  const subscribing = subscribeAll();
  const cancel = (event: string): void => {
    // A broker that is away has nothing to cancel.
    if (consumed.delete(event)) broker.unsubscribe(event).catch(() => undefined);
  };
  const cancelAll = (): void => {
    for (const event of consumed) cancel(event);
  };
  return {
    release(shard) {
      released.add(String(shard));
      void subscribing.then(() => cancel(String(shard)));
    },
    stop() {
      isOver = true;
      cancelAll();
      void subscribing.then(cancelAll);
    },
  };
}
