/**
 * The way of one proxy to the store of shared limits, on virtual time: it takes its time, breaks
 * with a word or without one, and loses of what the store publishes what it is told to lose.
 */
import { StoreUnavailableError } from '../../protocols/errors.ts';
import type { Clock, Random } from '../../protocols/ports.ts';
import type { LimitsLink, LimitsStore } from '../../src/proxy/limits/limits-store.ts';
import { MemoryStore } from './memory-store.ts';

export type StoreWayOptions = {
  readonly random: Random;
  /** The longest way to the store. */
  readonly wayMs: number;
  /** The part of the store's words, and of what a broken link had under way, that never arrives. */
  readonly wordLoss: number;
};

/** `refusing`: connections end with a word; `silent`: nothing comes back any more. */
export type Breach = 'refusing' | 'silent';

/** The store, the ways to it, and who listens to it. */
export class StoreHost {
  readonly store: MemoryStore;
  readonly clock: Clock;
  readonly ways = new Set<StoreWay>();
  /** For whoever comes, too. */
  breach: Breach | null = null;
  /** Every way takes this much longer. */
  slowMs = 0;
  /** How far its clock has been set ahead; back, if less than nothing. */
  setAheadMs = 0;
  readonly listeners = new Set<(channel: string, word: string) => void>();

  constructor(clock: Clock) {
    this.clock = clock;
    const startEpochMs = clock.epochMs() - clock.nowMs();
    // Its clock does not step when that of a proxy does.
    const storeClock = { epochMs: () => startEpochMs + clock.nowMs() + this.setAheadMs };
    this.store = new MemoryStore(storeClock, (channel, word) => {
      for (const listener of this.listeners) listener(channel, word);
    });
  }

  /** Nobody reaches the store any more. */
  cut(breach: Breach): void {
    this.breach = breach;
    for (const way of this.ways) way.drop(breach);
  }

  mend(): void {
    this.breach = null;
  }
}

export class StoreWay implements LimitsStore {
  readonly label = 'the store in memory';
  /** Every way takes this much longer. */
  slowMs = 0;
  readonly #host: StoreHost;
  readonly #options: StoreWayOptions;
  readonly #open = new Set<Link>();
  #breach: Breach | null = null;

  constructor(host: StoreHost, options: StoreWayOptions) {
    this.#host = host;
    this.#options = options;
    host.ways.add(this);
  }

  open(signal: AbortSignal, lost: (reason: unknown) => void): Promise<LimitsLink> {
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      this.#later(() => {
        const breach = this.#breach ?? this.#host.breach;
        if (breach === 'silent' || signal.aborted) return;
        if (breach === 'refusing') {
          reject(new StoreUnavailableError(`${this.label} cannot be reached`));
          return;
        }
        const link = new Link(this.#host, this, lost, () => this.#open.delete(link));
        this.#open.add(link);
        resolve(link);
      });
    });
  }

  /** The store cannot be reached from here any more. */
  cut(breach: Breach = 'refusing'): void {
    this.#breach = breach;
    this.drop(breach);
  }

  drop(breach: Breach): void {
    for (const link of [...this.#open]) link.end(breach);
  }

  /** It can be reached again. */
  mend(): void {
    this.#breach = null;
  }

  get isLost(): boolean {
    return this.#options.random() < this.#options.wordLoss;
  }

  get wayMs(): number {
    return this.#options.random() * this.#options.wayMs + this.slowMs + this.#host.slowMs;
  }

  #later(callback: () => void): void {
    this.#host.clock.setTimer(this.wayMs, callback);
  }
}

/** One connection each way is in order, as TCP is. */
class Link implements LimitsLink {
  readonly #host: StoreHost;
  readonly #way: StoreWay;
  readonly #lost: (reason: unknown) => void;
  readonly #ended: () => void;
  readonly #pending = new Set<(reason: unknown) => void>();
  readonly #dueMs = { there: 0, back: 0, words: 0 };
  #state: 'open' | 'silent' | 'closed' = 'open';
  #listener: ((channel: string, word: string) => void) | null = null;

  constructor(host: StoreHost, way: StoreWay, lost: (reason: unknown) => void, ended: () => void) {
    this.#host = host;
    this.#way = way;
    this.#lost = lost;
    this.#ended = ended;
  }

  run(script: string, keys: readonly string[], values: readonly string[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#state === 'closed') {
        reject(new StoreUnavailableError('the link has ended'));
        return;
      }
      this.#pending.add(reject);
      this.#later('there', () => {
        // What is under way when a link breaks may arrive all the same.
        if (this.#state !== 'open' && this.#way.isLost) return;
        const reply = this.#host.store.run(script, keys, values);
        this.#later('back', () => {
          this.#pending.delete(reject);
          if (this.#state === 'open') resolve(reply);
        });
      });
    });
  }

  listen(channel: string, heard: (word: string) => void): Promise<void> {
    this.#listener = (told, word) => {
      if (told !== channel || this.#way.isLost) return;
      this.#later('words', () => {
        if (this.#state === 'open') heard(word);
      });
    };
    this.#host.listeners.add(this.#listener);
    return new Promise((resolve) => this.#later('words', resolve));
  }

  close(): void {
    this.#state = 'closed';
    if (this.#listener !== null) this.#host.listeners.delete(this.#listener);
    this.#ended();
  }

  end(breach: Breach): void {
    if (breach === 'silent') {
      this.#state = 'silent';
      return;
    }
    this.close();
    const reason = new StoreUnavailableError('the link has ended');
    for (const reject of this.#pending) reject(reason);
    this.#pending.clear();
    this.#lost(reason);
  }

  #later(direction: 'there' | 'back' | 'words', callback: () => void): void {
    const { clock } = this.#host;
    const dueMs = Math.max(this.#dueMs[direction], clock.nowMs() + this.#way.wayMs);
    this.#dueMs[direction] = dueMs;
    clock.setTimer(dueMs - clock.nowMs(), callback);
  }
}
