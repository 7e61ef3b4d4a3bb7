/**
 * Tells the cache what the gateway's events say.
 *
 * Each event changes what is kept before it is acknowledged. From the moment that the broker is
 * away, and when the gateway says that events may be missing, whatever lives on the word of the
 * events is dropped; an event that cannot be read is taken to have changed everything.
 */
import type { Broker, BrokerState, Delivery } from '../../../protocols/broker.ts';
import { changedByEvent } from '../../../protocols/discord/cache-events.ts';
import type { Changed } from '../../../protocols/discord/cached-routes.ts';
import { UndecodableBodyError } from '../../../protocols/errors.ts';
import { GAP_EVENT } from '../../../protocols/gateway/gap.ts';
import { decodeBody } from '../../../protocols/wire/body.ts';
import type { RestCache } from './rest-cache.ts';

/** Resolves when every event is listened to; what it resolves to ends the following. */
export async function followEvents(
  broker: Broker,
  events: readonly string[],
  cache: Pick<RestCache, 'change' | 'tell' | 'missed'>,
): Promise<() => void> {
  const take = (delivery: Delivery): void => {
    if (delivery.event === GAP_EVENT) cache.missed();
    else cache.change(changedBy(delivery));
    delivery.ack();
  };
  let isSubscribed = false;
  const heed = (state: BrokerState): void => cache.tell(isSubscribed && state === 'open');
  const unwatch = broker.watch(heed);
  // All at once: a broker that comes back meanwhile finds either none of them or all.
  await Promise.all([GAP_EVENT, ...events].map((event) => broker.subscribe(event, take)));
  isSubscribed = true;
  heed(broker.state);
  return () => {
    unwatch();
    cache.tell(false);
  };
}

function changedBy({ event, body }: Delivery): Changed {
  try {
    return changedByEvent(event, decodeBody(body));
  } catch (error) {
    if (error instanceof UndecodableBodyError) return 'everything';
    throw error;
  }
}
