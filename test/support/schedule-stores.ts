/**
 * The stores that the processes of a schedule share, on virtual time and as unreliable as the plan
 * says: the archive of sessions and the ledger of session starts.
 *
 * What is asked takes effect in the order in which it was asked, at once; the answer comes later,
 * or never to a process that has died meanwhile. A store that fails may have done what it was
 * asked.
 */
import { type IdentifyBook, LEDGER_SPANS } from '../../actors/identify/book.ts';
import type { IdentifyLedger } from '../../actors/identify/ports.ts';
import type { SessionArchive } from '../../actors/sessions/ports.ts';
import { StoreUnavailableError } from '../../protocols/errors.ts';
import { SESSION_STORE_TIMEOUT_MS } from '../../protocols/limits.ts';
import type { Clock, Random } from '../../protocols/ports.ts';
import { bookLedger } from '../../src/gateway/identify/book-ledger.ts';
import { claimShards, type Shelf, saveBatch } from '../../src/gateway/stores/session-shelf.ts';
import type { StoreMode } from './schedule-plan.ts';

const ANSWER_MAX_MS = 20;

/** How one store fares, and how that feels to whoever asks it something. */
export class Weather {
  mode: StoreMode = 'well';
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** @param clock of the process that asks */
  async through<Value>(clock: Clock, work: () => Value): Promise<Value> {
    const mode = this.#mode();
    if (mode === 'away') {
      await this.#wait(clock, this.#random() < 0.5 ? 0 : SESSION_STORE_TIMEOUT_MS);
      throw new StoreUnavailableError('the store of the test is away');
    }
    const value = work();
    await this.#wait(clock, mode === 'well' ? ANSWER_MAX_MS : SESSION_STORE_TIMEOUT_MS);
    if (mode === 'deaf') throw new StoreUnavailableError('the store of the test did not answer');
    return value;
  }

  #mode(): StoreMode {
    if (this.mode !== 'mixed') return this.mode;
    return (['well', 'away', 'slow', 'deaf'] as const)[Math.floor(this.#random() * 4)] ?? 'well';
  }

  #wait(clock: Clock, maxMs: number): Promise<void> {
    return new Promise((resolve) => {
      clock.setTimer(this.#random() * maxMs, resolve);
    });
  }
}

export class ScheduleStores {
  readonly archiveWeather: Weather;
  readonly ledgerWeather: Weather;
  readonly #clock: Clock;
  readonly #shelf: Shelf = new Map();
  /** Of the ledger. */
  #page: IdentifyBook | undefined;
  /** Whether the archive has lost sessions. */
  hasLost = false;
  /** How many permits the ledger gives before it loses its memory; 0 for any number. */
  permitsUntilLoss = 0;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.archiveWeather = new Weather(random);
    this.ledgerWeather = new Weather(random);
  }

  /** @param clock of the process */
  archive(owner: string, clock: Clock): SessionArchive {
    const use = () => ({ owner, epochMs: this.#clock.epochMs() });
    return {
      label: 'the archive of the test',
      claim: (request) =>
        this.archiveWeather.through(clock, () => claimShards(this.#shelf, request, use())),
      save: (batch) =>
        this.archiveWeather.through(clock, () => saveBatch(this.#shelf, batch, use())),
      close: async () => undefined,
    };
  }

  /** @param clock of the process */
  ledger(owner: string, clock: Clock): IdentifyLedger {
    return bookLedger({
      label: 'the ledger of the test',
      owner,
      spans: LEDGER_SPANS,
      change: (make) =>
        this.ledgerWeather.through(clock, () => {
          const { book, value } = make(this.#page, this.#clock.nowMs());
          this.#page = book;
          if (isPermit(value) && --this.permitsUntilLoss === 0) this.loseLedger();
          return value;
        }),
    });
  }

  loseLedger(): void {
    this.#page = undefined;
  }

  loseArchive(): void {
    this.hasLost = true;
    this.#shelf.clear();
  }
}

/** Whether an answer of the ledger's is one that lets a shard identify. */
function isPermit(answer: unknown): boolean {
  return typeof answer === 'object' && Reflect.get(answer ?? {}, 'kind') === 'granted';
}
