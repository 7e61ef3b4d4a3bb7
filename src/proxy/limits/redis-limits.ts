/**
 * Limits that several proxies share over one Redis, or a cluster.
 *
 * Purpose: to carry exchanges to Redis and words of others back, and to say how the proxies stand.
 *
 * Inner workings. There is one connection for questions and one that listens, however many requests
 * wait: waiting uses none. Questions are written one after the other without waiting for answers.
 * Each proxy listens on one channel of its own, before it says for the first time that it is there,
 * and whoever changes a place publishes the place's name to those that wait for it. Once a second
 * the proxy says that it is there, and learns who else is.
 *
 * Failure modes. Redis is away as soon as a connection ends, an answer does not come within
 * SHARED_ANSWER_MS, or its answers take so long that its time cannot be told to
 * SHARED_CLOCK_ERROR_MAX_MS. Then every exchange fails at once, and Redis is tried again and again.
 * While it is away the share is that of one among those seen; when it is back, see `fleet.ts`. A
 * Redis that has lost its memory is told from one that has not by the memory's name, which is a
 * part of every place's key. When its clock was set, the times in it are no longer true: whoever
 * finds that out gives the memory up, so that nobody reads it again, and what is known is told to a
 * new one.
 */
import { z } from 'zod';
import { withDeadline } from '../../../actors/deadline.ts';
import { type BackoffState, FRESH_BACKOFF, nextBackoff } from '../../../protocols/backoff.ts';
import { FatalError, StoreUnavailableError } from '../../../protocols/errors.ts';
import {
  SHARED_ANSWER_MS,
  SHARED_BACKOFF,
  SHARED_CLOCK_ERROR_MAX_MS,
  SHARED_CONNECT_MS,
  SHARED_HEARTBEAT_MS,
  SHARED_KEPT_MAX_MS,
  SHARED_PROXIES_MAX,
  SHARED_SEEN_MS,
  SHARED_WAIT_KEPT_MS,
} from '../../../protocols/limits.ts';
import type { Clock, Log, Random, Timer } from '../../../protocols/ports.ts';
import type {
  Answer,
  Offer,
  SharedLimits,
  SharedStanding,
} from '../../../protocols/shared-limits.ts';
import { redisError } from '../../brokers/redis-connection.ts';
import { unlessAborted } from '../../unless-aborted.ts';
import { type Others, seen, shareAlone, shareTogether } from './fleet.ts';
import type { LimitsLink, LimitsStore } from './limits-store.ts';
import { EXCHANGE_SCRIPT, GREET_SCRIPT, LEAVE_SCRIPT } from './scripts.ts';
import { StoreClock } from './store-clock.ts';

/** How an exchange ended. */
export type ExchangeResult = 'kept' | 'looked' | 'conflict' | 'failed';

export type RedisLimitsOptions = {
  readonly store: LimitsStore;
  /** What every key begins with. */
  readonly prefix: string;
  /** How many proxies there are at least. */
  readonly proxiesMin: number;
  /** Names this proxy; no other has the same. */
  readonly proxy: string;
  /** Names the address that Discord sees. */
  readonly address: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  counted(result: ExchangeResult): void;
  wentAway(): void;
};

/**
 * Numbers of requests are whole numbers below 2 ** 53: so many proxies, and so many requests of
 * each.
 */
const PROXY_NUMBERS = 2 ** 22;
const REQUESTS_OF_PROXY = 2 ** 31;

/** One answer may be late because this process was busy. */
const GREETINGS_MAX = 5;

const exchangeAnswer = z.tuple([
  z.coerce.number(),
  z.coerce.number(),
  z.number(),
  z.string(),
  z.string().nullable(),
  z.array(z.string()),
]);
const greetAnswer = z
  .tuple([z.coerce.number(), z.coerce.number(), z.string()])
  .rest(z.union([z.string(), z.number()]));

