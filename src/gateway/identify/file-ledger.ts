/**
 * Session starts in a file, for gateways on one machine: they survive a restart, and several
 * processes may share them.
 *
 * Each operation reads the file, changes it and replaces it, under a lock, before it is answered: a
 * permit that is not on the disk is none. Times are of the wall clock; one that steps forward opens
 * keys early, by no more than it stepped.
 */
import { LEDGER_SPANS, type LedgerSpans } from '../../../actors/identify/book.ts';
import type { IdentifyLedger } from '../../../actors/identify/ports.ts';
import { IDENTIFY_LEDGER_KEPT_MS } from '../../../protocols/limits.ts';
import type { Clock } from '../../../protocols/ports.ts';
import { LockedFile } from '../stores/locked-file.ts';
import { type BookChange, bookLedger } from './book-ledger.ts';
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

export function fileLedger(options: FileLedgerOptions): IdentifyLedger {
  const { path, owner, clock, spans = LEDGER_SPANS } = options;
  const file = new LockedFile(path, clock);
  return bookLedger({
    label: path,
    owner,
    spans,
    change: (make) => file.change(() => change(options, make)),
  });
}

async function change<Value>(
  { path, name, clock }: FileLedgerOptions,
  make: BookChange<Value>,
): Promise<Value> {
  const books = await readLedgerFile(path);
  const nowMs = clock.epochMs();
  const { book, value } = make(books.get(name), nowMs);
  if (book !== undefined) books.set(name, book);
  for (const [other, { resetAtMs, baseMs }] of books) {
    if (nowMs - Math.max(resetAtMs, baseMs) > IDENTIFY_LEDGER_KEPT_MS) books.delete(other);
  }
  await writeLedgerFile(path, books);
  return value;
}
