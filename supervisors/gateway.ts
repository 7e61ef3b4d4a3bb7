/**
 * The tree of one gateway: the identify governor, then a shard for each id, one-for-one.
 *
 * A shard that crashes is restarted alone and resumes its session. A governor that crashes is restarted
 * with the budget as it stood and one whole window of silence, and the shards are told its new address.
 * The broker's state is passed on to every shard, since without a broker there is no point in a socket.
 *
 * Failure: a child that crashes more often than the restart intensity allows ends the tree, and
 * `onFailure` is told. Ends of connections never come here: they are the shards' daily business.
 */
import { identify } from '../actors/identify/actor.ts';
import type { IdentifyBudget } from '../actors/identify/machine.ts';
import type { ActorSystem } from '../actors/runtime.ts';
import { shard } from '../actors/shard/actor.ts';
import type { ShardWorld } from '../actors/shard/ports.ts';
import type { ActorRef } from '../protocols/actor.ts';
import type { Broker } from '../protocols/broker.ts';
import { FatalError } from '../protocols/errors.ts';
import type { IdentifyMessage, ShardMessage } from '../protocols/gateway/messages.ts';
import {
  GATEWAY_SHUTDOWN_MS,
  IDENTIFY_MARGIN_MS,
  IDENTIFY_WINDOW_MS,
} from '../protocols/limits.ts';
import { child, type SupervisedChild, supervisor } from './supervisor.ts';

export type GatewayTreeOptions = {
  readonly system: Pick<ActorSystem, 'spawn'>;
  readonly world: ShardWorld;
  /** The ids to run, in the order in which they start. */
  readonly shards: readonly number[];
  readonly maxConcurrency: number;
  readonly budget: IdentifyBudget;
  readonly onBudget: (budget: IdentifyBudget) => void;
  readonly broker: Pick<Broker, 'state' | 'watch'>;
  /** The tree has ended by itself, after too many crashes. */
  readonly onFailure: (error: FatalError) => void;
};

export type GatewayTree = {
  /** Closes every connection so that its session lives, saves the sessions, and ends the tree. */
  stop(): Promise<void>;
};

export function startGatewayTree(options: GatewayTreeOptions): GatewayTree {
  const tree = new Tree(options);
  return { stop: () => tree.stop() };
}

class Tree {
  readonly #options: GatewayTreeOptions;
  readonly #shards = new Map<number, ActorRef<ShardMessage>>();
  readonly #ended: Promise<void>;
  readonly #unwatch: () => void;
  readonly #self: ActorRef<{ readonly type: 'retire' }>;
  #governor: ActorRef<IdentifyMessage> | undefined;
  #budget: IdentifyBudget;
  #governorStarts = 0;

  constructor(options: GatewayTreeOptions) {
    this.#options = options;
    this.#budget = options.budget;
    options.onBudget(options.budget);
    let ended = (): void => {};
    this.#ended = new Promise((resolve) => {
      ended = resolve;
    });
    const behaviour = supervisor({
      strategy: 'one-for-one',
      // A thousand closing handshakes take no longer than one.
      stop: 'together',
      children: [this.#governorChild(), ...options.shards.map((id) => this.#shardChild(id))],
    });
    this.#self = options.system.spawn('gateway', behaviour, (exit) => {
      ended();
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

  #governorChild(): SupervisedChild {
    return child({
      id: 'identify',
      create: () => {
        const quietMs = this.#governorStarts === 0 ? 0 : IDENTIFY_WINDOW_MS + IDENTIFY_MARGIN_MS;
        this.#governorStarts++;
        return identify({
          maxConcurrency: this.#options.maxConcurrency,
          budget: this.#budget,
          quietMs,
          onBudget: (budget) => {
            this.#budget = budget;
            this.#options.onBudget(budget);
          },
        });
      },
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
    const { world, broker } = this.#options;
    return child({
      id: `shard-${id}`,
      shutdownMs: GATEWAY_SHUTDOWN_MS,
      create: () =>
        shard({ shard: id, world, governor: () => this.#governor, broker: () => broker.state }),
      onReference: (reference) => {
        if (reference === undefined) this.#shards.delete(id);
        else this.#shards.set(id, reference);
      },
    });
  }
}

function asFatal(error: unknown): FatalError {
  const reason = error instanceof Error ? error.message : String(error);
  return new FatalError(`the gateway cannot go on: ${reason}`, { cause: error });
}
