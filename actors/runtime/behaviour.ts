/**
 * What an actor is and what it may do: the types that every actor of the project is written
 * against.
 *
 * They are kept apart from the runtime that honours them, so that no file of the runtime needs to
 * import another one that imports it.
 */
import type { ActorRef, Exit } from '../../protocols/actor.ts';
import type { Clock, Log, Random } from '../../protocols/ports.ts';

/** What an actor is: how it starts, what it does with a message, how it cleans up. */
export interface Behaviour<State, Message> {
  /**
   * Makes the first state, before `spawn` returns. A throw here is a crash before the first
   * message; there is no state then, so `stop` does not run.
   */
  start(context: ActorContext<Message>): State;
  /**
   * Handles one message at a time and returns the next state. A throw or a rejection is a crash.
   * While a returned promise is pending no other message is handled; an actor that must stay
   * responsive starts the work, returns, and sends itself the result.
   */
  receive(state: State, message: Message, context: ActorContext<Message>): State | Promise<State>;
  /**
   * Runs once, after the children have stopped, whatever the exit was. Awaited, within a deadline.
   * Questions that `receive` took and left open may still be answered here, unless the actor
   * crashed.
   */
  stop?(state: State, exit: Exit): void | Promise<void>;
}

/**
 * What a running actor may do. After its end `after`, `cancel` and `finish` do nothing. The methods
 * are called on the context, never taken off it.
 */
export interface ActorContext<Message> {
  readonly self: ActorRef<Message>;
  readonly clock: Clock;
  readonly random: Random;
  /** The system's log; each line carries the actor's path. */
  readonly log: Log;
  /**
   * Starts a child. `onExit` turns the child's end into a message to this actor; it comes after the
   * child's cleanup, and also when this actor itself stopped the child. Throws SpawnRefusedError if
   * the name is unusable or still taken by a sibling whose cleanup is not done, or if this actor
   * has ended.
   */
  spawn<ChildState, ChildMessage>(
    name: string,
    behaviour: Behaviour<ChildState, ChildMessage>,
    onExit: (exit: Exit) => Message,
    options?: ChildOptions,
  ): ActorRef<ChildMessage>;
  /** Stops a child and its descendants; resolves when their cleanup is done. */
  stop(child: ActorRef<never>): Promise<void>;
  /**
   * Ends this actor once the current message is handled; its parent sees `finished` with `reason`.
   */
  finish(reason: unknown): void;
  /**
   * (Re)arms the timer `name`: `message` arrives after `delayMs`, unless cancelled or stopped
   * first. A message of a cancelled or re-armed timer never arrives, not even if it was already
   * queued.
   */
  after(name: string, delayMs: number, message: Message): void;
  cancel(name: string): void;
}

export type ChildOptions = {
  /**
   * Where the child stands among its siblings when all are stopped: the highest place stops first,
   * and those that share one stop together. Children without a place stand at zero and stop one by
   * one, the latest started first.
   */
  readonly place?: number;
  /**
   * How long the end of the child and its descendants may take. What is left of the cleanup then is
   * still started, but no longer awaited, and the log says so.
   */
  readonly shutdownMs?: number;
};

export interface ActorSystem {
  /** As `ActorContext.spawn`, for an actor without a parent; its end is told to `onExit`. */
  spawn<State, Message>(
    name: string,
    behaviour: Behaviour<State, Message>,
    onExit?: (exit: Exit) => void,
  ): ActorRef<Message>;
  /** Stops everything, the latest started first; resolves when all cleanup is done. */
  stop(): Promise<void>;
  /**
   * Resolves when no message is queued or being handled, and what they set off has settled as far
   * as it can without timers or input. For virtual time. A handler that waits for a timer keeps the
   * system busy; a `stop` hook that does, does not.
   */
  idle(): Promise<void>;
  /** Messages that reached nobody, since the start. */
  readonly deadLetters: number;
  /** Actors whose cleanup is not done. */
  readonly actors: number;
}
