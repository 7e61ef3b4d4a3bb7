/**
 * Consuming Redis streams on one link: readers, deliveries and what becomes of them.
 *
 * Purpose: every entry is delivered until it is acked, expires, or goes to the dead letters.
 *
 * Inner workings: one reader for all streams of a server, or one a slot in a cluster. An event is
 * read once its group exists (`redis-groups.ts`) and what this consumer was given before and has
 * not in hand (it was on its way when a connection broke, or this process has the name of one that
 * died) was delivered again. A shared group that has vanished is made again; one that is this
 * process's own ends the link, so that its owner hears of the gap.
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
  REDIS_QUICK_ANSWER_MS,
  REDIS_READ_COUNT,
  REDIS_READERS_MAX,
  REDIS_RETRIES_WAITING_MAX,
  REDIS_RETRY_DELAY_MAX_MS,
  RETRY_DELAY_MS,
} from '../../protocols/limits.ts';
import type { Clock, Timer } from '../../protocols/ports.ts';
import { deadLetterStream } from '../../protocols/wire/redis-slot.ts';
import {
  idAfter,
  readEntries,
  readPending,
  type StreamEntry,
} from '../../protocols/wire/redis-stream.ts';
import { publishAnswer } from './redis-answer.ts';
import { isReplyError, redisError } from './redis-connection.ts';
import { RedisGroups, type RedisGroupsOptions } from './redis-groups.ts';
import type { HeldEntry, LedgerLink, Settlement } from './redis-ledger.ts';
import { isNoGroup, RedisReader } from './redis-reader.ts';
import { DEAD_LETTER_SCRIPT, LAY_GHOSTS_SCRIPT } from './redis-scripts.ts';

export type RedisConsumptionOptions = RedisGroupsOptions & {
  readonly label: string;
  readonly hooks: LinkHooks;
  readonly clock: Clock;
};

export class RedisConsumption implements LedgerLink {
  readonly #options: RedisConsumptionOptions;
  readonly #groups: RedisGroups;
  readonly #readers = new Map<string, RedisReader>();
  readonly #events = new Set<string>();
  /** Events whose key is no stream now. */
  readonly #aside = new Set<string>();
  /** Entries that were handed back and wait to be delivered again. */
  readonly #retries = new Map<HeldEntry, Timer>();
  #isOver = false;

  constructor(options: RedisConsumptionOptions) {
    this.#options = options;
    this.#groups = new RedisGroups(options);
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
      await this.#groups.create(event);
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
    const left = new Set([...this.#events, ...this.#options.ledger.heldEvents]);
    await Promise.race([this.#groups.leave(left), deadline]);
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
      await this.#groups.create(event);
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
    if (this.#isOver || isFull) return false;
    const backoffMs = RETRY_DELAY_MS * 2 ** Math.min(deliveries - 1, REDIS_DELIVERIES_MAX);
    // Nobody else need wait for what is not consumed here any more.
    const delayMs = this.#events.has(event) ? Math.min(REDIS_RETRY_DELAY_MAX_MS, backoffMs) : 0;
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
      await this.#groups.create(event);
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
    const { event, id, deliveries, isRefused = false } = settlement;
    const dead = deadLetterStream(event);
    const bounds = [String(REDIS_DEAD_LETTERS_MAX), String(REDIS_DEAD_FIELDS_MAX)];
    const values = [group, consumer, id, reason, String(deliveries), ...bounds];
    const buried = await topology.nodeOf(event).run(DEAD_LETTER_SCRIPT, [event, dead], values);
    if (Number(buried) !== 2) return;
    count('dead-lettered', event, 1);
    const facts = { event, id, reason, stream: dead };
    log[isRefused ? 'debug' : 'warn'](facts, 'a message went to the dead letters');
  }

  /**
   * Claims an entry that was handed back, which counts the delivery, and delivers what comes of it.
   * If its event was cancelled meanwhile it is made to look idle instead, so that others take it
   * over at once.
   */
  async #retry(held: HeldEntry): Promise<void> {
    const { topology, group, consumer, ledger } = this.#options;
    const { event, id, deliveries } = held;
    try {
      const { commands } = topology.nodeOf(event);
      const isWanted = this.#events.has(event);
      const asIdle = isWanted ? [] : ['IDLE', String(REDIS_HANDLER_MAX_MS), 'JUSTID'];
      const words = [event, group, consumer, '0', id, ...asIdle];
      const reply = await commands.callBuffer('XCLAIM', ...words);
      this.#retries.delete(held);
      if (this.#isOver) return;
      ledger.release(event, id);
      const { entries } = readEntries(event, isWanted ? reply : []);
      for (const entry of entries) this.deliver(entry, deliveries + 1);
      if (isWanted && entries.length === 0) await this.layGhosts(event);
      this.room();
    } catch (error) {
      this.#retries.delete(held);
      ledger.release(event, id);
      if (!isNoGroup(error)) this.#lost(error);
    }
  }
}
