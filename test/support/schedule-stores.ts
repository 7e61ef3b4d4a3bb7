/**
 * The stores that the processes of a schedule share, on virtual time and as unreliable as the plan says:
 * the archive of sessions and the ledger of session starts.
 *
 * What is asked takes effect in the order in which it was asked, at once; the answer comes later, or
 * never to a process that has died meanwhile. A store that fails may have done what it was asked.
 */
import type { IdentifyLedger } from '../../actors/identify/ports.ts';
import type { SessionArchive } from '../../actors/sessions/ports.ts';
import { StoreUnavailableError } from '../../protocols/errors.ts';
import { SESSION_STORE_TIMEOUT_MS } from '../../protocols/limits.ts';
import type { Clock, Random } from '../../protocols/ports.ts';
import { localLedger } from '../../src/gateway/identify/local-ledger.ts';
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
  #ledger: IdentifyLedger;
  /** Whether the archive has lost sessions. */
  hasLost = false;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.archiveWeather = new Weather(random);
    this.ledgerWeather = new Weather(random);
    this.#ledger = localLedger(clock);
  }

  /** @param clock of the process */
  archive(owner: string, clock: Clock): SessionArchive {
    const use = () => ({ owner, epochMs: this.#clock.epochMs() });
    return {
      label: 'the archive of the test',
      claim: (shards) =>
        this.archiveWeather.through(clock, () => claimShards(this.#shelf, shards, use())),
      save: (batch) =>
        this.archiveWeather.through(clock, () => saveBatch(this.#shelf, batch, use())),
      close: async () => undefined,
    };
  }

  /** @param clock of the process */
  ledger(clock: Clock): IdentifyLedger {
    const weather = this.ledgerWeather;
    // The local ledger has done its work before its promise is there, so order is kept.
    const ask = async <Value>(work: (ledger: IdentifyLedger) => Promise<Value>): Promise<Value> =>
      await (await weather.through(clock, () => ({ answer: work(this.#ledger) }))).answer;
    return {
      label: 'the ledger of the test',
      learn: (word) => ask((ledger) => ledger.learn(word)),
      take: (request) => ask((ledger) => ledger.take(request)),
      sent: (shard) => ask((ledger) => ledger.sent(shard)),
      giveBack: (shard) => ask((ledger) => ledger.giveBack(shard)),
      reach: () => ask((ledger) => ledger.reach()),
    };
  }

  loseLedger(): void {
    this.#ledger = localLedger(this.#clock);
  }

  loseArchive(): void {
    this.hasLost = true;
    this.#shelf.clear();
  }
}
