import type { ActorRef, Exit, Reply } from '../protocols/actor.ts';
import type { Clock, Log, Random } from '../protocols/ports.ts';

/** What an actor is: how it starts, what it does with a message, how it cleans up. */
export interface Behaviour<State, Message> {
  /** Makes the first state. A throw here is a crash before the first message. */
  start(context: ActorContext<Message>): State;
  /** Handles one message at a time and returns the next state. A throw or a rejection is a crash. */
  receive(state: State, message: Message, context: ActorContext<Message>): State | Promise<State>;
  /** Runs once, after the children have stopped, whatever the exit was. Awaited, within a deadline. */
  stop?(state: State, exit: Exit): void | Promise<void>;
}

/** What a running actor may do. */
export interface ActorContext<Message> {
  readonly self: ActorRef<Message>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Starts a child. `onExit` turns the child's end into a message to this actor. */
  spawn<ChildState, ChildMessage>(
    name: string,
    behaviour: Behaviour<ChildState, ChildMessage>,
    onExit: (exit: Exit) => Message,
  ): ActorRef<ChildMessage>;
  /** Stops a child and its descendants; resolves when their cleanup is done. */
  stop(child: ActorRef<never>): Promise<void>;
  /** Ends this actor once the current message is handled; its parent sees `finished` with `reason`. */
  finish(reason: unknown): void;
  /** (Re)arms the timer `name`: `message` arrives after `delayMs`, unless cancelled or stopped first. */
  after(name: string, delayMs: number, message: Message): void;
  cancel(name: string): void;
}

export interface ActorSystem {
  spawn<State, Message>(
    name: string,
    behaviour: Behaviour<State, Message>,
    onExit?: (exit: Exit) => void,
  ): ActorRef<Message>;
  /** Stops everything, the latest started first; resolves when all cleanup is done. */
  stop(): Promise<void>;
  /** Resolves when no message is queued or being handled (timers do not count). For virtual time. */
  idle(): Promise<void>;
  /** Messages that reached nobody, since the start. */
  readonly deadLetters: number;
}

export declare function createActorSystem(options: {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}): ActorSystem;

/**
 * Asks `target` and waits for its answer.
 * Rejects with AskTimeoutError after `timeoutMs`, with ActorStoppedError as soon as the target is
 * gone, or with what the target gave to `reply.fail`.
 */
export declare function ask<Message, Value>(
  target: ActorRef<Message>,
  question: (reply: Reply<Value>) => Message,
  timeoutMs: number,
): Promise<Value>;
