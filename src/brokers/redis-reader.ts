/**
 * Consuming Redis streams: one connection that waits in XREADGROUP for every subscribed event.
 *
 * Groups are made at `0` with MKSTREAM, and only BUSYGROUP is no error. A group that vanishes (FLUSHALL,
 * an evicted key, a server that came back empty) is made again after the last entry that this process
 * has seen, or at `0`. While nothing is subscribed, or the handlers hold CONSUMER_PREFETCH deliveries,
 * nothing is read. A change of the subscriptions wakes the read that is waiting.
 *
 * Any other error of the read ends the link: the supervisor's next channel reads again. An entry
 * without `data` cannot be handled by anyone: it is acked, counted in the log and left behind.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { LinkHooks } from '../../actors/channel/link.ts';
import {
  CONSUMER_PREFETCH,
  REDIS_BLOCK_MS,
  REDIS_QUICK_ANSWER_MS,
  REDIS_READ_COUNT,
  RETRY_DELAY_MS,
} from '../../protocols/limits.ts';
import type { Log } from '../../protocols/ports.ts';
import { InFlight } from './in-flight.ts';
import { publishAnswer } from './redis-answer.ts';
import { isReplyError, redisError } from './redis-connection.ts';

export type RedisReaderOptions = {
  readonly commands: Redis;
  readonly reader: Redis;
  readonly group: string;
  readonly consumer: string;
  readonly label: string;
  readonly hooks: LinkHooks;
  readonly log: Log;
};

type Entry = { readonly event: string; readonly id: string; readonly data: Buffer | undefined };

const WAKE_INTERVAL_MS = 10;

function isNoGroup(error: unknown): boolean {
  return isReplyError(error) && error.message.startsWith('NOGROUP');
}

/** The value of `data` among a flat list of field names and values. */
function dataField(fields: unknown): Buffer | undefined {
  if (!Array.isArray(fields)) return undefined;
  for (let index = 0; index + 1 < fields.length; index += 2) {
    if (String(fields[index]) === 'data') return Buffer.from(fields[index + 1]);
  }
  return undefined;
}

function readEntries(event: string, entries: unknown): Entry[] {
  if (!Array.isArray(entries)) return [];
  return entries
    .filter((entry): entry is [unknown, unknown] => Array.isArray(entry))
    .map(([id, fields]) => ({ event, id: String(id), data: dataField(fields) }));
}

/** What XREADGROUP answers: nothing, or `[[event, [[id, [field, value, …]], …]], …]`. */
function readReply(reply: unknown): Entry[] {
  if (!Array.isArray(reply)) return [];
  return reply.flatMap((stream) =>
    Array.isArray(stream) ? readEntries(String(stream[0]), stream[1]) : [],
  );
}

