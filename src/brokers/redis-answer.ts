/**
 * Sending the answer to a call over Redis, so that a caller which is late to listen still hears it.
 *
 * The existing clients subscribe to the answer only after they have asked, and a fast handler would
 * answer into the void. Redis says how many heard an answer; when nobody did, it is sent again, with
 * waits that double. And a client may read the confirmation of its subscription and the answer in one
 * piece, and then miss the answer although it was heard; so an answer that comes that soon, or that
 * nobody heard at first, is repeated once. Every client ignores an answer it has had already.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { REDIS_ANSWER_ATTEMPTS_MAX, REDIS_ANSWER_RETRY_MS } from '../../protocols/limits.ts';

/** `isQuick`: the answer follows so soon that its caller may only just be listening. */
export async function publishAnswer(
  redis: Redis,
  channel: string,
  body: Buffer,
  isQuick: boolean,
): Promise<void> {
  for (let attempt = 0; attempt < REDIS_ANSWER_ATTEMPTS_MAX; attempt++) {
    const heard = await redis.publish(channel, body);
    if (heard > 0 && attempt === 0 && !isQuick) return;
    await sleep(REDIS_ANSWER_RETRY_MS * 2 ** attempt);
    if (redis.status !== 'ready') return;
    if (heard > 0) {
      await redis.publish(channel, body);
      return;
    }
  }
}
