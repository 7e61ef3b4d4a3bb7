/**
 * The tree of one gateway: the identify governor, a shard for each id, and the commands,
 * one-for-one.
 *
 * A shard that crashes is restarted alone and resumes its session. A governor that crashes is
 * restarted with what the last one knew; its ledger remembers who has sent what, and the shards are
 * told its address. The broker's state is passed on to every shard, since without a broker there is
 * no point in a socket. What outlives its actor is kept here: the commands that were not looked at
 * yet, and the presence that each shard was given last.
 *
 * A shard that a newer process has claimed ends, and is not started again: its commands are handed
 * back.
 *
 * Failure: a child that crashes more often than the restart intensity allows ends the tree, and
 * `onFailure` is told. Ends of connections never come here: they are the shards' daily business.
 */
import { commands } from '../actors/commands/actor.ts';
import type { CommandOutcome } from '../actors/commands/ports.ts';
import {
  type IdentifyKnowledge,
  type IdentifyOptions,
  identify,
} from '../actors/identify/actor.ts';
import type { ActorSystem } from '../actors/runtime.ts';
import { shard } from '../actors/shard/actor.ts';
import type { PresenceMemory, ShardWorld } from '../actors/shard/ports.ts';
import type { ActorRef } from '../protocols/actor.ts';
import type { Broker, Delivery } from '../protocols/broker.ts';
import { FatalError } from '../protocols/errors.ts';
import type { SessionStarts } from '../protocols/gateway/identify.ts';
import type {
  CommandsMessage,
  IdentifyMessage,
  ShardMessage,
} from '../protocols/gateway/messages.ts';
import { GATEWAY_SHUTDOWN_MS } from '../protocols/limits.ts';
import { messageOf } from '../protocols/message-of.ts';
import { child, type SupervisedChild, supervisor } from './supervisor.ts';

export type GatewayTreeOptions = {
  readonly system: Pick<ActorSystem, 'spawn'>;
  readonly world: ShardWorld;
  /** The ids to run, in the order in which they start. */
  readonly shards: readonly number[];
  /** The governor of session starts, with Discord's word on them to begin with. */
  readonly identify: Omit<IdentifyOptions, 'known'> & { readonly starts: SessionStarts };
  readonly broker: Pick<Broker, 'state' | 'watch'>;
  readonly commands: {
    /** The way to the gateways that have the other shards, where the broker leads to any. */
    readonly others: Pick<Broker, 'publish' | 'call'> | undefined;
    readonly onOutcome: (outcome: CommandOutcome) => void;
  };
  /** The tree has ended by itself, after too many crashes. */
  readonly onFailure: (error: FatalError) => void;
};

export type GatewayTree = {
  /** Takes a command that has come in on the broker; it will be settled. */
  command(delivery: Delivery): void;
  /** Closes every connection so that its session lives, saves the sessions, and ends the tree. */
  stop(): Promise<void>;
};

export function startGatewayTree(options: GatewayTreeOptions): GatewayTree {
  const tree = new Tree(options);
  return { stop: () => tree.stop(), command: (delivery) => tree.command(delivery) };
}

class Tree {
  readonly #options: GatewayTreeOptions;
  readonly #shards = new Map<number, ActorRef<ShardMessage>>();
  /** Those that a newer process has claimed. */
  readonly #fenced = new Set<number>();
  readonly #world: ShardWorld;
  readonly #ended: Promise<void>;
  readonly #unwatch: () => void;
  readonly #self: ActorRef<{ readonly type: 'retire' }>;
  readonly #inbox: Delivery[] = [];
  /** No more entries than there are shards. */
  readonly #presences = new Map<number, string>();
  #governor: ActorRef<IdentifyMessage> | undefined;
  #commands: ActorRef<CommandsMessage> | undefined;
  #isStopped = false;
  #known: IdentifyKnowledge;

  constructor(options: GatewayTreeOptions) {
    this.#options = options;
    this.#known = { starts: options.identify.starts, owed: 0 };
    this.#world = {
      ...options.world,
      onNotice: (id, notice) => {
        if (notice.kind === 'fenced') this.#fenced.add(id);
        options.world.onNotice(id, notice);
      },
    };
    let ended = (): void => {};
    this.#ended = new Promise((resolve) => {
      ended = resolve;
    });
    const behaviour = supervisor({
      strategy: 'one-for-one',
      // A thousand closing handshakes take no longer than one.
      stop: 'together',
      children: [
        this.#governorChild(),
        ...options.shards.map((id) => this.#shardChild(id)),
        this.#commandsChild(),
      ],
    });
    this.#self = options.system.spawn('gateway', behaviour, (exit) => {
      ended();
      this.#isStopped = true;
      for (const delivery of this.#inbox.splice(0)) delivery.retry();
      if (exit.kind === 'crashed') options.onFailure(asFatal(exit.error));
    });
    this.#unwatch = options.broker.watch((state) => {
      for (const reference of this.#shards.values()) reference.tell({ type: 'broker', state });
    });
  }

  async stop(): Promise<void> {
    this.#unwatch();
    this.#self.tell({ type: 'retire' });
    await this.#ended;
  }

  command(delivery: Delivery): void {
    if (this.#isStopped) {
      delivery.retry();
      return;
    }
    this.#inbox.push(delivery);
    if (this.#inbox.length === 1) this.#commands?.tell({ type: 'deliveries' });
  }

  #governorChild(): SupervisedChild {
    return child({
      id: 'identify',
      create: () =>
        identify({
          ...this.#options.identify,
          known: this.#known,
          onStatus: (status) => {
            this.#known = status;
            this.#options.identify.onStatus(status);
          },
        }),
      onReference: (governor) => {
        this.#governor = governor;
        if (governor === undefined) return;
        for (const reference of this.#shards.values()) {
          reference.tell({ type: 'governor', governor });
        }
      },
    });
  }

  #shardChild(id: number): SupervisedChild {
    const { broker } = this.#options;
    return child({
      id: `shard-${id}`,
      // It finishes when it is fenced, and only then.
      restart: 'transient',
      shutdownMs: GATEWAY_SHUTDOWN_MS,
      create: () =>
        shard({
          shard: id,
          world: this.#world,
          governor: () => this.#governor,
          broker: () => broker.state,
          presence: this.#presence(id),
        }),
      onReference: (reference) => {
        if (reference === undefined) this.#shards.delete(id);
        else this.#shards.set(id, reference);
      },
    });
  }

  #commandsChild(): SupervisedChild {
    const { world, shards, commands: options } = this.#options;
    return child({
      id: 'commands',
      shutdownMs: GATEWAY_SHUTDOWN_MS,
      create: () =>
        commands({
          shardCount: world.shardCount,
          owned: new Set(shards),
          fenced: this.#fenced,
          shard: (id) => this.#shards.get(id),
          others: options.others,
          inbox: this.#inbox,
          onOutcome: options.onOutcome,
        }),
      onReference: (reference) => {
        this.#commands = reference;
      },
    });
  }

  #presence(id: number): PresenceMemory {
    return {
      last: () => this.#presences.get(id),
      remember: (presence) => this.#presences.set(id, presence),
      forget: () => this.#presences.delete(id),
    };
  }
}

function asFatal(error: unknown): FatalError {
  const reason = messageOf(error);
  return new FatalError(`the gateway cannot go on: ${reason}`, { cause: error });
}
