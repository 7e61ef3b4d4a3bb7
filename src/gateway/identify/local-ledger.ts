/**
 * Session starts kept in this process: they outlive the governor's actor, and end with the process.
 *
 * What an earlier process has sent is not known, only that Discord says whether any was sent today:
 * if so, all keys begin closed, for one window. A bot that is restarted by hand waits those five
 * seconds; without them every quick restart would be answered by op 9, and cost one of the budget
 * on top.
 */
import { type IdentifyBook, LEDGER_SPANS } from '../../../actors/identify/book.ts';
import type { IdentifyLedger } from '../../../actors/identify/ports.ts';
import type { Clock } from '../../../protocols/ports.ts';
import { bookLedger } from './book-ledger.ts';

export function localLedger(clock: Clock, spans = LEDGER_SPANS): IdentifyLedger {
  let page: IdentifyBook | undefined;
  return bookLedger({
    label: 'the memory of this process',
    owner: 'this process',
    spans,
    async change(make) {
      const { book, value } = make(page, clock.nowMs());
      page = book;
      return value;
    },
  });
}
