/**
 * The session's cursor: an event is taken, and confirmed when so many others have been taken after
 * it.
 */
import { SessionCursor } from '../../actors/shard/session-cursor.ts';
import type { Row } from '../row.ts';

const UNCONFIRMED = 1_000;

const sessionCursor: Row = {
  name: 'session cursor',
  about: `takes and confirms, ${UNCONFIRMED} unconfirmed`,
  topic: 'part',
  figures: ['full', 'heap'],
  async setup() {
    const cursor = new SessionCursor(0, 'bench', 0, () => undefined);
    for (let sequence = 1; sequence <= UNCONFIRMED; sequence++) cursor.take(sequence);
    return {
      async run(events) {
        const first = cursor.received + 1;
        for (let sequence = first; sequence < first + events; sequence++) {
          cursor.take(sequence);
          cursor.confirmed(sequence - UNCONFIRMED);
        }
        if (cursor.done !== cursor.received - UNCONFIRMED) throw new Error('not what is done');
      },
      stop: async () => undefined,
    };
  },
};

export const rows: readonly Row[] = [sessionCursor];
