/**
 * Sending the answer to a call over Redis, so that a caller which is late to listen still hears it.
 *
 * The existing clients subscribe to the answer only after they have asked, and a fast handler would
 * answer into the void. Redis says how many heard an answer; when nobody did, it is sent again,
 * with waits that double. And a client may read the confirmation of its subscription and the answer
 * in one piece, and then miss the answer although it was heard; so an answer that comes that soon,
 * or that nobody heard at first, is repeated once. Every client ignores an answer it has had
 * already.
 *
 * A server of a cluster counts only those who listen at itself, so there the count says nothing: an
 * answer is sent REDIS_CLUSTER_ANSWERS times, whoever has heard it.
 */
import type { Redis } from 'ioredis';
import {
  REDIS_ANSWER_ATTEMPTS_MAX,
  REDIS_ANSWER_RETRY_MS,
  REDIS_CLUSTER_ANSWERS,
} from '../../protocols/limits.ts';
import type { Clock } from '../../protocols/ports.ts';
import { pause } from '../pause.ts';

export type AnswerOptions = {
  readonly redis: Redis;
  readonly clock: Clock;
  readonly channel: string;
  readonly body: Uint8Array;
  /** The answer follows so soon that its caller may only just be listening. */
  readonly isQuick: boolean;
  readonly isCluster: boolean;
};

/** Rejects when it could not be sent at all; that a repeat fails is no matter. */
export async function publishAnswer(options: AnswerOptions): Promise<void> {
  const { redis, channel, isQuick, isCluster } = options;
  const heard = await redis.publish(channel, Buffer.from(options.body));
  if (!isCluster && heard > 0 && !isQuick) return;
  try {
    await repeat(options, heard);
  } catch {
    // The connection has gone, and its loss is told elsewhere.
  }
}

async function repeat(options: AnswerOptions, firstHeard: number): Promise<void> {
  const { redis, clock, channel, isCluster } = options;
  const body = Buffer.from(options.body);
  const attempts = isCluster ? REDIS_CLUSTER_ANSWERS : REDIS_ANSWER_ATTEMPTS_MAX;
  let heard = firstHeard;
  for (let attempt = 1; attempt < attempts; attempt++) {
    await pause(clock, REDIS_ANSWER_RETRY_MS * 2 ** (attempt - 1));
    if (redis.status !== 'ready') return;
    const isLast = !isCluster && heard > 0;
    heard = await redis.publish(channel, body);
    if (isLast) return;
  }
}
