/**
 * A ledger of session starts over a place that keeps its book: each operation takes the book, and
 * puts another in its place, in one step.
 *
 * Failure: whatever the place fails with ends the operation. A place that has lost the book is
 * found out by the next permit that is asked for or was used.
 */
import {
  type BookUse,
  beginBook,
  type IdentifyBook,
  type LedgerSpans,
  learnWord,
  lostBook,
  markSent,
  returnPermit,
  takePermit,
} from '../../../actors/identify/book.ts';
import type { IdentifyLedger } from '../../../actors/identify/ports.ts';
import type { SessionStarts } from '../../../protocols/gateway/identify.ts';

/**
 * What an operation makes of the book that it was given, undefined being none, and what it answers.
 */
export type BookChange<Value> = (
  book: IdentifyBook | undefined,
  nowMs: number,
) => { readonly book: IdentifyBook | undefined; readonly value: Value };

export type BookPlace = {
  readonly label: string;
  /** This process among those that share the place. */
  readonly owner: string;
  readonly spans: LedgerSpans;
  /** Changes take effect in the order in which they are asked for, undisturbed by any other. */
  change<Value>(make: BookChange<Value>): Promise<Value>;
};

export function bookLedger({ label, owner, spans, change }: BookPlace): IdentifyLedger {
  const useOf = (shard: number | undefined, nowMs: number): BookUse => {
    return { ...spans, nowMs, holder: `${owner}:${shard}` };
  };
  const alter = (
    make: (book: IdentifyBook, use: BookUse) => IdentifyBook,
    shard?: number,
    begin?: (use: BookUse) => IdentifyBook,
  ): Promise<void> =>
    change((book, nowMs) => {
      const use = useOf(shard, nowMs);
      return { book: book === undefined ? begin?.(use) : make(book, use), value: undefined };
    });
  let isFirstWord = true;
  /** What was said with the latest permit. */
  let starts: SessionStarts | undefined;
  return {
    label,
    learn(word) {
      const begin = isFirstWord ? (use: BookUse) => beginBook(word, use) : undefined;
      isFirstWord = false;
      return alter((book, use) => learnWord(book, word, use), undefined, begin);
    },
    take: (request) =>
      change((book, nowMs) => {
        const step = takePermit(book, request, useOf(request.shard, nowMs));
        return { book: step.book, value: step.answer };
      }).then((answer) => {
        starts = answer.starts;
        return answer;
      }),
    sent: (shard) => {
      const known = starts;
      const begin = known && ((use: BookUse) => markSent(lostBook(known, use), shard, use));
      return alter((book, use) => markSent(book, shard, use), shard, begin);
    },
    giveBack: (shard) => alter((book, use) => returnPermit(book, shard, use), shard),
    reach: () => alter((book) => book),
  };
}
