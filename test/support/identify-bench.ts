/** One identify governor on virtual time, whose shards say what the test makes them say. */
import { setImmediate as turn } from 'node:timers/promises';
import { type IdentifyBook, LEDGER_SPANS } from '../../actors/identify/book.ts';
import type { SessionStarts } from '../../protocols/gateway/identify.ts';
import { bookLedger } from '../../src/gateway/identify/book-ledger.ts';
import { VirtualClock } from '../../src/simulator/virtual-clock.ts';
import { FickleLedger, Governor, starts } from './governor-bench.ts';

export const HOUR_MS = 60 * 60_000;

export class IdentifyBench {
  readonly clock = new VirtualClock();
  readonly ledger = new FickleLedger(
    bookLedger({
      label: 'the ledger of the bench',
      owner: 'the bench',
      spans: LEDGER_SPANS,
      change: async (make) => {
        const { book, value } = make(this.#book, this.clock.nowMs());
        this.#book = book;
        return value;
      },
    }),
  );
  /** What Discord says when asked. */
  word: SessionStarts | undefined;
  governor: Governor;
  readonly #said: string[] = [];
  #book: IdentifyBook | undefined;

  /** @param answerMs how long the ledger and Discord take */
  constructor(known: Partial<SessionStarts> = {}, floor = 0, share = 1, answerMs?: number) {
    const facts = starts(known);
    this.word = facts;
    this.governor = new Governor({
      clock: this.clock,
      random: () => 0.5,
      ledger: this.ledger,
      rules: { floor, share },
      known: facts,
      word: () => this.word,
      ...(answerMs === undefined ? {} : { answerMs: () => answerMs }),
      hear: (shard, message) => this.#said.push(`${message} ${shard}`),
    });
  }

  async tell(
    type: 'request' | 'prepared' | 'used' | 'release',
    ...shards: readonly number[]
  ): Promise<void> {
    for (const shard of shards) this.governor.tell({ type, shard });
    await this.pass(0);
  }

  pass(ms: number): Promise<void> {
    return this.clock.advanceSettled(ms, turn);
  }

  /** What was said since this was last asked. */
  heard(): string[] {
    return this.#said.splice(0);
  }

  permitted(): number[] {
    return this.heard()
      .filter((word) => word.startsWith('permitted'))
      .map((word) => Number(word.split(' ')[1]));
  }

  /** The ledger loses its memory. */
  forget(): void {
    this.#book = undefined;
  }

  get remaining(): number {
    return this.governor.state.budget.remaining;
  }

  /** From the request to the frame. */
  async identify(shard: number): Promise<boolean> {
    await this.tell('request', shard);
    await this.tell('prepared', shard);
    const isPermitted = this.permitted().includes(shard);
    if (isPermitted) await this.tell('used', shard);
    return isPermitted;
  }
}
