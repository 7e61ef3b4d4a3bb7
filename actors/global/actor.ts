/**
 * The gate as an actor: what its buckets ask for is given out in the order of its machine.
 *
 * It is a thin shell over `machine.ts`; the machine's only effects are messages and one timer.
 */
import type { ActorRef } from '../../protocols/actor.ts';
import { SHARED_POLL_MS } from '../../protocols/limits.ts';
import type { BucketMessage, GateMessage } from '../../protocols/proxy.ts';
import type { SharedPlace } from '../../protocols/shared-limits.ts';
import type { ActorContext, Behaviour } from '../runtime.ts';
import { SharedTurns } from '../shared/turns.ts';
import {
  type GateEffect,
  type GateInput,
  type GateState,
  type GateStep,
  newGate,
  transition,
} from './machine.ts';
import { gateSharing } from './sharing.ts';

type Asker = ActorRef<BucketMessage>;

export type GateOptions = {
  readonly limit: number;
  /** Until then nothing passes; a replaced gate must not forget that its predecessor was shut. */
  readonly shutUntilMs: number;
  /** Null: the limit is this proxy's own. */
  readonly shared: SharedPlace | null;
};

type State = {
  machine: GateState<Asker>;
  readonly turns: SharedTurns<GateState<Asker>, GateInput<Asker>, GateEffect<Asker>> | null;
};

type Context = ActorContext<GateMessage>;

export function gateActor({
  limit,
  shutUntilMs,
  shared,
}: GateOptions): Behaviour<State, GateMessage> {
  return {
    start(context) {
      const machine = newGate<Asker>(limit, shutUntilMs);
      return { machine, turns: shared && openTurns(machine, shared, context) };
    },
    receive(state, message, context) {
      if (message.kind === 'retire') {
        context.finish('retired');
        return state;
      }
      for (const step of stepsOf(message, state, context)) {
        state.machine = step.state;
        for (const effect of step.effects) run(effect, context);
      }
      if (state.turns?.mustPoll === true) context.after('poll', SHARED_POLL_MS, { kind: 'news' });
      return state;
    },
  };
}

function openTurns(
  state: GateState<Asker>,
  { limits, place }: SharedPlace,
  { clock, self }: Context,
): NonNullable<State['turns']> {
  return new SharedTurns({
    machine: gateSharing<Asker>(limits.proxy),
    limits,
    place,
    clock,
    state,
    apart: false,
    answered: (answer) => self.tell({ kind: 'exchanged', answer }),
  });
}

/** What counts from now on, of what the machine makes of a message. */
function stepsOf(
  message: Exclude<GateMessage, { readonly kind: 'retire' }>,
  { machine, turns }: State,
  { clock }: Context,
): readonly GateStep<Asker>[] {
  if (message.kind === 'exchanged') return turns?.hear(message.answer) ?? [];
  if (message.kind === 'news') return turns?.look() ?? [];
  return turns?.take(message) ?? [transition(machine, message, clock.nowMs())];
}

function run(effect: GateEffect<Asker>, context: Context): void {
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
