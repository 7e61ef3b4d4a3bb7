/**
 * Session starts in a file, for gateways on one machine: they survive a restart, and several processes may
 * share them.
 *
 * Each operation reads the file, changes it and replaces it, under a lock, before it is answered: a permit
 * that is not on the disk is none. Times are of the wall clock; one that steps forward opens keys early, by
 * no more than it stepped.
 */
import {
  type BookUse,
  type IdentifyBook,
  LEDGER_SPANS,
  type LedgerSpans,
  learnWord,
  markSent,
  returnPermit,
  takePermit,
} from '../../../actors/identify/book.ts';
import type { IdentifyLedger } from '../../../actors/identify/ports.ts';
import { IDENTIFY_LEDGER_KEPT_MS } from '../../../protocols/limits.ts';
import type { Clock } from '../../../protocols/ports.ts';
import { LockedFile } from '../stores/locked-file.ts';
import { readLedgerFile, writeLedgerFile } from './ledger-file.ts';

export type FileLedgerOptions = {
  readonly path: string;
  /** Whose book it is: the application, under its prefix. */
  readonly name: string;
  /** This process among those that share the file. */
  readonly owner: string;
  readonly clock: Clock;
  readonly spans?: LedgerSpans;
};

type Change<Value> = (
  book: IdentifyBook | undefined,
  use: BookUse,
) => { readonly book: IdentifyBook | undefined; readonly value: Value };

export function fileLedger(options: FileLedgerOptions): IdentifyLedger {
  const { path, clock, owner } = options;
  const file = new LockedFile(path, clock);
  const perform = <Value>(shard: number | undefined, make: Change<Value>): Promise<Value> =>
    file.change(() => change(options, `${owner}:${shard}`, make));

  return {
    label: path,
    learn: (word) =>
      perform(undefined, (book, use) => ({ book: learnWord(book, word, use), value: undefined })),
    take: (request) =>
      perform(request.shard, (book, use) => {
        const known = book ?? learnWord(undefined, request.known, use);
        const step = takePermit(known, request, use);
        return { book: step.book, value: step.answer };
      }),
    sent: (shard) =>
      perform(shard, (book, use) => ({
        book: book === undefined ? undefined : markSent(book, shard, use),
        value: undefined,
      })),
    giveBack: (shard) =>
      perform(shard, (book, use) => ({
        book: book === undefined ? undefined : returnPermit(book, shard, use),
        value: undefined,
      })),
    reach: () => perform(undefined, (book) => ({ book, value: undefined })),
  };
}

async function change<Value>(
  { path, name, clock, spans = LEDGER_SPANS }: FileLedgerOptions,
  holder: string,
  make: Change<Value>,
): Promise<Value> {
  const books = await readLedgerFile(path);
  const nowMs = clock.epochMs();
  const { book, value } = make(books.get(name), { ...spans, nowMs, holder });
  if (book !== undefined) books.set(name, book);
  for (const [other, { resetAtMs, baseMs }] of books) {
    if (nowMs - Math.max(resetAtMs, baseMs) > IDENTIFY_LEDGER_KEPT_MS) books.delete(other);
  }
  await writeLedgerFile(path, books);
  return value;
}
