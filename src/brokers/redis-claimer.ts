/**
 * Takes over what other consumers were given and never acked, and keeps what ours have in hand.
 *
 * Purpose: no entry is left with a consumer that has died, and none is taken from one that works.
 *
 * Inner workings: in turns, for each event: entries in hand are claimed again by their own
 * consumer, without a count, so that they do not become idle; then XAUTOCLAIM takes what has been
 * idle for `idleMs`, from where the last look at that stream ended. A look at a long list is
 * bounded, so one turn may take several. Now and then consumers are taken out that have nothing and
 * were not heard of.
 *
 * Failure modes: a group that has vanished is the reader's to mend. On Redis before 6.2 nothing is
 * taken over, which is said once. Any other word of a server ends the link.
 */
import {
  REDIS_CLAIM_COUNT,
  REDIS_CLAIM_INTERVAL_MS,
  REDIS_CLAIM_ROUNDS_MAX,
  REDIS_CONSUMER_IDLE_MS,
  REDIS_HANDLER_MAX_MS,
  REDIS_REAP_INTERVAL_MS,
} from '../../protocols/limits.ts';
import type { Timer } from '../../protocols/ports.ts';
import { FIRST_ID, readClaim, readPending } from '../../protocols/wire/redis-stream.ts';
import { isReplyError, redisError } from './redis-connection.ts';
import type { RedisConsumption, RedisConsumptionOptions } from './redis-consumption.ts';
import type { HeldEntry } from './redis-ledger.ts';
import { isNoGroup, isWrongType } from './redis-reader.ts';
import { KEEP_SCRIPT, REAP_SCRIPT } from './redis-scripts.ts';

export type RedisClaimerOptions = RedisConsumptionOptions & {
  readonly consumption: RedisConsumption;
  /** For how long an entry may be with a consumer that gives no sign of it. */
  readonly idleMs: number;
};

/** Entries in hand are shown to be so this many times before they count as idle. */
const SIGNS_PER_IDLE = 3;

const TOO_OLD = /^ERR (unknown command|unknown subcommand|syntax error)/i;

export class RedisClaimer {
  readonly #options: RedisClaimerOptions;
  readonly #intervalMs: number;
  /** Where the look at each stream goes on. */
  readonly #cursors = new Map<string, string>();
  #timer: Timer | undefined;
  #nextReapMs: number;
  #isTooOld = false;
  #isStopped = false;

  constructor(options: RedisClaimerOptions) {
    this.#options = options;
    this.#intervalMs = Math.min(REDIS_CLAIM_INTERVAL_MS, options.idleMs / SIGNS_PER_IDLE);
    this.#nextReapMs = options.clock.nowMs() + REDIS_REAP_INTERVAL_MS;
  }

  start(): void {
    if (this.#isStopped) return;
    this.#timer = this.#options.clock.setTimer(this.#intervalMs, () => void this.#turn());
  }

  /** Takes over what others have left of an event that is new here, before its turn comes. */
  look(event: string): void {
    this.#mindful(() => this.#claim(event)).catch((error: unknown) => this.#lost(error));
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async #turn(): Promise<void> {
    const { clock, consumption, ledger } = this.#options;
    try {
      const isReaping = clock.nowMs() >= this.#nextReapMs;
      if (isReaping) this.#nextReapMs = clock.nowMs() + REDIS_REAP_INTERVAL_MS;
      await consumption.reviewAside();
      for (const event of ledger.heldEvents) await this.#mindful(() => this.#keep(event));
      for (const event of consumption.events) {
        await this.#mindful(() => this.#claim(event));
        if (isReaping) await this.#mindful(() => this.#reap(event));
      }
    } catch (error) {
      this.#lost(error);
      return;
    }
    this.start();
  }

  #lost(error: unknown): void {
    if (!this.#isStopped) this.#options.hooks.lost(redisError(error, this.#options.label));
  }

  /** Leaves to the reader what it meets as well, and mends. */
  async #mindful(work: () => Promise<void>): Promise<void> {
    if (this.#isStopped) return;
    try {
      await work();
    } catch (error) {
      if (!isNoGroup(error) && !isWrongType(error)) throw error;
    }
  }

  /** Shows that the entries in hand are worked on. */
  async #keep(event: string): Promise<void> {
    const { topology, group, consumer, ledger, clock, log, count } = this.#options;
    const worked: HeldEntry[] = [];
    for (const held of ledger.heldOf(event)) {
      if (clock.nowMs() - held.sinceMs < REDIS_HANDLER_MAX_MS) {
        worked.push(held);
        continue;
      }
      ledger.release(event, held.id);
      log.warn(
        { event, id: held.id },
        'a handler keeps a message for too long; others may take it',
      );
    }
    for (let start = 0; start < worked.length; start += REDIS_CLAIM_COUNT) {
      const ids = worked.slice(start, start + REDIS_CLAIM_COUNT).map(({ id }) => id);
      const values = [group, consumer, ...ids];
      const others = await topology.nodeOf(event).run(KEEP_SCRIPT, [event], values);
      for (const id of Array.isArray(others) ? others.map(String) : []) {
        // It may have been settled while the server was asked.
        if (!ledger.heldOf(event).some((held) => held.id === id)) continue;
        ledger.release(event, id);
        count('taken-over', event, 1);
      }
    }
  }

