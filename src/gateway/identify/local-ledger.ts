/**
 * Session starts kept in this process: they outlive the governor's actor, and end with the process.
 *
 * What an earlier process has sent is not known, only that Discord says whether any was sent today: if so,
 * all keys begin closed, for one window. A bot that is restarted by hand waits those five seconds; without
 * them every quick restart would be answered by op 9, and cost one of the budget on top.
 */
import {
  type IdentifyBook,
  LEDGER_SPANS,
  learnWord,
  markSent,
  returnPermit,
  takePermit,
} from '../../../actors/identify/book.ts';
import type { IdentifyLedger } from '../../../actors/identify/ports.ts';
import type { Clock } from '../../../protocols/ports.ts';

export function localLedger(clock: Clock, spans = LEDGER_SPANS): IdentifyLedger {
  let book: IdentifyBook | undefined;
  const use = (shard?: number) => ({ ...spans, nowMs: clock.nowMs(), holder: String(shard) });
  return {
    label: 'the memory of this process',
    async learn(word) {
      book = learnWord(book, word, use());
    },
    async take(request) {
      const { shard, known } = request;
      const step = takePermit(book ?? learnWord(undefined, known, use()), request, use(shard));
      book = step.book;
      return step.answer;
    },
    async sent(shard) {
      if (book !== undefined) book = markSent(book, shard, use(shard));
    },
    async giveBack(shard) {
      if (book !== undefined) book = returnPermit(book, shard, use(shard));
    },
    reach: async () => undefined,
  };
}
