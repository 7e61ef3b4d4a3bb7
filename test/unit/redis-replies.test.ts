/** The desk of answers to calls: what is remembered, and that nothing of it stays. */

import { EventEmitter } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { REDIS_CALLED_EVENTS_MAX, REDIS_PARKED_REPLIES_MAX } from '../../protocols/limits.ts';
import { RedisReplies } from '../../src/brokers/redis-replies.ts';

/** The part of a client in subscriber mode that is used. */
class Subscriber extends EventEmitter {
  readonly patterns = new Set<string>();

  /** What is published before this has resolved is not heard. */
  async psubscribe(...patterns: string[]): Promise<void> {
    await turn();
    for (const pattern of patterns) this.patterns.add(pattern);
  }

  async punsubscribe(...patterns: string[]): Promise<void> {
    for (const pattern of patterns) this.patterns.delete(pattern);
  }

  say(channel: string, text: string): void {
    this.emit('pmessageBuffer', Buffer.from(''), Buffer.from(channel), Buffer.from(text));
  }
}

function desk(goReplies = false) {
  const subscriber = new Subscriber();
  const replies = new RedisReplies({
    open: async () => subscriber as unknown as Redis,
    goReplies,
  });
  return { subscriber, replies };
}

const never = () => new AbortController().signal;
const text = async (answer: Promise<Uint8Array>) => Buffer.from(await answer).toString();

describe('the answers to calls over Redis', () => {
  it('R25 include one that comes before the id that it answers is known', async () => {
    const { subscriber, replies } = desk();
    const answer = replies.await(
      'E',
      async () => {
        expect([...subscriber.patterns]).toEqual(['E:*']);
        subscriber.say('E:5-1', 'early');
        return '5-1';
      },
      never(),
    );
    expect(await text(answer)).toBe('early');
    expect(replies.remembered).toBe(0);
  });

  it('R25 R27 that come early and are for nobody are parked up to a bound, and forgotten', async () => {
    const { subscriber, replies } = desk();
    let most = 0;
    const answer = replies.await(
      'E',
      async () => {
        for (let index = 0; index < 3 * REDIS_PARKED_REPLIES_MAX; index++) {
          subscriber.say(`E:9-${index}`, 'of others');
          most = Math.max(most, replies.remembered);
        }
        subscriber.say('E:5-1', 'right');
        return '5-1';
      },
      never(),
    );
    expect(await text(answer)).toBe('right');
    expect(most).toBe(REDIS_PARKED_REPLIES_MAX);
    expect(replies.remembered).toBe(0);
  });

  it('are not asked for when nobody waits any more before they can be heard', async () => {
    const { replies } = desk();
    const abort = new AbortController();
    let sent = 0;
    const send = async () => `${++sent}-0`;
    const answer = replies.await('E', send, abort.signal);
    abort.abort(new Error('too late'));
    await expect(answer).rejects.toThrow('too late');
    expect(sent).toBe(0);
  });

  it('R27 that nobody waits for any more are remembered by nothing', async () => {
    const { subscriber, replies } = desk();
    for (let round = 0; round < 100; round++) {
      const abort = new AbortController();
      const answer = replies.await('E', async () => `${round}-0`, abort.signal);
      abort.abort(new Error('time is up'));
      await expect(answer).rejects.toThrow('time is up');
      subscriber.say(`E:${round}-0`, 'late');
    }
    expect(replies.remembered).toBe(0);
    expect([...subscriber.patterns]).toEqual(['E:*']);
  });

  it('R27 of events without end are listened for up to a bound, but for those that are waited for', async () => {
    const { subscriber, replies } = desk();
    const waiting = replies.await('WAITED', async () => '1-0', never());
    const called = REDIS_CALLED_EVENTS_MAX + 50;
    for (let index = 0; index < called; index++) {
      const abort = new AbortController();
      const answer = replies.await(`E${index}`, async () => '1-0', abort.signal);
      abort.abort(new Error('time is up'));
      await expect(answer).rejects.toThrow();
    }
    expect(subscriber.patterns.size).toBe(REDIS_CALLED_EVENTS_MAX);
    expect(subscriber.patterns.has('WAITED:*')).toBe(true);
    expect(subscriber.patterns.has('E0:*')).toBe(false);
    subscriber.say('WAITED:1-0', 'still heard');
    expect(await text(waiting)).toBe('still heard');
  });

  it('take the name of an event literally, and the channels of the Go client if asked to', async () => {
    const { subscriber, replies } = desk(true);
    const answer = replies.await('a*[b]?\\', async () => '17-4', never());
    await turn();
    await turn();
    expect([...subscriber.patterns]).toEqual([
      'a\\*\\[b\\]\\?\\\\:*',
      'a\\*\\[b\\]\\?\\\\[0-9]*-*',
    ]);
    subscriber.say('a*[b]?\\17-4', 'from Go');
    expect(await text(answer)).toBe('from Go');
  });
});
