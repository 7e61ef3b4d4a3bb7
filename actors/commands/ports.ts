/** What the commands actor needs of the world. */
import type { ActorRef } from '../../protocols/actor.ts';
import type { Broker, Delivery } from '../../protocols/broker.ts';
import type { CommandRefusal } from '../../protocols/errors.ts';
import type { ShardMessage } from '../../protocols/gateway/messages.ts';

/** The ends of a command, as they are counted. */
export type CommandOutcome = 'sent' | 'forwarded' | 'handed-back' | CommandRefusal;

export type CommandsWorld = {
  readonly shardCount: number;
  /** The shards of this process, and those of them that a newer process has taken. */
  readonly owned: ReadonlySet<number>;
  readonly fenced: ReadonlySet<number>;
  /** The present actor of a shard; undefined while it is being restarted. */
  readonly shard: (id: number) => ActorRef<ShardMessage> | undefined;
  /** The way to the gateways that have the other shards, where the broker leads to any. */
  readonly others: Pick<Broker, 'publish' | 'call'> | undefined;
  /**
   * What has come in and was not looked at yet. It outlives the actor, so that a crash loses none.
   */
  readonly inbox: Delivery[];
  readonly onOutcome: (outcome: CommandOutcome) => void;
};
