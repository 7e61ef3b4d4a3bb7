/**
 * The actor runtime: typed references, supervised ends and exact deadlines over nact 7.6.2.
 *
 * Purpose. nact gives each actor its turns, one after the other, each in a turn of the event loop.
 * This is the only file that imports it, and it uses no more of it than that: spawn, dispatch,
 * stop.
 *
 * Inner workings. Every actor, wherever it stands in our tree, is a nact actor directly under
 * nact's system, and `runtime/cell.ts` keeps the tree. There are two reasons. nact's stop does not
 * reach children, so the tree has to be walked by us anyway. And nact copies an actor's map of
 * children for each turn that the actor takes, which a wide parent would pay for all the time.
 * Messages stand in the cell as well: what nact does for each of its own costs more than most
 * handlers do. It is asked for a turn, and in that the actor handles what has come, up to a bound.
 * Each incarnation has a nact name of its own, since nact finds actors by name and would otherwise
 * hand a late word to the successor.
 *
 * Failure modes. The crash policy given to nact is explicit, total and synchronous, and always says
 * stop; nact's reset and resume are never used, since they can run two handlers of one actor at
 * once, and its default policy writes to stdout, which belongs to the stdio broker. A nact actor
 * that was stopped gives no more turns, and the cell counts what it leaves unhandled. nact would
 * queue without bound; the cell refuses above `ACTOR_MAILBOX_MAX_MESSAGES`.
 */
import { type ActorProps, dispatch, type Ref, spawn, start, stop } from 'nact';
import type { ActorRef, Exit, Reply } from '../protocols/actor.ts';
import { SpawnRefusedError } from '../protocols/errors.ts';
import { ACTOR_TREE_STOP_DEADLINE_MS } from '../protocols/limits.ts';
import type { Clock, Log, Random } from '../protocols/ports.ts';
import type { ActorSystem, Behaviour } from './runtime/behaviour.ts';
import { Cell } from './runtime/cell.ts';
import { Census } from './runtime/census.ts';
import { ActorLog, quietLog } from './runtime/logging.ts';
import { nactName } from './runtime/names.ts';
import { inboxOf } from './runtime/reference.ts';
import {
  type Child,
  type Parent,
  stopAll,
  type Turns,
  type TurnTaker,
  type World,
} from './runtime/world.ts';
import { SmallMap } from './small-map.ts';

export type { ActorContext, ActorSystem, Behaviour, ChildOptions } from './runtime/behaviour.ts';

export function createActorSystem(options: {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}): ActorSystem {
  return new NactSystem(options.name, {
    clock: options.clock,
    random: options.random,
    log: quietLog(options.log),
  });
}

/**
 * Asks `target` and waits for its answer.
 * Rejects with AskTimeoutError after `timeoutMs`, with ActorStoppedError as soon as the target is
 * gone, with MailboxFullError if it has too much to do, or with what it gave to `reply.fail`.
 */
export async function ask<Message, Value>(
  target: ActorRef<Message>,
  question: (reply: Reply<Value>) => Message,
  timeoutMs: number,
): Promise<Value> {
  const inbox = inboxOf(target);
  if (inbox === undefined) throw new TypeError(`${target.path} was not started by this runtime`);
  return inbox.ask(question, timeoutMs);
}

class NactSystem implements ActorSystem, Parent, World {
  readonly path = '';
  readonly children = new SmallMap<string, Child>();
  readonly census = new Census();
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly #name: string;
  readonly #nact: Ref<never>;
  #incarnations = 0;
  #stopped: Promise<void> | undefined;

  constructor(name: string, ports: { clock: Clock; random: Random; log: Log }) {
    this.clock = ports.clock;
    this.random = ports.random;
    this.log = ports.log;
    this.#nact = start();
    this.#name = name;
  }

  get deadLetters(): number {
    return this.census.deadLetters;
  }

  get actors(): number {
    return this.census.actors;
  }

  idle(): Promise<void> {
    return this.census.idle();
  }

  spawn<State, Message>(
    name: string,
    behaviour: Behaviour<State, Message>,
    onExit?: (exit: Exit) => void,
  ): ActorRef<Message> {
    if (this.#stopped !== undefined) throw new SpawnRefusedError(name, 'the system has stopped');
    const onEnd = (exit: Exit): void => {
      try {
        onExit?.(exit);
      } catch (error) {
        new ActorLog(this.log, name).error(
          { error },
          'the listener for the end of an actor failed',
        );
      }
    };
    return new Cell(this, this, name, behaviour, onEnd).self;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  async #stopAll(): Promise<void> {
    const deadline = this.clock.setTimer(ACTOR_TREE_STOP_DEADLINE_MS, () => {
      this.log.warn({ system: this.#name }, 'the stop took too long: the rest is not awaited');
      for (const child of this.children.values()) child.hurry();
    });
    await stopAll(this.children);
    deadline.cancel();
    stop(this.#nact);
  }

  openTurns(taker: TurnTaker): void {
    this.#incarnations += 1;
    const actor = spawn(this.#nact, takeTurn, nactName(taker.name, this.#incarnations), POLICY);
    try {
      taker.open(new NactTurns(actor, taker));
    } catch (error) {
      taker.crashed(error);
    }
  }
}

/** Each message to a nact actor is whoever takes the turn, so that all actors share one handler. */
class NactTurns implements Turns {
  readonly #actor: Ref<TurnTaker>;
  readonly #taker: TurnTaker;

  constructor(actor: Ref<TurnTaker>, taker: TurnTaker) {
    this.#actor = actor;
    this.#taker = taker;
  }

  ask(): void {
    dispatch(this.#actor, this.#taker);
  }

  close(): void {
    stop(this.#actor);
  }
}

const takeTurn = (_state: undefined, taker: TurnTaker): undefined | Promise<undefined> =>
  taker.takeTurn() as undefined | Promise<undefined>;

/** Given to all, or nact would make a function for each that is given none. */
const POLICY: ActorProps<undefined, TurnTaker, Ref<never>> = {
  onCrash(taker, error, context) {
    taker?.crashed(error);
    return context.stop;
  },
  afterStop() {},
};