  async #claim(event: string): Promise<void> {
    const { consumption } = this.#options;
    for (let round = 0; round < REDIS_CLAIM_ROUNDS_MAX; round++) {
      if (this.#isStopped || this.#isTooOld || consumption.freeRoom() === 0) return;
      if (!(await this.#claimOnce(event))) return;
    }
  }

  /** One look; whether there is more to look at. */
  async #claimOnce(event: string): Promise<boolean> {
    const { topology, group, consumer, consumption, idleMs, ledger, count } = this.#options;
    const { commands } = topology.nodeOf(event);
    const most = String(Math.min(REDIS_CLAIM_COUNT, consumption.freeRoom()));
    const words = [String(Math.ceil(idleMs)), this.#cursors.get(event) ?? FIRST_ID, 'COUNT', most];
    let reply: unknown;
    try {
      reply = await commands.callBuffer('XAUTOCLAIM', event, group, consumer, ...words);
    } catch (error) {
      if (!isReplyError(error) || !TOO_OLD.test(error.message)) throw error;
      this.#isTooOld = true;
      this.#options.log.warn(
        {},
        'messages of consumers that have died are not taken over: Redis 6.2 or later can',
      );
      return false;
    }
    const { cursor, entries, ghosts, goneIds } = readClaim(event, reply);
    this.#cursors.set(event, cursor);
    if (goneIds.length > 0) count('trimmed-pending', event, goneIds.length);
    const orphans = entries.filter(({ id }) => !ledger.has(event, id));
    if (orphans.length > 0) {
      count('claimed', event, orphans.length);
      const deliveries = await this.#deliveriesOf(
        event,
        orphans.map(({ id }) => id),
      );
      for (const entry of orphans) consumption.deliver(entry, deliveries.get(entry.id) ?? 1);
    }
    if (ghosts > 0) await consumption.layGhosts(event);
    return cursor !== FIRST_ID;
  }

  /** How often each has been delivered, this time included: XAUTOCLAIM counts and does not tell. */
  async #deliveriesOf(event: string, ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
    const { topology, group, consumer } = this.#options;
    const { commands } = topology.nodeOf(event);
    const replies = await Promise.all(
      ids.map((id) => commands.callBuffer('XPENDING', event, group, id, id, '1', consumer)),
    );
    return new Map(replies.flatMap(readPending).map(({ id, deliveries }) => [id, deliveries]));
  }

  async #reap(event: string): Promise<void> {
    const { topology, group, consumer, count } = this.#options;
    const values = [group, consumer, String(REDIS_CONSUMER_IDLE_MS)];
    const reaped = await topology.nodeOf(event).run(REAP_SCRIPT, [event], values);
    if (Number(reaped) > 0) count('consumers-reaped', event, Number(reaped));
  }
}
