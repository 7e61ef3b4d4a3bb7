/**
 * A supervisor: an actor that keeps other actors running.
 *
 * Purpose. It starts its children in the order of their specs, restarts them after back-off, and
 * ends when a child uses up its budget, so that its own supervisor may decide. The decisions are
 * made in `supervision.ts`; here they are carried out.
 *
 * Inner workings. A child's factory makes a new behaviour for each incarnation. Its reference
 * changes with each one, so whoever talks to a child is told of each new reference through
 * `onReference`, and that there is none while the child is down. The supervisor never waits in its
 * handler: it asks for a stop and goes on when the child's end is told. Children stand in the
 * runtime at the place of their spec, so that a stop of the supervisor goes in reverse order of the
 * specs, whoever was restarted last.
 *
 * Failure modes. A factory that throws is that child's crash. A child that exceeds its budget
 * crashes the supervisor with RestartIntensityError. Every restart, and every end without one, is
 * logged.
 */
import type { ActorContext, Behaviour } from '../actors/runtime.ts';
import type { ActorRef, Exit } from '../protocols/actor.ts';
import { type BackoffPolicy, checkBackoffPolicy } from '../protocols/backoff.ts';
import { RestartIntensityError } from '../protocols/errors.ts';
import {
  SUPERVISED_SHUTDOWN_MS,
  SUPERVISOR_BACKOFF_INITIAL_MS,
  SUPERVISOR_BACKOFF_MAX_MS,
  SUPERVISOR_BACKOFF_STABLE_MS,
  SUPERVISOR_RESTART_WINDOW_MS,
  SUPERVISOR_RESTARTS_MAX,
} from '../protocols/limits.ts';
import type { ChildSpec, Intensity, Strategy } from './restart.ts';
import {
  createSupervision,
  type Supervision,
  type SupervisionEffect,
  type SupervisionEvent,
  type SupervisionRules,
  supervise,
  type Verdict,
} from './supervision.ts';

/**
 * What a supervisor tells itself; the one word for others is `retire`: stop the children and end.
 */
export type SupervisorMessage = SupervisionEvent | { readonly type: 'retire' };

/** Starts a behaviour as the child it was asked for. */
type Spawn = <State, Message>(behaviour: Behaviour<State, Message>) => ActorRef<Message>;

/** A child with its spec, its types hidden: made by `child`. */
export type SupervisedChild = {
  readonly spec: ChildSpec;
  start(spawn: Spawn): ActorRef<never>;
  /** The child is down: its reference leads nowhere now. */
  lost(): void;
};

/** Describes a child: how it is restarted, and how each incarnation is made. */
export function child<State, Message>(options: {
  readonly id: string;
  readonly restart?: ChildSpec['restart'];
  readonly shutdownMs?: number;
  readonly create: () => Behaviour<State, Message>;
  /** Called with each new reference, and with undefined when the child is down. */
  readonly onReference?: (reference: ActorRef<Message> | undefined) => void;
}): SupervisedChild {
  return {
    spec: {
      id: options.id,
      restart: options.restart ?? 'permanent',
      shutdownMs: options.shutdownMs ?? SUPERVISED_SHUTDOWN_MS,
    },
    start(spawn) {
      const reference = spawn(createSafely(options.create));
      options.onReference?.(reference);
      return reference;
    },
    lost: () => options.onReference?.(undefined),
  };
}

export type SupervisorOptions = {
  /** The most basic first: started in this order, stopped in the reverse. */
  readonly children: readonly SupervisedChild[];
  readonly strategy: Strategy;
  readonly intensity?: Intensity;
  readonly backoff?: BackoffPolicy;
  /** How the children stop with the supervisor: in the reverse of their order unless given. */
  readonly stop?: 'in-reverse' | 'together';
  /**
   * What the end of a child means. Unless given, only a crash is abnormal, and every end counts.
   */
  readonly judge?: (id: string, exit: Exit) => Verdict;
};

const DEFAULT_INTENSITY: Intensity = {
  maxRestarts: SUPERVISOR_RESTARTS_MAX,
  windowMs: SUPERVISOR_RESTART_WINDOW_MS,
};

const DEFAULT_BACKOFF: BackoffPolicy = {
  initialMs: SUPERVISOR_BACKOFF_INITIAL_MS,
  maxMs: SUPERVISOR_BACKOFF_MAX_MS,
  factor: 2,
  jitter: 0.5,
  stableMs: SUPERVISOR_BACKOFF_STABLE_MS,
};

