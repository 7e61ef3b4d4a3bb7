/** The look-up of an event's name by its bytes, over all names that Discord documents. */
import { DISPATCH_EVENTS } from '../../protocols/discord/dispatch-events.ts';
import { EventTable } from '../../protocols/gateway/event-table.ts';
import type { Row } from '../row.ts';

const eventTable: Row = {
  name: 'event table',
  about: 'finds the route of a name by its bytes',
  topic: 'part',
  figures: ['full', 'heap'],
  async setup() {
    const table = new EventTable(DISPATCH_EVENTS, (name) => DISPATCH_EVENTS.indexOf(name as never));
    const names = DISPATCH_EVENTS.map((name) => Buffer.from(name));
    return {
      async run(events) {
        for (let index = 0; index < events; index++) {
          const place = index % names.length;
          const name = names[place] as Buffer;
          if (table.find(name, 0, name.length).route !== place) throw new Error('not the route');
        }
      },
      stop: async () => undefined,
    };
  },
};

export const rows: readonly Row[] = [eventTable];
