/**
 * Trims the streams that are published to, by age and by the server's clock.
 *
 * Purpose: streams stay bounded, and what is trimmed unread is not trimmed in silence.
 *
 * Inner workings: what is older than the retention goes. If a group has not come that far, its
 * place in the stream is where the trimming is done in two steps: first all that it has read, to
 * the entry, then the rest; what the second removes is what it has missed, and is counted.
 *
 * Failure modes: Redis before 6.2 cannot trim by age, which is said once, and streams grow.
 */
import { REDIS_TRIM_INTERVAL_MS, REDIS_TRIMMED_STREAMS_MAX } from '../../protocols/limits.ts';
import { messageOf } from '../../protocols/message-of.ts';
import type { Clock, Log, Timer } from '../../protocols/ports.ts';
import { compareIds, idAfter, readGroups } from '../../protocols/wire/redis-stream.ts';
import { isReplyError } from './redis-connection.ts';
import type { RedisCounter } from './redis-counts.ts';
import type { RedisTopology } from './redis-topology.ts';

export type RedisTrimmerOptions = {
  readonly topology: RedisTopology;
  /** Entries older than this are trimmed; 0 keeps all. */
  readonly retentionMs: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly count: RedisCounter;
};

export class RedisTrimmer {
  readonly #options: RedisTrimmerOptions;
  readonly #events = new Set<string>();
  /** Events whose loss a person has been told of. */
  readonly #told = new Set<string>();
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(options: RedisTrimmerOptions) {
    this.#options = options;
  }

  /** `event` is published to. */
  add(event: string): void {
    if (this.#events.size < REDIS_TRIMMED_STREAMS_MAX) this.#events.add(event);
  }

  start(): void {
    const { retentionMs, clock } = this.#options;
    if (retentionMs <= 0 || this.#isStopped) return;
    this.#timer = clock.setTimer(REDIS_TRIM_INTERVAL_MS, () => void this.#turn());
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async #turn(): Promise<void> {
    const { log } = this.#options;
    try {
      for (const event of this.#events) {
        if (!this.#isStopped) await this.#trim(event);
      }
    } catch (error) {
      const reason = messageOf(error);
      if (this.#isStopped || !isReplyError(error)) return;
      log.warn({ reason }, 'streams cannot be trimmed (Redis 6.2 or later can)');
      return;
    }
    this.start();
  }

  async #trim(event: string): Promise<void> {
    const { topology, retentionMs } = this.#options;
    const node = topology.nodeOf(event);
    const oldest = `${Math.max(0, Math.floor(node.epochMs() - retentionMs))}-0`;
    const slowest = await this.#slowestGroup(event);
    if (slowest === undefined) return;
    if (slowest.next === undefined || compareIds(slowest.next, oldest) >= 0) {
      await node.commands.xtrim(event, 'MINID', '~', oldest);
      return;
    }
    await node.commands.xtrim(event, 'MINID', '=', slowest.next);
    const missed = await node.commands.xtrim(event, 'MINID', '~', oldest);
    if (missed > 0) this.#tell(event, slowest.name, missed);
  }

  /**
   * The group that is furthest behind and the first entry it has not read; undefined without a
   * stream.
   */
  async #slowestGroup(
    event: string,
  ): Promise<{ readonly name: string; readonly next: string | undefined } | undefined> {
    const { commands } = this.#options.topology.nodeOf(event);
    let reply: unknown;
    try {
      reply = await commands.callBuffer('XINFO', 'GROUPS', event);
    } catch (error) {
      if (isReplyError(error) && /no such key|^WRONGTYPE/i.test(error.message)) return undefined;
      throw error;
    }
    let slowest: { name: string; next: string | undefined } = { name: '', next: undefined };
    for (const { name, lastDeliveredId } of readGroups(reply)) {
      const next = idAfter(lastDeliveredId);
      if (slowest.next === undefined || compareIds(next, slowest.next) < 0) {
        slowest = { name, next };
      }
    }
    return slowest;
  }

  #tell(event: string, group: string, missed: number): void {
    const { log, count, retentionMs } = this.#options;
    count('trimmed-unread', event, missed);
    const fields = { event, group, missed, retentionMs };
    const message = 'messages became older than the retention before a group has read them';
    // A group that nobody reads for any more would say so every minute.
    if (this.#told.has(event)) log.debug(fields, message);
    else log.warn(fields, message);
    this.#told.add(event);
  }
}
