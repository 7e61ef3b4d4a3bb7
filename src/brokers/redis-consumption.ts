/**
 * Consuming Redis streams on one link: groups, readers, deliveries and what becomes of them.
 *
 * Purpose: every entry is delivered until it is acked, expires, or goes to the dead letters.
 *
 * Inner workings: one reader for all streams of a server, or one a slot in a cluster. An event is
 * read once its group exists and what this consumer was given before and has not in hand (it was on
 * its way when a connection broke, or this process has the name of one that died) was delivered
 * again. Groups are made at `0`; one that has vanished (FLUSHALL, an evicted key, a server that
 * came back empty) is made again after the last entry seen here, or at `0` if the stream does not
 * reach that far. A group that is one process's own is made at `$` and deleted at the end; one that
 * vanished ends the link, so that its owner hears of the gap, and those of processes that were
 * killed go with the next that begins.
 *
 * Failure modes: an entry without `data`, and one that was delivered REDIS_DELIVERIES_MAX times,
 * goes to the dead letters; so does what a handler rejects. A key that is no stream is fatal for
 * whoever subscribes to it first; one that becomes so later is set aside and looked at again now
 * and then.
 */
import type { LinkHooks } from '../../actors/channel/link.ts';
import { BrokerUnavailableError, FatalError } from '../../protocols/errors.ts';
import {
  CONSUMER_PREFETCH,
  REDIS_CLAIM_COUNT,
  REDIS_DEAD_FIELDS_MAX,
  REDIS_DEAD_LETTERS_MAX,
  REDIS_DELIVERIES_MAX,
  REDIS_HANDLER_MAX_MS,
  REDIS_OWN_GROUP_IDLE_MS,
  REDIS_QUICK_ANSWER_MS,
  REDIS_READ_COUNT,
  REDIS_READERS_MAX,
  REDIS_RETRIES_WAITING_MAX,
  REDIS_RETRY_DELAY_MAX_MS,
  RETRY_DELAY_MS,
} from '../../protocols/limits.ts';
import type { Clock, Log, Timer } from '../../protocols/ports.ts';
import { deadLetterStream } from '../../protocols/wire/redis-slot.ts';
import {
  compareIds,
  idAfter,
  readEntries,
  readLastId,
  readPending,
  type StreamEntry,
} from '../../protocols/wire/redis-stream.ts';
import { publishAnswer } from './redis-answer.ts';
import { isReplyError, redisError } from './redis-connection.ts';
import type { RedisCounter } from './redis-counts.ts';
import type { HeldEntry, LedgerLink, RedisLedger, Settlement } from './redis-ledger.ts';
import { isNoGroup, RedisReader } from './redis-reader.ts';
import {
  ABANDONED_GROUPS_SCRIPT,
  DEAD_LETTER_SCRIPT,
  LAY_GHOSTS_SCRIPT,
  LEAVE_SCRIPT,
} from './redis-scripts.ts';
import type { RedisTopology } from './redis-topology.ts';

export type RedisConsumptionOptions = {
  readonly topology: RedisTopology;
  readonly ledger: RedisLedger;
  readonly group: string;
  readonly consumer: string;
  readonly label: string;
  readonly hooks: LinkHooks;
  readonly clock: Clock;
  readonly log: Log;
  /** Deliveries that handlers may have and not have settled. */
  readonly prefetch: number;
  readonly count: RedisCounter;
  /**
   * What the names of groups begin with that belong to one process each; undefined for shared ones.
   */
  readonly ownGroups: string | undefined;
};

export class RedisConsumption implements LedgerLink {
  readonly #options: RedisConsumptionOptions;
  readonly #readers = new Map<string, RedisReader>();
  readonly #events = new Set<string>();
  /** Events whose key is no stream now. */
  readonly #aside = new Set<string>();
  /** Entries that were handed back and wait to be delivered again. */
  readonly #retries = new Map<HeldEntry, Timer>();
  #isOver = false;

  constructor(options: RedisConsumptionOptions) {
    this.#options = options;
  }

  start(): void {
    this.#options.ledger.attach(this);
  }

