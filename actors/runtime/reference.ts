/**
 * References: all that one actor has of another. What is behind one is known to the runtime only.
 */
import type { ActorRef, Reply } from '../../protocols/actor.ts';
import type { Child, Parent } from './world.ts';

/** The side of a cell that a reference leads to. */
export interface Inbox<Message> extends Child {
  readonly path: string;
  readonly parent: Parent;
  tell(message: Message): void;
  ask<Value>(question: (reply: Reply<Value>) => Message, timeoutMs: number): Promise<Value>;
}

export class Reference<Message> implements ActorRef<Message> {
  readonly #inbox: Inbox<Message>;

  constructor(inbox: Inbox<Message>) {
    this.#inbox = inbox;
  }

  get path(): string {
    return this.#inbox.path;
  }

  tell(message: Message): void {
    this.#inbox.tell(message);
  }

  static inboxOf<Message>(ref: ActorRef<Message>): Inbox<Message> | undefined {
    return ref instanceof Reference ? ref.#inbox : undefined;
  }
}

/** The actor behind a reference; undefined if the reference was not made by this runtime. */
export function inboxOf<Message>(ref: ActorRef<Message>): Inbox<Message> | undefined {
  return Reference.inboxOf(ref);
}