export class RedisLimits implements SharedLimits {
  readonly proxy: string;
  readonly address: string;
  readonly firstRequest: number;
  readonly #options: RedisLimitsOptions;
  /** By place. */
  readonly #watchers = new Map<string, Set<() => void>>();
  readonly #clockOfStore = new StoreClock();
  #link: LimitsLink | null = null;
  /** Ends what is open, or is being opened. */
  #end = new AbortController();
  #standing: SharedStanding;
  #others: Others = new Map();
  #joinedMs = 0;
  #memory: string | null = null;
  /** The store's clock was set, and its memory has not been given up for that yet. */
  #isTimeSet = false;
  #backoff: BackoffState = FRESH_BACKOFF;
  #timer: Timer | undefined;
  #isClosed = false;

  constructor(options: RedisLimitsOptions) {
    this.#options = options;
    this.proxy = options.proxy;
    this.address = options.address;
    this.firstRequest = Math.floor(options.random() * PROXY_NUMBERS) * REQUESTS_OF_PROXY;
    const share = shareAlone(this.#others, options.proxiesMin, 0);
    const sinceMs = options.clock.nowMs();
    this.#standing = { together: false, sinceMs, share, joined: 0, forgotten: 0, proxies: 1 };
  }

  get standing(): SharedStanding {
    return this.#standing;
  }

  get label(): string {
    return this.#options.store.label;
  }

  get offsetMs(): number {
    return this.#clockOfStore.offsetMs;
  }

  get errorMs(): number {
    return this.#clockOfStore.errorMs(this.#options.clock.nowMs());
  }

  /**
   * Tries to reach Redis once, and goes on trying. Rejects only with what a person has to heal, or
   * with the signal's reason.
   */
  async start(signal: AbortSignal): Promise<void> {
    try {
      await unlessAborted(signal, this.#open());
    } catch (error) {
      if (error instanceof FatalError || signal.aborted) {
        await this.close();
        throw error;
      }
      this.#tellAway(error);
      this.#tryLater();
    }
  }

  watch(place: string, news: () => void): () => void {
    const watchers = this.#watchers.get(place) ?? new Set();
    watchers.add(news);
    this.#watchers.set(place, watchers);
    return () => {
      watchers.delete(news);
      if (watchers.size === 0 && this.#watchers.get(place) === watchers) {
        this.#watchers.delete(place);
      }
    };
  }

  async exchange(place: string, offer: Offer): Promise<Answer | null> {
    const link = this.#link;
    const memory = this.#memory;
    const { counted, clock } = this.#options;
    if (link === null) return null;
    const { version = '', text = '', keptMs = 0 } = offer.next ?? {};
    const askedMs = clock.nowMs();
    try {
      const reply = await this.#run(
        link,
        EXCHANGE_SCRIPT,
        [`${this.#keyOf(place)}:${memory}`],
        [
          this.proxy,
          offer.expected,
          version,
          text,
          String(Math.ceil(keptMs)),
          offer.waitsFor ?? '',
          offer.hadTurn ? '1' : '0',
          String(SHARED_WAIT_KEPT_MS),
          this.#channelOf(''),
          place,
        ],
      );
      const answer = understood(exchangeAnswer, reply, this.label);
      this.#noteTime(askedMs, answer[0], answer[1]);
      this.#refuseUntrue();
      // What was asked of a link or a memory that has gone since belongs to the time before.
      if (this.#link !== link || this.#memory !== memory) return null;
      const kept = answer[2] === 1;
      counted(!kept ? 'conflict' : offer.next === null ? 'looked' : 'kept');
      return { kept, version: answer[3], text: answer[4], ahead: answer[5] };
    } catch (error) {
      counted('failed');
      this.#lost(link, error);
      return null;
    }
  }

  /** Says goodbye, so that nothing is left for this proxy, and ends the connections. */
  async close(): Promise<void> {
    const link = this.#link;
    this.#isClosed = true;
    this.#timer?.cancel();
    if (link === null) {
      this.#end.abort();
      return;
    }
    const [proxies] = this.#fleetKeys;
    await this.#run(link, LEAVE_SCRIPT, [proxies], [this.proxy]).catch(() => undefined);
    this.#drop(link);
    this.#stand({ together: false });
  }

  async #open(): Promise<void> {
    const { clock, store } = this.#options;
    const end = new AbortController();
    this.#end = end;
    let link: LimitsLink | null = null;
    const lost = (reason: unknown): void => {
      if (link !== null && this.#link === link) this.#lost(link, reason);
      else end.abort();
    };
    const late = () =>
      new StoreUnavailableError(`${this.label} gave no answer when asked to connect`);
    try {
      const opening = store.open(end.signal, lost);
      link = await withDeadline(clock, SHARED_CONNECT_MS, opening, late);
      const listening = link.listen(this.#channelOf(this.proxy), (place) => this.#news(place));
      await withDeadline(clock, SHARED_CONNECT_MS, listening, late);
      this.#joinedMs = clock.nowMs();
      await this.#meet(link);
    } catch (error) {
      end.abort();
      link?.close();
      throw redisError(error, this.label);
    }
    if (this.#isClosed || end.signal.aborted) {
      link.close();
      throw new StoreUnavailableError(`${this.label} was lost while it was greeted`);
    }
    this.#link = link;
    this.#backoff = FRESH_BACKOFF;
    this.#stand({ together: true, joined: this.#standing.joined + 1 });
    this.#beatLater(link);
  }

  /** Greets until the store's time is known well enough, and nothing in its memory is untrue. */
  async #meet(link: LimitsLink): Promise<void> {
    for (let greeting = 0; greeting < GREETINGS_MAX; greeting++) {
      await this.#greet(link);
      if (!this.#isTimeSet && this.errorMs <= SHARED_CLOCK_ERROR_MAX_MS) return;
    }
    throw this.#tooSlow();
  }

  #tooSlow(): StoreUnavailableError {
    const errorMs = Math.round(this.errorMs);
    return new StoreUnavailableError(
      `${this.label} answers too slowly to share limits: its time is known to ${errorMs} ms only`,
    );
  }

  /** Nothing counts that is asked of a memory whose times are untrue. */
  #refuseUntrue(): void {
    if (this.#isTimeSet) throw new StoreUnavailableError(`the clock of ${this.label} was set`);
  }

  #news(place: string): void {
    for (const news of this.#watchers.get(place) ?? []) news();
  }

  #beatLater(link: LimitsLink): void {
    const { clock } = this.#options;
    this.#timer = clock.setTimer(SHARED_HEARTBEAT_MS, () => void this.#beat(link));
  }

  async #beat(link: LimitsLink): Promise<void> {
    try {
      await this.#greet(link);
      this.#refuseUntrue();
      if (this.errorMs > SHARED_CLOCK_ERROR_MAX_MS) throw this.#tooSlow();
    } catch (error) {
      this.#lost(link, error);
    }
    if (this.#link === link) {
      this.#stand({});
      this.#beatLater(link);
    }
  }

