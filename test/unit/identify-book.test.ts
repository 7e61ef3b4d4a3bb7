/**
 * The book of session starts, as every ledger keeps it. What all of them do is in the contract
 * suite.
 */
import { describe, expect, it } from 'vitest';
import {
  type BookUse,
  beginBook,
  type IdentifyBook,
  LEDGER_SPANS,
  learnWord,
  markSent,
  returnPermit,
  takePermit,
} from '../../actors/identify/book.ts';
import type { SessionStarts } from '../../protocols/gateway/identify.ts';
import { starts } from '../support/governor-bench.ts';

const { windowMs, leaseMs, periodMs } = LEDGER_SPANS;
const START_MS = 10 * periodMs;

class Bench {
  nowMs = START_MS;
  book: IdentifyBook | undefined;

  constructor(word: Partial<SessionStarts> = {}) {
    this.book = beginBook(starts(word), this.#use('a', 0));
  }

  take(shard: number, owner = 'a') {
    const request = { shard, floor: 0, owed: 0, known: starts() };
    const { book, answer } = takePermit(this.book, request, this.#use(owner, shard));
    this.book = book;
    return answer;
  }

  learn(word: Partial<SessionStarts>): void {
    this.book = learnWord(this.#present(), starts(word), this.#use('a', 0));
  }

  sent(shard: number, owner = 'a'): void {
    this.book = markSent(this.#present(), shard, this.#use(owner, shard));
  }

  giveBack(shard: number, owner = 'a'): void {
    this.book = returnPermit(this.#present(), shard, this.#use(owner, shard));
  }

  /** How long until the key is free, as it is heard again and again. */
  openInMs(shard: number): number {
    const before = { nowMs: this.nowMs, book: this.book };
    for (;;) {
      const answer = this.take(shard, 'somebody else');
      if (answer.kind !== 'wait') break;
      this.nowMs += answer.waitMs;
    }
    const passedMs = this.nowMs - before.nowMs;
    Object.assign(this, before);
    return passedMs;
  }

  #present(): IdentifyBook {
    if (this.book === undefined) throw new Error('there is no book');
    return this.book;
  }

  #use(owner: string, shard: number): BookUse {
    return { ...LEDGER_SPANS, nowMs: this.nowMs, holder: `${owner}:${shard}` };
  }
}

describe('the book of session starts', () => {
  it('raises what is left by what Discord adds to the total, and by no more', () => {
    const bench = new Bench({ total: 10, remaining: 4, begun: true, resetInMs: 1_000_000 });
    bench.learn({ total: 15, remaining: 15, begun: true, resetInMs: 1_000_000 });
    expect(bench.book?.remaining).toBe(9);
    bench.learn({ total: 10, remaining: 10, begun: true, resetInMs: 1_000_000 });
    expect(bench.book?.remaining).toBe(9);
  });

  it('closes every key for a window when Discord has counted an IDENTIFY that it has not', () => {
    const day = { begun: true, maxConcurrency: 3, resetInMs: 1_000_000 };
    const bench = new Bench(day);
    bench.nowMs += windowMs;
    expect(bench.take(0).kind).toBe('granted');
    bench.learn({ ...day, remaining: 998 });
    expect([1, 2].map((shard) => bench.openInMs(shard))).toEqual([windowMs, windowMs]);
    expect(bench.openInMs(0)).toBe(leaseMs);
    bench.giveBack(0);
    expect(bench.openInMs(0)).toBe(windowMs);
  });

  it('closes no key for a word that is not below what it knows, or of another day', () => {
    const day = { begun: true, maxConcurrency: 2, resetInMs: 1_000_000 };
    const bench = new Bench({ ...day, remaining: 500 });
    bench.nowMs += windowMs;
    expect(bench.take(0).kind).toBe('granted');
    for (const remaining of [500, 499]) bench.learn({ ...day, remaining });
    bench.learn({ ...day, remaining: 300, resetInMs: periodMs });
    expect(bench.book?.remaining).toBe(300);
    expect(bench.openInMs(1)).toBe(0);
  });

  it('keeps keys closed that have no permit of their own, over any number of changes', () => {
    const bench = new Bench({ begun: true, maxConcurrency: 4 });
    bench.learn({ begun: true, maxConcurrency: 2 });
    bench.learn({ begun: true, maxConcurrency: 3 });
    for (const shard of [0, 1, 2]) expect(bench.openInMs(shard)).toBe(windowMs);
    // One whose window ends later closes all.
    bench.nowMs += windowMs;
    expect(bench.take(1).kind).toBe('granted');
    bench.learn({ begun: true, maxConcurrency: 1 });
    expect(bench.openInMs(0)).toBe(leaseMs);
  });

  it('is not closed for long by a clock that has stepped back, and the day does not last longer', () => {
    const bench = new Bench({ total: 3, remaining: 3 });
    expect(bench.take(0).kind).toBe('granted');
    bench.sent(0);
    bench.nowMs -= 5 * periodMs;
    expect(bench.openInMs(0)).toBeLessThanOrEqual(leaseMs);
    bench.nowMs += leaseMs;
    expect(bench.take(0).starts.resetInMs).toBe(leaseMs + periodMs);
  });

  it('ends the day a lease and a day after its first permit, whatever is left of the old one', () => {
    const bench = new Bench({ resetInMs: 1_000 });
    expect(bench.take(0).starts.resetInMs).toBe(leaseMs + periodMs);
    bench.nowMs += 500;
    bench.sent(0);
    expect(bench.take(0).starts.resetInMs).toBe(leaseMs + periodMs - 500);
  });

  it('counts an IDENTIFY that comes after the end of the day for the new one', () => {
    const bench = new Bench({ total: 5, remaining: 2, begun: true, resetInMs: windowMs + 1_000 });
    bench.nowMs += windowMs;
    expect(bench.take(0)).toMatchObject({ kind: 'granted', starts: { remaining: 1 } });
    bench.nowMs += 1_000;
    bench.sent(0);
    bench.nowMs += windowMs;
    const { starts: left } = bench.take(0);
    expect(left).toMatchObject({ remaining: 3, begun: true });
    expect(left.resetInMs).toBe(leaseMs + periodMs - windowMs);
  });

  it('leaves the lease of one when another has sent on its key, and that one’s window when it is given back', () => {
    const bench = new Bench();
    expect(bench.take(0, 'a').kind).toBe('granted');
    // It was permitted without the ledger.
    bench.sent(1, 'b');
    expect(bench.openInMs(0)).toBe(leaseMs);
    bench.nowMs += 1_000;
    bench.giveBack(0, 'a');
    expect(bench.openInMs(0)).toBe(windowMs - 1_000);
  });
});
