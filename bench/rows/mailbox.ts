/** The actor runtime: messages through mailboxes, to one actor or to many. */
import { createActorSystem } from '../../actors/runtime.ts';
import { processRandom } from '../../src/random.ts';
import { systemClock } from '../../src/system-clock.ts';
import type { Row } from '../row.ts';
import { StrictLog } from '../strict-log.ts';

/** Below the bound of one mailbox. */
const WAVE_MESSAGES = 5_000;

function mailbox(actors: number): Row {
  return {
    name: `mailbox ${actors}`,
    about: actors === 1 ? 'messages to one actor' : `messages to ${actors} actors in turn`,
    topic: 'part',
    figures: ['full', 'heap'],
    async setup() {
      const log = new StrictLog();
      const ports = { clock: systemClock, random: processRandom(), log };
      const system = createActorSystem({ name: 'bench', ...ports });
      let handled = 0;
      const references = Array.from({ length: actors }, (_, index) =>
        system.spawn<number, { readonly add: number }>(`counter-${index}`, {
          start: () => 0,
          receive(sum, { add }) {
            handled++;
            return sum + add;
          },
        }),
      );
      return {
        async run(events) {
          const target = handled + events;
          for (let left = events; left > 0; left -= WAVE_MESSAGES) {
            const wave = Math.min(left, WAVE_MESSAGES);
            for (let index = 0; index < wave; index++) {
              references[index % actors]?.tell({ add: 1 });
            }
            await system.idle();
          }
          if (handled !== target) throw new Error(`${handled} of ${target} messages were handled`);
        },
        stop: () => system.stop(),
      };
    },
  };
}

export const rows: readonly Row[] = [mailbox(1), mailbox(100)];
