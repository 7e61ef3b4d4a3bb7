/**
 * The identify actor: runs the identify governor. Every permit of a bot passes its mailbox.
 *
 * It knows a shard by the reference that its request carried, the latest one counting, so that a shard
 * that was restarted is answered at its new address.
 */
import type { ActorRef } from '../../protocols/actor.ts';
import type { IdentifyMessage, ShardMessage } from '../../protocols/gateway/messages.ts';
import type { ActorContext, Behaviour } from '../runtime.ts';
import {
  type IdentifyBudget,
  type IdentifyEffect,
  type IdentifyState,
  startIdentify,
  stepIdentify,
} from './machine.ts';

export type IdentifyOptions = {
  readonly maxConcurrency: number;
  readonly budget: IdentifyBudget;
  /** How long nothing may be sent at first, because of what an earlier incarnation may have sent. */
  readonly quietMs: number;
  /** Told what is left of the budget after each permit. */
  readonly onBudget: (budget: IdentifyBudget) => void;
};

type Shell = {
  machine: IdentifyState;
  /** At most one entry a shard of this process. */
  readonly shards: Map<number, ActorRef<ShardMessage>>;
};

export function identify(options: IdentifyOptions): Behaviour<Shell, IdentifyMessage> {
  return {
    start(context) {
      const openAtMs = context.clock.nowMs() + options.quietMs;
      const machine = startIdentify(options.maxConcurrency, options.budget, openAtMs);
      return { machine, shards: new Map() };
    },

    receive(shell, message, context) {
      if (message.type === 'request') shell.shards.set(message.shard, message.from);
      const before = shell.machine.budget;
      const step = stepIdentify(shell.machine, message, context.clock.nowMs());
      shell.machine = step.state;
      if (step.state.budget !== before) options.onBudget(step.state.budget);
      for (const effect of step.effects) runEffect(effect, shell, context);
      return shell;
    },
  };
}

function runEffect(
  effect: IdentifyEffect,
  shell: Shell,
  context: ActorContext<IdentifyMessage>,
): void {
  switch (effect.type) {
    case 'tell':
      shell.shards.get(effect.shard)?.tell({ type: effect.message });
      break;
    case 'arm': {
      const { timer, key } = effect;
      context.after(`${timer}-${key}`, effect.delayMs, { type: timer, key });
      break;
    }
    case 'disarm':
      context.cancel(`${effect.timer}-${effect.key}`);
      break;
    case 'arm-budget-reset':
      context.after('budget-reset', effect.delayMs, { type: 'budget-reset' });
      break;
  }
}
