/** An actor whose messages say what it is to do: for tests of the runtime itself. */
import type { ActorContext, Behaviour } from '../../actors/runtime.ts';
import type { Exit } from '../../protocols/actor.ts';

export type Script = (context: ActorContext<Script>) => unknown;

/** The handler waits for what a script returns, if that is a promise. `stop` is the cleanup. */
export function scripted(stop?: (exit: Exit) => void | Promise<void>): Behaviour<null, Script> {
  const behaviour: Behaviour<null, Script> = {
    start: () => null,
    receive(_state, script, context) {
      const work = script(context);
      return work instanceof Promise ? work.then(() => null) : null;
    },
  };
  return stop === undefined ? behaviour : { ...behaviour, stop: (_state, exit) => stop(exit) };
}

/** An `onExit` for children whose end does not matter. */
export const unheeded = (): Script => () => {};
