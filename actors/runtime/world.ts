/**
 * What surrounds a cell: its parent, its children, what all actors share, and nact behind a port.
 */
import type { Clock, Log, Random } from '../../protocols/ports.ts';
import type { Census } from './census.ts';

/** What the cell asks of nact: to be handed back what it put in, one at a time, until it closes. */
export interface Mailbox<Item> {
  put(item: Item): void;
  close(): void;
}

/** What nact calls. */
export interface MailboxOwner<Item> {
  readonly name: string;
  open(mailbox: Mailbox<Item>): void;
  handle(item: Item): void | Promise<void>;
  /** `open` or `handle` threw or rejected. Never throws. */
  crashed(error: unknown): void;
}

/** What all actors of a system share. */
export interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly census: Census;
  openMailbox<Item>(owner: MailboxOwner<Item>): void;
}

/** What a parent needs of a child, whatever its messages are. */
export interface Child {
  readonly place: number;
  stop(): Promise<void>;
  hurry(): void;
}

/** Where a cell stands: under an actor, or under the system itself. */
export interface Parent {
  readonly path: string;
  readonly children: Map<string, Child>;
}

/** The order in which siblings are stopped: by their places, in one place the latest started first. */
export function stopOrder(children: ReadonlyMap<string, Child>): Child[] {
  return [...children.values()].reverse().sort((left, right) => right.place - left.place);
}
