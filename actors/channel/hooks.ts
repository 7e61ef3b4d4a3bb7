/**
 * What a link tells its channel: to the actor what it decides on, and past its mailbox what only
 * has to be passed on, which are confirms, room and deliveries.
 *
 * Failure: a handler that throws, or rejects, refuses its message. Confirms of a link whose channel
 * is over are dropped.
 */
import type { ActorRef } from '../../protocols/actor.ts';
import type { Delivery } from '../../protocols/broker.ts';
import type { Log } from '../../protocols/ports.ts';
import type { Desk } from './desk.ts';
import type { Confirms, LinkHooks } from './link.ts';
import type { ChannelMessage } from './machine.ts';
import type { ChannelWriter } from './writer.ts';

export type HooksOptions = {
  readonly desk: Desk;
  readonly writer: ChannelWriter;
  readonly self: ActorRef<ChannelMessage>;
  readonly log: Log;
  /** Whether the channel of this link goes on. */
  readonly isAlive: () => boolean;
  /** Aborted with the first word that the link is gone. */
  readonly lost: AbortController;
};

export function linkHooks({ desk, writer, self, log, isAlive, lost }: HooksOptions): LinkHooks {
  return {
    confirms: confirmsWhile(isAlive, writer),
    lost(reason) {
      lost.abort();
      self.tell({ kind: 'lost', reason });
    },
    blocked: (isBlocked) => self.tell({ kind: 'blocked', isBlocked }),
    room: () => writer.tellRoom(),
    delivery: (delivery) => deliver(desk, log, delivery),
  };
}

/**
 * Gives a delivery to its subscription's handler; one that throws, or rejects, refuses the message.
 */
function deliver(desk: Desk, log: Log, delivery: Delivery): void {
  const handler = desk.subscriptions.get(delivery.subscription ?? delivery.event);
  if (handler === undefined) {
    delivery.retry();
    return;
  }
  const failed = (error: unknown) => {
    log.error({ event: delivery.event, error }, 'the handler of a message threw');
    delivery.reject('its handler threw');
  };
  try {
    // TypeScript lets an async function stand where nothing is returned.
    const result: unknown = handler(delivery);
    if (result instanceof Promise) result.catch(failed);
  } catch (error) {
    failed(error);
  }
}

/**
 * Confirms of a link whose channel is over are dropped: the ring's tags are its successor's by
 * then.
 */
function confirmsWhile(isAlive: () => boolean, writer: ChannelWriter): Confirms {
  return {
    settleOldest(confirmed) {
      if (isAlive()) writer.settleOldest(confirmed);
    },
    settle(tag, confirmed) {
      if (isAlive()) writer.settle(tag, confirmed);
    },
    settleThrough(tag, confirmed) {
      if (isAlive()) writer.settleThrough(tag, confirmed);
    },
  };
}