  /** Says that this proxy is there, and hears of the others. */
  async #greet(link: LimitsLink): Promise<void> {
    const { clock, random, proxy } = this.#options;
    const askedMs = clock.nowMs();
    const name = `${proxy}:${random().toString(36).slice(2)}`;
    const givesUp = this.#isTimeSet;
    const known = [...seen(this.#others, askedMs)].slice(0, SHARED_PROXIES_MAX);
    const reply = await this.#run(link, GREET_SCRIPT, this.#fleetKeys, [
      proxy,
      name,
      String(SHARED_KEPT_MAX_MS),
      String(SHARED_SEEN_MS),
      this.#memory ?? name,
      givesUp ? '1' : '0',
      ...known.flatMap(([other, atMs]) => [other, String(Math.round(askedMs - atMs))]),
    ]);
    const [seconds, microseconds, memory, ...members] = understood(greetAnswer, reply, this.label);
    if (givesUp) this.#isTimeSet = false;
    this.#noteTime(askedMs, seconds, microseconds);
    // Who is there is told by times, too.
    if (this.#isTimeSet) return;
    const others = new Map<string, number>();
    for (let index = 0; index + 1 < members.length; index += 2) {
      const other = String(members[index]);
      // No later than it was: the answer's way counts as age.
      if (other !== proxy) others.set(other, askedMs - Number(members[index + 1]));
    }
    this.#others = others;
    const isOther = this.#memory !== null && this.#memory !== memory;
    this.#memory = memory;
    if (!isOther) return;
    this.#options.log.warn({ store: this.label }, 'the store of shared limits has lost its memory');
    this.#stand({ forgotten: this.#standing.forgotten + 1 });
  }