export class RedisReader {
  readonly #options: RedisReaderOptions;
  readonly #events = new Set<string>();
  readonly #lastSeen = new Map<string, string>();
  readonly #inFlight: InFlight;
  #clientId = 0;
  #isReading = false;
  #isStopped = false;
  #signal: () => void = () => undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: RedisReaderOptions) {
    this.#options = options;
    this.#inFlight = new InFlight(() => this.#signal());
  }

  async start(): Promise<void> {
    this.#clientId = Number(await this.#options.reader.client('ID'));
    this.#loop = this.#readUntilStopped();
  }

  async consume(event: string): Promise<void> {
    await this.#createGroup(event);
    this.#events.add(event);
    this.#wake();
  }

  async cancel(event: string): Promise<void> {
    this.#events.delete(event);
    this.#wake();
  }

  /** Reads nothing more and waits for the handlers, until `deadline` settles. */
  async stop(deadline: Promise<void>): Promise<void> {
    this.#isStopped = true;
    this.#wake();
    await Promise.race([this.#loop, deadline]);
    await Promise.race([this.#inFlight.idle(), deadline]);
    await Promise.race([this.#leaveGroups(), deadline]);
  }

  /** Abandons everything at once. */
  abort(): void {
    this.#isStopped = true;
    this.#signal();
  }

  async #createGroup(event: string): Promise<void> {
    const { commands, group, label } = this.#options;
    const start = this.#lastSeen.get(event) ?? '0';
    try {
      await commands.xgroup('CREATE', event, group, start, 'MKSTREAM');
    } catch (error) {
      if (isReplyError(error) && error.message.startsWith('BUSYGROUP')) return;
      throw redisError(error, label);
    }
  }

  async #readUntilStopped(): Promise<void> {
    const { hooks, label } = this.#options;
    while (!this.#isStopped) {
      try {
        if (this.#mayRead()) await this.#readOnce();
        else await this.#signalled();
      } catch (error) {
        if (this.#isStopped) return;
        if (!isNoGroup(error)) {
          hooks.lost(redisError(error, label));
          return;
        }
        await this.#recreateGroups();
      }
    }
  }

  #mayRead(): boolean {
    return this.#events.size > 0 && this.#inFlight.count < CONSUMER_PREFETCH;
  }

  #signalled(): Promise<void> {
    return new Promise((resolve) => {
      this.#signal = resolve;
      // What the signal is for may have come about since it was looked at.
      if (this.#isStopped || this.#mayRead()) resolve();
    });
  }

  async #readOnce(): Promise<void> {
    const { reader, group, consumer } = this.#options;
    const count = Math.min(REDIS_READ_COUNT, CONSUMER_PREFETCH - this.#inFlight.count);
    const events = [...this.#events];
    this.#isReading = true;
    let reply: unknown;
    try {
      reply = await reader.callBuffer(
        'XREADGROUP',
        'GROUP',
        group,
        consumer,
        'COUNT',
        String(count),
        'BLOCK',
        String(REDIS_BLOCK_MS),
        'STREAMS',
        ...events,
        ...events.map(() => '>'),
      );
    } finally {
      this.#isReading = false;
    }
    for (const entry of readReply(reply)) this.#deliver(entry);
  }

  #deliver(entry: Entry): void {
    const { hooks, log } = this.#options;
    const { event, id, data } = entry;
    this.#lastSeen.set(event, id);
    if (data === undefined) {
      log.warn({ event, id }, 'an entry has no field data; it was acked and skipped');
      this.#ack(event, id);
      return;
    }
    const deliveredMs = performance.now();
    hooks.delivery(
      this.#inFlight.enter({
        event,
        body: data,
        // Nothing in an entry says whether its sender waits for an answer.
        wantsReply: true,
        ack: () => this.#ack(event, id),
        retry: () => void this.#redeliver(event, id),
        reject: (reason) => {
          log.warn({ event, id, reason }, 'a message was rejected');
          this.#ack(event, id);
        },
        reply: (body) =>
          publishAnswer(
            this.#options.commands,
            `${event}:${id}`,
            Buffer.from(body),
            performance.now() - deliveredMs < REDIS_QUICK_ANSWER_MS,
          ),
      }),
    );
  }

  /** An ack that does not arrive leaves the entry pending, to be claimed: it is never an error here. */
  #ack(event: string, id: string): void {
    const { commands, group, log } = this.#options;
    commands.xack(event, group, id).catch((error: Error) => {
      log.debug({ event, id, reason: error.message }, 'an ack was not delivered');
    });
  }

  /** Claims the entry for this consumer again, which counts the delivery, and delivers what comes back. */
  async #redeliver(event: string, id: string): Promise<void> {
    const { commands, group, consumer, log } = this.#options;
    try {
      await sleep(RETRY_DELAY_MS);
      if (this.#isStopped) return;
      const claimed = await commands.callBuffer('XCLAIM', event, group, consumer, '0', id);
      for (const entry of readEntries(event, claimed)) this.#deliver(entry);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.debug({ event, id, reason }, 'a message could not be claimed again; it stays pending');
    }
  }

  async #recreateGroups(): Promise<void> {
    const { hooks, label, log } = this.#options;
    log.warn({ events: [...this.#events] }, 'a consumer group has vanished; it is made again');
    try {
      await sleep(RETRY_DELAY_MS);
      for (const event of this.#events) await this.#createGroup(event);
    } catch (error) {
      this.#isStopped = true;
      hooks.lost(redisError(error, label));
    }
  }

  /** Ends the wait of a read that has begun before the subscriptions changed. */
  #wake(): void {
    this.#signal();
    if (this.#isReading) void this.#unblock();
  }

  async #unblock(): Promise<void> {
    try {
      // The read may have been written and not begun: then there is nothing to unblock yet.
      while (this.#isReading && this.#options.commands.status === 'ready') {
        const unblocked = await this.#options.commands.client('UNBLOCK', this.#clientId);
        if (Number(unblocked) === 1) return;
        await sleep(WAKE_INTERVAL_MS);
      }
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.log.debug({ reason }, 'a waiting read could not be woken');
    }
  }

  /** A consumer with nothing pending is forgotten by its groups; one with something must stay. */
  async #leaveGroups(): Promise<void> {
    const { commands, group, consumer } = this.#options;
    for (const event of this.#lastSeen.keys()) {
      const pending = await commands.xpending(event, group, '-', '+', 1, consumer);
      if (pending.length === 0) await commands.xgroup('DELCONSUMER', event, group, consumer);
    }
  }
}
