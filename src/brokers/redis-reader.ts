/**
 * One connection that waits in XREADGROUP, for every event whose stream is where it is.
 *
 * Purpose: to hand over new entries for as long as the link lives; nothing but its end ends the
 * loop.
 *
 * Inner workings: while there are no events, or the handlers have enough, nothing is read. A change
 * of the events wakes the read that is waiting. A read that is later than Redis would ever answer
 * is hung, whatever its socket says, and ends the link: waiting on would be for ever.
 *
 * Failure modes: a group that has vanished and a key that is no stream are the owner's to mend, by
 * `onNoGroup` and `onWrongType`; then the loop goes on. Any other error ends the link.
 */
import type { Redis } from 'ioredis';
import { withDeadline } from '../../actors/deadline.ts';
import { BrokerUnavailableError } from '../../protocols/errors.ts';
import { REDIS_BLOCK_GRACE_MS, REDIS_BLOCK_MS, RETRY_DELAY_MS } from '../../protocols/limits.ts';
import { messageOf } from '../../protocols/message-of.ts';
import type { Clock, Log } from '../../protocols/ports.ts';
import { readStreams, type StreamEntry } from '../../protocols/wire/redis-stream.ts';
import { pause } from '../pause.ts';
import { isReplyError } from './redis-connection.ts';
import type { RedisNode } from './redis-node.ts';

export type RedisReaderOptions = {
  readonly node: RedisNode;
  /** Opens the connection; called once, with the first event. */
  readonly open: () => Promise<Redis>;
  readonly group: string;
  readonly consumer: string;
  readonly clock: Clock;
  readonly log: Log;
  /** How many entries there is room for; 0 for not now. */
  readonly room: () => number;
  readonly onEntry: (entry: StreamEntry) => void;
  readonly onNoGroup: (events: readonly string[]) => Promise<void>;
  readonly onWrongType: (events: readonly string[]) => Promise<void>;
  readonly onHung: () => void;
  readonly lost: (reason: unknown) => void;
};

const WAKE_INTERVAL_MS = 10;
const READ_TIMEOUT_MS = REDIS_BLOCK_MS + REDIS_BLOCK_GRACE_MS;

/** What a read says when a group is gone; the second when that happened while it was waiting. */
const NO_GROUP = /^NOGROUP|^UNBLOCKED the stream key/;

export function isNoGroup(error: unknown): boolean {
  return isReplyError(error) && NO_GROUP.test(error.message);
}

export function isWrongType(error: unknown): boolean {
  return isReplyError(error) && error.message.startsWith('WRONGTYPE');
}

export class RedisReader {
  readonly #options: RedisReaderOptions;
  readonly #events = new Set<string>();
  #redis: Redis | undefined;
  #clientId = 0;
  #isStarted = false;
  #isReading = false;
  #isStopped = false;
  #signal: () => void = () => undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: RedisReaderOptions) {
    this.#options = options;
  }

  get events(): readonly string[] {
    return [...this.#events];
  }

  add(event: string): void {
    this.#events.add(event);
    if (this.#isStarted) this.wake();
    else this.#start();
  }

  remove(event: string): void {
    if (this.#events.delete(event)) this.wake();
  }

  /** Looks again at what there is to read, and ends the wait of a read that began before. */
  wake(): void {
    this.#signal();
    if (this.#isReading) void this.#unblock();
  }

  /** There may be room again; a read that is waiting needs no waking for that. */
  tellRoom(): void {
    this.#signal();
  }

  /** Reads nothing more; resolves when what was read has been handed over. */
  stop(): Promise<void> {
    this.#isStopped = true;
    this.wake();
    return this.#loop;
  }

  /** Abandons everything at once. */
  abort(): void {
    this.#isStopped = true;
    this.#signal();
    this.#redis?.disconnect();
  }

  #start(): void {
    this.#isStarted = true;
    this.#loop = this.#readUntilStopped().catch((error: unknown) => {
      if (!this.#isStopped) this.#options.lost(error);
    });
  }

  async #readUntilStopped(): Promise<void> {
    const redis = await this.#options.open();
    this.#redis = redis;
    if (this.#isStopped) redis.disconnect();
    else this.#clientId = Number(await redis.client('ID'));
    while (!this.#isStopped) {
      const events = this.events;
      const room = this.#options.room();
      if (events.length === 0 || room === 0) await this.#signalled();
      else await this.#readOrMend(redis, events, room);
    }
  }

  #signalled(): Promise<void> {
    return new Promise((resolve) => {
      this.#signal = resolve;
      // What the signal is for may have come about since it was looked at.
      const mayRead = this.#events.size > 0 && this.#options.room() > 0;
      if (this.#isStopped || mayRead) resolve();
    });
  }

  async #readOrMend(redis: Redis, events: readonly string[], room: number): Promise<void> {
    const { clock, onEntry, onNoGroup, onWrongType } = this.#options;
    try {
      const reply = await this.#read(redis, events, room);
      for (const entry of readStreams(reply)) onEntry(entry);
    } catch (error) {
      if (this.#isStopped) return;
      const isMissing = isNoGroup(error);
      if (!isMissing && !isWrongType(error)) throw error;
      await pause(clock, RETRY_DELAY_MS);
      if (this.#isStopped) return;
      await (isMissing ? onNoGroup(events) : onWrongType(events));
    }
  }

  async #read(redis: Redis, events: readonly string[], room: number): Promise<unknown> {
    const { clock, node, group, consumer, onHung } = this.#options;
    this.#isReading = true;
    try {
      const words = ['GROUP', group, consumer, 'COUNT', String(room)];
      const streams = ['STREAMS', ...events, ...events.map(() => '>')];
      const reply = redis.callBuffer(
        'XREADGROUP',
        ...words,
        'BLOCK',
        String(REDIS_BLOCK_MS),
        ...streams,
      );
      return await withDeadline(clock, READ_TIMEOUT_MS, reply, () => {
        onHung();
        return new BrokerUnavailableError(
          `${node.label} did not end a blocking read within ${READ_TIMEOUT_MS} ms`,
        );
      });
    } finally {
      this.#isReading = false;
    }
  }

  async #unblock(): Promise<void> {
    const { node, clock, log } = this.#options;
    try {
      // The read may have been written and not begun: then there is nothing to unblock yet.
      while (this.#isReading && node.commands.status === 'ready') {
        const unblocked = await node.commands.client('UNBLOCK', this.#clientId);
        if (Number(unblocked) === 1) return;
        await pause(clock, WAKE_INTERVAL_MS);
      }
    } catch (error) {
      const reason = messageOf(error);
      log.debug({ reason }, 'a waiting read could not be woken; it ends by itself');
    }
  }
}