export type SupervisorState = {
  readonly supervision: Supervision;
  /** The current references, by id; the supervisor's own, changed in place. */
  readonly references: Map<string, ActorRef<never>>;
};

export function supervisor(
  options: SupervisorOptions,
): Behaviour<SupervisorState, SupervisorMessage> {
  const intensity = options.intensity ?? DEFAULT_INTENSITY;
  const backoff = checkBackoffPolicy(options.backoff ?? DEFAULT_BACKOFF);
  const judge = options.judge ?? judgeByKind;
  const step = (
    state: SupervisorState,
    event: SupervisionEvent,
    context: ActorContext<SupervisorMessage>,
  ): SupervisorState => {
    const rules: SupervisionRules = {
      strategy: options.strategy,
      intensity,
      backoff,
      judge,
      random: context.random,
    };
    const next = supervise(state.supervision, event, rules, context.clock.nowMs());
    for (const effect of next.effects) carryOut(effect, options, state, intensity, context);
    return { ...state, supervision: next.supervision };
  };
  return {
    start(context) {
      const specs = options.children.map(({ spec }) => spec);
      const supervision = createSupervision(specs, context.clock.nowMs());
      return step({ supervision, references: new Map() }, { type: 'due' }, context);
    },
    receive(state, message, context) {
      if (message.type !== 'retire') return step(state, message, context);
      context.finish('retired');
      return state;
    },
    stop(state) {
      for (const { spec } of options.children) lose(options.children, state, spec.id);
    },
  };
}

function judgeByKind(_id: string, exit: Exit): Verdict {
  return { abnormal: exit.kind === 'crashed', counts: true };
}

function lose(children: readonly SupervisedChild[], state: SupervisorState, id: string): void {
  if (!state.references.delete(id)) return;
  children.find(({ spec }) => spec.id === id)?.lost();
}

function carryOut(
  effect: SupervisionEffect,
  options: SupervisorOptions,
  state: SupervisorState,
  intensity: Intensity,
  context: ActorContext<SupervisorMessage>,
): void {
  const { children } = options;
  switch (effect.type) {
    case 'start':
      startChild(effect.id, effect.incarnation, options, state, context);
      return;
    case 'stop': {
      const reference = state.references.get(effect.id);
      lose(children, state, effect.id);
      // Its end comes as a message, which is what the supervisor goes on with.
      if (reference !== undefined) void context.stop(reference);
      return;
    }
    case 'lost':
      lose(children, state, effect.id);
      return;
    case 'wake':
      context.after('due', effect.delayMs, { type: 'due' });
      return;
    case 'note-ended':
      // How it ended is logged, but never the contents of its reason.
      context.log.info({ child: effect.id, exit: effect.exit.kind }, 'child ended');
      return;
    case 'note-restart': {
      const { id, exit, delayMs, attempts } = effect;
      context.log.warn(
        { child: id, exit: exit.kind, delayMs: Math.round(delayMs), attempts },
        'child ended and is restarted',
      );
      return;
    }
    case 'escalate': {
      const error = new RestartIntensityError(
        `${context.self.path}/${effect.id}`,
        intensity.maxRestarts,
        intensity.windowMs,
      );
      if (effect.exit.kind === 'crashed') error.cause = effect.exit.error;
      throw error;
    }
  }
}

function startChild(
  id: string,
  incarnation: number,
  { children, stop }: SupervisorOptions,
  state: SupervisorState,
  context: ActorContext<SupervisorMessage>,
): void {
  const index = children.findIndex(({ spec }) => spec.id === id);
  const child = children[index];
  if (child === undefined) return;
  const place = stop === 'together' ? 0 : index;
  const onExit = (exit: Exit): SupervisorMessage => ({ type: 'ended', id, incarnation, exit });
  const reference = child.start((behaviour) =>
    context.spawn(id, behaviour, onExit, { place, shutdownMs: child.spec.shutdownMs }),
  );
  state.references.set(id, reference);
}

/**
 * The behaviour, or one that crashes in its start if there is none: a broken factory is the child's
 * fault.
 */
function createSafely<State, Message>(
  create: () => Behaviour<State, Message>,
): Behaviour<State, Message> {
  try {
    return create();
  } catch (error) {
    return {
      start() {
        throw error;
      },
      receive: (state) => state,
    };
  }
}
