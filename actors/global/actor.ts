/**
 * The gate as an actor: what its buckets ask for is given out in the order of its machine.
 *
 * It is a thin shell over `machine.ts`; the machine's only effects are messages and one timer.
 */
import type { ActorRef } from '../../protocols/actor.ts';
import type { BucketMessage, GateMessage } from '../../protocols/proxy.ts';
import type { Behaviour } from '../runtime.ts';
import { type GateInput, type GateState, newGate, transition } from './machine.ts';

type Asker = ActorRef<BucketMessage>;

export type GateOptions = {
  readonly limit: number;
  /** Until then nothing passes; a replaced gate must not forget that its predecessor was shut. */
  readonly shutUntilMs: number;
};

export function gateActor(options: GateOptions): Behaviour<GateState<Asker>, GateMessage> {
  return {
    start: () => newGate<Asker>(options.limit, options.shutUntilMs),
    receive(state, message, context) {
      if (message.kind === 'retire') {
        context.finish('retired');
        return state;
      }
      const input: GateInput<Asker> = message;
      const step = transition(state, input, context.clock.nowMs());
      for (const effect of step.effects) {
        switch (effect.kind) {
          case 'grant': {
            const { asker, permit, lane, owed } = effect;
            asker.tell({ kind: 'permit', permit, lane, owed });
            break;
          }
          case 'tell-shut':
            effect.asker.tell({ kind: 'gate-shut', untilMs: effect.untilMs });
            break;
          case 'wake-at':
            context.after('wake', effect.atMs - context.clock.nowMs(), { kind: 'wake' });
            break;
        }
      }
      return step.state;
    },
  };
}