  /** Events that are consumed and whose streams are in order. */
  get events(): readonly string[] {
    return [...this.#events].filter((event) => !this.#aside.has(event));
  }

  /** How many entries may be delivered now. */
  freeRoom(): number {
    if (this.#isOver) return 0;
    return Math.max(0, this.#options.prefetch - this.#options.ledger.inHand - this.#retries.size);
  }

  room(): void {
    for (const reader of this.#readers.values()) reader.tellRoom();
  }

  async consume(event: string): Promise<void> {
    const { ledger, log, label } = this.#options;
    try {
      await this.#createGroup(event);
    } catch (error) {
      const known = redisError(error, label);
      // What was a stream before must not stop everything else when it is none any more.
      if (!(known instanceof FatalError) || !ledger.consumed.has(event)) throw known;
      log.error({ event, reason: known.message }, 'an event cannot be consumed now');
      this.#aside.add(event);
    }
    ledger.consumed.add(event);
    this.#events.add(event);
    if (!this.#aside.has(event)) this.#readSoon(event);
  }

  async cancel(event: string): Promise<void> {
    const { ledger, topology } = this.#options;
    ledger.consumed.delete(event);
    this.#events.delete(event);
    this.#aside.delete(event);
    this.#readers.get(topology.readerKey(event))?.remove(event);
  }

  /** Reads nothing more and waits for the handlers, until `deadline` settles. */
  async stop(deadline: Promise<void>): Promise<void> {
    const reading = Promise.all([...this.#readers.values()].map((reader) => reader.stop()));
    await Promise.race([reading, deadline]);
    await Promise.race([this.#options.ledger.idle(), deadline]);
    await Promise.race([this.#leaveGroups(), deadline]);
  }

  /** Abandons everything at once; the ledger keeps what handlers have in hand. */
  abort(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { ledger } = this.#options;
    ledger.detach(this);
    for (const reader of this.#readers.values()) reader.abort();
    for (const [held, timer] of this.#retries) {
      timer.cancel();
      // It is pending, and nobody's: the next link delivers it again.
      ledger.release(held.event, held.id);
    }
    this.#retries.clear();
  }

  /** Looks again at the keys that were no streams. */
  async reviewAside(): Promise<void> {
    const { log, topology } = this.#options;
    for (const event of this.#aside) {
      const type = await topology.nodeOf(event).commands.type(event);
      if (type !== 'stream' && type !== 'none') continue;
      await this.#createGroup(event);
      log.info({ event }, 'an event can be consumed again');
      this.#aside.delete(event);
      if (this.#events.has(event)) this.#readSoon(event);
    }
  }

  /** Gives an entry to its handler, unless one has it already or nobody can or should handle it. */
  deliver(entry: StreamEntry, deliveries: number): void {
    const { hooks, ledger, clock, topology, count, log } = this.#options;
    const { event, id, data, timeoutAtMs } = entry;
    ledger.see(event, id);
    if (ledger.has(event, id)) return;
    const bury = (deadReason: string) => ledger.settle({ event, id, deliveries, deadReason });
    if (timeoutAtMs !== undefined && topology.nodeOf(event).epochMs() > timeoutAtMs) {
      count('expired', event, 1);
      log.debug({ event, id }, 'nobody waits for a message any more; it was dropped');
      ledger.settle({ event, id, deliveries, deadReason: undefined });
    } else if (data === undefined) {
      bury('it has no field data');
    } else if (deliveries > REDIS_DELIVERIES_MAX) {
      bury(`it was delivered ${deliveries - 1} times and never acked`);
    } else {
      hooks.delivery(ledger.hold(entry, data, deliveries, clock.nowMs()));
    }
  }

  /** Entries that are pending and gone are acked, since nobody else can. */
  async layGhosts(event: string): Promise<void> {
    const { topology, group, consumer, count } = this.#options;
    const node = topology.nodeOf(event);
    const laid = await node.run(
      LAY_GHOSTS_SCRIPT,
      [event],
      [group, consumer, String(CONSUMER_PREFETCH)],
    );
    if (Number(laid) > 0) count('trimmed-pending', event, Number(laid));
  }

  async settle(settlement: Settlement): Promise<void> {
    const { topology, group } = this.#options;
    const { event, id, deadReason } = settlement;
    const node = topology.nodeOf(event);
    try {
      if (deadReason === undefined) await node.commands.xack(event, group, id);
      else await this.#bury(settlement, deadReason);
    } catch (error) {
      // What the server refuses stays pending: it is claimed, and tried again, after a while.
      if (!isReplyError(error)) throw error;
      if (isNoGroup(error)) return;
      this.#options.log.warn({ event, id, reason: error.message }, 'an entry cannot be settled');
    }
  }

  retryLater(held: HeldEntry): boolean {
    const { event, deliveries } = held;
    const isFull = this.#retries.size >= REDIS_RETRIES_WAITING_MAX;
    if (this.#isOver || isFull || !this.#events.has(event)) return false;
    const delayMs = Math.min(
      REDIS_RETRY_DELAY_MAX_MS,
      RETRY_DELAY_MS * 2 ** Math.min(deliveries - 1, REDIS_DELIVERIES_MAX),
    );
    const timer = this.#options.clock.setTimer(delayMs, () => void this.#retry(held));
    this.#retries.set(held, timer);
    return true;
  }

  answer(held: HeldEntry, body: Uint8Array): Promise<void> {
    const { topology, clock } = this.#options;
    return publishAnswer({
      redis: topology.any.commands,
      clock,
      channel: `${held.event}:${held.id}`,
      body,
      isQuick: clock.nowMs() - held.sinceMs < REDIS_QUICK_ANSWER_MS,
      isCluster: topology.isCluster,
    });
  }

  async #createGroup(event: string): Promise<void> {
    const { topology, group, ledger } = this.#options;
    const { commands } = topology.nodeOf(event);
    const create = (start: string) => commands.xgroup('CREATE', event, group, start, 'MKSTREAM');
    const first = this.#options.ownGroups === undefined ? '0' : '$';
    try {
      const seen = ledger.lastSeen(event);
      await create(seen === undefined ? first : await this.#startAfter(event, seen));
      await this.#deleteAbandoned(event);
    } catch (error) {
      if (!isReplyError(error) || !error.message.startsWith('BUSYGROUP')) throw error;
    }
  }

  async #deleteAbandoned(event: string): Promise<void> {
    const { topology, ownGroups, count } = this.#options;
    if (ownGroups === undefined) return;
    const values = [ownGroups, String(REDIS_OWN_GROUP_IDLE_MS)];
    const deleted = await topology.nodeOf(event).run(ABANDONED_GROUPS_SCRIPT, [event], values);
    if (Number(deleted) > 0) count('groups-abandoned', event, Number(deleted));
  }

  /**
   * Where a group starts that has vanished: after `seen`, if the stream still is the one it was
   * seen in.
   */
  async #startAfter(event: string, seen: string): Promise<string> {
    const { commands } = this.#options.topology.nodeOf(event);
    try {
      const lastId = readLastId(await commands.callBuffer('XINFO', 'STREAM', event));
      return compareIds(lastId, seen) < 0 ? '0' : seen;
    } catch (error) {
      if (isReplyError(error) && /no such key/i.test(error.message)) return '0';
      throw error;
    }
  }

  /** Delivers what this consumer was given before, then reads. Not waited for: events are many. */
  #readSoon(event: string): void {
    this.#recover(event)
      .then(() => {
        if (!this.#isOver && this.#events.has(event)) this.#readerOf(event).add(event);
      })
      .catch((error: unknown) => this.#lost(error));
  }

  #readerOf(event: string): RedisReader {
    const { topology, group, consumer, clock, log, count } = this.#options;
    const key = topology.readerKey(event);
    const known = this.#readers.get(key);
    if (known) return known;
    if (this.#readers.size >= REDIS_READERS_MAX) {
      throw new FatalError(
        `${this.#readers.size} slots of a cluster are read already; ${event} would be one more`,
      );
    }
    const node = topology.nodeOf(event);
    const reader = new RedisReader({
      node,
      open: () => topology.connect(node, 'reader'),
      group,
      consumer,
      clock,
      log,
      room: () => Math.min(REDIS_READ_COUNT, this.freeRoom()),
      onEntry: (entry) => this.deliver(entry, 1),
      onNoGroup: (events) => this.#recreateGroups(events),
      onWrongType: (events) => this.#setAside(events, reader),
      onHung: () => count('reads-hung', event, 1),
      lost: (error) => this.#lost(error),
    });
    this.#readers.set(key, reader);
    return reader;
  }

  /** The error ends the link, which rebuilds all of this. */
  #lost(error: unknown): void {
    if (!this.#isOver) this.#options.hooks.lost(redisError(error, this.#options.label));
  }

  async #recover(event: string): Promise<void> {
    const { topology, group, consumer, ledger, count } = this.#options;
    const { commands } = topology.nodeOf(event);
    let start = '-';
    for (let room = this.freeRoom(); room > 0; room = this.freeRoom()) {
      const words = [event, group, start, '+', String(REDIS_CLAIM_COUNT), consumer];
      const page = readPending(await commands.callBuffer('XPENDING', ...words));
      const known = new Map(page.map(({ id, deliveries }) => [id, deliveries]));
      const ids = page.map(({ id }) => id).filter((id) => !ledger.has(event, id));
      const claimed = ids.slice(0, room);
      if (claimed.length > 0) {
        const reply = await commands.callBuffer('XCLAIM', event, group, consumer, '0', ...claimed);
        const { entries } = readEntries(event, reply);
        count('claimed', event, entries.length);
        for (const entry of entries) this.deliver(entry, (known.get(entry.id) ?? 0) + 1);
        if (entries.length < claimed.length) await this.layGhosts(event);
      }
      const last = page.at(-1);
      if (last === undefined || page.length < REDIS_CLAIM_COUNT) return;
      start = idAfter(last.id);
    }
  }

  async #recreateGroups(events: readonly string[]): Promise<void> {
    const { log, count, ownGroups, label } = this.#options;
    if (ownGroups !== undefined) {
      this.#lost(new BrokerUnavailableError(`${label}: the groups of this process have vanished`));
      return;
    }
    log.warn({ events }, 'a consumer group has vanished; it is made again');
    for (const event of events) {
      await this.#createGroup(event);
      count('groups-recreated', event, 1);
    }
  }

  async #setAside(events: readonly string[], reader: RedisReader): Promise<void> {
    const { topology, log, count } = this.#options;
    for (const event of events) {
      const type = await topology.nodeOf(event).commands.type(event);
      if (type === 'stream' || type === 'none') continue;
      log.error({ event, type }, 'the key of an event is no stream; delete it to go on');
      count('wrong-type', event, 1);
      this.#aside.add(event);
      reader.remove(event);
    }
  }

  async #bury(settlement: Settlement, reason: string): Promise<void> {
    const { topology, group, consumer, log, count } = this.#options;
    const { event, id, deliveries } = settlement;
    const dead = deadLetterStream(event);
    const bounds = [String(REDIS_DEAD_LETTERS_MAX), String(REDIS_DEAD_FIELDS_MAX)];
    const values = [group, consumer, id, reason, String(deliveries), ...bounds];
    const buried = await topology.nodeOf(event).run(DEAD_LETTER_SCRIPT, [event, dead], values);
    if (Number(buried) !== 2) return;
    count('dead-lettered', event, 1);
    log.warn({ event, id, reason, stream: dead }, 'a message went to the dead letters');
  }

  /**
   * Claims an entry that was handed back, which counts the delivery, and delivers what comes of it.
   */
  async #retry(held: HeldEntry): Promise<void> {
    const { topology, group, consumer, ledger } = this.#options;
    const { event, id, deliveries } = held;
    try {
      const { commands } = topology.nodeOf(event);
      const wasWanted = this.#events.has(event);
      const reply = wasWanted
        ? await commands.callBuffer('XCLAIM', event, group, consumer, '0', id)
        : [];
      this.#retries.delete(held);
      if (this.#isOver) return;
      ledger.release(event, id);
      const { entries } = readEntries(event, reply);
      for (const entry of entries) this.deliver(entry, deliveries + 1);
      if (wasWanted && entries.length === 0) await this.layGhosts(event);
      this.room();
    } catch (error) {
      this.#retries.delete(held);
      ledger.release(event, id);
      if (!isNoGroup(error)) this.#lost(error);
    }
  }

  /** Leaves what is not settled to others, and its groups, if nothing is left. */
  async #leaveGroups(): Promise<void> {
    const { topology, group, consumer, log, prefetch } = this.#options;
    const values = [group, consumer, String(REDIS_HANDLER_MAX_MS), String(prefetch)];
    const { ownGroups } = this.#options;
    // All at once: there may be no time left to wait for one after the other.
    const leave = async (event: string) => {
      try {
        const node = topology.nodeOf(event);
        if (ownGroups === undefined) await node.run(LEAVE_SCRIPT, [event], values);
        else await node.commands.xgroup('DESTROY', event, group);
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        log.debug({ event, reason }, 'a consumer could not leave its group');
      }
    };
    await Promise.all([...this.#events].map(leave));
  }
}