  #noteTime(askedMs: number, seconds: number, microseconds: number): void {
    const storeMs = seconds * 1_000 + microseconds / 1_000;
    const isSet = this.#clockOfStore.note(askedMs, this.#options.clock.nowMs(), storeMs);
    this.#isTimeSet ||= isSet;
  }

  async #run(
    link: LimitsLink,
    script: string,
    keys: readonly string[],
    values: readonly string[],
  ): Promise<unknown> {
    const late = () =>
      new StoreUnavailableError(`${this.label} gave no answer for ${SHARED_ANSWER_MS} ms`);
    const answer = link.run(script, keys, values);
    return withDeadline(this.#options.clock, SHARED_ANSWER_MS, answer, late);
  }

  #lost(link: LimitsLink, reason: unknown): void {
    if (this.#link !== link) return;
    this.#drop(link);
    if (this.#isClosed) return;
    this.#options.wentAway();
    this.#stand({ together: false });
    this.#tellAway(reason);
    this.#tryLater();
  }

  #drop(link: LimitsLink): void {
    this.#link = null;
    this.#timer?.cancel();
    this.#end.abort();
    link.close();
  }

  #tellAway(reason: unknown): void {
    const { share, proxies } = this.#standing;
    const error = redisError(reason, this.label);
    const facts = { error, share, proxies };
    this.#options.log.warn(facts, 'limits are not shared: this proxy keeps to its share of each');
  }

  #tryLater(): void {
    const { clock, random } = this.#options;
    const { state, delayMs } = nextBackoff(this.#backoff, SHARED_BACKOFF, random);
    this.#backoff = state;
    this.#timer = clock.setTimer(delayMs, () => void this.#tryAgain());
  }

  async #tryAgain(): Promise<void> {
    try {
      await this.#open();
      const { proxies } = this.#standing;
      this.#options.log.info({ proxies }, 'limits are shared again');
    } catch {
      if (!this.#isClosed) this.#tryLater();
    }
  }

  /** Says how things stand; where that is something new, everybody has reason to look. */
  #stand(change: Partial<SharedStanding>): void {
    const nowMs = this.#options.clock.nowMs();
    const { together } = { ...this.#standing, ...change };
    const share = together
      ? shareTogether(this.#others, this.#joinedMs, nowMs)
      : shareAlone(this.#others, this.#options.proxiesMin, nowMs);
    const proxies = seen(this.#others, nowMs).size + 1;
    const before = this.#standing;
    const sinceMs = together === before.together ? before.sinceMs : nowMs;
    this.#standing = { ...before, ...change, sinceMs, share, proxies };
    const isNew = before.share !== share || Object.keys(change).length > 0;
    if (isNew) for (const place of [...this.#watchers.keys()]) this.#news(place);
  }

  /** In braces: the part of a key that says which server of a cluster has it. */
  #keyOf(place: string): string {
    return `${this.#options.prefix}:limits:1:{${place}}`;
  }

  get #fleetKeys(): readonly [proxies: string, memory: string] {
    const key = this.#keyOf('proxies');
    return [key, `${key}:memory`];
  }

  #channelOf(proxy: string): string {
    return `${this.#options.prefix}:limits:1:news:${proxy}`;
  }
}

function understood<Value>(schema: z.ZodType<Value>, reply: unknown, label: string): Value {
  const { data } = schema.safeParse(reply);
  if (data === undefined) {
    throw new StoreUnavailableError(`${label} was answered with something else by its store`);
  }
  return data;
}
