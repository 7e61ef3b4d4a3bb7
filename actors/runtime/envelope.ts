/**
 * What stands in a mailbox for a message that is more than itself.
 *
 * Ordinary messages are queued as they are. An envelope makes its message only when its turn has
 * come, and may then find that nobody means it any more.
 */

/** The message of an envelope is not meant any more. */
export const STALE = Symbol('stale');

export interface Envelope<Message> {
  /** Called once, when the message's turn has come. */
  open(): Message | typeof STALE;
}

/**
 * Something the runtime tells an actor: a timer fired, a child ended. It is not held against the
 * mailbox's bound, since the actor itself asked for it, and it is no dead letter if nobody is left.
 */
export class Signal<Message> implements Envelope<Message> {
  readonly open: () => Message | typeof STALE;
  constructor(open: () => Message | typeof STALE) {
    this.open = open;
  }
}
