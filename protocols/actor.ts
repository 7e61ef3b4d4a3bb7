/**
 * What one actor may know of another: where to send a message, how to answer one, and how it ended.
 *
 * A reference belongs to one incarnation. When an actor is restarted its supervisor hands out a new
 * reference; a message sent to the old one becomes a dead letter and never reaches the successor.
 */
import type { SpectaclesError } from './errors.ts';

export interface ActorRef<Message> {
  /** Where the actor stands in the tree, for logs: `gateway/shard-3/connection-7`. */
  readonly path: string;
  /** Queues `message`. Never throws; a message to a stopped actor is counted as a dead letter. */
  tell(message: Message): void;
}

/** The right to answer a question once; what comes after the first answer is ignored. */
export interface Reply<Value> {
  ok(value: Value): void;
  fail(error: SpectaclesError): void;
}

/** How an actor ended. */
export type Exit =
  /** Its parent or the system stopped it. */
  | { readonly kind: 'stopped' }
  /** It ended itself, having done or failed what it was for; `reason` is its own typed word. */
  | { readonly kind: 'finished'; readonly reason: unknown }
  /** A handler threw or rejected: a programming error. */
  | { readonly kind: 'crashed'; readonly error: unknown };
